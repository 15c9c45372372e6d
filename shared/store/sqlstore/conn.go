package sqlstore

import (
	"cmp"
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
	Among    string // the job j is one of a list of ids, by which it is not to be looked for
	DeleteJ  string
	DeleteC  string
	Join     string // a join that keeps the order of the tables
	Now      string
	Greatest string // "GREATEST(" or another name
	Branch   string // how a branch of a UNION is opened
	Values   string // what stands before the rows of a list of pairs: "" or "VALUES "
	Value    string // how a value is written that stands behind = or LIMIT; "" = ?
	Pad      bool

	texts sync.Map // portable → with the words replaced and the casts taken out
}

func (w *Words) text(query string) string {
	if t, ok := w.texts.Load(query); ok {
		return t.(string)
	}
	value := cmp.Or(w.Value, "?")
	t := strings.NewReplacer("= ?", "= "+value, "LIMIT ?", "LIMIT "+value, "{by id}", w.ByID, "{by key}", w.ByKey, "{among ??}", w.Among, "{output ??}", "??", "{held ??}", "(j.id, j.token) IN (??2)", "{delete j}", w.DeleteJ, "{delete c}", w.DeleteC,
		"{with queue}", w.Join+" slotq_queues q ON q.id = j.queue_id", "{now}", w.Now, "{branch}", w.Branch, "GREATEST(", w.Greatest,
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
		if o, ok := arg.(Outputs); ok {
			out = w.outputs(&b, out, o)
			continue
		}
		out = w.list(&b, out, arg)
	}
	b.WriteString(text)
	return b.String(), out
}

func (w *Words) outputs(b *strings.Builder, out []any, o Outputs) []any {
	n := w.padded(len(o.IDs))
	b.WriteString("CASE j.id" + strings.Repeat(" WHEN ? THEN ?", n) + " END")
	for k, id := range o.IDs {
		out = append(out, id, o.Outputs[k])
	}
	for range n - len(o.IDs) {
		out = append(out, o.IDs[0], []byte{}) // the first one counts
	}
	return out
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

// appendList writes a list. One of none is NULL, which nothing is in: MySQL takes no empty one.
func appendList[T any](w *Words, b *strings.Builder, out []any, l []T) []any {
	if len(l) == 0 {
		b.WriteString("NULL")
		return out
	}
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
	conn     *sql.Conn
	words    *Words
	insert   Insert
	together *Together         // nil = each statement is a round trip
	stmts    Statements        // nil = statements are sent as text
	release  func(broken bool) // gives the connection back
	open     bool
	queue    []Queued // wait for the next statement
	begun    bool     // something was sent
}

// Together is how an engine sends several statements in as few round trips as it may.
type Together struct {
	// Exec returns how many rows each matched.
	Exec func(ctx context.Context, conn *sql.Conn, statements []Queued) ([]int64, error)
	// Query sends a query behind them and returns its rows; they are judged as soon as their counts are there.
	Query func(ctx context.Context, conn *sql.Conn, before []Queued, query Queued) (*sql.Rows, error)
}

// Insert is an engine's way to add rows.
type Insert func(ctx context.Context, c *Conn, table string, columns []string, rows [][]any, quiet bool) error

// Statements are the prepared statements of one connection, by text.
type Statements map[string]*sql.Stmt

// maxStatements bounds a connection's prepared statements; the lists padded to powers of two need far fewer.
const maxStatements = 300

// BeginConn takes a connection of the pool and begins a transaction on it with the given statement, which is sent with the
// next one.
func BeginConn(ctx context.Context, db *sql.DB, begin string, words *Words, insert Insert, together *Together) (Tx, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &Conn{conn: conn, words: words, insert: insert, together: together, open: true, queue: []Queued{{Text: begin}}, release: func(broken bool) {
		if broken {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // makes the pool close it
		}
		_ = conn.Close() // back to the pool: its error is the next user's
	}}, nil
}

// BeginOn begins a transaction on a connection that the engine keeps, with its prepared statements.
func BeginOn(ctx context.Context, conn *sql.Conn, begin func(context.Context, *sql.Conn) error, words *Words, insert Insert, stmts Statements, release func(broken bool)) (Tx, error) {
	c := &Conn{conn: conn, words: words, insert: insert, stmts: stmts, release: release, open: true, begun: true}
	if err := begin(ctx, conn); err != nil {
		c.close(true)
		return nil, err
	}
	return c, nil
}

// prepared returns the statement of a text, preparing it the first time.
func (c *Conn) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt := c.stmts[text]; stmt != nil {
		return stmt, nil
	}
	if len(c.stmts) >= maxStatements {
		for text, stmt := range c.stmts {
			_ = stmt.Close() // frees memory; the connection goes on either way
			delete(c.stmts, text)
		}
	}
	stmt, err := c.conn.PrepareContext(ctx, text)
	if err == nil {
		c.stmts[text] = stmt
	}
	return stmt, err
}

