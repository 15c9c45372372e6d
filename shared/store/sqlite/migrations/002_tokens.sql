-- +goose Up
-- No foreign keys, nothing that an older binary would trip over: it goes on without tokens.

CREATE TABLE IF NOT EXISTS slotq_api_tokens (
    id BLOB NOT NULL PRIMARY KEY,
    hash BLOB NOT NULL,
    name TEXT NOT NULL,
    scopes BLOB NOT NULL,
    queues BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE UNIQUE INDEX IF NOT EXISTS slotq_api_tokens_hash ON slotq_api_tokens (hash);
