package bare

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/slotq/slotq/shared/job"
)

type onPostgres struct{ pool *pgxpool.Pool }

// Close implements Statements.
func (b onPostgres) Close() error {
	b.pool.Close()
	return nil
}

// Claim implements Statements.
func (b onPostgres) Claim(ctx context.Context, queue int32, slot int, worker job.WorkerID, n int) (c Claimed, err error) {
	c.Token = job.NewToken(worker)
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE slotq_slots SET epoch = epoch + 1 WHERE queue_id = $1 AND slot = $2 AND paused = 0", queue, slot); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT id, payload FROM slotq_jobs WHERE queue_id = $1 AND slot = $2 AND blocked = 0 AND priority = 2 AND run_at <= $3 AND token = $4 ORDER BY run_at, id LIMIT $5",
			queue, slot, time.Now().UnixMicro(), [16]byte{}, n)
		if err != nil {
			return err
		}
		var id [16]byte
		var p, list []byte
		if _, err := pgx.ForEachRow(rows, []any{&id, &p}, func() error {
			c.IDs, list = append(c.IDs, id), append(list, id[:]...)
			return nil
		}); err != nil || len(c.IDs) == 0 {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE slotq_jobs SET token = $1, run = run + 1, started_at = 1 WHERE id = ANY($2)", [16]byte(c.Token), uuids(c.IDs)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO slotq_claims (worker_id, token, queue_id, slot, claimed_at, suspect, ids) VALUES ($1, $2, $3, $4, 1, 0, $5)", int64(worker), [16]byte(c.Token), queue, slot, list)
		return err
	})
	return c, err
}

// Finish implements Statements.
func (b onPostgres) Finish(ctx context.Context, worker job.WorkerID, claims []Claimed) error {
	return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		for _, c := range claims {
			ids, token := uuids(c.IDs), [16]byte(c.Token)
			if _, err := tx.Exec(ctx, "INSERT INTO slotq_history (state, "+columns+", finished_at, state_reason, output, stub, remove_at) SELECT 5, "+columns+", 1, '', '', 0, 1 FROM slotq_jobs WHERE id = ANY($1) AND token = $2", ids, token); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "DELETE FROM slotq_jobs WHERE id = ANY($1) AND token = $2", ids, token); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "DELETE FROM slotq_claims WHERE worker_id = $1 AND token = $2", int64(worker), token); err != nil {
				return err
			}
		}
		return nil
	})
}

// Enqueue implements Statements: COPY is PostgreSQL's fastest way for many rows.
func (b onPostgres) Enqueue(ctx context.Context, queue int32, slots int, payloads [][]byte) error {
	rows := newRows(queue, slots, payloads)
	for _, row := range rows {
		row[0] = [16]byte(row[0].(job.ID))
	}
	_, err := b.pool.CopyFrom(ctx, pgx.Identifier{"slotq_jobs"}, newColumns, pgx.CopyFromRows(rows))
	return err
}

func uuids(ids []job.ID) [][16]byte {
	u := make([][16]byte, len(ids))
	for i, id := range ids {
		u[i] = id
	}
	return u
}
