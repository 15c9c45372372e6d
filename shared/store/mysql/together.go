package mysql

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/slotq/slotq/shared/store/sqlstore"
)

// Statements are sent as one text with semicolons between them, here alone, and all the texts are this program's own: what
// comes from outside is always a parameter, which the driver quotes.

// execTogether sends one text, or several where one would get too long.
func execTogether(ctx context.Context, conn *sql.Conn, statements []sqlstore.Queued) (counts []int64, err error) {
	for len(statements) > 0 {
		n, size := 0, 0
		for n < len(statements) && (n == 0 || size+bytesOf(statements[n]) <= statementBytes) {
			size += bytesOf(statements[n])
			n++
		}
		some, err := atOnce(ctx, conn, statements[:n])
		if err != nil {
			return nil, err
		}
		counts, statements = append(counts, some...), statements[n:]
	}
	return counts, nil
}

// queryTogether sends a query behind statements in one round trip: a claim takes three instead of four. The driver gives the
// rows of such a text and no counts, so the server is asked for those that are judged. What is judged is short, ids at the most.
func queryTogether(ctx context.Context, conn *sql.Conn, before []sqlstore.Queued, query sqlstore.Queued) (*sql.Rows, error) {
	var text strings.Builder
	var args []any
	for _, s := range before {
		text.WriteString(s.Text + "; ")
		if s.Matched != nil {
			text.WriteString("SELECT ROW_COUNT(); ")
		}
		args = append(args, s.Args...)
	}
	text.WriteString(query.Text)
	rows, err := conn.QueryContext(ctx, text.String(), append(args, query.Args...)...)
	if err != nil {
		return nil, err
	}
	for _, s := range before {
		if s.Matched == nil {
			continue
		}
		if err := judged(rows, s.Matched); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
	}
	return rows, nil
}

// judged reads a count and goes on to the next result.
func judged(rows *sql.Rows, matched func(n int64) error) error {
	var n int64
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := matched(n); err != nil {
		return err
	}
	if !rows.NextResultSet() {
		return cmp.Or(rows.Err(), errShort)
	}
	return nil
}

// bytesOf is about how long a statement gets.
func bytesOf(s sqlstore.Queued) int {
	n := len(s.Text)
	for _, a := range s.Args {
		n += sizeOf(a)
	}
	return n
}

// errShort is a defect: the server has answered each statement.
var errShort = errors.New("some statements of one text have no answer")

// atOnce sends statements in one round trip. The driver tells of several counts only to those who ask it without database/sql
// between.
func atOnce(ctx context.Context, conn *sql.Conn, statements []sqlstore.Queued) (counts []int64, err error) {
	var text strings.Builder
	var args []driver.NamedValue
	for i, s := range statements {
		if i > 0 {
			text.WriteString("; ")
		}
		text.WriteString(s.Text)
		for _, a := range s.Args {
			args = append(args, driver.NamedValue{Ordinal: len(args) + 1, Value: a})
		}
	}
	err = conn.Raw(func(dc any) error {
		c, ok := dc.(*leaver)
		if !ok {
			return fmt.Errorf("%T is no connection of this package", dc)
		}
		for i := range args {
			if err := c.CheckNamedValue(&args[i]); err != nil {
				return err
			}
		}
		res, err := c.ExecContext(ctx, text.String(), args)
		if err != nil {
			return err
		}
		all, ok := res.(mysql.Result)
		if !ok {
			return fmt.Errorf("%T tells of one statement alone", res)
		}
		counts = all.AllRowsAffected()
		return nil
	})
	if errors.Is(err, driver.ErrSkip) {
		return one(ctx, conn, statements) // the driver does not put these parameters into a text
	}
	if err == nil && len(counts) != len(statements) {
		err = errShort
	}
	return counts, err
}

// one sends each statement by itself.
func one(ctx context.Context, conn *sql.Conn, statements []sqlstore.Queued) ([]int64, error) {
	counts := make([]int64, len(statements))
	for i, s := range statements {
		res, err := conn.ExecContext(ctx, s.Text, s.Args...)
		if err != nil {
			return nil, err
		}
		if counts[i], err = res.RowsAffected(); err != nil {
			return nil, err
		}
	}
	return counts, nil
}
