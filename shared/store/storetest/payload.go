package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var payloadTests = []Test{
	{"a payload arrives byte for byte through every stage of a job's life", 2, func(f *fixture) {
		q := f.queue("bytes", func(q *job.Queue) { q.Priority = 1 })
		for name, p := range payloads() {
			f.bytesSurvive(q, name, p)
		}
	}},
	{"every field of a job arrives, waiting, claimed and finished", 2, everyField},
	{"an output comes back byte for byte", 0, func(f *fixture) {
		q := f.queue("output")
		w := f.worker()
		for name, p := range payloads() {
			f.add(q)
			j := w.one(q)
			w.commit(job.Outcome{Job: j, Action: job.Complete, Output: p})
			if got := f.get(j.ID).Output; !bytes.Equal(got, p) {
				f.Fatalf("%s: the output came back as %d other bytes", name, len(got))
			}
		}
	}},
	{"nothing runs that nobody enqueued", 2, func(f *fixture) {
		q := f.queue("sent", slots(3))
		sent := map[job.ID]bool{}
		for _, j := range f.jobs(q, 60) {
			f.enqueue(j)
			sent[j.ID] = true
		}
		w := f.worker()
		for slot := 1; slot <= 3; slot++ {
			for more := true; more; {
				c, err := w.take(w.request(q, slot, 7, f.now))
				f.ok(err)
				more = len(c.Jobs) > 0
				for _, j := range c.Jobs {
					if !sent[j.ID] {
						f.Fatalf("job %s ran and nobody sent it, or it ran twice", j.ID)
					}
					delete(sent, j.ID)
				}
			}
		}
		equal(f, "left", len(sent), 0)
	}},
}

// payloads are bytes that a database, a driver or a JSON library would like to change. The store keeps bytes: that
// they are JSON is the API's business, so it must keep those that are not, too.
func payloads() map[string][]byte {
	var escaped, utf8 strings.Builder
	escaped.WriteByte('"')
	utf8.WriteByte('"')
	for c := range 256 {
		fmt.Fprintf(&escaped, `\u%04X`, c)
		if c >= 0x20 && c != '"' && c != '\\' {
			utf8.WriteRune(rune(c))
		}
	}
	escaped.WriteByte('"')
	utf8.WriteString("\u2028\U0001F600\"")
	raw := make([]byte, 256)
	for c := range raw {
		raw[c] = byte(c)
	}
	return map[string][]byte{
		"all bytes escaped":    []byte(escaped.String()),
		"all bytes as UTF-8":   []byte(utf8.String()),
		"all bytes raw":        raw,
		"spaces and key order": []byte("{ \"b\":1,\n\t\"a\" :  2 , \"b\":3 }"),
		"markup":               []byte(`{"html":"<b>&amp;</b>"}`),
		"numbers":              []byte(`[9007199254740993, 1e400, -0.0, 1.10, 1E5]`),
		"256 KiB":              []byte(`"` + strings.Repeat("é", 128<<10-1) + `"`),
		"one byte":             []byte("0"),
		"empty":                {},
		"null":                 []byte("null"),
		"backslashes, quotes":  []byte(`{"a":"\\'\"%_?:1 $1 ?? {now} ::int"}`),
		"trailing spaces":      []byte("{}   \n"),
	}
}

// bytesSurvive follows one payload: stored, claimed, put back, claimed, finished, retried, claimed.
func (f *fixture) bytesSurvive(q job.Queue, name string, p []byte) {
	f.Helper()
	w := f.worker()
	j := f.job(q)
	j.Payload = slices.Clone(p)
	f.enqueue(j)
	same := func(stage string, got []byte) {
		f.Helper()
		if !bytes.Equal(got, p) {
			f.Fatalf("%s, %s: got %d bytes %.60q, want %d bytes %.60q", name, stage, len(got), got, len(p), p)
		}
	}
	same("waiting", f.get(j.ID).Payload)
	claimed := w.one(q)
	same("claimed", claimed.Payload)
	w.commit(released(claimed))
	claimed = w.one(q)
	same("claimed again", claimed.Payload)
	w.commit(f.discarded(claimed))
	same("finished", f.get(j.ID).Payload)
	_, err := f.store.Retry(f.ctx, j.ID, f.now)
	f.ok(err)
	claimed = w.one(q)
	same("retried", claimed.Payload)
	w.commit(completed(claimed))
	same("completed", f.get(j.ID).Payload)
}

