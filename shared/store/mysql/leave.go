package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// leaver closes a connection whose server is up and says that it serves nobody: a Galera node that was cut off from the
// others or is not ready yet, or a server that shuts down. Otherwise the pool would hand out the same connection again,
// and a process would stay with such a node for as long as a connection lives, though the next may lead to a good one.
// For servers that have become read-only the driver does the same, see RejectReadOnly.
type leaver struct {
	full
	left bool
}

// full is what the driver's connections can do; database/sql asks for each by type.
type full interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

func leaving(conn driver.Conn) (driver.Conn, error) {
	c, ok := conn.(full)
	if !ok {
		return nil, fmt.Errorf("%T is no connection of the MySQL driver", conn)
	}
	return &leaver{full: c}, nil
}

// look notes an answer after which the connection is of no use. The pool asks IsValid when it gets the connection back.
func (l *leaver) look(err error) {
	var me *mysql.MySQLError
	if errors.As(err, &me) {
		switch me.Number {
		case 1047, // Galera: not a member that serves; it answers all else
			1053, 1077, 1079: // shutting down
			l.left = true
		}
	}
}

func (l *leaver) IsValid() bool { return !l.left && l.full.IsValid() }

func (l *leaver) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	res, err := l.full.ExecContext(ctx, query, args)
	l.look(err)
	return res, err
}

func (l *leaver) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := l.full.QueryContext(ctx, query, args)
	l.look(err)
	return rows, err
}
