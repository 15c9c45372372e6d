package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Words is how an engine of database/sql says what the portable form says. Lists are written out, padded to a power of
// two by repeating the last element where Pad is set, so that few texts exist and a statement cache holds them all.
type Words struct {
	ByID     string
	ByKey    string
	DeleteJ  string
	DeleteC  string
	Join     string // a join that keeps the order of the tables
	Now      string
	Greatest string // "GREATEST(" or another name
	Values   string // what stands before the rows of a list of pairs: "" or "VALUES "
	Pad      bool

	texts sync.Map // portable → with the words replaced and the casts taken out
}

func (w *Words) text(query string) string {
	if t, ok := w.texts.Load(query); ok {
		return t.(string)
	}
	t := strings.NewReplacer("{by id}", w.ByID, "{by key}", w.ByKey, "{delete j}", w.DeleteJ, "{delete c}", w.DeleteC,
		"{with queue}", w.Join+" slotq_queues q ON q.id = j.queue_id", "{now}", w.Now, "GREATEST(", w.Greatest,
		"::smallint", "", "::bigint", "", "::bytea", "", "::uuid", "", "::text", "", "::int", "").Replace(query)
	w.texts.Store(query, t)
	return t
}

// Expand makes the engine's statement of a portable one.
func (w *Words) Expand(query string, args []any) (string, []any) {
	text := w.text(query)
	if !strings.Contains(text, "??") {
		return text, args
	}
	var b strings.Builder
	out := make([]any, 0, len(args)+64)
	for _, arg := range args {
		i := strings.IndexByte(text, '?')
		if !strings.HasPrefix(text[i:], "??") {
			b.WriteString(text[:i+1])
			text = text[i+1:]
			out = append(out, arg)
			continue
		}
		b.WriteString(text[:i])
		text = text[i+2:]
		if pairs, ok := arg.([]job.Held); ok {
			text = text[1:] // the 2 of ??2
			n := w.padded(len(pairs))
			b.WriteString(w.Values + strings.TrimSuffix(strings.Repeat("(?,?),", n), ","))
			for k := range n {
				p := pairs[min(k, len(pairs)-1)]
				out = append(out, p.ID, p.Token)
			}
			continue
		}
		out = w.list(&b, out, arg)
	}
	b.WriteString(text)
	return b.String(), out
}

func (w *Words) list(b *strings.Builder, out []any, arg any) []any {
	switch l := arg.(type) {
	case []job.ID:
		return appendList(w, b, out, l)
	case []job.Token:
		return appendList(w, b, out, l)
	case []string:
		return appendList(w, b, out, l)
	case []int:
		return appendList(w, b, out, l)
	}
	panic("sqlstore: not a list")
}

func appendList[T any](w *Words, b *strings.Builder, out []any, l []T) []any {
	n := w.padded(len(l))
	b.WriteString(strings.TrimSuffix(strings.Repeat("?,", n), ","))
	for k := range n {
		out = append(out, l[min(k, len(l)-1)])
	}
	return out
}

func (w *Words) padded(n int) int {
	if !w.Pad {
		return n
	}
	p := 1
	for p < n {
		p *= 2
	}
	return p
}

// Conn is a Tx on one connection of database/sql. Not a sql.Tx: that one cannot give COMMIT a limit of its own, and
// its statements end with the context it began with.
type Conn struct {
	conn   *sql.Conn
	words  *Words
	insert func(ctx context.Context, c *Conn, table string, columns []string, rows [][]any, quiet bool) error
	open   bool
}

// BeginConn takes a connection and begins a transaction on it with the given statement.
func BeginConn(ctx context.Context, db *sql.DB, begin string, words *Words,
	insert func(ctx context.Context, c *Conn, table string, columns []string, rows [][]any, quiet bool) error) (Tx, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	c := &Conn{conn: conn, words: words, insert: insert, open: true}
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		c.drop()
		return nil, err
	}
	return c, nil
}

// Exec implements Tx.
func (c *Conn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	text, args := c.words.Expand(query, args)
	return c.Raw(ctx, text, args)
}

// Raw runs a statement that is in the engine's own words already.
func (c *Conn) Raw(ctx context.Context, text string, args []any) (int64, error) {
	res, err := c.conn.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query implements Tx.
func (c *Conn) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	text, args := c.words.Expand(query, args)
	rows, err := c.conn.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return sqlRows{rows}, nil
}

// ExecMany implements Tx.
func (c *Conn) ExecMany(ctx context.Context, query string, args [][]any) ([]int64, error) {
	counts := make([]int64, len(args))
	for i, a := range args {
		n, err := c.Exec(ctx, query, a...)
		if err != nil {
			return nil, err
		}
		counts[i] = n
	}
	return counts, nil
}

// Insert implements Tx.
func (c *Conn) Insert(ctx context.Context, table string, columns []string, rows [][]any, quiet bool) error {
	return c.insert(ctx, c, table, columns, rows, quiet)
}

// Commit implements Tx.
func (c *Conn) Commit(ctx context.Context) error {
	_, err := c.conn.ExecContext(ctx, "COMMIT")
	if err != nil {
		c.drop()
		return err
	}
	c.open = false
	return c.conn.Close()
}

// Rollback implements Tx.
func (c *Conn) Rollback() {
	if !c.open {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := c.conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		c.drop() // closing the connection rolls back too
		return
	}
	c.open = false
	_ = c.conn.Close() // back to the pool: its error is the next user's
}

// drop closes the connection for good: its transaction is in a state that nobody knows.
func (c *Conn) drop() {
	if c.open {
		c.open = false
		_ = c.conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = c.conn.Close()
	}
}

// QueryDB reads outside a transaction.
func QueryDB(ctx context.Context, db *sql.DB, words *Words, query string, args []any) (Rows, error) {
	text, args := words.Expand(query, args)
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return sqlRows{rows}, nil
}

type sqlRows struct{ *sql.Rows }

func (r sqlRows) Close() { _ = r.Rows.Close() } // its error is that of Err

// Prepared prepares a statement once and runs it for each set of arguments.
func (c *Conn) Prepared(ctx context.Context, text string, rows [][]any) (err error) {
	stmt, err := c.conn.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stmt.Close()) }()
	for _, row := range rows {
		if _, err := stmt.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	return nil
}
