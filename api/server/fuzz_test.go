package server

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/slotq/slotq/api/strict"
	"github.com/slotq/slotq/shared/clock"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// hostile are members that decoders in general get wrong; each fuzz test puts them where it can.
var hostile = []string{
	`"payload":` + strings.Repeat("[", 65) + strings.Repeat("]", 65), `"payload":` + strings.Repeat(`{"a":`, 10_000),
	`"payload":1,"payload":2`, `"payload":{"a":1,"a":2}`, `"payload":"\u0000"`, "\"payload\":\"\x00\"", "\"payload\":\"\xff\"", `"payload":"\ud800"`,
	`"payload":1e400`, `"payload":9007199254740993`, `"priority":9007199254740993`, `"max_attempts":1e400`, `"timeout_seconds":1e400`,
	`"unique_key":"a\u0000b"`, `"k\u0069nd":"again"`, `"Kind":"K"`, `"\ud800":1`, `"tags":["\u0000"]`, `"metadata":{"a":{"a":"\ud800"}}`,
	`"backoff":{"kind":"list","list":[1e400]}`, `"backoff":null`, `"slots":null`, `"slots":1.0`, `"order":"LIFO"`, `"run_at":"9999-12-31T23:59:59Z"`,
}

// canary stands in each string that is a value; no answer may show it.
const canary = "zQ7canary"

// marked puts the canary into every string of a document that is not a key.
func marked(doc []byte) []byte {
	var out []byte
	for i := 0; i < len(doc); i++ {
		out = append(out, doc[i])
		if doc[i] != '"' {
			continue
		}
		end := i + 1
		for doc[end] != '"' {
			if doc[end] == '\\' {
				end++
			}
			end++
		}
		if !bytes.HasPrefix(bytes.TrimLeft(doc[end+1:], " \t\r\n"), []byte(":")) {
			out = append(out, canary...)
		}
		out = append(out, doc[i+1:end+1]...)
		i = end
	}
	return out
}

// showsNoValue fails when what the api says about a document repeats one of its values: a value may be a secret, and
// problems are logged.
func showsNoValue(t *testing.T, doc []byte, read func(strict.Value) []wire.FieldError) {
	t.Helper()
	v, err := strict.Parse(marked(doc))
	if err != nil {
		return // a canary may be the byte too much for nothing but the depth, which it does not change
	}
	problem, err := wire.Marshal(refuse(read(v)))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(problem, []byte(canary)) {
		t.Fatalf("%q is answered with one of its values: %s", doc, problem)
	}
}

// FuzzSpec: whatever is sent, reading it makes no job that the domain does not allow; the payload is the very bytes that
// were sent; the Go client's form of the same job means the same; and no value is echoed.
func FuzzSpec(f *testing.F) {
	for _, doc := range []string{
		`{"kind":"k"}`, `{"kind":"k","payload":{"a" : 1e400},"tags":["a"],"metadata":{}}`, `{"kind":"k","run_at":"2030-01-31T08:00:00Z","delay_seconds":0}`,
		`{"kind":"k","backoff":{"kind":"list","list":[1,2]},"timeout_seconds":0.001}`, `{"kind":"","queue":"","unique_key":"\ud83d\ude00"}`,
		`{"kind":"k","concurrency_key":"c","concurrency_limit":1000,"id":"018f0000-0000-7000-8000-000000000001"}`, `[]`, `{"kind":"k","kind":"k"}`,
	} {
		f.Add([]byte(doc))
	}
	for _, member := range hostile {
		f.Add([]byte(`{"kind":"k",` + member + `}`))
	}
	s := New(Options{Clock: clock.New(nil)})
	now := job.MinTime.Add(1e18)
	f.Fuzz(func(t *testing.T, doc []byte) {
		v, err := strict.Parse(doc)
		if err != nil {
			return
		}
		showsNoValue(t, doc, func(v strict.Value) []wire.FieldError { _, bad := s.spec(v, "#", now); return bad })
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

		// encoding/json is the second opinion on where the values begin and end.
		var members map[string]json.RawMessage
		if err := json.Unmarshal(doc, &members); err != nil {
			t.Fatalf("%q was taken, and is no JSON: %v", doc, err)
		}
		if !bytes.Equal(spec.Payload, members["payload"]) || !bytes.Equal(spec.Metadata, members["metadata"]) {
			t.Fatalf("%q: payload %q, metadata %q", doc, spec.Payload, spec.Metadata)
		}
		var sent wire.NewJob
		if err := json.Unmarshal(doc, &sent); err != nil {
			t.Fatalf("%q was taken, and the client cannot read it: %v", doc, err)
		}
		again, err := wire.Marshal(&sent)
		if err != nil {
			t.Fatal(err)
		}
		if v, err = strict.Parse(again); err != nil {
			t.Fatalf("%q is sent by the client as %q: %v", doc, again, err)
		}
		same, bad := s.spec(v, "#", now)
		if len(bad) > 0 || !bytes.Equal(same.Payload, spec.Payload) || !reflect.DeepEqual(plain(same, now), plain(spec, now)) {
			t.Fatalf("%q is sent by the client as %q: %v\n%+v\n%+v", doc, again, bad, plain(same, now), plain(spec, now))
		}
	})
}

