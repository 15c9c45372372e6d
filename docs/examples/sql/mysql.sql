-- An order and its job in one transaction of your own: either both are there or none is. MySQL 8 and MariaDB.
--
-- The queue must exist (`manager queues set mail`): the INSERT takes its settings from it, and stores nothing without it,
-- so look at the number of rows. What is yours is the first line of each list; the rest stays as it is.
START TRANSACTION;

INSERT INTO orders (customer) VALUES ('ada@example.org');

INSERT INTO slotq_jobs (
    queue_id, slot, kind, payload, id,
    run_at, created_at, priority, max_attempts, max_crashes, queue_timeout_us, backoff,
    token, nonce, attempt, run, crashes, snoozes, timeout_us, expires_at, started_at, cancel_at, blocked, key_held,
    concurrency_limit, unique_key, concurrency_key, digest, tags, metadata, errors)
SELECT
    q.id, 1 + FLOOR(RAND() * q.slots), 'mail.send', JSON_OBJECT('order', LAST_INSERT_ID()), UNHEX(REPLACE(UUID(), '-', '')),
    t.now, t.now, q.priority, q.max_attempts, q.max_crashes, q.timeout_us, q.backoff,
    UNHEX(REPEAT('0', 32)), 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, '', '', '', '', '', ''
FROM slotq_queues q, (SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) AS now) t
WHERE q.name = 'mail' AND q.deleted = 0;

COMMIT;
