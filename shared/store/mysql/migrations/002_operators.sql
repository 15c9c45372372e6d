-- +goose Up
-- Every statement can be run twice: two processes may find an older schema at once. No foreign keys, nothing that an older
-- binary would trip over: it goes on without these tables.

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

-- remove_at is 0 while an action is under way, so that its index finds both what is to be done and what is to be removed.

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

-- What each process has counted: one row a process, with the number of its last report and of the last one that was taken.
CREATE TABLE IF NOT EXISTS slotq_counters (
    process BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    taken BIGINT NOT NULL,
    written_at BIGINT NOT NULL,
    data MEDIUMBLOB NOT NULL
) ENGINE=InnoDB;

-- The minutes (span 60) and hours (span 3600) of each queue, as JSON.
CREATE TABLE IF NOT EXISTS slotq_stats (
    queue_id INT NOT NULL,
    span INT NOT NULL,
    began_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    data MEDIUMBLOB NOT NULL,
    PRIMARY KEY (queue_id, span, began_at),
    KEY slotq_stats_began_at (span, began_at)
) ENGINE=InnoDB;
