package wire

import (
	"context"
	"net/http"
)

// Queues returns all queues, by name.
func (c *Client) Queues(ctx context.Context) ([]Queue, error) {
	var out QueueList
	err := c.queue(ctx, http.MethodGet, nil, &out)
	return out.Queues, err
}

// Queue returns a queue. job.ErrNotFound: there is none.
func (c *Client) Queue(ctx context.Context, name string) (Queue, error) {
	var out Queue
	err := c.queue(ctx, http.MethodGet, nil, &out, name)
	return out, err
}

// PutQueue makes a queue with these settings, the rest by default, or sets them all on one that is there.
func (c *Client) PutQueue(ctx context.Context, name string, s QueueSettings) (Queue, error) {
	var out Queue
	err := c.queue(ctx, http.MethodPut, &s, &out, name)
	return out, err
}

// PatchQueue changes the settings that are given. job.ErrNotFound: there is no such queue.
func (c *Client) PatchQueue(ctx context.Context, name string, s QueueSettings) (Queue, error) {
	var out Queue
	err := c.queue(ctx, http.MethodPatch, &s, &out, name)
	return out, err
}

// DeleteQueue removes an empty queue. job.ErrNotEmpty: it has unfinished jobs.
func (c *Client) DeleteQueue(ctx context.Context, name string) error {
	return c.queue(ctx, http.MethodDelete, nil, nil, name)
}

// PauseQueue stops handing out jobs of the queue: when it returns, no more start.
func (c *Client) PauseQueue(ctx context.Context, name string) (Queue, error) {
	var out Queue
	err := c.queue(ctx, http.MethodPost, nil, &out, name, "pause")
	return out, err
}

// ResumeQueue ends a pause.
func (c *Client) ResumeQueue(ctx context.Context, name string) (Queue, error) {
	var out Queue
	err := c.queue(ctx, http.MethodPost, nil, &out, name, "resume")
	return out, err
}

// PurgeQueue cancels the jobs that wait in the queue; with More set in the answer there may be more of them.
func (c *Client) PurgeQueue(ctx context.Context, name string) (Purged, error) {
	var out Purged
	err := c.queue(ctx, http.MethodPost, nil, &out, name, "purge")
	return out, err
}

// Slots returns the slots of a queue, in order.
func (c *Client) Slots(ctx context.Context, queue string) ([]Slot, error) {
	var out SlotList
	err := c.queue(ctx, http.MethodGet, nil, &out, queue, "slots")
	return out.Slots, err
}

func (c *Client) queue(ctx context.Context, method string, body, out any, path ...string) error {
	return c.call(ctx, request{method: method, path: append([]string{"v1", "queues"}, path...), body: body}, out)
}
