package wire

import (
	"context"
	"net/http"

	"github.com/slotq/slotq/shared/job"
)

// Act asks for one change to many jobs and returns at once: a manager carries it out, Action says how far it is.
// job.ErrLimit: too many are under way.
func (c *Client) Act(ctx context.Context, n NewAction) (Action, error) {
	if c.retryFor > 0 && n.IdempotencyKey == "" {
		n.IdempotencyKey = freshID().String()
	}
	var out Action
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"v1", "jobs", "actions"}, header: keyHeader(n.IdempotencyKey), body: &n, named: true}, &out)
	return out, err
}

// Action returns an action as it stands. job.ErrNotFound: there was none, or it ended more than 24 h ago.
func (c *Client) Action(ctx context.Context, id job.ID) (Action, error) {
	var out Action
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "actions", id.String()}}, &out)
	return out, err
}
