package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/slotq/slotq/test/faults/history"
	"github.com/slotq/slotq/test/faults/witness"
)

// refused is a Fail that the same request would meet again.
const refused = "refused"

// send sends an enqueue once and records it.
func (c *client) send(ctx context.Context, r *request) string {
	op := c.op.Add(1)
	events := make([]history.Event, len(r.sent))
	for i, s := range r.sent {
		events[i] = history.Event{At: history.Monotonic(), Type: history.Invoke, Call: history.Enqueue, Client: c.n, Op: op, Sent: s}
	}
	c.record(events...)
	status, answer, outcome := c.ask(ctx, http.MethodPost, r.path, r.body, r.key)
	ids := make([]string, len(r.sent))
	if outcome == history.OK {
		if ids = idsOf(answer, len(r.sent)); ids == nil {
			outcome = history.Unknown // half an answer
			ids = make([]string, len(r.sent))
		} else {
			c.mu.Lock()
			r.ids = ids
			c.mu.Unlock()
		}
	}
	for i := range events {
		events[i].At, events[i].Type, events[i].Status, events[i].Job = history.Monotonic(), outcome, status, ids[i]
	}
	c.record(events...)
	if outcome == history.Fail && status >= 400 && status != http.StatusTooManyRequests {
		return refused
	}
	return outcome
}

// idsOf reads the answer to one job or to a batch; nil = it is not whole.
func idsOf(answer []byte, n int) []string {
	var a struct {
		ID      string `json:"id"`
		Results []struct {
			ID string `json:"id"`
		} `json:"results"`
	}
	if json.Unmarshal(answer, &a) != nil {
		return nil
	}
	if len(a.Results) == 0 && n == 1 && a.ID != "" {
		return []string{a.ID}
	}
	if len(a.Results) != n {
		return nil
	}
	ids := make([]string, n)
	for i := range ids {
		ids[i] = a.Results[i].ID
	}
	return ids
}

// look reads or cancels a job and records what the answer says of it.
func (c *client) look(ctx context.Context, call string, known *request) (seen history.Final, ok bool) {
	id := c.idOf(known)
	if id == "" {
		return seen, false // it was never acknowledged
	}
	op := c.op.Add(1)
	e := history.Event{At: history.Monotonic(), Type: history.Invoke, Call: call, Client: c.n, Op: op, Job: id}
	c.record(e)
	method, path := http.MethodGet, "/v1/jobs/"+id
	if call == history.Cancel {
		method, path = http.MethodPost, path+"/cancel"
	}
	var answer []byte
	e.Status, answer, e.Type = c.ask(ctx, method, path, nil, "")
	if e.Type == history.OK {
		var err error
		if seen, err = FinalOf(answer); err == nil {
			e.Seen = &seen
		} else {
			e.Type = history.Unknown
		}
	}
	e.At = history.Monotonic()
	c.record(e)
	return seen, e.Seen != nil
}

// idOf is the id that a single job was answered.
func (c *client) idOf(r *request) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(r.ids) == 0 {
		return ""
	}
	return r.ids[0]
}

// ask sends one request. A connection that was never made carried nothing; any other error leaves the outcome unknown,
// as does a 5xx.
func (c *client) ask(ctx context.Context, method, path string, body []byte, key string) (status int, answer []byte, outcome string) {
	req, err := http.NewRequestWithContext(ctx, method, c.o.API+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, history.Fail
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	req.GetBody = nil // the transport sends nothing twice by itself: the record would not know
	res, err := c.http.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return 0, nil, history.Fail
		}
		return 0, nil, history.Unknown
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	switch {
	case res.StatusCode >= 500:
		return res.StatusCode, answer, history.Unknown
	case res.StatusCode >= 400:
		return res.StatusCode, answer, history.Fail
	case err != nil:
		return res.StatusCode, nil, history.Unknown
	}
	return res.StatusCode, answer, history.OK
}

// FinalOf reads a job as the api shows it, its payload and output if they are there.
func FinalOf(text []byte) (history.Final, error) {
	var j struct {
		ID          string          `json:"id"`
		State       string          `json:"state"`
		Reason      string          `json:"state_reason"`
		Kind        string          `json:"kind"`
		Attempt     int             `json:"attempt"`
		MaxAttempts int             `json:"max_attempts"`
		Run         int             `json:"run"`
		Crashes     int             `json:"crashes"`
		MaxCrashes  int             `json:"max_crashes"`
		FinishedAt  *time.Time      `json:"finished_at"`
		Payload     json.RawMessage `json:"payload"`
		Output      json.RawMessage `json:"output"`
	}
	if err := json.Unmarshal(text, &j); err != nil {
		return history.Final{}, err
	}
	f := history.Final{
		ID: j.ID, State: j.State, Reason: j.Reason, Kind: j.Kind, Attempt: j.Attempt, MaxAttempts: j.MaxAttempts,
		Run: j.Run, Crashes: j.Crashes, MaxCrashes: j.MaxCrashes,
	}
	if j.FinishedAt != nil {
		f.Finished = strconv.FormatInt(j.FinishedAt.UnixMicro(), 10)
	}
	if len(j.Payload) > 0 {
		f.Whole, f.Hash = true, witness.Hash(j.Payload)
		var out struct {
			Run int `json:"run"`
		}
		_ = json.Unmarshal(j.Output, &out)
		f.OutputRun = out.Run
	}
	return f, nil
}
