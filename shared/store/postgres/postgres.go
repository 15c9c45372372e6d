// Package postgres is the engine of the store for PostgreSQL 13+, through pgx. It owns the connections and what a session
// must be, PostgreSQL's words and error classes, and the migrations; the protocol is package sqlstore's.
package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/slotq/slotq/shared/store/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Engine is a sqlstore.Engine on a server.
type Engine struct {
	pool  *pgxpool.Pool
	words words
}

// Open connects to postgres://user:password@host:5432/database.
func Open(ctx context.Context, rawURL string, connections int) (*sqlstore.Store, error) {
	main, err := open(ctx, rawURL, max(connections-1, 1))
	if err != nil {
		return nil, err
	}
	beats, err := open(ctx, rawURL, 1)
	if err != nil {
		return nil, errors.Join(err, main.Close())
	}
	return sqlstore.New(main, beats), nil
}

func open(ctx context.Context, rawURL string, connections int) (*Engine, error) {
	cfg, err := pgxpool.ParseConfig(rawURL)
	if err != nil {
		return nil, errors.New("the database URL is not one: postgres://user:password@host:5432/database") // err may show the password
	}
	cfg.MaxConns = int32(connections)
	cfg.MaxConnLifetime, cfg.MaxConnIdleTime = 10*time.Minute, time.Minute // so that a failover is found
	cfg.ConnConfig.ConnectTimeout = 4 * time.Second
	if cfg.ConnConfig.ValidateConnect == nil {
		// A standby answers reads, and late ones. A URL that names several hosts finds the primary among them so, after a
		// failover too; one that sets target_session_attrs has its way.
		cfg.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	for name, v := range map[string]string{
		"default_transaction_isolation":       "read committed",
		"idle_in_transaction_session_timeout": "5000", // a client that fell silent with a fence in its hand loses it
		"lock_timeout":                        "2000", // then the caller goes on with another slot
		"statement_timeout":                   "8000",
		"TimeZone":                            "UTC",
		"application_name":                    "slotq",
		// Every statement is a walk of a bounded length through an index. Without statistics, or with a LIMIT inside, the
		// planner would rather read all of a table or all matches before the limit cuts them.
		"enable_seqscan":    "off",
		"enable_bitmapscan": "off",
		"enable_hashjoin":   "off",
		"enable_mergejoin":  "off",
		// The best plan is the same whatever the arguments. Made anew each time, as the planner prefers where a LIMIT is an
		// argument, a claim's read took 0.6 ms to plan and 1.6 ms to run.
		"plan_cache_mode": "force_generic_plan",
		// A scan of a small table that has no other way costs ten billion by these settings, and above a hundred thousand a
		// statement is compiled before it runs: the look at the schema's version took 106 ms of that.
		"jit": "off",
	} {
		cfg.ConnConfig.RuntimeParams[name] = v
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	return &Engine{pool: pool}, nil
}

// Begin implements sqlstore.Engine.
func (e *Engine) Begin(ctx context.Context) (sqlstore.Tx, error) {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &tx{conn: conn, engine: e, queue: []sqlstore.Queued{{Text: "begin"}}}, nil
}

// Query implements sqlstore.Engine.
func (e *Engine) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	text, args := e.words.expand(query, args)
	r, err := e.pool.Query(ctx, text, args...)
	return rows{Rows: r}, err
}

// Exec implements sqlstore.Engine.
func (e *Engine) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	text, args := e.words.expand(query, args)
	tag, err := e.pool.Exec(ctx, text, args...)
	return tag.RowsAffected(), e.look(err)
}

// look leaves a server that has become read-only: all connections are made anew, since the same address may lead to the
// new primary by now, and a connection that answers would be kept for minutes.
func (e *Engine) look(err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == "25006" {
		e.pool.Reset()
	}
	return err
}

// Dialect implements sqlstore.Engine.
func (e *Engine) Dialect() sqlstore.Dialect {
	// A COMMIT that was waiting for a synchronous standby when its client gave up is done on the primary alone, and can be
	// read. A commit waits for the standby only if it has written to the log, and then for all that stands before it.
	return sqlstore.Dialect{RowCompare: true, Located: true, Lateral: true, Confirm: "SELECT pg_logical_emit_message(true, 'slotq', '')"}
}

// Close implements sqlstore.Engine.
func (e *Engine) Close() error {
	e.pool.Close()
	return nil
}

// Schema implements sqlstore.Engine.
func (e *Engine) Schema(ctx context.Context) (have, want int64, err error) {
	err = e.migrator(func(p *goose.Provider) error {
		have, want, err = p.GetVersions(ctx)
		return err
	})
	return have, want, err
}

// Migrate implements sqlstore.Engine.
func (e *Engine) Migrate(ctx context.Context) error {
	return e.migrator(func(p *goose.Provider) error {
		_, err := p.Up(ctx)
		return err
	})
}

func (e *Engine) migrator(fn func(*goose.Provider) error) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	table, err := database.NewStore(database.DialectPostgres, "slotq_migrations")
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(e.pool)
	p, err := goose.NewProvider(goose.DialectCustom, db, files, goose.WithStore(table), goose.WithDisableGlobalRegistry(true))
	if err == nil {
		err = fn(p)
	}
	return errors.Join(err, db.Close())
}
