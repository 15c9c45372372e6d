package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/slotq/slotq/shared/store/sqlstore"
)

// Class implements sqlstore.Engine.
func (e *Engine) Class(err error) sqlstore.Class {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		switch pe.Code {
		case "40001", "40P01":
			return sqlstore.Retry
		case "55P03":
			return sqlstore.Busy
		case "23505":
			return sqlstore.Duplicate
		case "25006", // read-only after a failover
			"57014",                                     // cancelled by statement_timeout
			"57P01", "57P02", "57P03", "57P05", "25P03", // shutting down, starting, ended while idle
			"53100", "53200", "53300", "58030": // disk full, out of memory, too many connections, I/O
			return sqlstore.Unavailable
		}
		switch {
		case strings.HasPrefix(pe.Code, "08"):
			return sqlstore.Unavailable
		case strings.HasPrefix(pe.Code, "22"), strings.HasPrefix(pe.Code, "54"):
			return sqlstore.Data
		}
		return sqlstore.Other
	}
	var ce *pgconn.ConnectError
	var ne net.Error
	if errors.As(err, &ce) || errors.As(err, &ne) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, pgx.ErrTxClosed) || pgconn.SafeToRetry(err) {
		return sqlstore.Unavailable
	}
	return sqlstore.Other
}
