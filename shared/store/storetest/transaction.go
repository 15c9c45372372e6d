package storetest

import (
	"context"
	"errors"
	"strings"

	"github.com/slotq/slotq/shared/store/sqlstore"
)

// transactionTests are about an engine's transactions, below the protocol.
var transactionTests = []Test{
	{"what is queued is run before the next statement, and its count may end it", 0, func(f *fixture) {
		wrong := errors.New("not the number that it must be")
		for name, step := range queuedSteps {
			for _, want := range []error{nil, wrong} {
				told := 0
				err := f.inTransaction(func(tx sqlstore.Tx) error {
					return step(f, tx, func(n int64) error {
						equal(f, name+": matched", n, 2)
						told++
						return want
					})
				})
				if !errors.Is(err, want) || told != 1 {
					f.Fatalf("%s: %v after the count was told %d times, want %v after once", name, err, told, want)
				}
				left, err := f.engine().Exec(f.ctx, "DELETE FROM slotq_turns WHERE loop_name LIKE ?", "tx:%")
				f.ok(err)
				equal(f, name+": rows committed", left, map[bool]int64{true: 3, false: 0}[want == nil])
			}
		}
	}},
	{"a statement that fails among others ends them, and nothing of them stays", 0, func(f *fixture) {
		err := f.inTransaction(func(tx sqlstore.Tx) error {
			if err := tx.Queue(f.ctx, nil, insertTwo, named("1"), named("2")); err != nil {
				return err
			}
			if err := tx.Queue(f.ctx, nil, insertTwo, named("3"), named("1")); err != nil {
				return err
			}
			_, err := tx.Exec(f.ctx, insertTwo, named("4"), named("5"))
			return err
		})
		equal(f, "class", f.engine().Class(err), sqlstore.Duplicate)
		left, err := f.engine().Exec(f.ctx, "DELETE FROM slotq_turns WHERE loop_name LIKE ?", "tx:%")
		f.ok(err)
		equal(f, "rows committed", left, 0)
	}},
	{"a COMMIT before all was sent is refused", 0, func(f *fixture) {
		tx, err := f.engine().Begin(f.ctx)
		f.ok(err)
		defer tx.Rollback()
		err = tx.Queue(f.ctx, nil, insertOne, named("1"))
		f.ok(err)
		if f.db.server() && tx.Commit(f.ctx) == nil {
			f.Fatal("a queued statement was dropped")
		}
	}},
	{"a transaction in which nothing was said ends without error", 0, func(f *fixture) {
		f.ok(f.inTransaction(func(sqlstore.Tx) error { return nil }))
		err := f.inTransaction(func(sqlstore.Tx) error { return context.Canceled })
		f.is(err, context.Canceled)
	}},
}

// named makes a name that would end a text and begin another statement, were it not quoted.
func named(name string) string { return "tx:" + name + `'; DELETE FROM slotq_turns; -- \' ?` }

const (
	insertOne = "INSERT INTO slotq_turns (loop_name, next_at, holder) VALUES (?, 0, 0)"
	insertTwo = insertOne + ", (?, 0, 0)"
)

// queuedSteps queue an INSERT of two rows and then add a third, in each way in which something can be behind it.
var queuedSteps = map[string]func(f *fixture, tx sqlstore.Tx, matched func(int64) error) error{
	"Exec": func(f *fixture, tx sqlstore.Tx, matched func(int64) error) error {
		if err := tx.Queue(f.ctx, matched, insertTwo, named("1"), named("2")); err != nil {
			return err
		}
		n, err := tx.Exec(f.ctx, insertOne, named("3"))
		if err == nil {
			equal(f, "Exec: matched", n, 1)
		}
		return err
	},
	"ExecMany": func(f *fixture, tx sqlstore.Tx, matched func(int64) error) error {
		if err := tx.Queue(f.ctx, matched, insertTwo, named("1"), named("2")); err != nil {
			return err
		}
		var many [][]any
		for range 250 {
			many = append(many, []any{1, named("nobody")})
		}
		many[120][1] = named("2")
		counts, err := tx.ExecMany(f.ctx, "UPDATE slotq_turns SET next_at = ? WHERE loop_name = ?", many)
		if err != nil {
			return err
		}
		equal(f, "ExecMany: counts", len(counts), len(many))
		for i, n := range counts {
			equal(f, "ExecMany: matched", n, map[bool]int64{true: 1, false: 0}[i == 120])
		}
		_, err = tx.Exec(f.ctx, insertOne, named("3"))
		return err
	},
	"Query": func(f *fixture, tx sqlstore.Tx, matched func(int64) error) error {
		if err := tx.Queue(f.ctx, matched, insertTwo, named("1"), named("2")); err != nil {
			return err
		}
		rows, err := tx.Query(f.ctx, "SELECT loop_name FROM slotq_turns WHERE loop_name LIKE ? ORDER BY loop_name", "tx:%")
		if err != nil {
			return err
		}
		var names []string
		for rows.Next() {
			var name string
			f.ok(rows.Scan(&name))
			names = append(names, name)
		}
		f.ok(rows.Err())
		rows.Close()
		equal(f, "Query: names", strings.Join(names, "|"), named("1")+"|"+named("2"))
		_, err = tx.Exec(f.ctx, insertOne, named("3"))
		return err
	},
	"Flush": func(f *fixture, tx sqlstore.Tx, matched func(int64) error) error {
		if _, err := tx.Exec(f.ctx, insertOne, named("3")); err != nil {
			return err
		}
		return tx.Queue(f.ctx, matched, insertTwo, named("1"), named("2"))
	},
}

// engine is what is below the protocol.
func (f *fixture) engine() (e sqlstore.Engine) {
	f.Helper()
	f.store.(*sqlstore.Store).Wrap(func(main sqlstore.Engine) sqlstore.Engine {
		if e == nil {
			e = main
		}
		return main
	})
	return e
}

func (f *fixture) inTransaction(do func(sqlstore.Tx) error) error {
	f.Helper()
	tx, err := f.engine().Begin(f.ctx)
	f.ok(err)
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Flush(f.ctx); err != nil {
		return err
	}
	return tx.Commit(f.ctx)
}
