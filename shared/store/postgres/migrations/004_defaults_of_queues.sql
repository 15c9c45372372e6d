-- +goose Up
-- More that an INSERT may leave out: what a queue with its first settings gives its jobs, and what most jobs do not have. These stay
-- as they are when the product's own defaults change: an INSERT leaves out what is equal to them.

ALTER TABLE slotq_jobs
    ALTER COLUMN priority SET DEFAULT 2,
    ALTER COLUMN max_attempts SET DEFAULT 25,
    ALTER COLUMN max_crashes SET DEFAULT 5,
    ALTER COLUMN timeout_us SET DEFAULT 0,
    ALTER COLUMN queue_timeout_us SET DEFAULT 60000000,
    ALTER COLUMN tags SET DEFAULT '',
    ALTER COLUMN metadata SET DEFAULT '',
    ALTER COLUMN errors SET DEFAULT '';
