-- An order and its job in one transaction of your own: either both are there or none is. SQLite 3.38 or newer.
--
-- The queue must exist (`manager queues set mail`): the INSERT takes its settings from it, and stores nothing without it,
-- so look at the number of rows. What is yours is the first line of each list; the rest stays as it is.
BEGIN IMMEDIATE;

INSERT INTO orders (customer) VALUES ('ada@example.org');

INSERT INTO slotq_jobs (
    queue_id, slot, kind, payload, id,
    run_at, created_at, priority, max_attempts, max_crashes, queue_timeout_us, backoff,
    token, nonce, attempt, run, crashes, snoozes, timeout_us, expires_at, started_at, cancel_at, blocked, key_held,
    concurrency_limit, unique_key, concurrency_key, digest, tags, metadata, errors)
SELECT
    q.id, 1 + abs(random() % q.slots), 'mail.send', CAST(json_object('order', last_insert_rowid()) AS BLOB), randomblob(16),
    t.now, t.now, q.priority, q.max_attempts, q.max_crashes, q.timeout_us, q.backoff,
    zeroblob(16), 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, '', '', x'', x'', x'', x''
FROM slotq_queues q, (SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) AS now) t
WHERE q.name = 'mail' AND q.deleted = 0;

COMMIT;
