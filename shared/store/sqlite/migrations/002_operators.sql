-- +goose Up
-- Every statement can be run twice: two processes may find an older schema at once. No foreign keys, nothing that an older
-- binary would trip over: it goes on without these tables.

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

CREATE TABLE IF NOT EXISTS slotq_actions (
    id BLOB NOT NULL PRIMARY KEY,
    verb TEXT NOT NULL,
    dry_run INTEGER NOT NULL,
    choice BLOB NOT NULL,
    digest BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    remove_at INTEGER NOT NULL,
    step INTEGER NOT NULL,
    source INTEGER NOT NULL,
    after_id BLOB NOT NULL,
    matched INTEGER NOT NULL,
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL
) WITHOUT ROWID;

-- 0 while it is under way, so that this finds both what is to be done and what is to be removed.
CREATE INDEX IF NOT EXISTS slotq_actions_remove_at ON slotq_actions (remove_at);

-- What each process has counted: one row a process, with the number of its last report and of the last one that was taken.
CREATE TABLE IF NOT EXISTS slotq_counters (
    process INTEGER NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL,
    taken INTEGER NOT NULL,
    written_at INTEGER NOT NULL,
    data BLOB NOT NULL
) WITHOUT ROWID;

-- The minutes (span 60) and hours (span 3600) of each queue, as JSON.
CREATE TABLE IF NOT EXISTS slotq_stats (
    queue_id INTEGER NOT NULL,
    span INTEGER NOT NULL,
    began_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (queue_id, span, began_at)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS slotq_stats_began_at ON slotq_stats (span, began_at);
