// Package bare sends the protocol's statements without a service around them. Nothing is checked, decoded or repeated: it is
// what the database itself can do, and the floor that slotq is measured against.
package bare

import (
	"context"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/slotq/slotq/shared/job"
)

// Statements are those of one database, for any number of callers.
type Statements interface {
	// Enqueue stores jobs of the kind noop in slots from 1 to slots, up to 50 neighbours in each as in slotq's batches, and commits.
	Enqueue(ctx context.Context, queue int32, slots int, payloads [][]byte) error

	// Claim takes up to n jobs of a slot.
	Claim(ctx context.Context, queue int32, slot int, worker job.WorkerID, n int) (Claimed, error)

	// Finish moves what was claimed into history, in one transaction.
	Finish(ctx context.Context, worker job.WorkerID, claims []Claimed) error

	Close() error
}

// Claimed is what one claim took.
type Claimed struct {
	Token job.Token
	IDs   []job.ID
}

// On connects to the database of a slotq URL, whose tables are there.
func On(ctx context.Context, rawURL string) (Statements, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "postgres":
		pool, err := pgxpool.New(ctx, rawURL)
		return onPostgres{pool}, err
	case "sqlite":
		return onSQLite(ctx, rawURL)
	}
	return onMySQL(u)
}

// newColumns are those of a new job that differ from one to the next or have no default.
var newColumns = []string{"id", "queue_id", "slot", "run_at", "kind", "payload", "created_at", "nonce"}

func newRows(queue int32, slots int, payloads [][]byte) [][]any {
	now, nonce, first := job.TimeOf(time.Now()), rand.Int64(), rand.IntN(slots)
	rows := make([][]any, len(payloads))
	for i, p := range payloads {
		rows[i] = []any{job.NewID(now), queue, 1 + (first+i/50)%slots, int64(now), "noop", p, int64(now), nonce}
	}
	return rows
}
