package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/sqlstore"
)

// tx is a sqlstore.Tx. What is queued, BEGIN to begin with, is sent with the next statement: a claim takes three round trips
// instead of six, of which each costs some 0.1 ms while the machine is busy. COMMIT goes alone, since it must not be sent
// before the counts of what stands before it are known.
type tx struct {
	conn   *pgxpool.Conn // nil = it has ended
	engine *Engine
	queue  []sqlstore.Queued
	begun  bool // something was sent
}

// send sends what is queued and the statements behind it, and returns the answers of these.
func (t *tx) send(ctx context.Context, statements ...sqlstore.Queued) (pgx.BatchResults, error) {
	batch := &pgx.Batch{}
	before := t.queue
	t.queue, t.begun = nil, true
	for _, q := range before {
		batch.Queue(q.Text, q.Args...)
	}
	for _, q := range statements {
		batch.Queue(q.Text, q.Args...)
	}
	answers := t.conn.SendBatch(ctx, batch)
	for _, q := range before {
		tag, err := answer(answers, q.At)
		if err == nil && q.Matched != nil {
			err = q.Matched(tag.RowsAffected())
		}
		if err != nil {
			return nil, t.end(answers, err)
		}
	}
	return answers, nil
}

// answer reads the answer of one statement, and the locations in it, if any.
func answer(answers pgx.BatchResults, at func(job.Location)) (pgconn.CommandTag, error) {
	if at == nil {
		return answers.Exec()
	}
	r, err := answers.Query()
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	var l location
	return pgx.ForEachRow(r, []any{&l}, func() error {
		at(job.Location(l))
		return nil
	})
}

// end closes answers and returns what went wrong first.
func (t *tx) end(answers pgx.BatchResults, err error) error {
	if closing := answers.Close(); err == nil {
		err = closing
	}
	return t.engine.look(err)
}

// Queue implements sqlstore.Tx.
func (t *tx) Queue(_ context.Context, matched func(n int64) error, query string, args ...any) error {
	text, args := t.engine.words.expand(query, args)
	t.queue = append(t.queue, sqlstore.Queued{Text: text, Args: args, Matched: matched})
	return nil
}

// Locate implements sqlstore.Tx.
func (t *tx) Locate(_ context.Context, matched func(n int64) error, at func(job.Location), query string, args ...any) error {
	text, args := t.engine.words.expand(query+" RETURNING j.ctid", args)
	t.queue = append(t.queue, sqlstore.Queued{Text: text, Args: args, Matched: matched, At: at})
	return nil
}

func (t *tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	counts, err := t.ExecMany(ctx, query, [][]any{args})
	if err != nil {
		return 0, err
	}
	return counts[0], nil
}

func (t *tx) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	text, args := t.engine.words.expand(query, args)
	answers, err := t.send(ctx, sqlstore.Queued{Text: text, Args: args})
	if err != nil {
		return nil, err
	}
	r, err := answers.Query()
	if err != nil {
		return nil, t.end(answers, err)
	}
	return rows{Rows: r, answers: answers}, nil
}

// ExecMany sends all in one round trip.
func (t *tx) ExecMany(ctx context.Context, query string, args [][]any) ([]int64, error) {
	statements := make([]sqlstore.Queued, len(args))
	for i, a := range args {
		statements[i].Text, statements[i].Args = t.engine.words.expand(query, a)
	}
	return t.exec(ctx, statements...)
}

func (t *tx) exec(ctx context.Context, statements ...sqlstore.Queued) ([]int64, error) {
	answers, err := t.send(ctx, statements...)
	if err != nil {
		return nil, err
	}
	counts := make([]int64, len(statements))
	for i := range statements {
		tag, err := answers.Exec()
		if err != nil {
			return nil, t.end(answers, err)
		}
		counts[i] = tag.RowsAffected()
	}
	return counts, t.end(answers, nil)
}

func (t *tx) Insert(ctx context.Context, table string, columns []string, rows [][]any, quiet bool) error {
	text, args := insertion(table, columns, rows, quiet)
	_, err := t.exec(ctx, sqlstore.Queued{Text: text, Args: args})
	return err
}

// Flush implements sqlstore.Tx. A transaction that has only begun needs no BEGIN.
func (t *tx) Flush(ctx context.Context) error {
	if !t.begun && len(t.queue) == 1 {
		t.queue = nil
	}
	if len(t.queue) == 0 {
		return nil
	}
	_, err := t.exec(ctx)
	return err
}

func (t *tx) Commit(ctx context.Context) error {
	if len(t.queue) > 0 {
		return sqlstore.ErrQueued
	}
	defer t.release()
	if !t.begun {
		return nil
	}
	tag, err := t.conn.Exec(ctx, "commit")
	if err == nil && tag.String() != "COMMIT" {
		err = pgx.ErrTxCommitRollback // the server had given it up
	}
	return err
}

func (t *tx) Rollback() {
	if t.conn == nil {
		return
	}
	defer t.release()
	if !t.begun || t.conn.Conn().IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, _ = t.conn.Exec(ctx, "rollback") // a connection on which it fails is closed, which rolls back too
}

// release gives the connection back. The pool closes one that is still in a transaction.
func (t *tx) release() {
	t.conn.Release()
	t.conn = nil
}
