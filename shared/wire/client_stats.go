package wire

import (
	"context"
	"net/http"
	"net/url"
)

// Stats returns what happened in the last hour and week in one queue. job.ErrNotFound: there is no such queue.
func (c *Client) Stats(ctx context.Context, queue string) (QueueStats, error) {
	var out StatsPage
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "stats"}, query: url.Values{"queue": {queue}}}, &out)
	if err != nil || len(out.Queues) == 0 {
		return QueueStats{}, err
	}
	return out.Queues[0], nil
}

// StatsPage returns the same of all queues by name, a page after the cursor; "" = the first page.
func (c *Client) StatsPage(ctx context.Context, cursor string) (StatsPage, error) {
	var out StatsPage
	query := url.Values{}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "stats"}, query: query}, &out)
	return out, err
}
