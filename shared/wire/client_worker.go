package wire

import (
	"context"
	"net/http"

	"github.com/slotq/slotq/shared/job"
)

// Workers returns all workers that are known.
func (c *Client) Workers(ctx context.Context) ([]Worker, error) {
	var out WorkerList
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "workers"}}, &out)
	return out.Workers, err
}

// QuietWorker asks a worker to take no more jobs. job.ErrNotFound: there is none.
func (c *Client) QuietWorker(ctx context.Context, w job.WorkerID) (Worker, error) {
	return c.command(ctx, w, "quiet")
}

// StopWorker asks a worker to drain and end. job.ErrNotFound: there is none.
func (c *Client) StopWorker(ctx context.Context, w job.WorkerID) (Worker, error) {
	return c.command(ctx, w, "stop")
}

func (c *Client) command(ctx context.Context, w job.WorkerID, command string) (Worker, error) {
	var out Worker
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"v1", "workers", w.String(), command}}, &out)
	return out, err
}
