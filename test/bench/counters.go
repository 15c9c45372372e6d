package main

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/slotq/slotq/shared/store/dbserver"
)

// counted is what a server has counted since it started.
type counted struct {
	queries float64
	log     float64 // bytes of its log, which a commit waits for
	fsyncs  float64
}

func (c counted) minus(d counted) counted {
	return counted{c.queries - d.queries, c.log - d.log, c.fsyncs - d.fsyncs}
}

// counters reads a server's own counters. SQLite has none.
type counters struct {
	db      *sql.DB
	queries string // what is counted as queries; PostgreSQL counts no statements without an extension
	mysql   bool
}

func count(_ context.Context, db database) (*counters, error) {
	if db.pid == 0 {
		return &counters{}, nil
	}
	d, err := dbserver.Open(db.url)
	if err != nil {
		return nil, err
	}
	if db.name == "postgres" {
		return &counters{db: d, queries: "transactions"}, nil
	}
	return &counters{db: d, queries: "statements", mysql: true}, nil
}

func (c *counters) close() error {
	if c.db == nil {
		return nil
	}
	return c.db.Close()
}

func (c *counters) read(ctx context.Context) (n counted, err error) {
	switch {
	case c.db == nil:
		return n, nil
	case c.mysql:
		return c.readMySQL(ctx)
	}
	// A backend reports what it did at most once a second and when it goes idle: the loops of a test wait longer.
	err = c.db.QueryRowContext(ctx, `SELECT xact_commit + xact_rollback, wal_bytes, wal_sync FROM pg_stat_wal, pg_stat_database
		WHERE datname = current_database()`).Scan(&n.queries, &n.log, &n.fsyncs)
	n.queries-- // this one
	return n, err
}

func (c *counters) readMySQL(ctx context.Context) (n counted, err error) {
	rows, err := c.db.QueryContext(ctx, `SHOW GLOBAL STATUS WHERE Variable_name IN
		('Questions', 'Innodb_os_log_written', 'Innodb_data_fsyncs', 'Innodb_os_log_fsyncs')`)
	if err != nil {
		return n, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var value float64
		if err := rows.Scan(&name, &value); err != nil {
			return n, fmt.Errorf("read the server's counters: %w", err)
		}
		switch name {
		case "Questions":
			n.queries = value
		case "Innodb_os_log_written":
			n.log = value
		default:
			n.fsyncs += value
		}
	}
	return n, rows.Err()
}
