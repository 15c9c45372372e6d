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

// explainedConn asks for the plan of each UPDATE of jobs, and of each look of a claim, before it is run.
type explainedConn struct {
	*recordingConn
	plans *[]string // the access of each, as EXPLAIN calls it, and what it does beside
}

func (c *explainedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if i := strings.LastIndex(query, "SELECT j.id, j.priority"); i > 0 { // behind BEGIN and the fence
		last := slices.Clone(args[len(args)-strings.Count(query[i:], "?"):])
		for k := range last {
			last[k].Ordinal = k + 1
		}
		plan, err := c.explain(ctx, query[i:], last)
		if err != nil {
			return nil, err
		}
		*c.plans = append(*c.plans, plan)
	}
	return c.recordingConn.QueryContext(ctx, query, args)
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
	rows, err := c.recordingConn.QueryContext(ctx, "EXPLAIN "+query, args)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	values := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(values); err != nil {
		return "", err
	}
	access, ok := values[slices.Index(rows.Columns(), "type")].([]byte)
	extra, _ := values[slices.Index(rows.Columns(), "Extra")].([]byte)
	if !ok {
		return "", errors.New("EXPLAIN names no access")
	}
	plan := strings.TrimSpace(string(access) + " " + strings.TrimSpace(strings.ReplaceAll(string(extra), "Using where", ""))) // the driver's until the next row
	if err := rows.Next(values); !errors.Is(err, io.EOF) {
		return "", errors.Join(errors.New("EXPLAIN has more than one row"), err)
	}
	return plan, nil
}

// A sort would read all that is due in the slot for each claim.
func TestAClaimWalksThePrimaryKeyAndSortsNothing(t *testing.T) {
	var plans []string
	s, r := oneJob(t, func(conn driver.Conn) driver.Conn {
		return &explainedConn{&recordingConn{Conn: conn, recorder: newRecorder()}, &plans}
	})
	c, err := s.Claim(t.Context(), r)
	if err != nil || len(c.Jobs) != 1 {
		t.Fatalf("claimed %d jobs: %v", len(c.Jobs), err)
	}
	if len(plans) != 1 || plans[0] != "range" {
		t.Errorf("a claim finds its jobs by %q, want one range", plans)
	}
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
