-- +goose Up
-- Every statement can be run twice: two processes may find an empty database at once.

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
