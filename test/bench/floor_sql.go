package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite"

	"github.com/slotq/slotq/shared/job"
)

func bareOn(ctx context.Context, db database) (bare, error) {
	switch db.name {
	case "postgres":
		pool, err := pgxpool.New(ctx, db.url)
		return barePostgres{pool}, err
	case "sqlite":
		d, err := db.plain()
		if err != nil {
			return nil, err
		}
		d.SetMaxOpenConns(1) // there is one writer anyway
		return bareSQL{d, "BEGIN IMMEDIATE", "DELETE FROM slotq_jobs WHERE id IN (%s) AND token = ?"}, nil
	}
	u, err := url.Parse(db.url)
	if err != nil {
		return nil, err
	}
	pw, _ := u.User.Password()
	d, err := sql.Open("mysql", u.User.Username()+":"+pw+"@tcp("+u.Host+")"+u.Path+"?interpolateParams=true&clientFoundRows=true&tx_isolation=%27READ-COMMITTED%27")
	return bareSQL{d, "BEGIN", "DELETE j FROM slotq_jobs j FORCE INDEX (slotq_jobs_id) WHERE id IN (%s) AND token = ?"}, err
}

const columns = "id, queue_id, slot, priority, run_at, token, cancel_at, kind, payload, attempt, max_attempts, run, crashes, max_crashes, snoozes, " +
	"timeout_us, queue_timeout_us, backoff, expires_at, unique_key, concurrency_key, concurrency_limit, tags, metadata, errors, created_at, started_at, digest"

// bareSQL is for MySQL and SQLite, which differ in two statements.
type bareSQL struct {
	db            *sql.DB
	begin, remove string
}

func (b bareSQL) close() { b.db.Close() }

// transaction runs statements on one connection; do is one that returns no rows.
func (b bareSQL) transaction(ctx context.Context, f func(conn *sql.Conn, do func(query string, args ...any) error) error) error {
	conn, err := b.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	do := func(query string, args ...any) error {
		_, err := conn.ExecContext(ctx, query, args...)
		return err
	}
	if err := do(b.begin); err != nil {
		return err
	}
	if err := f(conn, do); err != nil {
		return err // the run is over, and its database with it
	}
	return do("COMMIT")
}

func (b bareSQL) claim(ctx context.Context, queue int32, slot int, worker job.WorkerID, n int) (c taken, err error) {
	c.token = job.NewToken(worker)
	err = b.transaction(ctx, func(conn *sql.Conn, do func(string, ...any) error) error {
		if err := do("UPDATE slotq_slots SET epoch = epoch + 1 WHERE queue_id = ? AND slot = ? AND paused = 0", queue, slot); err != nil {
			return err
		}
		rows, err := conn.QueryContext(ctx, "SELECT id, payload FROM slotq_jobs WHERE queue_id = ? AND slot = ? AND blocked = 0 AND priority = 2 AND run_at <= ? AND token = ? ORDER BY run_at, id LIMIT ?",
			queue, slot, job.TimeOf(time.Now()), job.Token{}, n)
		if err != nil {
			return err
		}
		defer rows.Close()
		var list []byte
		for rows.Next() {
			var id job.ID
			var p []byte
			if err := rows.Scan(&id, &p); err != nil {
				return err
			}
			c.ids, list = append(c.ids, id), append(list, id[:]...)
		}
		if err := rows.Err(); err != nil || len(c.ids) == 0 {
			return err
		}
		marks, ids := in(c.ids)
		if err := do("UPDATE slotq_jobs SET token = ?, run = run + 1, started_at = 1 WHERE id IN ("+marks+")", append([]any{c.token}, ids...)...); err != nil {
			return err
		}
		return do("INSERT INTO slotq_claims (worker_id, token, queue_id, slot, claimed_at, suspect, ids) VALUES (?, ?, ?, ?, 1, 0, ?)", worker, c.token, queue, slot, list)
	})
	return c, err
}

func (b bareSQL) finish(ctx context.Context, worker job.WorkerID, claims []taken) error {
	return b.transaction(ctx, func(_ *sql.Conn, do func(string, ...any) error) error {
		for _, c := range claims {
			marks, args := in(c.ids)
			args = append(args, c.token)
			if err := do("INSERT INTO slotq_history (state, "+columns+", finished_at, state_reason, output, stub, remove_at) SELECT 5, "+columns+", 1, '', '', 0, 1 FROM slotq_jobs WHERE id IN ("+marks+") AND token = ?", args...); err != nil {
				return err
			}
			if err := do(fmt.Sprintf(b.remove, marks), args...); err != nil {
				return err
			}
			if err := do("DELETE FROM slotq_claims WHERE worker_id = ? AND token = ?", worker, c.token); err != nil {
				return err
			}
		}
		return nil
	})
}

// in returns marks and arguments for a list of ids.
func in(ids []job.ID) (marks string, args []any) {
	for _, id := range ids {
		args = append(args, id)
	}
	return strings.TrimSuffix(strings.Repeat("?,", len(ids)), ","), args
}
