package main

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/test/bench/bare"
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

// mostClaims bounds what bareClaims fills the queue with.
const mostClaims = 3000

// bareClaims measures the protocol's claim of one job, its statements alone, at the pace at which jobs arrive: what a job waits
// for at the least, whoever claims it and however soon it is told.
func bareClaims(ctx context.Context, db database, rate float64, n int) (outcome, error) {
	st, err := db.open(ctx)
	if err != nil {
		return outcome{}, err
	}
	defer st.Close()
	q, err := fill(ctx, st, "latency", "latency", n, nil)
	if err != nil {
		return outcome{}, err
	}
	if err := db.analyze(ctx); err != nil {
		return outcome{}, err
	}
	b, err := bare.On(ctx, db.url)
	if err != nil {
		return outcome{}, err
	}
	defer b.Close()
	var took []int64
	worker := job.NewWorkerID()
	for slot := 1; len(took) < n; slot = slot%q.Slots + 1 {
		time.Sleep(time.Duration(rand.ExpFloat64() / rate * float64(time.Second)))
		start := time.Now()
		c, err := b.Claim(ctx, q.ID, slot, worker, 1)
		if err != nil {
			return outcome{}, err
		}
		if len(c.IDs) > 0 { // a slot may be empty before the others
			took = append(took, time.Since(start).Microseconds())
		}
	}
	return percentiles(milliseconds(took)), nil
}

// plain opens the database with nothing of slotq in between, at full durability.
func (db database) plain() (*sql.DB, error) {
	if db.name == "sqlite" {
		return bare.SQLite(db.url)
	}
	return dbserver.Open(db.url)
}
