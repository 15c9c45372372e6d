package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
)

// session makes every connection what the protocol asks for, before it is used for the first time.
type session struct{ driver.Connector }

func (s session) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := prepare(ctx, conn); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the session: %w", err), conn.Close())
	}
	return leaving(conn)
}

func prepare(ctx context.Context, conn driver.Conn) error {
	version, err := value(ctx, conn, "SELECT VERSION()")
	if err != nil {
		return err
	}
	// The variable of the isolation level has two names, the limit on an idle transaction exists in MariaDB alone;
	// MySQL has only wait_timeout, which ends idle connections too: the pool notices and opens a new one.
	isolation, idle := "@@transaction_isolation", fmt.Sprintf("wait_timeout = %d", idleHolder)
	if strings.Contains(version, "MariaDB") {
		isolation, idle = "@@tx_isolation", fmt.Sprintf("idle_transaction_timeout = %d", idleHolder)
	}
	for _, statement := range []string{
		// The driver quotes parameters as they are safe in this one. In gbk, which a server can force on its clients, a payload
		// could end its own text.
		"SET NAMES utf8mb4",
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
		"SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ENGINE_SUBSTITUTION'",
		// A server may have it off for everybody: a heartbeat would then never be committed, and hold its row's lock.
		fmt.Sprintf("SET SESSION autocommit = 1, innodb_lock_wait_timeout = %d, %s", lockWait, idle),
		"SET SESSION time_zone = '+00:00'",
	} {
		if err := run(ctx, conn, statement); err != nil {
			return err
		}
	}
	charset, err := value(ctx, conn, "SELECT @@character_set_client")
	if err != nil {
		return err
	}
	if charset != "utf8mb4" {
		return fmt.Errorf("the server did not accept utf8mb4: it reads what it is sent as %s", charset)
	}
	level, err := value(ctx, conn, "SELECT "+isolation)
	if err != nil {
		return err
	}
	if level != "READ-COMMITTED" {
		return fmt.Errorf("the server did not accept READ COMMITTED: its level is %s", level)
	}
	return nil
}

func run(ctx context.Context, conn driver.Conn, statement string) error {
	execer, ok := conn.(driver.ExecerContext)
	if !ok {
		return fmt.Errorf("%T cannot run a statement", conn)
	}
	_, err := execer.ExecContext(ctx, statement, nil)
	return err
}

func value(ctx context.Context, conn driver.Conn, query string) (string, error) {
	queryer, ok := conn.(driver.QueryerContext)
	if !ok {
		return "", fmt.Errorf("%T cannot run a query", conn)
	}
	rows, err := queryer.QueryContext(ctx, query, nil)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	dest := make([]driver.Value, 1)
	if err := rows.Next(dest); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if b, ok := dest[0].([]byte); ok {
		return string(b), nil
	}
	return fmt.Sprint(dest[0]), nil
}