func everyField(f *fixture) {
	q := f.queue("fields", slots(7))
	timeout, attempts, crashes := 90*time.Second+5*time.Microsecond, 7, 3
	backoff := job.Backoff{Kind: job.BackoffExponential, Base: 1500 * time.Millisecond, Cap: time.Hour}
	j := f.add(q, priority(3), uniqueKey("u\u00e9"), concurrencyKey("c \u00e9", 5), func(s *job.Spec) {
		s.Kind, s.Timeout, s.MaxAttempts, s.MaxCrashes, s.Backoff = "a.b-c_d:E1", &timeout, &attempts, &crashes, &backoff
		s.Tags, s.Metadata = []string{"x", "y z"}, []byte(`{ "who" : "me" }`)
		s.ExpiresAt = f.now.Add(time.Hour)
		s.Digest = digestOf("digest")
	})
	same := func(stage string, got *job.Job) {
		f.Helper()
		equal(f, stage+" id", got.ID, j.ID)
		equal(f, stage+" queue", got.Queue, "fields")
		equal(f, stage+" queue id", got.QueueID, q.ID)
		equal(f, stage+" kind", got.Kind, "a.b-c_d:E1")
		equal(f, stage+" slot", got.Slot, j.Slot)
		equal(f, stage+" priority", got.Priority, 3)
		equal(f, stage+" payload", string(got.Payload), string(j.Payload))
		equal(f, stage+" max_attempts", got.MaxAttempts, 7)
		equal(f, stage+" max_crashes", got.MaxCrashes, 3)
		equal(f, stage+" attempt", got.Attempt, 1)
		equal(f, stage+" timeout", got.Timeout, timeout)
		equal(f, stage+" queue timeout", got.QueueTimeout, q.Timeout)
		equal(f, stage+" backoff", fmt.Sprint(got.Backoff), fmt.Sprint(backoff))
		equal(f, stage+" run_at", got.RunAt, j.RunAt)
		equal(f, stage+" expires_at", got.ExpiresAt, j.ExpiresAt)
		equal(f, stage+" created_at", got.CreatedAt, j.CreatedAt)
		equal(f, stage+" unique_key", got.UniqueKey, j.UniqueKey)
		equal(f, stage+" concurrency_key", got.ConcurrencyKey, j.ConcurrencyKey)
		equal(f, stage+" concurrency_limit", got.ConcurrencyLimit, 5)
		equal(f, stage+" tags", string(got.Tags), `["x","y z"]`)
		equal(f, stage+" metadata", string(got.Metadata), `{ "who" : "me" }`)
	}
	same("waiting", f.get(j.ID))
	w := f.worker()
	f.tick(time.Second)
	c, err := w.take(w.request(q, j.Slot, 10, f.now))
	f.ok(err)
	equal(f, "claimed", len(c.Jobs), 1)
	same("claimed", c.Jobs[0])
	running := f.get(j.ID)
	same("running", running)
	equal(f, "state", running.State, job.Running)
	equal(f, "started_at", running.StartedAt, f.now)
	equal(f, "worker", running.Token.Worker(), w.id)
	f.tick(time.Second)
	w.commit(completed(c.Jobs[0]))
	done := f.ended(j.ID, job.Completed, "")
	same("finished", done)
	equal(f, "finished_at", done.FinishedAt, f.now)
	equal(f, "started_at", done.StartedAt, f.now.Add(-time.Second))
	equal(f, "run", done.Run, 1)
	equal(f, "token", done.Token, c.Jobs[0].Token)
}
