package wire

import (
	"context"
	"net/http"
)

// Kinds returns all kinds that have jobs or a worker, by name.
func (c *Client) Kinds(ctx context.Context) (KindList, error) {
	var out KindList
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "kinds"}}, &out)
	return out, err
}
