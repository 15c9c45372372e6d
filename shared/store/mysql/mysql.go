// Package mysql is the engine of the store for MySQL 8+ and MariaDB 10.6+. It owns the connections and what a session
// must be, MySQL's words and error classes, and the migrations; the protocol is package sqlstore's.
package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/slotq/slotq/shared/store/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the files of the schema, for whoever wants to read them.
func Migrations() fs.FS { return migrations }

// Engine is a sqlstore.Engine on a server.
type Engine struct {
	db    *sql.DB
	goose *goose.Provider
	words *sqlstore.Words
}

// Open connects to mysql://user:password@host:3306/database.
func Open(ctx context.Context, rawURL string, connections int) (*sqlstore.Store, error) {
	return OpenWith(ctx, rawURL, connections, func(c driver.Connector) driver.Connector { return c })
}

// OpenWith is Open with a wrapper around the driver, for tests that look at every statement.
func OpenWith(ctx context.Context, rawURL string, connections int, wrap func(driver.Connector) driver.Connector) (*sqlstore.Store, error) {
	cfg, err := config(rawURL)
	if err != nil {
		return nil, err
	}
	plain, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	connector := session{wrap(plain)}
	main, err := open(ctx, connector, max(connections-1, 1))
	if err != nil {
		return nil, err
	}
	beats, err := open(ctx, connector, 1)
	if err != nil {
		return nil, errors.Join(err, main.Close())
	}
	return sqlstore.New(main, beats), nil
}

func open(ctx context.Context, connector driver.Connector, connections int) (*Engine, error) {
	e := &Engine{db: sql.OpenDB(connector), words: &sqlstore.Words{
		// With few rows the planner reads the whole table, and a DELETE waits for every row of it that is locked.
		ByID:     "FORCE INDEX (slotq_jobs_id)",
		ByKey:    "FORCE INDEX (PRIMARY)",
		Among:    "j.id IN (??)",
		DeleteJ:  "DELETE j FROM slotq_jobs j",
		DeleteC:  "DELETE c FROM slotq_claims c",
		Join:     "STRAIGHT_JOIN", // it would begin with the few queues, read all jobs, and sort them
		Now:      "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))",
		Greatest: "GREATEST(",
		Branch:   "(",
	}}
	e.db.SetMaxOpenConns(connections)
	e.db.SetMaxIdleConns(connections)
	e.db.SetConnMaxIdleTime(idleConnection)
	e.db.SetConnMaxLifetime(3 * time.Minute) // so that a failover or a new node is found
	if err := e.db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to the database: %w", err), e.db.Close())
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	table, err := database.NewStore(database.DialectMySQL, "slotq_migrations")
	if err != nil {
		return nil, err
	}
	if e.goose, err = goose.NewProvider(goose.DialectCustom, e.db, files, goose.WithStore(table), goose.WithDisableGlobalRegistry(true)); err != nil {
		return nil, errors.Join(err, e.db.Close())
	}
	return e, nil
}

// Limits of a session.
const (
	ioLimit        = 8 * time.Second // a server that says nothing for so long is away; lock waits are shorter
	lockWait       = 2               // seconds: then the caller goes on with another slot
	idleHolder     = 5               // seconds: a client that fell silent with a fence in its hand loses it
	idleConnection = 60 * time.Second
)

func config(rawURL string) (*mysql.Config, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("the database URL is not one: mysql://user:password@host:3306/database") // err would show the password
	}
	cfg := mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.DBName = strings.TrimPrefix(u.Path, "/")
	if cfg.DBName == "" {
		return nil, errors.New("the database URL names no database: mysql://user:password@host:3306/database")
	}
	if cfg.Addr = u.Host; u.Port() == "" {
		cfg.Addr += ":3306"
	}
	cfg.Net = "tcp"
	if socket := u.Query().Get("socket"); socket != "" {
		cfg.Net, cfg.Addr = "unix", socket
	}
	if tls := u.Query().Get("tls"); tls != "" {
		cfg.TLSConfig = tls
	}
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = 4*time.Second, ioLimit, ioLimit
	cfg.ClientFoundRows = true   // rows matched, not rows changed: that is what a compare-and-set asks
	cfg.InterpolateParams = true // one round trip a statement
	cfg.MultiStatements = true   // and one for several, see together
	cfg.RejectReadOnly = true    // after a failover: look for the new primary
	cfg.ParseTime = true         // goose reads the time of a migration
	cfg.Logger = silent{}        // every error comes back to the caller, who logs it once
	return cfg, nil
}

type silent struct{}

func (silent) Print(...any) {}

// Begin implements sqlstore.Engine.
func (e *Engine) Begin(ctx context.Context) (sqlstore.Tx, error) {
	return sqlstore.BeginConn(ctx, e.db, "START TRANSACTION", e.words, insert, &sqlstore.Together{Exec: execTogether, Query: queryTogether})
}

// Query implements sqlstore.Engine.
func (e *Engine) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	return sqlstore.QueryDB(ctx, e.db, e.words, query, args)
}

// Exec implements sqlstore.Engine.
func (e *Engine) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	text, args := e.words.Expand(query, args)
	res, err := e.db.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Dialect implements sqlstore.Engine.
func (e *Engine) Dialect() sqlstore.Dialect { return sqlstore.Dialect{Stretch: true, Walk: true} }

// Schema implements sqlstore.Engine.
func (e *Engine) Schema(ctx context.Context) (have, want int64, err error) {
	return e.goose.GetVersions(ctx)
}

// Migrate implements sqlstore.Engine.
func (e *Engine) Migrate(ctx context.Context) error {
	_, err := e.goose.Up(ctx)
	return err
}

// Close implements sqlstore.Engine.
func (e *Engine) Close() error { return e.db.Close() }

// statementBytes bounds one INSERT and one text of several statements, before the driver has quoted what is in them: MySQL's
// max_allowed_packet is 16 MiB and more by default, and a smaller statement holds its locks for less.
const statementBytes = 1 << 20

// insert writes rows with as few statements as their bytes allow.
func insert(ctx context.Context, c *sqlstore.Conn, table string, columns []string, rows [][]any, quiet bool) error {
	head := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES "
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", len(columns)), ",") + ")"
	tail := ""
	if quiet {
		// Never INSERT IGNORE: it cuts values that are too long instead of refusing them.
		tail = " ON DUPLICATE KEY UPDATE " + columns[0] + " = " + table + "." + columns[0]
	}
	for len(rows) > 0 {
		var text strings.Builder
		var args []any
		text.WriteString(head)
		n, size := 0, 0
		for n < len(rows) && (n == 0 || size < statementBytes) {
			if n > 0 {
				text.WriteByte(',')
			}
			text.WriteString(row)
			for _, v := range rows[n] {
				args = append(args, v)
				size += sizeOf(v)
			}
			n++
		}
		text.WriteString(tail)
		if _, err := c.Raw(ctx, text.String(), args); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func sizeOf(v any) int {
	switch v := v.(type) {
	case []byte:
		return len(v) + 12
	case string:
		return len(v) + 3
	}
	return 20
}
