package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// unsteady is an api that answers request n with the n-th of its answers, the last one for ever. It needs no network, so
// that the waits pass in virtual time.
type unsteady struct {
	answers []func() (*http.Response, error)
	bodies  []string
	keys    []string
	at      []time.Time
}

func (u *unsteady) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.Body != nil {
		body, _ := io.ReadAll(r.Body)
		u.bodies = append(u.bodies, string(body))
	}
	u.keys = append(u.keys, r.Header.Get("Idempotency-Key"))
	u.at = append(u.at, time.Now())
	return u.answers[min(len(u.at), len(u.answers))-1]()
}

func (u *unsteady) client(t *testing.T) *Client {
	t.Helper()
	c, err := NewClient("http://api.invalid", &http.Client{Transport: u})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func answer(status int, body string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func sick(code Code, after string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		p := NewProblem(code, "")
		b, _ := json.Marshal(p)
		header := http.Header{"Content-Type": {"application/problem+json"}, "Retry-After": {after}}
		return &http.Response{StatusCode: p.Status, Header: header, Body: io.NopCloser(bytes.NewReader(b))}, nil
	}
}

func cut() (*http.Response, error) { return nil, errors.New("connection reset") }

func halved() (*http.Response, error) {
	body := io.MultiReader(strings.NewReader(`{"id":`), errorReader{})
	return &http.Response{StatusCode: 201, Header: http.Header{}, Body: io.NopCloser(body)}, nil
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAnEnqueueIsSentAgainUnderOneIDUntilItIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &unsteady{answers: []func() (*http.Response, error){
			cut, halved, answer(502, "<h1>Bad gateway</h1>"), sick(CodeUnavailable, "3"), sick(CodeRate, ""),
			answer(200, `{"kind":"a","deduplicated":true,"deduplicated_by":"id"}`),
		}}
		got, err := u.client(t).WithRetries(time.Minute).Enqueue(t.Context(), NewJob{Kind: "a"})
		if err != nil || got.Deduplicated || got.DeduplicatedBy != "" {
			t.Errorf("%+v, %v: a job that an earlier request of this call has stored is no duplicate", got, err)
		}
		var sent NewJob
		if len(u.bodies) != 6 || json.Unmarshal([]byte(u.bodies[0]), &sent) != nil || sent.ID == (job.ID{}) {
			t.Fatalf("sent %q", u.bodies)
		}
		if slices.ContainsFunc(u.bodies, func(b string) bool { return b != u.bodies[0] }) {
			t.Errorf("the requests differ: %q", u.bodies)
		}
		if wait := u.at[4].Sub(u.at[3]); wait < 3*time.Second {
			t.Errorf("it came back after %s, though it was asked for 3s", wait)
		}
	})
}

func TestWhatCannotDoBetterLaterIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, code := range []Code{CodeMalformed, CodeUnauthorized, CodeForbidden, CodeNotFound, CodeInvalid, CodeMismatch, CodeLimit, CodeTooLarge} {
			u := &unsteady{answers: []func() (*http.Response, error){sick(code, "")}}
			if _, err := u.client(t).WithRetries(time.Minute).Enqueue(t.Context(), NewJob{Kind: "a"}); err == nil || Temporary(err) || len(u.at) != 1 {
				t.Errorf("%s: %v after %d requests", code, err, len(u.at))
			}
		}
	})
}

func TestARequestThatMayNotBeSentTwiceIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, call := range map[string]func(*Client) error{
			"retry":  func(c *Client) error { _, err := c.Retry(t.Context(), job.ID{1}); return err },
			"delete": func(c *Client) error { _, err := c.Delete(t.Context(), job.ID{1}); return err },
			"patch":  func(c *Client) error { _, err := c.PatchQueue(t.Context(), "q", QueueSettings{}); return err },
		} {
			u := &unsteady{answers: []func() (*http.Response, error){cut}}
			if err := call(u.client(t).WithRetries(time.Minute)); !errors.Is(err, ErrNoAnswer) || len(u.at) != 1 {
				t.Errorf("%s: %v after %d requests", name, err, len(u.at))
			}
		}
		u := &unsteady{answers: []func() (*http.Response, error){cut}}
		if _, err := u.client(t).Enqueue(t.Context(), NewJob{Kind: "a"}); !errors.Is(err, ErrNoAnswer) || len(u.at) != 1 || strings.Contains(u.bodies[0], "id") {
			t.Errorf("without WithRetries: %v after %d requests of %q", err, len(u.at), u.bodies)
		}
	})
}

func TestBatchesAndActionsAreSentAgainUnderOneKeyAndReadsAsTheyAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, call := range map[string]func(*Client) error{
			"batch": func(c *Client) error {
				_, err := c.EnqueueBatch(t.Context(), Batch{Jobs: []NewJob{{Kind: "a"}}}, "")
				return err
			},
			"action": func(c *Client) error { _, err := c.Act(t.Context(), NewAction{Action: "retry"}); return err },
			"get":    func(c *Client) error { _, err := c.Get(t.Context(), job.ID{1}); return err },
		} {
			u := &unsteady{answers: []func() (*http.Response, error){cut, sick(CodeUnavailable, ""), answer(200, "{}")}}
			err := call(u.client(t).WithRetries(time.Minute))
			if err != nil || len(u.at) != 3 || (name != "get") != (u.keys[0] != "") || u.keys[0] != u.keys[1] || u.keys[1] != u.keys[2] {
				t.Errorf("%s: %v, keys %q", name, err, u.keys)
			}
		}
		u := &unsteady{answers: []func() (*http.Response, error){cut, answer(200, `{"deduplicated":true,"deduplicated_by":"idempotency_key"}`)}}
		got, err := u.client(t).WithRetries(time.Minute).Enqueue(t.Context(), NewJob{Kind: "a", IdempotencyKey: "mine"})
		if err != nil || !got.Deduplicated || u.keys[1] != `"mine"` || strings.Contains(u.bodies[0], `"id"`) {
			t.Errorf("under a key of the caller's: %+v, %v, %q", got, err, u.bodies)
		}
	})
}

func TestRetriesEndWithTheirLimitAndWithTheContextAndTellTheLastError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		u := &unsteady{answers: []func() (*http.Response, error){sick(CodeUnavailable, "")}}
		_, err := u.client(t).WithRetries(10*time.Second).Enqueue(t.Context(), NewJob{Kind: "a"})
		if took := time.Since(start); !errors.Is(err, job.ErrUnavailable) || took != 10*time.Second || len(u.at) < 8 || len(u.at) > 20 {
			t.Errorf("%v after %s and %d requests", err, took, len(u.at))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		_, err = u.client(t).WithRetries(time.Hour).Get(ctx, job.ID{1})
		if took := time.Since(start); !errors.Is(err, job.ErrUnavailable) || took != time.Second {
			t.Errorf("%v after %s", err, took)
		}
	})
}
