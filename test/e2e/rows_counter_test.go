package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/shared/store/sqlstore"
	"github.com/slotq/slotq/test/e2e/system"
)

// counter tells how many rows each statement of a store read. The server is the counter's own: where the counts are
// the server's, nobody else may add to them.
type counter struct {
	url     string
	analyze string // brings the planner's statistics up to date
	// empty makes them say that hardly a job waits: they may have been taken when it was so, and a burst may have followed. nil =
	// that cannot be had: MariaDB loads them once, and is told the index by each statement.
	empty []string
	raw   *sql.DB
	store store.Store // counted
	// begin starts counting in a transaction; what it returns ends it. text is the statement in its portable form.
	begin func(ctx context.Context, c *counter, q sqlstore.Querier, text string, args []any) (end func(ctx context.Context) (int64, error), err error)
	alone bool // begin needs the connection that the statement runs on

	mu    sync.Mutex
	reads map[string]int64 // of the call under way, the most that one run of a statement read
	err   error
}

func newCounter(t *testing.T, c *counter) *counter {
	c.raw = system.OpenRaw(t, c.url)
	c.store = must(store.Open(t.Context(), c.url, store.Options{Connections: 3}))(t)
	t.Cleanup(func() { check(t, c.store.Close()) })
	check(t, c.store.Migrate(t.Context()))
	c.store.(*sqlstore.Store).Wrap(func(e sqlstore.Engine) sqlstore.Engine { return countedEngine{e, c} })
	return c
}

// call runs one call of the store and returns what its statements read.
func (c *counter) call(t *testing.T, do func(ctx context.Context, s store.Store) error) map[string]int64 {
	c.reads, c.err = map[string]int64{}, nil
	err := do(t.Context(), c.store)
	check(t, c.err)
	if err != nil {
		t.Errorf("the call failed, so that its rows say nothing: %v", err)
	}
	return c.reads
}

// note ends the counting of a statement.
func (c *counter) note(ctx context.Context, text string, end func(ctx context.Context) (int64, error)) {
	n, err := end(context.WithoutCancel(ctx))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads[text] = max(c.reads[text], n)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("count the rows of %s: %w", text, err)
	}
}

// newMariaDB counts with the user statistics of tables, to which the storage engine adds every row that it hands out.
// Unlike the Handler counters they leave temporary tables out.
func newMariaDB(t *testing.T) *counter {
	server := ownServer(t, dbserver.StartMariaDB, dbserver.Options{Fast: true, Args: []string{"--userstat=1"}})
	return newCounter(t, &counter{
		url:     server.URL(),
		analyze: "ANALYZE TABLE slotq_jobs, slotq_history, slotq_keyed, slotq_claims, slotq_idempotency_keys, slotq_unique_keys, slotq_expiries",
		begin: func(ctx context.Context, c *counter, _ sqlstore.Querier, _ string, _ []any) (func(context.Context) (int64, error), error) {
			total := func(ctx context.Context) (n int64, err error) {
				err = c.raw.QueryRowContext(ctx, "SELECT COALESCE(SUM(rows_read), 0) FROM information_schema.table_statistics WHERE table_name LIKE 'slotq%'").Scan(&n)
				return n, err
			}
			before, err := total(ctx)
			return func(ctx context.Context) (int64, error) {
				after, err := total(ctx)
				return after - before, err
			}, err
		},
	})
}

