-- +goose Up
-- What an INSERT may leave out: most jobs have nothing else there. An older binary goes on naming every column.

ALTER TABLE slotq_jobs
    ALTER COLUMN token SET DEFAULT '00000000-0000-0000-0000-000000000000',
    ALTER COLUMN cancel_at SET DEFAULT 0,
    ALTER COLUMN attempt SET DEFAULT 1,
    ALTER COLUMN run SET DEFAULT 0,
    ALTER COLUMN crashes SET DEFAULT 0,
    ALTER COLUMN snoozes SET DEFAULT 0,
    ALTER COLUMN expires_at SET DEFAULT 0,
    ALTER COLUMN unique_key SET DEFAULT '',
    ALTER COLUMN concurrency_key SET DEFAULT '',
    ALTER COLUMN concurrency_limit SET DEFAULT 0,
    ALTER COLUMN started_at SET DEFAULT 0,
    ALTER COLUMN digest SET DEFAULT '',
    ALTER COLUMN backoff SET DEFAULT '',
    ALTER COLUMN blocked SET DEFAULT 0,
    ALTER COLUMN key_held SET DEFAULT 0;
