-- +goose Up
-- Every statement can be run twice: two processes may find an old schema at once. remove_at is 0 while an action is under
-- way, so that its index finds both what is to be done and what is to be removed.

CREATE TABLE IF NOT EXISTS slotq_actions (
    id BINARY(16) NOT NULL PRIMARY KEY,
    verb VARBINARY(16) NOT NULL,
    dry_run SMALLINT NOT NULL,
    choice MEDIUMBLOB NOT NULL,
    digest VARBINARY(16) NOT NULL,
    created_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    remove_at BIGINT NOT NULL,
    step BIGINT NOT NULL,
    source SMALLINT NOT NULL,
    after_id BINARY(16) NOT NULL,
    matched BIGINT NOT NULL,
    done BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    KEY slotq_actions_remove_at (remove_at)
) ENGINE=InnoDB;