// plain is the job that a spec makes, without what is drawn at random.
func plain(s *job.Spec, now job.Time) job.Job {
	j := s.Make(job.NewQueue("default"), now)
	if !j.Given {
		j.ID = job.ID{}
	}
	j.Slot = 0
	return *j
}

// everyQueue is a store that has every queue and nothing else.
type everyQueue struct{ Store }

func (everyQueue) ListQueues(context.Context, bool) ([]job.Queue, error) {
	return []job.Queue{job.NewQueue("q")}, nil
}

func (everyQueue) EnsureQueue(_ context.Context, q job.Queue, _ job.Time) (job.Queue, error) {
	return q, nil
}

// FuzzBatch: a batch is refused as a whole, or has one item for each of its jobs, in order, each a job that the domain
// allows with the bytes that were sent, or a problem of its own.
func FuzzBatch(f *testing.F) {
	for _, doc := range []string{
		`{"jobs":[{"kind":"k","payload":[1 ,2]},{"kind":""},{"kind":"k","queue":"other"}]}`, `{"jobs":[],"atomic":true}`, `{"jobs":[1,[],{}],"atomic":false}`,
		`{"jobs":[{"kind":"k","id":"018f0000-0000-7000-8000-000000000001"},{"kind":"k","id":"018f0000-0000-7000-8000-000000000001"}]}`,
		`{"jobs":{},"atomic":1}`, `{"jobs":[],"jobs":[]}`, `{"atomic":true}`, `{"jobs":[` + strings.Repeat(`{},`, 10_000) + `{}]}`,
	} {
		f.Add([]byte(doc))
	}
	for _, member := range hostile {
		f.Add([]byte(`{"jobs":[{"kind":"k"},{"kind":"k",` + member + `}]}`))
	}
	s := New(Options{Clock: clock.New(nil), Store: everyQueue{}})
	f.Fuzz(func(t *testing.T, doc []byte) {
		v, err := strict.Parse(doc)
		if err != nil {
			return
		}
		read := func(v strict.Value) (b batch, err error) {
			if err := refuse(decode(v, "#", batchFields, &b)); err != nil {
				return b, err
			}
			return b, s.read(t.Context(), &b, "key")
		}
		if masked, err := strict.Parse(marked(doc)); err == nil {
			b, err := read(masked)
			said, _ := wire.Marshal(err)
			for _, it := range b.items {
				one, _ := wire.Marshal(it.problem)
				said = append(said, one...)
			}
			if bytes.Contains(said, []byte(canary)) {
				t.Fatalf("%q is answered with one of its values: %s", doc, said)
			}
		}
		b, err := read(v)
		if err != nil {
			return
		}
		var sent struct{ Jobs []json.RawMessage }
		if err := json.Unmarshal(doc, &sent); err != nil || len(sent.Jobs) != len(b.items) {
			t.Fatalf("%q: %d items for %d jobs, %v", doc, len(b.items), len(sent.Jobs), err)
		}
		for i, it := range b.items {
			if (it.job == nil) == (it.problem == nil) {
				t.Fatalf("%q: item %d is %+v", doc, i, it)
			}
			if it.job == nil {
				continue
			}
			var members map[string]json.RawMessage
			if err := json.Unmarshal(sent.Jobs[i], &members); err != nil {
				t.Fatal(err)
			}
			if p := members["payload"]; p != nil && !bytes.Equal(it.job.Payload, p) || p == nil && string(it.job.Payload) != "null" {
				t.Fatalf("%q: item %d has payload %q", doc, i, it.job.Payload)
			}
		}
	})
}

