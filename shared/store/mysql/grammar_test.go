package mysql_test

import (
	"context"
	"database/sql/driver"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/pingcap/tidb/pkg/parser"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // the parser's own values

	"github.com/slotq/slotq/shared/store/mysql"
)

// The tests run on MariaDB, which knows words that MySQL does not. A recording driver keeps every statement that the
// suite really sends, and a grammar of MySQL reads them.

// recorder keeps one example of each statement, lists of parameters folded.
type recorder struct {
	mu   sync.Mutex
	text map[string]string // folded → as it was sent
}

func newRecorder() *recorder { return &recorder{text: map[string]string{}} }

func (r *recorder) wrap(c driver.Connector) driver.Connector {
	return wrapping{c, func(conn driver.Conn) driver.Conn { return &recordingConn{Conn: conn, recorder: r} }}
}

var lists = regexp.MustCompile(`(\(?\?\)?[,\s]*){2,}`)

func (r *recorder) add(statement string) {
	folded := lists.ReplaceAllString(statement, "?+")
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.text[folded]; !ok || len(statement) < len(old) {
		r.text[folded] = statement
	}
}

// wrapping wraps every connection that it makes.
type wrapping struct {
	driver.Connector
	wrap func(driver.Conn) driver.Conn
}

func (c wrapping) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return c.wrap(conn), nil
}

// recordingConn passes on what the driver's connection can do; database/sql and the session ask for it by type.
type recordingConn struct {
	driver.Conn
	recorder *recorder
}

func (c *recordingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.recorder.add(query)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *recordingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.recorder.add(query)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *recordingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.recorder.add(query)
	return c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
}

func (c *recordingConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

func (c *recordingConn) Ping(ctx context.Context) error { return c.Conn.(driver.Pinger).Ping(ctx) }

func (c *recordingConn) ResetSession(ctx context.Context) error {
	return c.Conn.(driver.SessionResetter).ResetSession(ctx)
}

func (c *recordingConn) IsValid() bool { return c.Conn.(driver.Validator).IsValid() }

func (c *recordingConn) CheckNamedValue(v *driver.NamedValue) error {
	return c.Conn.(driver.NamedValueChecker).CheckNamedValue(v)
}

// mariaDBOnly are statements that are sent to MariaDB alone, after its version was read.
var mariaDBOnly = []string{"idle_transaction_timeout", "@@tx_isolation"}

func (r *recorder) check(t *testing.T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.text) < 40 {
		t.Fatalf("only %d statements were recorded: the recorder has gone blind", len(r.text))
	}
	for _, statement := range r.text {
		read(t, statement)
	}
	t.Logf("%d statements", len(r.text))
}

func TestMySQLUnderstandsTheMigrations(t *testing.T) {
	migrations := mysql.Migrations()
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			t.Fatal(err)
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		read(t, up)
	}
}

func TestMySQLUnderstandsTheINSERTThatIsShown(t *testing.T) {
	text, err := os.ReadFile("../../../docs/examples/sql/mysql.sql")
	if err != nil {
		t.Fatal(err)
	}
	read(t, string(text))
}

func TestGrammarRefusesWhatOnlyMariaDBKnows(t *testing.T) {
	for _, statement := range []string{
		"INSERT INTO slotq_turns (loop_name) VALUES ('a') RETURNING loop_name",
		"DELETE FROM slotq_turns WHERE loop_name = 'a' RETURNING loop_name",
		"SET STATEMENT max_statement_time = 1 FOR SELECT 1",
	} {
		if _, _, err := parser.New().ParseSQL(statement); err == nil {
			t.Errorf("%s: the grammar takes it", statement)
		}
	}
}

func read(t *testing.T, text string) {
	t.Helper()
	for _, word := range mariaDBOnly {
		if strings.Contains(text, word) {
			return
		}
	}
	if _, _, err := parser.New().ParseSQL(text); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}
