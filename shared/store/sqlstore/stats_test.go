package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/sqlstore"
)

// dyingEngine is the database of a process that dies: after a number of steps every call fails. The COMMIT that is the
// last step takes effect.
type dyingEngine struct {
	sqlstore.Engine
	left *int
	seen *[]string
}

var errDied = errors.New("the process has died")

func (e dyingEngine) step(what string) error {
	if *e.left == 0 {
		return errDied
	}
	*e.left--
	*e.seen = append(*e.seen, what)
	return nil
}

func (e dyingEngine) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	if err := e.step(query); err != nil {
		return nil, err
	}
	return e.Engine.Query(ctx, query, args...)
}

func (e dyingEngine) Begin(ctx context.Context) (sqlstore.Tx, error) {
	if err := e.step("BEGIN"); err != nil {
		return nil, err
	}
	tx, err := e.Engine.Begin(ctx)
	return dyingTx{tx, e}, err
}

type dyingTx struct {
	sqlstore.Tx
	e dyingEngine
}

func (t dyingTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := t.e.step(query); err != nil {
		return 0, err
	}
	return t.Tx.Exec(ctx, query, args...)
}

func (t dyingTx) ExecMany(ctx context.Context, query string, args [][]any) ([]int64, error) {
	if err := t.e.step(query); err != nil {
		return nil, err
	}
	return t.Tx.ExecMany(ctx, query, args)
}

func (t dyingTx) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	if err := t.e.step(query); err != nil {
		return nil, err
	}
	return t.Tx.Query(ctx, query, args...)
}

func (t dyingTx) Insert(ctx context.Context, table string, columns []string, rows [][]any, quiet bool) error {
	if err := t.e.step("INSERT INTO " + table); err != nil {
		return err
	}
	return t.Tx.Insert(ctx, table, columns, rows, quiet)
}

func (t dyingTx) Commit(ctx context.Context) error {
	if err := t.e.step("COMMIT"); err != nil {
		return err
	}
	return t.Tx.Commit(ctx)
}

// statsBench is a database of stats, and a process that reports.
type statsBench struct {
	*testing.T
	store *sqlstore.Store
	open  func() *sqlstore.Store
	now   job.Time
}

func newStatsBench(t *testing.T) *statsBench {
	b := &statsBench{T: t, now: job.TimeOf(time.Date(2041, 5, 1, 12, 30, 0, 0, time.UTC))}
	b.store, b.open = fresh(t)
	return b
}

// report is a new process's that has enqueued n jobs.
func (b *statsBench) report(queue int32, n int64) {
	b.Helper()
	st := job.Stats{StatsKey: job.StatsKey{QueueID: queue, Span: job.Minute, At: job.Minute.Begin(b.now)}}
	st.Enqueued = n
	r := job.StatsReport{Process: job.NewWorkerID(), Parts: []job.StatsPart{{Seq: 1, Stats: []job.Stats{st}}}, Now: b.now}
	if _, err := b.store.ReportStats(b.Context(), r); err != nil {
		b.Fatal(err)
	}
}

func (b *statsBench) fold(s *sqlstore.Store) error {
	_, err := s.FoldStats(b.Context(), 10, b.now)
	return err
}

// enqueued is what is kept, by queue (counted from the first one) and span.
func (b *statsBench) enqueued(first int32) map[string]int64 {
	b.Helper()
	list, err := b.store.ListStats(b.Context(), []int32{first, first + 1}, b.now)
	if err != nil {
		b.Fatal(err)
	}
	got := map[string]int64{}
	for _, st := range list {
		got[fmt.Sprint(st.QueueID-first, " ", st.Span)] += st.Enqueued
	}
	return got
}

// TestAManagerThatDiesBetweenAnyTwoStepsOfAFoldCountsNothingTwice lets a manager die before each of its steps in turn,
// with rows to make and to add to, and another one fold after it.
func TestAManagerThatDiesBetweenAnyTwoStepsOfAFoldCountsNothingTwice(t *testing.T) {
	b := newStatsBench(t)
	var seen []string
	ended := false
	for steps := 0; !ended && steps < 50; steps++ {
		queue := int32(10 * (steps + 1))
		b.report(queue, 1)
		if err := b.fold(b.store); err != nil {
			t.Fatal(err)
		}
		b.report(queue, 2)   // for a row that is there
		b.report(queue+1, 4) // for one that is not
		left := steps
		seen = nil
		dying := b.open()
		dying.Wrap(func(e sqlstore.Engine) sqlstore.Engine { return dyingEngine{e, &left, &seen} })
		err := b.fold(dying)
		if err != nil && !strings.Contains(err.Error(), errDied.Error()) {
			t.Fatal(err)
		}
		ended = err == nil
		if err := b.fold(b.store); err != nil {
			t.Fatal(err)
		}
		got := b.enqueued(queue)
		for key, want := range map[string]int64{"0 60": 3, "0 3600": 3, "1 60": 4, "1 3600": 4} {
			if got[key] != want {
				t.Errorf("dead after %q: queue and span %s have %d, want %d", seen, key, got[key], want)
			}
		}
	}
	if !ended || len(seen) < 8 {
		t.Errorf("the last fold took the steps %q: a manager should have died before each of them", seen)
	}
}

// beforeBegin does something before the first transaction of a store.
type beforeBegin struct {
	sqlstore.Engine
	do func()
}

func (e *beforeBegin) Begin(ctx context.Context) (sqlstore.Tx, error) {
	if do := e.do; do != nil {
		e.do = nil
		do()
	}
	return e.Engine.Begin(ctx)
}

func TestAReportThatAnotherManagerHasTakenMeanwhileIsNotAddedAgain(t *testing.T) {
	b := newStatsBench(t)
	b.report(1, 3)
	slow := b.open()
	slow.Wrap(func(e sqlstore.Engine) sqlstore.Engine {
		return &beforeBegin{e, func() {
			if err := b.fold(b.store); err != nil {
				t.Error(err)
			}
		}}
	})
	if n, err := slow.FoldStats(t.Context(), 10, b.now); n != 0 || err != nil {
		t.Errorf("it took %d reports, %v", n, err)
	}
	if got := b.enqueued(1); got["0 60"] != 3 || got["0 3600"] != 3 {
		t.Errorf("%v, want 3 each", got)
	}
}
