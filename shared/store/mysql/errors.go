package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"

	"github.com/slotq/slotq/shared/store/sqlstore"
)

// Class implements sqlstore.Engine. The numbers are MySQL's, MariaDB's and Galera's.
func (e *Engine) Class(err error) sqlstore.Class {
	var me *mysql.MySQLError
	if errors.As(err, &me) {
		switch me.Number {
		case 1213, // deadlock; Galera: certification failed, at COMMIT too
			1020,                   // MariaDB 11.6+: the row changed since the snapshot
			3101,                   // group replication: certification failed
			8002, 8022, 8028, 9007: // TiDB: write conflict, schema changed
			return sqlstore.Retry
		case 1205, // lock wait timeout: the statement was rolled back, the transaction must be
			3572: // NOWAIT
			return sqlstore.Busy
		case 1062:
			return sqlstore.Duplicate
		case 1406, 1366, 1264, 1292, 1153, 1301, 1300, 22001:
			return sqlstore.Data
		case 1040, 1203, 1226, // too many connections
			1047, 1053, 1077, 1079, // Galera without quorum, shutting down
			1290, 1792, 1836, // read-only
			1021, 1114, 1041, // disk full, table full, out of memory
			1180, 1317, 1927, 1928, 4031, // error during commit, interrupted, connection killed
			2006, 2013:
			return sqlstore.Unavailable
		}
		return sqlstore.Other
	}
	var ne net.Error
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &ne) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return sqlstore.Unavailable
	}
	if errors.Is(err, mysql.ErrPktTooLarge) {
		return sqlstore.Data
	}
	return sqlstore.Other
}
