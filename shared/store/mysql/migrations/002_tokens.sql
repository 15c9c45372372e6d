-- +goose Up
-- No foreign keys, nothing that an older binary would trip over: it goes on without tokens.

CREATE TABLE IF NOT EXISTS slotq_api_tokens (
    id BINARY(16) NOT NULL PRIMARY KEY,
    hash VARBINARY(32) NOT NULL,
    name VARBINARY(255) NOT NULL,
    scopes MEDIUMBLOB NOT NULL,
    queues MEDIUMBLOB NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL,
    UNIQUE KEY slotq_api_tokens_hash (hash)
) ENGINE=InnoDB;
