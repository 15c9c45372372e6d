package mysql_test

import (
	"context"
	"database/sql/driver"
	"sync/atomic"
	"testing"
	"time"

	mariadb "github.com/go-sql-driver/mysql"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store/mysql"
	"github.com/slotq/slotq/shared/store/storetest"
)

// cutOff is a node of a cluster that loses the others: every connection made before answers 1047 to all statements.
func cutOff(c driver.Connector, now *atomic.Bool) driver.Connector {
	return wrapping{c, func(conn driver.Conn) driver.Conn {
		node := &cutOffConn{recordingConn: &recordingConn{Conn: conn, recorder: newRecorder()}}
		if !now.Load() {
			node.now = now
		}
		return node
	}}
}

type cutOffConn struct {
	*recordingConn
	now *atomic.Bool // nil = a connection to a good node
}

func (c *cutOffConn) refusal() error {
	if c.now != nil && c.now.Load() {
		return &mariadb.MySQLError{Number: 1047, Message: "WSREP has not yet prepared node for application use"}
	}
	return nil
}

func (c *cutOffConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.refusal(); err != nil {
		return nil, err
	}
	return c.recordingConn.ExecContext(ctx, query, args)
}

func (c *cutOffConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.refusal(); err != nil {
		return nil, err
	}
	return c.recordingConn.QueryContext(ctx, query, args)
}

func TestANodeThatIsUpButServesNobodyIsLeft(t *testing.T) {
	url := storetest.FreshOn(t, "SLOTQ_TEST_MYSQL_URL")(t)
	var now atomic.Bool
	s, err := mysql.OpenWith(t.Context(), url, 4, func(c driver.Connector) driver.Connector { return cutOff(c, &now) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	worker := job.Worker{ID: 7, Lease: time.Minute, Concurrency: 1}
	if err := s.Register(t.Context(), worker); err != nil {
		t.Fatal(err)
	}
	now.Store(true)
	if _, err := s.Now(t.Context()); err != nil {
		t.Errorf("a read stays with the node: %v", err)
	}
	if _, err := s.Beat(t.Context(), worker.ID, nil); err != nil {
		t.Errorf("a heartbeat stays with the node: %v", err)
	}
}
