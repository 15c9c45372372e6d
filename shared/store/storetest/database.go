package storetest

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the raw connections of these tests
	_ "modernc.org/sqlite"
)

// database is one migrated database, and the way past the store to its tables: hostile acts (a silent holder of a
// lock, a row that vanished) cannot be done through the store.
type database struct {
	engine Engine
	url    string
	raw    *sql.DB
	tables []string
}

func newDatabase(t testing.TB, e Engine) *database {
	t.Helper()
	db := &database{engine: e, url: e.Fresh(t)}
	ctx, cancel := context.WithTimeout(context.Background(), testLimit)
	defer cancel()
	s, err := e.Open(ctx, db.url)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	if err := s.Migrate(ctx); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if e.Past == nil {
		db.raw = openRaw(t, db.url)
		db.tables = db.names(t)
	}
	return db
}

// server says that other processes can connect: what needs a network between them is not about SQLite, nor about a store
// without SQL.
func (db *database) server() bool {
	return db.engine.Past == nil && !strings.HasPrefix(db.url, "sqlite:")
}

func (db *database) scheme() string { scheme, _, _ := strings.Cut(db.url, ":"); return scheme }

func openRaw(t testing.TB, rawURL string) *sql.DB {
	t.Helper()
	scheme, rest, _ := strings.Cut(rawURL, ":")
	driver, source := "pgx", rawURL
	switch scheme {
	case "sqlite":
		driver, source = "sqlite", "file:"+strings.TrimPrefix(rest, "//")+"?_pragma=busy_timeout(5000)"
	case "mysql", "mariadb":
		u, err := url.Parse(rawURL)
		if err != nil {
			t.Fatalf("database URL: %v", err)
		}
		c := mysql.NewConfig()
		c.User = u.User.Username()
		c.Passwd, _ = u.User.Password()
		c.Net, c.Addr, c.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
		driver, source = "mysql", c.FormatDSN()
	}
	raw, err := sql.Open(driver, source)
	if err != nil {
		t.Fatalf("raw connection: %v", err)
	}
	t.Cleanup(func() { raw.Close() })
	return raw
}

// names lists the tables that hold what tests leave behind; the record of migrations stays.
func (db *database) names(t testing.TB) (tables []string) {
	t.Helper()
	query := "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
	switch db.scheme() {
	case "sqlite":
		query = "SELECT name FROM sqlite_master WHERE type = 'table'"
	case "mysql", "mariadb":
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
	}
	rows, err := db.raw.Query(query)
	if err != nil {
		t.Fatalf("tables: %v", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatalf("tables: %v", err)
		}
		if !strings.HasPrefix(name, "slotq_") {
			continue // not ours: the promise that all names begin so has a test of its own
		}
		if name != migrationsTable {
			tables = append(tables, name)
		}
	}
	if rows.Err() != nil || len(tables) == 0 {
		t.Fatalf("no slotq_ table after Migrate: %v", rows.Err())
	}
	return tables
}

// migrationsTable records which migrations ran.
const migrationsTable = "slotq_migrations"

// empty removes all rows, as if the database had just been migrated.
func (db *database) empty(t testing.TB) {
	t.Helper()
	if db.engine.Past != nil {
		db.past(t, "DELETE FROM slotq")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tx, err := db.raw.BeginTx(ctx, nil)
	if err != nil {
		t.Fatalf("empty the database: %v", err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, table := range db.tables {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+table); err != nil {
			t.Fatalf("empty %s: %v", table, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatalf("empty the database: %v", err)
	}
}

// count runs a query for one number.
func (db *database) count(t testing.TB, query string) (n int64) {
	t.Helper()
	if db.engine.Past != nil {
		return db.past(t, query)
	}
	if err := db.raw.QueryRow(query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// exec changes rows behind the store's back.
func (db *database) exec(t testing.TB, statement string) {
	t.Helper()
	if db.engine.Past != nil {
		db.past(t, statement)
		return
	}
	if _, err := db.raw.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func (db *database) past(t testing.TB, statement string) int64 {
	t.Helper()
	n, err := db.engine.Past(db.url, statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return n
}
