-- +goose Up
-- Every statement can be run twice: two processes may find an old schema at once.

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
