//go:build ledger && !mutant

package sqlstore

import (
	"context"
	"slices"
	"strings"

	"github.com/slotq/slotq/shared/job"
)

// The ledger is for test builds alone. In the transaction that stores a job or ends it, a row is added to the table
// slotq_ledger, which the test makes and nothing ever deletes from:
//
//	id, what = 1, token = 0              the job was stored
//	id, what = 2, token of the run       its end was committed
//
// A database that fails over may lose whole transactions. A job that is gone together with its row was lost so; one that
// is gone while its row is there was lost by the statements of this package. Two rows of ends are two commits.
const (
	ledgerStored = 1
	ledgerEnded  = 2
)

func plant(e Engine) Engine { return ledgerEngine{e} }

// planted says which defect is in: none.
const planted = ""

// archiveArgs is how many arguments of an archive stand before those of the jobs that it picks, beside their outputs.
const archiveArgs = 6

type ledgerEngine struct{ Engine }

func (e ledgerEngine) Begin(ctx context.Context) (Tx, error) {
	tx, err := e.Engine.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return ledgerTx{tx}, nil
}

type ledgerTx struct{ Tx }

func (t ledgerTx) Insert(ctx context.Context, table string, columns []string, rows [][]any, quiet bool) error {
	if err := t.Tx.Insert(ctx, table, columns, rows, quiet); err != nil || table != "slotq_jobs" {
		return err
	}
	stored := make([][]any, len(rows))
	for i, row := range rows {
		stored[i] = []any{row[0], ledgerStored, zeroToken} // jobColumns begins with the id
	}
	return t.Tx.Insert(ctx, "slotq_ledger", []string{"id", "what", "token"}, stored, true)
}

// Queue adds the ends between the two statements of archive: the count that it compares covers this one as well.
func (t ledgerTx) Queue(ctx context.Context, matched func(n int64) error, query string, args ...any) error {
	if !strings.HasPrefix(query, "INSERT INTO slotq_history") {
		return t.Tx.Queue(ctx, matched, query, args...)
	}
	n, err := t.Tx.Exec(ctx, query, args...)
	if err == nil && n > 0 {
		err = t.ended(ctx, n, query, args)
	}
	if err != nil {
		return err
	}
	return matched(n)
}

func (t ledgerTx) ended(ctx context.Context, n int64, query string, args []any) error {
	condition := query[strings.LastIndex(query, " WHERE "):]
	condArgs := slices.DeleteFunc(slices.Clone(args), func(a any) bool { _, outputs := a.(Outputs); return outputs })[archiveArgs:]
	if token, ok := condArgs[len(condArgs)-1].(job.Token); ok && token.IsZero() {
		return nil // a waiting job that was cancelled or purged: no run has ended it
	}
	ended, err := t.Tx.Exec(ctx, "INSERT INTO slotq_ledger (id, what, token) SELECT j.id, ?::smallint, j.token FROM slotq_jobs j {by id}"+condition,
		append([]any{ledgerEnded}, condArgs...)...)
	if err == nil && ended != n {
		err = errMoved
	}
	return err
}
