package bare

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "modernc.org/sqlite"

	"github.com/slotq/slotq/shared/job"
)

func onSQLite(ctx context.Context, rawURL string) (Statements, error) {
	d, err := SQLite(rawURL)
	if err != nil {
		return nil, err
	}
	conn, err := d.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	one := make(chan *prepared, 1) // there is one writer anyway
	one <- &prepared{conn, map[string]*sql.Stmt{}}
	return onSQL{d, "BEGIN IMMEDIATE", "DELETE FROM slotq_jobs WHERE id IN (%s) AND token = ?", one}, nil
}

// prepared is SQLite's connection, which compiles each statement once. Values stand behind a sign, since it would plan a statement
// anew when they change: see package sqlite.
type prepared struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

var behindSigns = strings.NewReplacer("= ?", "= +?", "LIMIT ?", "LIMIT +?")

func (p *prepared) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := p.stmts[query]; s != nil {
		return s, nil
	}
	s, err := p.conn.PrepareContext(ctx, behindSigns.Replace(query))
	if err == nil {
		p.stmts[query] = s
	}
	return s, err
}

// ExecContext implements session.
func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(context.WithoutCancel(ctx), args...) // a context that can end costs each statement a goroutine
}

// QueryContext implements session.
func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(context.WithoutCancel(ctx), args...)
}

// SQLite opens a file at full durability.
func SQLite(rawURL string) (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+strings.TrimPrefix(rawURL, "sqlite:")+"?_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
}

func onMySQL(u *url.URL) (Statements, error) {
	pw, _ := u.User.Password()
	d, err := sql.Open("mysql", u.User.Username()+":"+pw+"@tcp("+u.Host+")"+u.Path+"?interpolateParams=true&clientFoundRows=true&tx_isolation=%27READ-COMMITTED%27")
	return onSQL{d, "BEGIN", "DELETE j FROM slotq_jobs j FORCE INDEX (slotq_jobs_id) WHERE id IN (%s) AND token = ?", nil}, err
}

const columns = "id, queue_id, slot, priority, run_at, token, cancel_at, kind, payload, attempt, max_attempts, run, crashes, max_crashes, snoozes, " +
	"timeout_us, queue_timeout_us, backoff, expires_at, unique_key, concurrency_key, concurrency_limit, tags, metadata, errors, created_at, started_at, digest"

// onSQL is for MySQL and SQLite, which differ in two statements and in how they insert.
type onSQL struct {
	db            *sql.DB
	begin, remove string
	one           chan *prepared // holds SQLite's connection, on which an INSERT takes a row at a time; nil = MySQL
}

// session is a connection.
type session interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Close implements Statements.
func (b onSQL) Close() error {
	if b.one == nil {
		return b.db.Close()
	}
	p := <-b.one // the pool does not close what was taken from it
	return errors.Join(p.conn.Close(), b.db.Close())
}

// transaction runs statements on one connection; do is one that returns no rows.
func (b onSQL) transaction(ctx context.Context, f func(conn session, do func(query string, args ...any) error) error) error {
	var conn session
	if b.one != nil {
		p := <-b.one
		defer func() { b.one <- p }()
		conn = p
	} else {
		c, err := b.db.Conn(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		conn = c
	}
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

// Claim implements Statements.
func (b onSQL) Claim(ctx context.Context, queue int32, slot int, worker job.WorkerID, n int) (c Claimed, err error) {
	c.Token = job.NewToken(worker)
	err = b.transaction(ctx, func(conn session, do func(string, ...any) error) error {
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
			c.IDs, list = append(c.IDs, id), append(list, id[:]...)
		}
		if err := rows.Err(); err != nil || len(c.IDs) == 0 {
			return err
		}
		marks, ids := in(c.IDs)
		if err := do("UPDATE slotq_jobs SET token = ?, run = run + 1, started_at = 1 WHERE id IN ("+marks+")", append([]any{c.Token}, ids...)...); err != nil {
			return err
		}
		return do("INSERT INTO slotq_claims (worker_id, token, queue_id, slot, claimed_at, suspect, ids) VALUES (?, ?, ?, ?, 1, 0, ?)", worker, c.Token, queue, slot, list)
	})
	return c, err
}

// Finish implements Statements.
func (b onSQL) Finish(ctx context.Context, worker job.WorkerID, claims []Claimed) error {
	return b.transaction(ctx, func(_ session, do func(string, ...any) error) error {
		for _, c := range claims {
			marks, args := in(c.IDs)
			args = append(args, c.Token)
			if err := do("INSERT INTO slotq_history (state, "+columns+", finished_at, state_reason, output, stub, remove_at) SELECT 5, "+columns+", 1, '', '', 0, 1 FROM slotq_jobs WHERE id IN ("+marks+") AND token = ?", args...); err != nil {
				return err
			}
			if err := do(fmt.Sprintf(b.remove, marks), args...); err != nil {
				return err
			}
			if err := do("DELETE FROM slotq_claims WHERE worker_id = ? AND token = ?", worker, c.Token); err != nil {
				return err
			}
		}
		return nil
	})
}

// Enqueue implements Statements. A plain INSERT commits by itself; SQLite wants a row at a time, whose statement is compiled once.
func (b onSQL) Enqueue(ctx context.Context, queue int32, slots int, payloads [][]byte) error {
	rows := newRows(queue, slots, payloads)
	if b.one == nil {
		var args []any
		for _, row := range rows {
			args = append(args, row...)
		}
		mark := "(" + strings.TrimSuffix(strings.Repeat("?,", len(newColumns)), ",") + "),"
		_, err := b.db.ExecContext(ctx, "INSERT INTO slotq_jobs ("+strings.Join(newColumns, ", ")+") VALUES "+strings.TrimSuffix(strings.Repeat(mark, len(rows)), ","), args...)
		return err
	}
	return b.transaction(ctx, func(_ session, do func(string, ...any) error) error {
		insert := "INSERT INTO slotq_jobs (" + strings.Join(newColumns, ", ") + ", priority, max_attempts, max_crashes, timeout_us, queue_timeout_us, " +
			"tags, metadata, errors, token, cancel_at, attempt, run, crashes, snoozes, backoff, expires_at, unique_key, concurrency_key, concurrency_limit, started_at, digest, blocked, key_held) " +
			"VALUES (?, ?, ?, ?, ?, ?, ?, ?, 2, 25, 5, 0, 60000000, x'', x'', x'', zeroblob(16), 0, 1, 0, 0, 0, x'', 0, '', '', 0, 0, x'', 0, 0)"
		for _, row := range rows {
			if err := do(insert, row...); err != nil {
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