// newPostgres counts with what a transaction has read of tables and indexes so far: from a table in order, or entries
// of an index. Without autovacuum: the statistics that it brings would come at some moment or other.
func newPostgres(t *testing.T) *counter {
	server := ownServer(t, dbserver.StartPostgres, dbserver.Options{Fast: true, Args: []string{"-c", "autovacuum=off"}})
	const query = `SELECT COALESCE(SUM(pg_stat_get_xact_tuples_returned(oid)), 0)::bigint FROM pg_class WHERE relname LIKE 'slotq%'`
	return newCounter(t, &counter{
		url: server.URL(), analyze: "ANALYZE", alone: true,
		empty: []string{"UPDATE pg_class SET reltuples = 3 WHERE relname ~ '^slotq_(jobs|keyed|claims|expiries|unique_keys|idempotency_keys)'", "DELETE FROM pg_statistic WHERE starelid = 'slotq_jobs'::regclass"},
		begin: func(ctx context.Context, _ *counter, q sqlstore.Querier, _ string, _ []any) (func(context.Context) (int64, error), error) {
			total := func(ctx context.Context) (n int64, err error) {
				rows, err := q.Query(ctx, query)
				if err != nil {
					return 0, err
				}
				defer rows.Close()
				for rows.Next() {
					err = rows.Scan(&n)
				}
				if err == nil {
					err = rows.Err()
				}
				return n, err
			}
			before, err := total(ctx)
			return func(ctx context.Context) (int64, error) {
				after, err := total(ctx)
				return after - before, err
			}, err
		},
	})
}

// newSQLite looks at plans, since SQLite does not count rows: no statement may walk through a table of jobs unless a
// LIMIT ends the walk. How far a search in an index goes is the same on all engines, and the others count it.
func newSQLite(t *testing.T) *counter {
	return newCounter(t, &counter{
		url: "sqlite:" + t.TempDir() + "/rows.db", analyze: "ANALYZE",
		begin: func(ctx context.Context, _ *counter, q sqlstore.Querier, text string, args []any) (func(context.Context) (int64, error), error) {
			walks := int64(0)
			rows, err := q.Query(ctx, "EXPLAIN QUERY PLAN "+text, args...)
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			for rows.Next() {
				var id, parent, unused int
				var detail string
				if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
					return nil, err
				}
				words := strings.Fields(detail)
				large := words[0] == "SCAN" && (words[1] == "j" || words[1] == "k" || strings.HasPrefix(words[1], "slotq_jobs") ||
					strings.HasPrefix(words[1], "slotq_history") || strings.HasPrefix(words[1], "slotq_keyed"))
				if large && !strings.Contains(text, "LIMIT") {
					walks += rowLimit + 1
				}
			}
			return func(context.Context) (int64, error) { return walks, nil }, rows.Err()
		},
	})
}

// countedEngine is an engine whose statements are counted.
type countedEngine struct {
	sqlstore.Engine
	c *counter
}

func (e countedEngine) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	if !e.c.alone {
		return counted(ctx, e.c, e.Engine, query, args)
	}
	tx, err := e.Engine.Begin(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := counted(ctx, e.c, tx, query, args)
	if err != nil {
		tx.Rollback()
		return nil, err
	}
	return countedRows{rows, tx.Rollback}, nil
}

func (e countedEngine) Begin(ctx context.Context) (sqlstore.Tx, error) {
	tx, err := e.Engine.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return countedTx{tx, e.c}, nil
}

type countedTx struct {
	sqlstore.Tx
	c *counter
}

func (t countedTx) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	return counted(ctx, t.c, t.Tx, query, args)
}

func (t countedTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	end, err := t.c.begin(ctx, t.c, t.Tx, query, args)
	if err != nil {
		return 0, err
	}
	n, err := t.Tx.Exec(ctx, query, args...)
	if err == nil {
		t.c.note(ctx, query, end)
	}
	return n, err
}

func (t countedTx) Queue(ctx context.Context, matched func(n int64) error, query string, args ...any) error {
	n, err := t.Exec(ctx, query, args...)
	if err == nil && matched != nil {
		err = matched(n)
	}
	return err
}

func (t countedTx) ExecMany(ctx context.Context, query string, args [][]any) ([]int64, error) {
	counts := make([]int64, len(args))
	for i, a := range args {
		n, err := t.Exec(ctx, query, a...)
		if err != nil {
			return nil, err
		}
		counts[i] = n
	}
	return counts, nil
}

func counted(ctx context.Context, c *counter, q sqlstore.Querier, query string, args []any) (sqlstore.Rows, error) {
	end, err := c.begin(ctx, c, q, query, args)
	if err != nil {
		return nil, err
	}
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return countedRows{rows, func() { c.note(ctx, query, end) }}, nil
}

type countedRows struct {
	sqlstore.Rows
	end func()
}

func (r countedRows) Close() {
	r.Rows.Close()
	r.end()
}
