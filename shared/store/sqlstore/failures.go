package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// How much one call of Failures reads: rows and bytes of errors, of unfinished jobs and of history each, and time in all. A job's
// errors may be 40 KB.
const (
	failureRows  = 10_000
	failureBytes = 16 << 20
	failureTime  = 2 * time.Second
	failurePage  = 1000 // rows of a range that one statement reads
)

// failures is one call of Failures.
type failures struct {
	store  *Store
	filter job.Filter
	groups job.FailureGroups
	out    job.FailureList
	bytes  int
	end    time.Time
}

// Failures implements store.Jobs. Retryable jobs are those of a slot that are due later, so they are found at the end of its
// primary key's ranges, however many jobs wait before them; those due first are read first. Of history the youngest
// discarded jobs are read.
func (s *Store) Failures(ctx context.Context, f job.Filter, limit int, now job.Time) (job.FailureList, error) {
	c := &failures{store: s, filter: f, end: time.Now().Add(failureTime)}
	if err := c.retryable(ctx, now); err != nil {
		return c.out, err
	}
	if err := c.discarded(ctx); err != nil {
		return c.out, err
	}
	c.out.Failures, c.out.More = c.groups.Newest(limit)
	return c.out, nil
}

var errFull = errors.New("as much was read as may be") // ends a reading

// add counts one row; errFull ends the reading after it.
func (c *failures) add(id job.ID, kind string, errs []byte, discarded bool) error {
	if c.bytes += len(errs); c.bytes > failureBytes {
		return errFull
	}
	if len(errs) == 0 || c.filter.Kind != "" && kind != c.filter.Kind {
		return nil
	}
	var list []job.RunError
	if err := json.Unmarshal(errs, &list); err != nil {
		return fmt.Errorf("job %s: errors: %w", id, err)
	}
	c.groups.Add(id, kind, list, discarded)
	return nil
}

func (c *failures) retryable(ctx context.Context, now job.Time) error {
	slots, err := c.slots(ctx)
	if err != nil {
		return err
	}
	rows := 0
	page := max(min(failurePage, failureRows/max(len(slots), 1)), 50)
	for _, slot := range slots {
		if rows >= failureRows || c.bytes > failureBytes || !time.Now().Before(c.end) {
			c.out.Capped = true
			break
		}
		n, err := c.slot(ctx, slot, page, now)
		if err != nil {
			return err
		}
		rows += n
	}
	c.out.Rows += rows
	return nil
}

func (c *failures) slots(ctx context.Context) (slots []job.Slot, err error) {
	queues, err := c.store.ListQueues(ctx, false)
	if err != nil {
		return nil, err
	}
	for _, q := range queues {
		if !c.filter.InQueue(q.Name) {
			continue
		}
		rows, err := c.store.Slots(ctx, q.ID)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			slots = append(slots, r.Slot)
		}
		if !time.Now().Before(c.end) {
			c.out.Capped = true
			break
		}
	}
	return slots, nil
}

// slot reads up to page rows of each priority's jobs that are due later.
func (c *failures) slot(ctx context.Context, slot job.Slot, page int, now job.Time) (rows int, err error) {
	var branches []string
	var args []any
	for priority := 1; priority <= 4; priority++ {
		branches = append(branches, "{branch}SELECT j.priority, j.id, j.kind, j.token, j.run, j.errors FROM slotq_jobs j {by key}"+
			" WHERE j.queue_id = ? AND j.slot = ? AND j.blocked = 0 AND j.priority = ? AND j.run_at > ? ORDER BY j.run_at, j.id LIMIT ?)")
		args = append(args, slot.QueueID, slot.Slot, priority, now, page)
	}
	var of [5]int
	err = c.store.read(ctx, "failures", strings.Join(branches, " UNION ALL "), args, func(r Rows) error {
		var id job.ID
		var kind string
		var token job.Token
		var priority, run int
		var errs []byte
		if err := r.Scan(&priority, &id, &kind, &token, &run, &errs); err != nil {
			return err
		}
		rows++
		if of[priority]++; of[priority] == page {
			c.out.Capped = true
		}
		if !token.IsZero() || run == 0 {
			return nil
		}
		return c.add(id, kind, errs, false)
	})
	if errors.Is(err, errFull) {
		err = nil
	}
	return rows, err
}

func (c *failures) discarded(ctx context.Context) error {
	before, rows := newest, 0
	c.bytes = 0
	for {
		n := 0
		err := c.store.read(ctx, "failures", "SELECT j.id, q.name, j.kind, j.stub, j.errors FROM slotq_history j {by key} {with queue}"+
			" WHERE j.state = 6 AND j.id < ? ORDER BY j.id DESC LIMIT ?", []any{before, failurePage}, func(r Rows) error {
			var queue, kind string
			var stub int
			var errs []byte
			if err := r.Scan(&before, &queue, &kind, &stub, &errs); err != nil {
				return err
			}
			n++
			if stub != 0 || !c.filter.InQueue(queue) {
				return nil
			}
			return c.add(before, kind, errs, true)
		})
		rows += n
		c.out.Rows += n
		if err != nil && !errors.Is(err, errFull) {
			return err
		}
		if errors.Is(err, errFull) || n == failurePage && (rows >= failureRows || !time.Now().Before(c.end)) {
			c.out.Capped = true
			return nil
		}
		if n < failurePage {
			return nil
		}
	}
}
