package mysql_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
)

// explainedConn asks for the plan of each UPDATE of jobs before it is run.
type explainedConn struct {
	*recordingConn
	plans *[]string // the access of each, as EXPLAIN calls it
}

func (c *explainedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if strings.HasPrefix(query, "UPDATE slotq_jobs") && !strings.Contains(query, "; ") {
		plan, err := c.explain(ctx, query, args)
		if err != nil {
			return nil, err
		}
		*c.plans = append(*c.plans, plan)
	}
	return c.recordingConn.ExecContext(ctx, query, args)
}

func (c *explainedConn) explain(ctx context.Context, query string, args []driver.NamedValue) (string, error) {
	rows, err := c.QueryContext(ctx, "EXPLAIN "+query, args)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	values := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(values); err != nil {
		return "", err
	}
	access, ok := values[slices.Index(rows.Columns(), "type")].([]byte)
	if !ok {
		return "", errors.New("EXPLAIN names no access")
	}
	plan := string(access) // the driver's until the next row
	if err := rows.Next(values); !errors.Is(err, io.EOF) {
		return "", errors.Join(errors.New("EXPLAIN has more than one row"), err)
	}
	return plan, nil
}

// By pairs of id and token alone MariaDB would read the whole table, however many jobs wait in it.
func TestJobsThatAreGivenBackAreLookedForByTheirIDs(t *testing.T) {
	var plans []string
	s, r := oneJob(t, func(conn driver.Conn) driver.Conn {
		return &explainedConn{&recordingConn{Conn: conn, recorder: newRecorder()}, &plans}
	})
	c, err := s.Claim(t.Context(), r)
	if err != nil || len(c.Jobs) != 1 {
		t.Fatalf("claimed %d jobs: %v", len(c.Jobs), err)
	}
	plans = nil
	verdicts, err := s.Finish(t.Context(), r.Worker, []job.Outcome{{Job: c.Jobs[0], Action: job.Release}}, nil, r.Now+1)
	if err != nil || !slices.Equal(verdicts, []job.Verdict{job.Committed}) {
		t.Fatalf("%v, %v", verdicts, err)
	}
	if !slices.Equal(plans, []string{"range"}) {
		t.Errorf("the UPDATE finds its rows by %q, want by a range of ids", plans)
	}
}
