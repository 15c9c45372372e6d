package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/slotq/slotq/shared/job"
)

type barePostgres struct{ pool *pgxpool.Pool }

func (b barePostgres) close() { b.pool.Close() }

func (b barePostgres) claim(ctx context.Context, queue int32, slot int, worker job.WorkerID, n int) (c taken, err error) {
	c.token = job.NewToken(worker)
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
			c.ids, list = append(c.ids, id), append(list, id[:]...)
			return nil
		}); err != nil || len(c.ids) == 0 {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE slotq_jobs SET token = $1, run = run + 1, started_at = 1 WHERE id = ANY($2)", [16]byte(c.token), uuids(c.ids)); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO slotq_claims (worker_id, token, queue_id, slot, claimed_at, suspect, ids) VALUES ($1, $2, $3, $4, 1, 0, $5)", int64(worker), [16]byte(c.token), queue, slot, list)
		return err
	})
	return c, err
}

func (b barePostgres) finish(ctx context.Context, worker job.WorkerID, claims []taken) error {
	return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		for _, c := range claims {
			ids, token := uuids(c.ids), [16]byte(c.token)
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

func uuids(ids []job.ID) [][16]byte {
	u := make([][16]byte, len(ids))
	for i, id := range ids {
		u[i] = id
	}
	return u
}
