package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite"

	"github.com/slotq/slotq/shared/job"
)

// bare sends the protocol's statements for one claim and one finish of up to as many jobs as it has places and returns how many there were.
// Nothing is checked, decoded or retried: it is what the database itself can do.
type bare func(ctx context.Context, queue int32, slot int, worker job.WorkerID) (int, error)

// floor drains a queue with two loops of bare statements, each with half of the slots.
func floor(ctx context.Context, db database, q job.Queue, n, places int) (time.Duration, error) {
	var loops [2]bare
	for i := range loops {
		loop, done, err := bareOn(ctx, db, places)
		if err != nil {
			return 0, err
		}
		defer done()
		loops[i] = loop
	}
	var wg sync.WaitGroup
	counts, errs := make([]int, 2), make([]error, 2)
	start := time.Now()
	for i, loop := range loops {
		wg.Go(func() {
			w := job.NewWorkerID()
			for slot := 1 + i; slot <= q.Slots && errs[i] == nil; slot += 2 {
				for {
					c, err := loop(ctx, q.ID, slot, w)
					counts[i] += c
					if errs[i] = err; err != nil || c == 0 {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	if got := counts[0] + counts[1]; got != n {
		return 0, fmt.Errorf("the bare statements ran %d of %d jobs", got, n)
	}
	return time.Since(start), nil
}

func bareOn(ctx context.Context, db database, places int) (bare, func(), error) {
	switch db.name {
	case "postgres":
		pool, err := pgxpool.New(ctx, db.url)
		if err != nil {
			return nil, nil, err
		}
		return barePostgres(pool, places), pool.Close, nil
	case "sqlite":
		d, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(db.url, "sqlite:")+"?_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
		if err != nil {
			return nil, nil, err
		}
		d.SetMaxOpenConns(1)
		return bareSQL(d, places, "BEGIN IMMEDIATE", "DELETE FROM slotq_jobs WHERE id IN (%s) AND token = ?"), func() { d.Close() }, nil
	}
	u, err := url.Parse(db.url)
	if err != nil {
		return nil, nil, err
	}
	pw, _ := u.User.Password()
	d, err := sql.Open("mysql", u.User.Username()+":"+pw+"@tcp("+u.Host+")"+u.Path+"?interpolateParams=true&clientFoundRows=true&tx_isolation=%27READ-COMMITTED%27")
	if err != nil {
		return nil, nil, err
	}
	d.SetMaxOpenConns(1)
	return bareSQL(d, places, "BEGIN", "DELETE j FROM slotq_jobs j FORCE INDEX (slotq_jobs_id) WHERE id IN (%s) AND token = ?"), func() { d.Close() }, nil
}

const columns = "id, queue_id, slot, priority, run_at, token, cancel_at, kind, payload, attempt, max_attempts, run, crashes, max_crashes, snoozes, " +
	"timeout_us, queue_timeout_us, backoff, expires_at, unique_key, concurrency_key, concurrency_limit, tags, metadata, errors, created_at, started_at, digest"

func bareSQL(d *sql.DB, places int, begin, remove string) bare {
	return func(ctx context.Context, queue int32, slot int, worker job.WorkerID) (int, error) {
		conn, err := d.Conn(ctx)
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		do := func(query string, args ...any) {
			if err == nil {
				_, err = conn.ExecContext(ctx, query, args...)
			}
		}
		token := job.NewToken(worker)
		do(begin)
		do("UPDATE slotq_slots SET epoch = epoch + 1 WHERE queue_id = ? AND slot = ? AND paused = 0", queue, slot)
		if err != nil {
			return 0, err
		}
		rows, err := conn.QueryContext(ctx, "SELECT id, payload FROM slotq_jobs WHERE queue_id = ? AND slot = ? AND blocked = 0 AND priority = 2 AND run_at <= ? AND token = ? ORDER BY run_at, id LIMIT ?",
			queue, slot, job.TimeOf(time.Now()), job.Token{}, places)
		if err != nil {
			return 0, err
		}
		var ids []any
		var list []byte
		for rows.Next() {
			var id job.ID
			var p []byte
			if err := rows.Scan(&id, &p); err != nil {
				return 0, err
			}
			ids, list = append(ids, id), append(list, id[:]...)
		}
		if err := rows.Close(); err != nil {
			return 0, err
		}
		if len(ids) == 0 {
			do("ROLLBACK")
			return 0, err
		}
		marks := strings.TrimSuffix(strings.Repeat("?,", len(ids)), ",")
		do("UPDATE slotq_jobs SET token = ?, run = run + 1, started_at = 1 WHERE id IN ("+marks+")", append([]any{token}, ids...)...)
		do("INSERT INTO slotq_claims (worker_id, token, queue_id, slot, claimed_at, suspect, ids) VALUES (?, ?, ?, ?, 1, 0, ?)", worker, token, queue, slot, list)
		do("COMMIT")
		do(begin)
		do("INSERT INTO slotq_history (state, "+columns+", finished_at, state_reason, output, stub, remove_at) SELECT 5, "+columns+", 1, '', '', 0, 1 FROM slotq_jobs WHERE id IN ("+marks+") AND token = ?",
			append(append([]any{}, ids...), token)...)
		do(fmt.Sprintf(remove, marks), append(append([]any{}, ids...), token)...)
		do("DELETE FROM slotq_claims WHERE worker_id = ? AND token = ?", worker, token)
		do("COMMIT")
		return len(ids), err
	}
}

func barePostgres(pool *pgxpool.Pool, places int) bare {
	return func(ctx context.Context, queue int32, slot int, worker job.WorkerID) (int, error) {
		token := [16]byte(job.NewToken(worker))
		var ids [][16]byte
		var list []byte
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "UPDATE slotq_slots SET epoch = epoch + 1 WHERE queue_id = $1 AND slot = $2 AND paused = 0", queue, slot); err != nil {
				return err
			}
			rows, err := tx.Query(ctx, "SELECT id, payload FROM slotq_jobs WHERE queue_id = $1 AND slot = $2 AND blocked = 0 AND priority = 2 AND run_at <= $3 AND token = $4 ORDER BY run_at, id LIMIT $5",
				queue, slot, time.Now().UnixMicro(), [16]byte{}, places)
			if err != nil {
				return err
			}
			var id [16]byte
			var p []byte
			if _, err := pgx.ForEachRow(rows, []any{&id, &p}, func() error {
				ids, list = append(ids, id), append(list, id[:]...)
				return nil
			}); err != nil || len(ids) == 0 {
				return err
			}
			if _, err := tx.Exec(ctx, "UPDATE slotq_jobs SET token = $1, run = run + 1, started_at = 1 WHERE id = ANY($2)", token, ids); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "INSERT INTO slotq_claims (worker_id, token, queue_id, slot, claimed_at, suspect, ids) VALUES ($1, $2, $3, $4, 1, 0, $5)", int64(worker), token, queue, slot, list)
			return err
		})
		if err != nil || len(ids) == 0 {
			return 0, err
		}
		return len(ids), pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO slotq_history (state, "+columns+", finished_at, state_reason, output, stub, remove_at) SELECT 5, "+columns+", 1, '', '', 0, 1 FROM slotq_jobs WHERE id = ANY($1) AND token = $2", ids, token); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "DELETE FROM slotq_jobs WHERE id = ANY($1) AND token = $2", ids, token); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "DELETE FROM slotq_claims WHERE worker_id = $1 AND token = $2", int64(worker), token)
			return err
		})
	}
}
