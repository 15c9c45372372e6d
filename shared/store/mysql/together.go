package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/slotq/slotq/shared/store/sqlstore"
)

// together sends statements as one text, with semicolons between them, or as several where one would get too long. It is the
// only place that does so, and all its texts are this program's own: what comes from outside is always a parameter, which the
// driver quotes.
func together(ctx context.Context, conn *sql.Conn, statements []sqlstore.Queued) (counts []int64, err error) {
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

// bytesOf is about how long a statement gets.
func bytesOf(s sqlstore.Queued) int {
	n := len(s.Text)
	for _, a := range s.Args {
		n += sizeOf(a)
	}
	return n
}

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
		err = fmt.Errorf("%d answers to %d statements", len(counts), len(statements))
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
