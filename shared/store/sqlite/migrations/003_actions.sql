-- +goose Up
-- Every statement can be run twice: two processes may find an old schema at once.

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
