-- +goose Up
-- Every statement can be run twice: two processes may find an empty database at once.

CREATE TABLE IF NOT EXISTS slotq_queues (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    slots INTEGER NOT NULL,
    key_slots INTEGER NOT NULL,
    lifo INTEGER NOT NULL,
    paused INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    max_crashes INTEGER NOT NULL,
    timeout_us INTEGER NOT NULL,
    backoff BLOB NOT NULL,
    keep_completed_us INTEGER NOT NULL,
    keep_discarded_us INTEGER NOT NULL,
    keep_cancelled_us INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS slotq_slots (
    queue_id INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    paused INTEGER NOT NULL,
    PRIMARY KEY (queue_id, slot)
) WITHOUT ROWID;

-- Unfinished jobs only: reads past deleted rows are what slows queue tables down.
CREATE TABLE IF NOT EXISTS slotq_jobs (
    queue_id INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    id BLOB NOT NULL,
    token BLOB NOT NULL,
    cancel_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    run INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    max_crashes INTEGER NOT NULL,
    snoozes INTEGER NOT NULL,
    timeout_us INTEGER NOT NULL,
    queue_timeout_us INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    nonce INTEGER NOT NULL,
    key_held INTEGER NOT NULL,
    concurrency_limit INTEGER NOT NULL,
    unique_key TEXT NOT NULL,
    concurrency_key TEXT NOT NULL,
    digest BLOB NOT NULL,
    backoff BLOB NOT NULL,
    tags BLOB NOT NULL,
    metadata BLOB NOT NULL,
    errors BLOB NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (queue_id, slot, blocked, priority, run_at, id)
) WITHOUT ROWID;

CREATE UNIQUE INDEX IF NOT EXISTS slotq_jobs_id ON slotq_jobs (id);

CREATE TABLE IF NOT EXISTS slotq_claims (
    worker_id INTEGER NOT NULL,
    token BLOB NOT NULL,
    queue_id INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    claimed_at INTEGER NOT NULL,
    suspect INTEGER NOT NULL,
    ids BLOB NOT NULL,
    PRIMARY KEY (worker_id, token)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS slotq_history (
    state INTEGER NOT NULL,
    id BLOB NOT NULL,
    queue_id INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    token BLOB NOT NULL,
    cancel_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    run INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    max_crashes INTEGER NOT NULL,
    snoozes INTEGER NOT NULL,
    timeout_us INTEGER NOT NULL,
    queue_timeout_us INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    remove_at INTEGER NOT NULL,
    stub INTEGER NOT NULL,
    concurrency_limit INTEGER NOT NULL,
    state_reason TEXT NOT NULL,
    unique_key TEXT NOT NULL,
    concurrency_key TEXT NOT NULL,
    digest BLOB NOT NULL,
    backoff BLOB NOT NULL,
    tags BLOB NOT NULL,
    metadata BLOB NOT NULL,
    errors BLOB NOT NULL,
    payload BLOB NOT NULL,
    output BLOB NOT NULL,
    PRIMARY KEY (state, id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS slotq_history_remove_at ON slotq_history (remove_at);

CREATE TABLE IF NOT EXISTS slotq_workers (
    id INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    beat INTEGER NOT NULL,
    dead INTEGER NOT NULL,
    quiet INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    lease_us INTEGER NOT NULL,
    concurrency INTEGER NOT NULL,
    running INTEGER NOT NULL,
    queues BLOB NOT NULL,
    slots BLOB NOT NULL,
    kinds BLOB NOT NULL,
    nudge TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    beat_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS slotq_keyed (
    queue_id INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    concurrency_key TEXT NOT NULL,
    waiting INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    id BLOB NOT NULL,
    concurrency_limit INTEGER NOT NULL,
    PRIMARY KEY (queue_id, slot, concurrency_key, waiting, created_at, id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS slotq_unique_keys (
    queue_id INTEGER NOT NULL,
    unique_key TEXT NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (queue_id, unique_key)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS slotq_idempotency_keys (
    idempotency_key TEXT NOT NULL PRIMARY KEY,
    id BLOB NOT NULL,
    digest BLOB NOT NULL,
    remove_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS slotq_idempotency_keys_remove_at ON slotq_idempotency_keys (remove_at);

CREATE TABLE IF NOT EXISTS slotq_expiries (
    expires_at INTEGER NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (expires_at, id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS slotq_turns (
    loop_name TEXT NOT NULL PRIMARY KEY,
    next_at INTEGER NOT NULL,
    holder INTEGER NOT NULL
) WITHOUT ROWID;
