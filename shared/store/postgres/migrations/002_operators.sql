-- +goose Up
-- Every statement can be run twice: two processes may find an older schema at once. No foreign keys, nothing that an older
-- binary would trip over: it goes on without these tables.

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

CREATE TABLE IF NOT EXISTS slotq_actions (
    id UUID NOT NULL PRIMARY KEY,
    verb TEXT COLLATE "C" NOT NULL,
    dry_run SMALLINT NOT NULL,
    choice BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    remove_at BIGINT NOT NULL,
    step BIGINT NOT NULL,
    source SMALLINT NOT NULL,
    after_id UUID NOT NULL,
    matched BIGINT NOT NULL,
    done BIGINT NOT NULL,
    failed BIGINT NOT NULL
);

-- 0 while it is under way, so that this finds both what is to be done and what is to be removed.
CREATE INDEX IF NOT EXISTS slotq_actions_remove_at ON slotq_actions (remove_at);

-- What each process has counted: one row a process, with the number of its last report and of the last one that was taken.
CREATE TABLE IF NOT EXISTS slotq_counters (
    process BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    taken BIGINT NOT NULL,
    written_at BIGINT NOT NULL,
    data BYTEA NOT NULL
);

-- The minutes (span 60) and hours (span 3600) of each queue, as JSON.
CREATE TABLE IF NOT EXISTS slotq_stats (
    queue_id INT NOT NULL,
    span INT NOT NULL,
    began_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (queue_id, span, began_at)
);

CREATE INDEX IF NOT EXISTS slotq_stats_began_at ON slotq_stats (span, began_at);
