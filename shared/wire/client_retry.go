package wire

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// ErrNoAnswer means that no whole answer came: the request may or may not have been carried out.
var ErrNoAnswer = errors.New("no answer from the api")

// Temporary reports whether the same request may do better later: there was no answer, or it came from something between,
// or the api said that it has too much to do or lacks its database. After such an error a job may or may not be stored.
func Temporary(err error) bool {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p.Status >= 500 || p.Status == http.StatusTooManyRequests || p.Status == http.StatusRequestTimeout
	}
	return errors.Is(err, ErrNoAnswer)
}

// WithRetries returns a client that sends a request again after a Temporary error, for limit at the most or as long as the
// call's context allows, and then returns the last error. It does so with what may be sent twice: calls that read, and
// those that add jobs or actions, to which it gives an id or an Idempotency-Key where they have none. Any other call, such
// as Retry, is sent once, since the second one could undo what somebody did in between.
func (c *Client) WithRetries(limit time.Duration) *Client {
	with := *c
	with.retryFor = limit
	return &with
}

// Waits between two requests: short enough for an api that is just started again, long enough for one that drowns.
const (
	firstWait   = 50 * time.Millisecond
	longestWait = 2 * time.Second
)

// call sends a request, again where that is asked for and harmless.
func (c *Client) call(ctx context.Context, r request, out any) error {
	if c.retryFor <= 0 || r.method != http.MethodGet && !r.named {
		return c.send(ctx, r, out)
	}
	ctx, cancel := context.WithTimeout(ctx, c.retryFor)
	defer cancel()
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := c.send(ctx, r, out)
		if err == nil || !Temporary(err) {
			return err
		}
		pause := wait/2 + rand.N(wait/2) // clients that lost the same api do not come back as one
		if p := (*Problem)(nil); errors.As(err, &p) {
			pause = max(pause, p.RetryAfter)
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return err // not the context's: it says why the call has failed so far
		}
	}
}

// freshID is the id of a job that has none, so that sending it again makes no second one.
func freshID() job.ID { return job.NewID(job.TimeOf(time.Now())) }
