package load

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/slotq/slotq/test/faults/history"
	"github.com/slotq/slotq/test/faults/witness"
)

// request is an enqueue: the bytes that are sent, each time the same, and what they mean.
type request struct {
	path string
	body []byte
	key  string
	sent []*history.Sent
	ids  []string // as answered
	safe bool     // it may be sent again
}

// body is a job as the contract has it.
type body struct {
	ID               string          `json:"id,omitempty"`
	Queue            string          `json:"queue"`
	Kind             string          `json:"kind"`
	Payload          json.RawMessage `json:"payload"`
	MaxAttempts      int             `json:"max_attempts"`
	MaxCrashes       int             `json:"max_crashes"`
	TimeoutSeconds   float64         `json:"timeout_seconds"`
	RunAt            *time.Time      `json:"run_at,omitempty"`
	ConcurrencyKey   string          `json:"concurrency_key,omitempty"`
	ConcurrencyLimit int             `json:"concurrency_limit,omitempty"`
	Backoff          backoff         `json:"backoff"`
}

type backoff struct {
	Kind string  `json:"kind"`
	Base float64 `json:"base_seconds"`
	Cap  float64 `json:"cap_seconds"`
}

// MaxCrashes is that of all jobs but those that kill their worker: random kills must not use it up.
const MaxCrashes = 8

// single is a new job in a request of its own: half of them with a key, a quarter with an id, a quarter with neither.
func (c *client) single() *request {
	s, b := c.job()
	r := &request{path: "/v1/jobs", sent: []*history.Sent{s}, safe: true}
	switch c.random.IntN(4) {
	case 0:
		s.ID = newID()
	case 1:
		r.safe = false
	default:
		s.Key = "key " + newID()
		r.key = s.Key
	}
	b.ID = s.ID
	r.body = b.bytes()
	return r
}

// batch is cheap jobs in one request, under one key or with ids of their own.
func (c *client) batch() *request {
	r := &request{path: "/v1/jobs/batch", safe: true}
	if c.random.IntN(2) == 0 {
		r.key = "batch " + newID()
	}
	var jobs []string
	for range c.o.Mix.Bulk {
		o := witness.Orders{Nonce: newID(), Bulk: true}
		s, b := c.order("f.go", o)
		if r.key == "" {
			s.ID = newID()
		}
		s.Key, b.ID = r.key, s.ID
		r.sent = append(r.sent, s)
		jobs = append(jobs, string(b.bytes()))
	}
	r.body = []byte(`{"jobs":[` + strings.Join(jobs, ",") + `],"atomic":true}`)
	return r
}

// conflict is another body under the id or key of a job that is there.
func (c *client) conflict(known *request) *request {
	s, b := c.job()
	s.ID, s.Key, s.Conflict = known.sent[0].ID, known.sent[0].Key, true
	if !known.safe {
		s.ID = c.idOf(known) // slotq made it
	}
	b.ID = s.ID
	return &request{path: "/v1/jobs", key: s.Key, sent: []*history.Sent{s}, body: b.bytes(), safe: true}
}

// job draws a new job.
func (c *client) job() (*history.Sent, *body) {
	m := c.o.Mix
	o := witness.Orders{Nonce: newID(), Deaf: m.Deaf}
	if m.Work > 0 {
		o.Milliseconds = int(c.random.Int64N(int64(m.Work / time.Millisecond)))
	}
	kind := "f.go"
	if draw := c.random.IntN(m.Go + m.HTTP + m.Exec); draw < m.HTTP {
		kind = "f.http"
	} else if draw < m.HTTP+m.Exec {
		kind = "f.exec"
	}
	if m.Later > 0 {
		o.Milliseconds, o.FailUntil, o.Later = 0, 2, int(m.Later/time.Millisecond)
	} else if c.percent(m.Failing) {
		o.FailUntil = 2 + c.random.IntN(3) // 4 = always, with 3 attempts
	}
	if kind == "f.exec" && c.percent(m.Keyed) {
		n := c.random.IntN(6)
		o.Key, o.Limit = fmt.Sprintf("k%d", n), 1+n%2
	}
	s, b := c.order(kind, o)
	if c.percent(m.Scheduled) {
		at := time.Now().Add(time.Duration(c.random.Int64N(int64(3 * time.Second)))).UTC().Truncate(time.Microsecond)
		s.RunAt, b.RunAt = at.UnixMicro(), &at
	}
	return s, b
}

// order makes the job that carries orders. Its payload has white space that a JSON library would take away.
func (c *client) order(kind string, o witness.Orders) (*history.Sent, *body) {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // it always marshals
	}
	payload := append([]byte(`{  "note":"<&>\u00e4", `), text[1:]...)
	s := &history.Sent{
		Hash: witness.Hash(payload), Kind: kind, MaxAttempts: 3, MaxCrashes: MaxCrashes,
		Kills: o.Kills, Fails: o.FailUntil > 3,
	}
	queue := "faults"
	if n := c.o.Mix.Queues; n > 1 {
		queue = fmt.Sprintf("faults-%d", c.random.IntN(n))
	}
	if o.Key != "" {
		queue = "faults" // a key is one queue's
	}
	return s, &body{
		Queue: queue, Kind: kind, Payload: payload, MaxAttempts: s.MaxAttempts, MaxCrashes: s.MaxCrashes, TimeoutSeconds: 30,
		ConcurrencyKey: o.Key, ConcurrencyLimit: o.Limit, Backoff: backoff{"exponential", 0.2, 1},
	}
}

// bytes writes the job with its payload byte for byte; json.Marshal would compact it.
func (b *body) bytes() []byte {
	plain := *b
	plain.Payload = nil
	text, err := json.Marshal(struct {
		*body
		Payload *int `json:"payload,omitempty"`
	}{body: &plain})
	if err != nil {
		panic(err) // it always marshals
	}
	return append(append(append(text[:len(text)-1], `,"payload":`...), b.Payload...), '}')
}

func (c *client) percent(n int) bool { return c.random.IntN(100) < n }

// newID is a UUID, version 4.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
