// Package sqlite is the embedded engine of the store: one file, one writer at a time, no server. It owns the
// connections to the file, SQLite's words and error classes, and the migrations; the protocol is package sqlstore's.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/slotq/slotq/shared/store/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Engine is a sqlstore.Engine on a file.
type Engine struct {
	writer *sql.DB
	turn   chan *connection // SQLite has one writer; waiting here is cheaper and fairer than its busy polling
	fair   *fairLock        // among processes
	reader *sql.DB
	goose  *goose.Provider
	words  *sqlstore.Words
}

// connection is the writer's, kept with its prepared statements: compiling a statement with hundreds of parameters
// costs more than running it.
type connection struct {
	conn  *sql.Conn
	stmts sqlstore.Statements
}

// SQLite's own functions of time know milliseconds. Two clocks that follow them can be one apart, and the time is this machine's anyway.
func init() {
	sqlite.MustRegisterScalarFunction("slotq_now", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		return time.Now().UnixMicro(), nil
	})
}

// Open opens sqlite:PATH, making the file, readable by its owner alone, when it is not there.
// Durability is full: a COMMIT that has returned survives a power cut.
func Open(ctx context.Context, rawURL string, connections int) (*sqlstore.Store, error) {
	path := strings.TrimPrefix(strings.TrimPrefix(rawURL, "sqlite:"), "//")
	if path == "" {
		return nil, errors.New("the database URL names no file: sqlite:PATH")
	}
	if f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("open the SQLite file: %w", err)
	} else if err := f.Close(); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dsn := (&url.URL{Scheme: "file", Path: abs}).String() + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=temp_store(MEMORY)"
	e := &Engine{turn: make(chan *connection, 1), words: &sqlstore.Words{
		Among: "+j.id IN (??)", // the sign keeps the index on the id out
		// SQLite 3.54 plans a prepared statement anew when the value of LIMIT is another, and when one behind = was 0 or 1, or is now: it might
		// plan otherwise. It does so while the lock of the writer is held, and of a claim's look for jobs that was 290 µs of 310. It does
		// not look at values behind a sign.
		Value:   "+?",
		DeleteJ: "DELETE FROM slotq_jobs AS j", DeleteC: "DELETE FROM slotq_claims AS c", Join: "CROSS JOIN", Now: "slotq_now()", Greatest: "MAX(", Branch: "SELECT * FROM (", Values: "VALUES ", Pad: true,
	}}
	if e.writer, err = sql.Open("sqlite", dsn); err != nil {
		return nil, err
	}
	if e.reader, err = sql.Open("sqlite", dsn+"&_pragma=query_only(1)"); err != nil {
		return nil, err
	}
	e.turn <- &connection{}
	e.fair = newFairLock(abs)
	e.writer.SetMaxOpenConns(2) // the writer's and the migrations'
	e.reader.SetMaxOpenConns(max(min(connections-1, 8), 1))
	e.reader.SetMaxIdleConns(8)
	if err := e.writer.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the SQLite file: %w", err), e.Close())
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	table, err := database.NewStore(database.DialectSQLite3, "slotq_migrations")
	if err != nil {
		return nil, err
	}
	if e.goose, err = goose.NewProvider(goose.DialectCustom, e.writer, files, goose.WithStore(table), goose.WithDisableGlobalRegistry(true)); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return sqlstore.New(e, e), nil
}

// Begin implements sqlstore.Engine.
func (e *Engine) Begin(ctx context.Context) (sqlstore.Tx, error) {
	var c *connection
	select {
	case c = <-e.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c.conn == nil {
		conn, err := e.connect(ctx)
		if err != nil {
			e.turn <- c
			return nil, err
		}
		c = &connection{conn, sqlstore.Statements{}}
	}
	leave := e.fair.enter(ctx)
	return sqlstore.BeginOn(ctx, c.conn, begin, e.words, insert, c.stmts, func(broken bool) {
		leave()
		if broken {
			_ = c.conn.Raw(func(any) error { return driver.ErrBadConn }) // makes the pool close it
			_ = c.conn.Close()
			c = &connection{}
		}
		e.turn <- c
	})
}

// connect makes the writer's connection, which does not wait for other processes by itself: see begin.
func (e *Engine) connect(ctx context.Context) (*sql.Conn, error) {
	conn, err := e.writer.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// How long begin waits for the lock, and how long it sleeps meanwhile.
const (
	lockWait          = 5 * time.Second
	shortest, longest = 100 * time.Microsecond, time.Millisecond
)

// begin takes the lock of the writer, of which there is one on the file, at once: a transaction that begins as a reader and then
// writes fails without waiting (SQLITE_BUSY_SNAPSHOT). SQLite's own wait for the writers of other processes sleeps for 1, 2, 5,
// 10 ms and so on up to 100, and a claim holds the lock for half of one.
func begin(ctx context.Context, conn *sql.Conn) error {
	for wait, limit := shortest, time.Now().Add(lockWait); ; wait = min(2*wait, longest) {
		_, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE")
		if classOf(err) != sqlstore.Busy || time.Now().After(limit) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Query implements sqlstore.Engine.
func (e *Engine) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	return sqlstore.QueryDB(ctx, e.reader, e.words, query, args)
}

// Exec implements sqlstore.Engine. It waits for the writer's turn like a transaction.
func (e *Engine) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tx, err := e.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	n, err := tx.Exec(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return n, tx.Commit(ctx)
}

// Dialect implements sqlstore.Engine.
func (e *Engine) Dialect() sqlstore.Dialect {
	return sqlstore.Dialect{RowCompare: true, Stretch: true}
}

// Class implements sqlstore.Engine.
func (e *Engine) Class(err error) sqlstore.Class { return classOf(err) }

func classOf(err error) sqlstore.Class {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return sqlstore.Unavailable
		}
		return sqlstore.Other
	}
	switch se.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return sqlstore.Duplicate
	}
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return sqlstore.Busy
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT:
		return sqlstore.Unavailable
	case sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
		return sqlstore.Data
	}
	return sqlstore.Other
}

// Schema implements sqlstore.Engine.
func (e *Engine) Schema(ctx context.Context) (have, want int64, err error) {
	have, want, err = e.goose.GetVersions(ctx)
	return have, want, err
}

// Migrate implements sqlstore.Engine.
func (e *Engine) Migrate(ctx context.Context) error {
	_, err := e.goose.Up(ctx)
	return err
}

// Close implements sqlstore.Engine.
func (e *Engine) Close() error {
	if c := <-e.turn; c.conn != nil {
		_ = c.conn.Close() // the pool closes it for good
	}
	return errors.Join(e.fair.Close(), e.reader.Close(), e.writer.Close())
}