// Exec implements Tx.
func (c *Conn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	text, args := c.words.Expand(query, args)
	return c.Raw(ctx, text, args)
}

// Raw runs a statement that is in the engine's own words already.
func (c *Conn) Raw(ctx context.Context, text string, args []any) (int64, error) {
	if len(c.queue) > 0 {
		counts, err := c.send(ctx, Queued{Text: text, Args: args})
		if err != nil {
			return 0, err
		}
		return counts[0], nil
	}
	var res sql.Result
	var err error
	if c.stmts == nil {
		res, err = c.conn.ExecContext(ctx, text, args...)
	} else {
		var stmt *sql.Stmt
		if stmt, err = c.prepared(ctx, text); err == nil {
			res, err = stmt.ExecContext(ctx, args...)
		}
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query implements Tx.
func (c *Conn) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	text, args := c.words.Expand(query, args)
	var rows *sql.Rows
	var err error
	switch {
	case len(c.queue) > 0:
		before := c.queue
		c.queue, c.begun = nil, true
		rows, err = c.together.Query(ctx, c.conn, before, Queued{Text: text, Args: args})
	case c.stmts == nil:
		rows, err = c.conn.QueryContext(ctx, text, args...)
	default:
		var stmt *sql.Stmt
		if stmt, err = c.prepared(ctx, text); err == nil {
			rows, err = stmt.QueryContext(ctx, args...)
		}
	}
	if err != nil {
		return nil, err
	}
	return sqlRows{rows}, nil
}

// send sends what is queued, and statements behind it, and returns how many rows these matched.
func (c *Conn) send(ctx context.Context, statements ...Queued) ([]int64, error) {
	before := len(c.queue)
	all := append(c.queue, statements...)
	if c.queue = nil; len(all) == 0 {
		return nil, nil
	}
	c.begun = true
	counts, err := c.together.Exec(ctx, c.conn, all)
	if err != nil {
		return nil, err
	}
	for i, q := range all[:before] {
		if q.Matched != nil {
			if err := q.Matched(counts[i]); err != nil {
				return nil, err
			}
		}
	}
	return counts[before:], nil
}

// Queue implements Tx.
func (c *Conn) Queue(ctx context.Context, matched func(n int64) error, query string, args ...any) error {
	if c.together != nil {
		text, args := c.words.Expand(query, args)
		c.queue = append(c.queue, Queued{Text: text, Args: args, Matched: matched})
		return nil
	}
	n, err := c.Exec(ctx, query, args...)
	if err == nil && matched != nil {
		err = matched(n)
	}
	return err
}

// Locate implements Tx: no engine of database/sql is Located.
func (c *Conn) Locate(context.Context, func(int64) error, func(job.Location), string, ...any) error {
	return errors.ErrUnsupported
}

// Flush implements Tx. A transaction that has only begun needs no begin.
func (c *Conn) Flush(ctx context.Context) error {
	if !c.begun && len(c.queue) == 1 {
		c.queue = nil
	}
	_, err := c.send(ctx)
	return err
}

// ExecMany implements Tx.
func (c *Conn) ExecMany(ctx context.Context, query string, args [][]any) ([]int64, error) {
	if c.together != nil {
		statements := make([]Queued, len(args))
		for i, a := range args {
			statements[i].Text, statements[i].Args = c.words.Expand(query, a)
		}
		return c.send(ctx, statements...)
	}
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
	if len(c.queue) > 0 {
		return ErrQueued
	}
	if !c.begun {
		c.close(false)
		return nil
	}
	_, err := c.conn.ExecContext(ctx, "COMMIT")
	c.close(err != nil) // after a COMMIT that failed the transaction is in a state that nobody knows
	return err
}

// Rollback implements Tx.
func (c *Conn) Rollback() {
	if !c.open {
		return
	}
	if !c.begun {
		c.close(false)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err := c.conn.ExecContext(ctx, "ROLLBACK")
	c.close(err != nil) // closing the connection rolls back too
}

func (c *Conn) close(broken bool) {
	if c.open {
		c.open = false
		c.release(broken)
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
