package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/sqlite"
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

// TestAManagerThatDiesBetweenAnyTwoStepsOfAFoldCountsNothingTwice lets a manager die before each of its steps in turn,
// with rows to make, to add to and to remove, and another one fold after it.
func TestAManagerThatDiesBetweenAnyTwoStepsOfAFoldCountsNothingTwice(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "slotq.db")
	open := func() *sqlstore.Store {
		s, err := sqlite.Open(t.Context(), url, 2)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	s := open()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := job.TimeOf(time.Date(2041, 5, 1, 12, 30, 0, 0, time.UTC))
	report := func(queue int32, at job.Time, n int64) {
		t.Helper()
		st := job.Stats{StatsKey: job.StatsKey{QueueID: queue, Span: job.Minute, At: job.Minute.Begin(at)}}
		st.Enqueued = n
		r := job.StatsReport{Process: job.NewWorkerID(), Parts: []job.StatsPart{{Seq: 1, Stats: []job.Stats{st}}}, Now: at}
		if _, err := s.ReportStats(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	fold := func(s *sqlstore.Store) error { _, err := s.FoldStats(t.Context(), 10, now); return err }
	var seen []string
	ended := false
	for steps := 0; !ended && steps < 50; steps++ {
		queue := int32(10 * (steps + 1))
		report(queue, now, 1)
		if err := fold(s); err != nil { // a row that is added to
			t.Fatal(err)
		}
		report(queue, now, 2)
		report(queue+1, now, 4) // a row that is made
		left := steps
		seen = nil
		dying := open()
		dying.Wrap(func(e sqlstore.Engine) sqlstore.Engine { return dyingEngine{e, &left, &seen} })
		err := fold(dying)
		if err != nil && !strings.Contains(err.Error(), errDied.Error()) {
			t.Fatal(err)
		}
		ended = err == nil
		if err := fold(s); err != nil {
			t.Fatal(err)
		}
		list, err := s.ListStats(t.Context(), []int32{queue, queue + 1}, now)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for _, st := range list {
			got[fmt.Sprint(st.QueueID-queue, " ", st.Span)] += st.Enqueued
		}
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
