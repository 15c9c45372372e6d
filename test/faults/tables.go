package main

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	_ "modernc.org/sqlite" // a way to the file past slotq

	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/test/e2e/system"
)

// What the tables of a row's database hold, seen past slotq.

// open opens a way to the row's database past slotq.
func (x *running) open() *sql.DB {
	var db *sql.DB
	var err error
	if path, embedded := strings.CutPrefix(x.db.url, "sqlite:"); embedded {
		db, err = sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	} else {
		db, err = dbserver.Open(x.db.url)
	}
	if err != nil {
		x.Fatal(err)
	}
	x.Cleanup(func() { _ = db.Close() })
	return db
}

// number asks for one; the row is broken when there is no answer.
func (x *running) number(db *sql.DB, question string) (n int) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := db.QueryRowContext(ctx, question).Scan(&n); err != nil {
		x.Errorf("%s: %w", question, err)
	}
	return n
}

// passing are the tables whose rows go when their job ends. History and Idempotency-Keys stay for the time that users
// chose, and workers until a manager has seen them dead.
var passing = []string{"slotq_jobs", "slotq_claims", "slotq_keyed", "slotq_unique_keys", "slotq_expiries"}

// left counts the rows of the passing tables.
func left(ctx context.Context, db *sql.DB) (rows int, which string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, table := range passing {
		var n int
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
			return 0, "", fmt.Errorf("count %s: %w", table, err)
		}
		if n > 0 {
			which += fmt.Sprintf(" %s %d", table, n)
		}
		rows += n
	}
	return rows, which, nil
}

// leftLimit is how long after the last job's end a claim that is already empty, or the place of a key, may still be there.
const leftLimit = 2*sweep + 5*time.Second

// workersGone is more than a manager takes to notice a death and then to prune.
const workersGone = 30 * time.Second

// nothingLeft says that jobs that have ended left nothing behind: what stays for every job makes a queue slower each day.
func (x *running) nothingLeft(ctx context.Context, finals int) {
	db := x.open()
	err := system.Await(ctx, leftLimit+x.slack, func() error {
		rows, which, err := left(ctx, db)
		if err == nil && rows > 0 {
			err = fmt.Errorf("all jobs have ended, and there is still:%s", which)
		}
		return err
	})
	if err != nil {
		x.Errorf("%w", err)
	}
	workers := len(x.fleet.of(worker, goworker))
	err = system.Await(ctx, lease+workersGone, func() error {
		if n := x.number(db, "SELECT COUNT(*) FROM slotq_workers"); n > workers {
			return fmt.Errorf("slotq_workers holds %d rows for %d workers", n, workers)
		}
		return nil
	})
	if err != nil {
		x.Errorf("%w", err)
	}
	if n := x.number(db, "SELECT COUNT(*) FROM slotq_history"); n != finals {
		x.Errorf("history holds %d jobs, the api lists %d", n, finals)
	}
}
