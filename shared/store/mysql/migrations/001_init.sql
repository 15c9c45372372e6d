-- +goose Up
-- Every statement can be run twice: two processes may find an empty database at once.

CREATE TABLE IF NOT EXISTS slotq_queues (
    id INT NOT NULL PRIMARY KEY,
    name VARBINARY(128) NOT NULL UNIQUE,
    slots INT NOT NULL,
    key_slots INT NOT NULL,
    lifo SMALLINT NOT NULL,
    paused SMALLINT NOT NULL,
    deleted SMALLINT NOT NULL,
    priority SMALLINT NOT NULL,
    max_attempts INT NOT NULL,
    max_crashes INT NOT NULL,
    timeout_us BIGINT NOT NULL,
    backoff VARBINARY(4096) NOT NULL,
    keep_completed_us BIGINT NOT NULL,
    keep_discarded_us BIGINT NOT NULL,
    keep_cancelled_us BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL DEFAULT 0
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS slotq_slots (
    queue_id INT NOT NULL,
    slot SMALLINT NOT NULL,
    epoch BIGINT NOT NULL,
    paused SMALLINT NOT NULL,
    PRIMARY KEY (queue_id, slot)
) ENGINE=InnoDB;

-- Unfinished jobs only: reads past deleted rows are what slows queue tables down.
CREATE TABLE IF NOT EXISTS slotq_jobs (
    queue_id INT NOT NULL,
    slot SMALLINT NOT NULL,
    blocked SMALLINT NOT NULL,
    priority SMALLINT NOT NULL,
    run_at BIGINT NOT NULL,
    id BINARY(16) NOT NULL,
    token BINARY(16) NOT NULL,
    cancel_at BIGINT NOT NULL,
    kind VARBINARY(128) NOT NULL,
    attempt INT NOT NULL,
    max_attempts INT NOT NULL,
    run INT NOT NULL,
    crashes INT NOT NULL,
    max_crashes INT NOT NULL,
    snoozes INT NOT NULL,
    timeout_us BIGINT NOT NULL,
    queue_timeout_us BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    nonce BIGINT NOT NULL,
    key_held SMALLINT NOT NULL,
    concurrency_limit INT NOT NULL,
    unique_key VARBINARY(255) NOT NULL,
    concurrency_key VARBINARY(255) NOT NULL,
    digest VARBINARY(16) NOT NULL,
    backoff VARBINARY(4096) NOT NULL,
    tags MEDIUMBLOB NOT NULL,
    metadata MEDIUMBLOB NOT NULL,
    errors MEDIUMBLOB NOT NULL,
    payload LONGBLOB NOT NULL,
    PRIMARY KEY (queue_id, slot, blocked, priority, run_at, id),
    UNIQUE KEY slotq_jobs_id (id)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS slotq_claims (
    worker_id BIGINT NOT NULL,
    token BINARY(16) NOT NULL,
    queue_id INT NOT NULL,
    slot SMALLINT NOT NULL,
    claimed_at BIGINT NOT NULL,
    suspect SMALLINT NOT NULL,
    ids MEDIUMBLOB NOT NULL,
    PRIMARY KEY (worker_id, token)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS slotq_history (
    state SMALLINT NOT NULL,
    id BINARY(16) NOT NULL,
    queue_id INT NOT NULL,
    slot SMALLINT NOT NULL,
    priority SMALLINT NOT NULL,
    run_at BIGINT NOT NULL,
    token BINARY(16) NOT NULL,
    cancel_at BIGINT NOT NULL,
    kind VARBINARY(128) NOT NULL,
    attempt INT NOT NULL,
    max_attempts INT NOT NULL,
    run INT NOT NULL,
    crashes INT NOT NULL,
    max_crashes INT NOT NULL,
    snoozes INT NOT NULL,
    timeout_us BIGINT NOT NULL,
    queue_timeout_us BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    remove_at BIGINT NOT NULL,
    stub SMALLINT NOT NULL,
    concurrency_limit INT NOT NULL,
    state_reason VARBINARY(255) NOT NULL,
    unique_key VARBINARY(255) NOT NULL,
    concurrency_key VARBINARY(255) NOT NULL,
    digest VARBINARY(16) NOT NULL,
    backoff VARBINARY(4096) NOT NULL,
    tags MEDIUMBLOB NOT NULL,
    metadata MEDIUMBLOB NOT NULL,
    errors MEDIUMBLOB NOT NULL,
    payload LONGBLOB NOT NULL,
    output MEDIUMBLOB NOT NULL,
    PRIMARY KEY (state, id),
    KEY slotq_history_remove_at (remove_at)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS slotq_workers (
    id BIGINT NOT NULL PRIMARY KEY,
    name VARBINARY(255) NOT NULL,
    beat BIGINT NOT NULL,
    dead SMALLINT NOT NULL,
    quiet SMALLINT NOT NULL,
    stop SMALLINT NOT NULL,
    lease_us BIGINT NOT NULL,
    concurrency INT NOT NULL,
    running INT NOT NULL,
    queues MEDIUMBLOB NOT NULL,
    slots MEDIUMBLOB NOT NULL,
    kinds MEDIUMBLOB NOT NULL,
    nudge VARBINARY(255) NOT NULL,
    started_at BIGINT NOT NULL,
    beat_at BIGINT NOT NULL
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS slotq_keyed (
    queue_id INT NOT NULL,
    slot SMALLINT NOT NULL,
    concurrency_key VARBINARY(255) NOT NULL,
    waiting SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    id BINARY(16) NOT NULL,
    concurrency_limit INT NOT NULL,
    PRIMARY KEY (queue_id, slot, concurrency_key, waiting, created_at, id)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS slotq_unique_keys (
    queue_id INT NOT NULL,
    unique_key VARBINARY(255) NOT NULL,
    id BINARY(16) NOT NULL,
    PRIMARY KEY (queue_id, unique_key)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS slotq_idempotency_keys (
    idempotency_key VARBINARY(255) NOT NULL PRIMARY KEY,
    id BINARY(16) NOT NULL,
    digest VARBINARY(16) NOT NULL,
    remove_at BIGINT NOT NULL,
    KEY slotq_idempotency_keys_remove_at (remove_at)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS slotq_expiries (
    expires_at BIGINT NOT NULL,
    id BINARY(16) NOT NULL,
    PRIMARY KEY (expires_at, id)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS slotq_turns (
    loop_name VARBINARY(255) NOT NULL PRIMARY KEY,
    next_at BIGINT NOT NULL,
    holder BIGINT NOT NULL
) ENGINE=InnoDB;
