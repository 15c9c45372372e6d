package server

import (
	"testing"

	"github.com/slotq/slotq/api/strict"
	"github.com/slotq/slotq/shared/clock"
	"github.com/slotq/slotq/shared/job"
)

// FuzzSpec: whatever is sent, reading it neither panics nor makes a job that the domain does not allow, and the payload
// is a part of what was sent.
func FuzzSpec(f *testing.F) {
	for _, doc := range []string{
		`{"kind":"k"}`, `{"kind":"k","payload":{"a" : 1e400},"tags":["a"],"metadata":{}}`, `{"kind":"k","run_at":"2030-01-31T08:00:00Z","delay_seconds":0}`,
		`{"kind":"k","backoff":{"kind":"list","list":[1,2]},"timeout_seconds":0.001}`, `{"kind":"","queue":"","unique_key":"\ud83d\ude00"}`,
		`{"kind":"k","concurrency_key":"c","concurrency_limit":1000,"id":"018f0000-0000-7000-8000-000000000001"}`, `[]`, `{"kind":"k","kind":"k"}`,
	} {
		f.Add([]byte(doc))
	}
	s := New(Options{Clock: clock.New(nil)})
	now := job.MinTime.Add(1e18)
	f.Fuzz(func(t *testing.T, doc []byte) {
		v, err := strict.Parse(doc)
		if err != nil {
			return
		}
		spec, bad := s.spec(v, "#", now)
		if len(bad) > 0 {
			if refuse(bad) == nil {
				t.Fatal("refused without a reason")
			}
			return
		}
		if wrong := spec.Check(DefaultMaxPayload); len(wrong) > 0 {
			t.Fatalf("%q was taken, but: %v", doc, wrong)
		}
		j := spec.Make(job.NewQueue("default"), now)
		if j.RunAt < now && spec.RunAt == 0 || j.RunAt >= job.MaxTime || j.Slot < 1 || j.Slot > job.DefaultSlots {
			t.Fatalf("%q made %+v", doc, j)
		}
	})
}

// FuzzCursor: only a cursor that this list has given is taken.
func FuzzCursor(f *testing.F) {
	filter := job.Filter{Queue: "mail", States: []job.State{job.Available}}
	f.Add(cursor(job.ID{1}, filter), "mail")
	f.Add(cursor(job.ID{1}, job.Filter{}), "")
	f.Add("", "")
	f.Add("AaIFtGb3cCyAc0Re0LE6baDlkY1COSH_", "mail")
	f.Fuzz(func(t *testing.T, s, queue string) {
		filter := filter
		filter.Queue = queue
		id, ok := parseCursor(s, filter)
		if ok != (s == cursor(id, filter)) {
			t.Fatalf("%q of queue %q: taken %v", s, queue, ok)
		}
		if again, ok := parseCursor(cursor(id, filter), filter); !ok || again != id {
			t.Fatalf("the cursor of %s is not taken", id)
		}
	})
}
