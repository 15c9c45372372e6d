package wire

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// Failures returns what jobs failed with last, newest first; an empty queue or kind is all, limit 0 is 100.
func (c *Client) Failures(ctx context.Context, queue, kind string, limit int) (FailureList, error) {
	q := url.Values{}
	if queue != "" {
		q.Set("queue", queue)
	}
	if kind != "" {
		q.Set("kind", kind)
	}
	if limit != 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	var out FailureList
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "failures"}, query: q}, &out)
	return out, err
}
