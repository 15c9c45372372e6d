-- +goose Up
-- Every statement can be run twice: two processes may find an empty database at once.

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
