-- +goose Up
-- No foreign keys, nothing that an older binary would trip over: it goes on without tokens.

CREATE TABLE IF NOT EXISTS slotq_api_tokens (
    id UUID NOT NULL PRIMARY KEY,
    hash BYTEA NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    scopes BYTEA NOT NULL,
    queues BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS slotq_api_tokens_hash ON slotq_api_tokens (hash);
