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
	"github.com/slotq/slotq/shared/store/sqlstore"
)

// explainedConn asks for the plan of each UPDATE of jobs, and of each look of a claim or a poll, before it is run.
type explainedConn struct {
	*recordingConn
	plans *[]string // the access of each, as EXPLAIN calls it, and what it does beside
}

func (c *explainedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	i := strings.LastIndex(query, "SELECT j.id, j.priority") // a claim's, behind BEGIN and the fence
	if strings.HasPrefix(query, "SELECT s.queue_id") {
		i = 0 // a poll's
	}
	if i >= 0 {
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
	var plan []string
	values := make([]driver.Value, len(rows.Columns()))
	for err = rows.Next(values); err == nil; err = rows.Next(values) {
		table, _ := values[slices.Index(rows.Columns(), "table")].([]byte)
		access, _ := values[slices.Index(rows.Columns(), "type")].([]byte)
		extra, _ := values[slices.Index(rows.Columns(), "Extra")].([]byte)
		if table := string(table); table == "j" || table == "slotq_jobs" {
			plan = append(plan, strings.TrimSpace(string(access)+" "+strings.TrimSpace(strings.ReplaceAll(string(extra), "Using where", ""))))
		}
	}
	if !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.Join(plan, ", "), nil
}

// explained is oneJob with the plans of what its store has asked.
func explained(t *testing.T) (*sqlstore.Store, job.ClaimRequest, *[]string) {
	t.Helper()
	plans := new([]string)
	s, r := oneJob(t, func(conn driver.Conn) driver.Conn {
		return &explainedConn{&recordingConn{Conn: conn, recorder: newRecorder()}, plans}
	})
	return s, r, plans
}

// A sort would read all that is due in the slot for each claim.
func TestAClaimWalksThePrimaryKeyAndSortsNothing(t *testing.T) {
	s, r, plans := explained(t)
	c, err := s.Claim(t.Context(), r)
	if err != nil || len(c.Jobs) != 1 {
		t.Fatalf("claimed %d jobs: %v", len(c.Jobs), err)
	}
	if !slices.Equal(*plans, []string{"range"}) {
		t.Errorf("a claim finds its jobs by %q, want one range", *plans)
	}
}

func TestAClaimFromSeveralSlotsWalksThePrimaryKeyAndSortsNothing(t *testing.T) {
	s, r, plans := explained(t)
	r.Beside = slices.DeleteFunc([]int{1, 2, 3, 4, 5, 6, 7, 8}, func(slot int) bool { return slot == r.Slot.Slot })
	c, err := s.Claim(t.Context(), r)
	if err != nil || len(c.Jobs) != 1 || !c.LookedBeside {
		t.Fatalf("claimed %d jobs of all slots (%v): %v", len(c.Jobs), c.LookedBeside, err)
	}
	if !slices.Equal(*plans, []string{"range"}) {
		t.Errorf("a claim finds its jobs by %q, want one range", *plans)
	}
}

// A planner that takes the table for empty would read all of it for each slot and priority, past each row that was deleted and is
// not purged yet: after a drain a look into 1,000 slots took 7 s, and by the primary key 0.05 s.
func TestAPollLooksIntoEachSlotByThePrimaryKey(t *testing.T) {
	s, r, plans := explained(t)
	var slots []job.Slot
	for slot := range job.DefaultSlots {
		slots = append(slots, job.Slot{QueueID: r.Slot.QueueID, Slot: 1 + slot})
	}
	hits, err := s.Poll(t.Context(), slots, r.Now)
	if err != nil || !slices.Equal(hits, []job.Slot{r.Slot}) {
		t.Fatalf("%v, %v; want the job's slot", hits, err)
	}
	if want := []string{"ref, ref, ref, ref"}; !slices.Equal(*plans, want) {
		t.Errorf("a poll finds jobs by %q, want %q", *plans, want)
	}
}

// By pairs of id and token alone MariaDB would read the whole table, however many jobs wait in it.
func TestJobsThatAreGivenBackAreLookedForByTheirIDs(t *testing.T) {
	s, r, plans := explained(t)
	c, err := s.Claim(t.Context(), r)
	if err != nil || len(c.Jobs) != 1 {
		t.Fatalf("claimed %d jobs: %v", len(c.Jobs), err)
	}
	*plans = nil
	verdicts, err := s.Finish(t.Context(), r.Worker, []job.Outcome{{Job: c.Jobs[0], Action: job.Release}}, nil, r.Now+1)
	if err != nil || !slices.Equal(verdicts, []job.Verdict{job.Committed}) {
		t.Fatalf("%v, %v", verdicts, err)
	}
	if !slices.Equal(*plans, []string{"range"}) {
		t.Errorf("the UPDATE finds its rows by %q, want by a range of ids", *plans)
	}
}
