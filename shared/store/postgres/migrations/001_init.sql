-- +goose Up
-- Every statement can be run twice: two processes may find an empty database at once.

CREATE TABLE IF NOT EXISTS slotq_queues (
    id INT NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    slots INTEGER NOT NULL,
    key_slots INTEGER NOT NULL,
    lifo SMALLINT NOT NULL,
    paused SMALLINT NOT NULL,
    deleted SMALLINT NOT NULL,
    priority SMALLINT NOT NULL,
    max_attempts INTEGER NOT NULL,
    max_crashes INTEGER NOT NULL,
    timeout_us BIGINT NOT NULL,
    backoff BYTEA NOT NULL,
    keep_completed_us BIGINT NOT NULL,
    keep_discarded_us BIGINT NOT NULL,
    keep_cancelled_us BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS slotq_slots (
    queue_id INTEGER NOT NULL,
    slot SMALLINT NOT NULL,
    epoch BIGINT NOT NULL,
    paused SMALLINT NOT NULL,
    PRIMARY KEY (queue_id, slot)
);

-- Unfinished jobs only: reads past deleted rows are what slows queue tables down.
CREATE TABLE IF NOT EXISTS slotq_jobs (
    queue_id INTEGER NOT NULL,
    slot SMALLINT NOT NULL,
    blocked SMALLINT NOT NULL,
    priority SMALLINT NOT NULL,
    run_at BIGINT NOT NULL,
    id UUID NOT NULL,
    token UUID NOT NULL,
    cancel_at BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    run INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    max_crashes INTEGER NOT NULL,
    snoozes INTEGER NOT NULL,
    timeout_us BIGINT NOT NULL,
    queue_timeout_us BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    nonce BIGINT NOT NULL,
    key_held SMALLINT NOT NULL,
    concurrency_limit INTEGER NOT NULL,
    unique_key TEXT COLLATE "C" NOT NULL,
    concurrency_key TEXT COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL,
    backoff BYTEA NOT NULL,
    tags BYTEA NOT NULL,
    metadata BYTEA NOT NULL,
    errors BYTEA NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (queue_id, slot, blocked, priority, run_at, id)
);

CREATE UNIQUE INDEX IF NOT EXISTS slotq_jobs_id ON slotq_jobs (id);

CREATE TABLE IF NOT EXISTS slotq_claims (
    worker_id BIGINT NOT NULL,
    token UUID NOT NULL,
    queue_id INTEGER NOT NULL,
    slot SMALLINT NOT NULL,
    claimed_at BIGINT NOT NULL,
    suspect SMALLINT NOT NULL,
    ids BYTEA NOT NULL,
    PRIMARY KEY (worker_id, token)
);

-- Ids hardly shrink, and trying costs as much as writing them.
ALTER TABLE slotq_claims ALTER COLUMN ids SET STORAGE EXTERNAL;

CREATE TABLE IF NOT EXISTS slotq_history (
    state SMALLINT NOT NULL,
    id UUID NOT NULL,
    queue_id INTEGER NOT NULL,
    slot SMALLINT NOT NULL,
    priority SMALLINT NOT NULL,
    run_at BIGINT NOT NULL,
    token UUID NOT NULL,
    cancel_at BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    run INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    max_crashes INTEGER NOT NULL,
    snoozes INTEGER NOT NULL,
    timeout_us BIGINT NOT NULL,
    queue_timeout_us BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    remove_at BIGINT NOT NULL,
    stub SMALLINT NOT NULL,
    concurrency_limit INTEGER NOT NULL,
    state_reason TEXT COLLATE "C" NOT NULL,
    unique_key TEXT COLLATE "C" NOT NULL,
    concurrency_key TEXT COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL,
    backoff BYTEA NOT NULL,
    tags BYTEA NOT NULL,
    metadata BYTEA NOT NULL,
    errors BYTEA NOT NULL,
    payload BYTEA NOT NULL,
    output BYTEA NOT NULL,
    PRIMARY KEY (state, id)
);

CREATE INDEX IF NOT EXISTS slotq_history_remove_at ON slotq_history (remove_at);

CREATE TABLE IF NOT EXISTS slotq_workers (
    id BIGINT NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    beat BIGINT NOT NULL,
    dead SMALLINT NOT NULL,
    quiet SMALLINT NOT NULL,
    stop SMALLINT NOT NULL,
    lease_us BIGINT NOT NULL,
    concurrency INTEGER NOT NULL,
    running INTEGER NOT NULL,
    queues BYTEA NOT NULL,
    slots BYTEA NOT NULL,
    kinds BYTEA NOT NULL,
    nudge TEXT COLLATE "C" NOT NULL,
    started_at BIGINT NOT NULL,
    beat_at BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS slotq_keyed (
    queue_id INTEGER NOT NULL,
    slot SMALLINT NOT NULL,
    concurrency_key TEXT COLLATE "C" NOT NULL,
    waiting SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    id UUID NOT NULL,
    concurrency_limit INTEGER NOT NULL,
    PRIMARY KEY (queue_id, slot, concurrency_key, waiting, created_at, id)
);

CREATE TABLE IF NOT EXISTS slotq_unique_keys (
    queue_id INTEGER NOT NULL,
    unique_key TEXT COLLATE "C" NOT NULL,
    id UUID NOT NULL,
    PRIMARY KEY (queue_id, unique_key)
);

CREATE TABLE IF NOT EXISTS slotq_idempotency_keys (
    idempotency_key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    id UUID NOT NULL,
    digest BYTEA NOT NULL,
    remove_at BIGINT NOT NULL
);

CREATE INDEX IF NOT EXISTS slotq_idempotency_keys_remove_at ON slotq_idempotency_keys (remove_at);

CREATE TABLE IF NOT EXISTS slotq_expiries (
    expires_at BIGINT NOT NULL,
    id UUID NOT NULL,
    PRIMARY KEY (expires_at, id)
);

CREATE TABLE IF NOT EXISTS slotq_turns (
    loop_name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    next_at BIGINT NOT NULL,
    holder BIGINT NOT NULL
);
