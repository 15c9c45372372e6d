package wire

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/slotq/slotq/shared/job"
)

// Enqueue stores a job. When it returns without error the job is committed.
func (c *Client) Enqueue(ctx context.Context, n NewJob) (Enqueued, error) {
	made := c.retryFor > 0 && n.ID == job.ID{} && n.IdempotencyKey == ""
	if made {
		n.ID = freshID()
	}
	var out Enqueued
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"v1", "jobs"}, header: keyHeader(n.IdempotencyKey), body: &n, named: true}, &out)
	if made && out.DeduplicatedBy == "id" {
		out.Deduplicated, out.DeduplicatedBy = false, "" // nobody else knows the id: the job that was there is this one
	}
	return out, err
}

// EnqueueBatch stores up to MaxBatch jobs in one request; with an idempotencyKey, "" = none, sending it again makes no
// second jobs. The jobs' own IdempotencyKeys are not sent. Without Atomic, look at the results for what was rejected. With
// WithRetries jobs that a request without an answer has stored are counted as deduplicated.
func (c *Client) EnqueueBatch(ctx context.Context, b Batch, idempotencyKey string) (BatchResult, error) {
	if c.retryFor > 0 && idempotencyKey == "" {
		idempotencyKey = freshID().String()
	}
	var out BatchResult
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"v1", "jobs", "batch"}, header: keyHeader(idempotencyKey), body: &b, named: true}, &out)
	return out, err
}

func keyHeader(key string) http.Header {
	if key == "" {
		return nil
	}
	quoted := true
	for i := range len(key) {
		quoted = quoted && key[i] >= 0x20 && key[i] < 0x7f
	}
	if quoted {
		key = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
	}
	return http.Header{"Idempotency-Key": {key}}
}

// Get returns a job with its payload and output. job.ErrNotFound: there is none, or its retention is over.
func (c *Client) Get(ctx context.Context, id job.ID) (Job, error) {
	return c.job(ctx, http.MethodGet, id.String())
}

// Cancel ends a waiting job; a running one is being stopped when it returns, with CancelRequestedAt set. job.ErrState:
// it has completed or was discarded.
func (c *Client) Cancel(ctx context.Context, id job.ID) (Job, error) {
	return c.job(ctx, http.MethodPost, id.String(), "cancel")
}

// Retry puts a finished job back, or makes a retryable one due. job.ErrState: it is neither.
func (c *Client) Retry(ctx context.Context, id job.ID) (Job, error) {
	return c.job(ctx, http.MethodPost, id.String(), "retry")
}

// Run makes a scheduled or retryable job due now. job.ErrState: it runs or has ended.
func (c *Client) Run(ctx context.Context, id job.ID) (Job, error) {
	return c.job(ctx, http.MethodPost, id.String(), "run")
}

// Delete removes a waiting or finished job for good and returns what it was. job.ErrState: it runs.
func (c *Client) Delete(ctx context.Context, id job.ID) (Job, error) {
	return c.job(ctx, http.MethodDelete, id.String())
}

func (c *Client) job(ctx context.Context, method string, path ...string) (Job, error) {
	var out Job
	err := c.call(ctx, request{method: method, path: append([]string{"v1", "jobs"}, path...)}, &out)
	return out, err
}

// JobFilter chooses jobs; a zero field chooses all.
type JobFilter struct {
	Queue          string
	Kind           string
	States         []job.State
	Slot           int
	Tag            string
	ConcurrencyKey string
	UniqueKey      string
	Limit          int // of a page, 1..1000; 0 = 100
}

// Page returns one page of the jobs chosen, newest first, without payloads; cursor "" is the first page.
func (c *Client) Page(ctx context.Context, f JobFilter, cursor string) (JobPage, error) {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	number := func(name string, value int) {
		if value != 0 {
			q.Set(name, strconv.Itoa(value))
		}
	}
	states := make([]string, len(f.States))
	for i, s := range f.States {
		states[i] = s.String()
	}
	set("queue", f.Queue)
	set("kind", f.Kind)
	set("state", strings.Join(states, ","))
	number("slot", f.Slot)
	set("tag", f.Tag)
	set("concurrency_key", f.ConcurrencyKey)
	set("unique_key", f.UniqueKey)
	number("limit", f.Limit)
	set("cursor", cursor)
	var out JobPage
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "jobs"}, query: q}, &out)
	return out, err
}

// List goes through all jobs chosen, page by page. It ends after the first error.
func (c *Client) List(ctx context.Context, f JobFilter) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		for cursor := ""; ; {
			page, err := c.Page(ctx, f, cursor)
			if err != nil {
				yield(Job{}, fmt.Errorf("list jobs: %w", err))
				return
			}
			for _, j := range page.Jobs {
				if !yield(j, nil) {
					return
				}
			}
			if cursor = page.NextCursor; cursor == "" {
				return
			}
		}
	}
}
