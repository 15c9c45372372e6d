package main

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
)

// commits measures one small transaction after the other, each of which waits for the disk: what no durable queue on the same
// database can be faster than.
func commits(ctx context.Context, db database) (outcome, error) {
	d, err := db.plain()
	if err != nil {
		return outcome{}, err
	}
	defer d.Close()
	d.SetMaxOpenConns(1)
	for _, statement := range []string{"CREATE TABLE committed (n INT)", "INSERT INTO committed VALUES (0)"} {
		if _, err := d.ExecContext(ctx, statement); err != nil {
			return outcome{}, err
		}
	}
	var took []int64
	for range 1000 {
		start := time.Now()
		if _, err := d.ExecContext(ctx, "UPDATE committed SET n = n + 1"); err != nil {
			return outcome{}, err
		}
		took = append(took, time.Since(start).Microseconds())
	}
	return percentiles(milliseconds(took)), nil
}

// plain opens the database with nothing of slotq in between, at full durability.
func (db database) plain() (*sql.DB, error) {
	if db.name == "sqlite" {
		return sql.Open("sqlite", "file:"+strings.TrimPrefix(db.url, "sqlite:")+"?_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	}
	return dbserver.Open(db.url)
}