// FuzzQueuePatch: a patch is refused, or leaves a queue that the domain allows or refuses by name; applied twice it does
// the same as once; what the api answers, sent back as settings, changes nothing.
func FuzzQueuePatch(f *testing.F) {
	for _, doc := range []string{
		`{}`, `{"slots":6,"order":"lifo","priority":1,"max_attempts":3,"max_crashes":1,"timeout_seconds":1.5}`, `{"slots":0}`, `{"keep_completed_seconds":0}`,
		`{"backoff":{"kind":"exponential","base_seconds":0.5,"cap_seconds":60}}`, `{"backoff":{"kind":"list","list":[0,1,2592000]},"slots":null}`, `[]`,
		`{"backoff":{"kind":"polynomial"},"keep_discarded_seconds":315360000,"keep_cancelled_seconds":1e-7}`,
	} {
		f.Add([]byte(doc))
	}
	for _, member := range hostile {
		f.Add([]byte(`{` + member + `}`))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		v, err := strict.Parse(doc)
		if err != nil {
			return
		}
		showsNoValue(t, doc, func(v strict.Value) []wire.FieldError {
			q := job.NewQueue("q")
			if bad := decode(v, "#", queueFields, &q); len(bad) > 0 {
				return bad
			}
			return wire.Fields("#", q.Check())
		})
		q := job.NewQueue("q")
		if bad := decode(v, "#", queueFields, &q); len(bad) > 0 || len(q.Check()) > 0 {
			return
		}
		twice := q
		if bad := decode(v, "#", queueFields, &twice); len(bad) > 0 || !reflect.DeepEqual(twice, q) {
			t.Fatalf("%q applied twice: %+v, once %+v", doc, twice, q)
		}
		answer, err := json.Marshal(wire.QueueOf(q))
		if err != nil {
			t.Fatal(err)
		}
		var settings wire.QueueSettings
		if err := json.Unmarshal(answer, &settings); err != nil {
			t.Fatal(err)
		}
		if answer, err = json.Marshal(settings); err != nil {
			t.Fatal(err)
		}
		again := job.NewQueue("q")
		if v, err = strict.Parse(answer); err != nil {
			t.Fatal(err)
		}
		if bad := decode(v, "#", queueFields, &again); len(bad) > 0 || !reflect.DeepEqual(wire.QueueOf(again), wire.QueueOf(q)) {
			t.Fatalf("%q is answered as %s, which sent back gives %+v, not %+v: %v", doc, answer, again, q, bad)
		}
	})
}

// FuzzAction: an action is refused, or is for states that its verb can change and, unless all are meant, says which jobs.
func FuzzAction(f *testing.F) {
	for _, doc := range []string{
		`{"action":"retry","all":true}`, `{"action":"cancel","filter":{"queue":"q","state":["running","running"]},"dry_run":true}`, `{"action":"run","filter":null}`,
		`{"action":"delete","filter":{"ids":["018f0000-0000-7000-8000-000000000001"],"created_after":"2030-01-01T00:00:00Z"},"all":false}`, `[]`,
	} {
		f.Add([]byte(doc))
	}
	for _, member := range hostile {
		f.Add([]byte(`{"action":"run","filter":{` + member + `}}`))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		v, err := strict.Parse(doc)
		if err != nil {
			return
		}
		showsNoValue(t, doc, func(v strict.Value) []wire.FieldError { _, bad := readAction(v); return bad })
		a, bad := readAction(v)
		if len(bad) > 0 {
			return
		}
		if len(a.Choice.States) == 0 || slices.ContainsFunc(a.Choice.States, func(s job.State) bool { return !slices.Contains(a.Verb.States(), s) }) {
			t.Fatalf("%q: %s of jobs that are %v", doc, a.Verb, a.Choice.States)
		}
		again := a
		if bad := again.Ready(true); len(bad) > 0 || !reflect.DeepEqual(again, a) {
			t.Fatalf("%q made ready twice: %+v, once %+v, %v", doc, again, a, bad)
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
		other := filter
		other.States = slices.Concat(filter.States, []job.State{job.Running})
		if _, ok := parseCursor(cursor(id, filter), other); ok {
			t.Fatalf("the cursor of %s is taken for another list", id)
		}
	})
}
