package system

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // raw connections
	_ "modernc.org/sqlite"

	"github.com/slotq/slotq/shared/store/dbserver"
)

// Database is an empty database of one test.
type Database struct {
	Name string // "sqlite", "mariadb" or "postgres"
	URL  string
}

// servers names the variable with a server's URL for each database that is one.
var servers = []struct{ name, variable string }{
	{"mariadb", "SLOTQ_TEST_MYSQL_URL"}, {"postgres", "SLOTQ_TEST_POSTGRES_URL"},
}

// EachDatabase runs a test on every database, each with an empty one of its own. A server that is absent is skipped, or
// a failure when CI=true.
func EachDatabase(t *testing.T, test func(t *testing.T, db Database)) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, Database{"sqlite", "sqlite:" + filepath.Join(t.TempDir(), "slotq.db")})
	})
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			url := os.Getenv(s.variable)
			if url == "" {
				Absent(t, s.variable+" is not set: run the tests by `make test`, which starts servers of its own")
			}
			fresh, drop, err := dbserver.Fresh(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(drop)
			test(t, Database{s.name, fresh})
		})
	}
}

// OpenRaw opens a way past the store to the tables.
func OpenRaw(t TB, rawURL string) *sql.DB {
	t.Helper()
	scheme, rest, _ := strings.Cut(rawURL, ":")
	driver, source := "pgx", rawURL
	switch scheme {
	case "sqlite":
		driver, source = "sqlite", "file:"+rest+"?_pragma=busy_timeout(5000)"
	case "mysql":
		u, err := url.Parse(rawURL)
		if err != nil {
			t.Fatal(err)
		}
		c := mysql.NewConfig()
		c.User = u.User.Username()
		c.Passwd, _ = u.User.Password()
		c.Net, c.Addr, c.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
		driver, source = "mysql", c.FormatDSN()
	}
	raw, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	return raw
}

// Absent skips a test for the lack of something on this machine; with CI=true the lack is a failure, so that a part
// which does not run never looks green.
func Absent(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}
