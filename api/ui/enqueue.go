package ui

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/slotq/slotq/api/strict"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// enqueuePage is the form for a job. What it begins with stands in its address, so that an example is a link.
type enqueuePage struct {
	Values   map[string]string
	Kinds    []string
	Queues   []string
	Examples []example
}

type example struct{ Name, Link string }

var jobFields = []string{"kind", "queue", "payload", "delay_seconds", "priority", "max_attempts", "timeout_seconds", "unique_key", "concurrency_key", "tags"}

var examples = func() (list []example) {
	for _, e := range []struct {
		name   string
		fields map[string]string
	}{
		{"a job", map[string]string{"kind": "mail.send", "payload": `{"to": "ada@example.org"}`}},
		{"in an hour", map[string]string{"kind": "mail.send", "payload": `{"to": "ada@example.org"}`, "delay_seconds": "3600"}},
		{"one at a time for each customer", map[string]string{"kind": "invoice.make", "payload": `{"customer": 42}`, "concurrency_key": "customer-42"}},
		{"only once while it waits", map[string]string{"kind": "report.build", "unique_key": "report-today", "tags": "report"}},
	} {
		q := url.Values{}
		for name, value := range e.fields {
			q.Set(name, value)
		}
		list = append(list, example{e.name, "enqueue?" + q.Encode()})
	}
	return list
}()

func (s *site) enqueueForm(l *look) (any, error) {
	if !l.can.Enqueue {
		return nil, wire.NewProblem(wire.CodeForbidden, "To enqueue needs a token with the scope enqueue.")
	}
	b, err := l.busy()
	if err != nil {
		return nil, err
	}
	page := enqueuePage{Values: map[string]string{}, Kinds: kindsOf(b), Examples: examples}
	for _, name := range jobFields {
		page.Values[name] = l.r.URL.Query().Get(name)
	}
	for _, q := range b.queues {
		page.Queues = append(page.Queues, q.Name)
	}
	l.still = true
	return page, nil
}

func enqueue(l *look, form url.Values) (to, note string, err error) {
	n := wire.NewJob{
		Kind: strings.TrimSpace(form.Get("kind")), Queue: strings.TrimSpace(form.Get("queue")),
		UniqueKey: form.Get("unique_key"), ConcurrencyKey: form.Get("concurrency_key"),
	}
	if text := form.Get("payload"); strings.TrimSpace(text) != "" {
		n.Payload = []byte(text)
	}
	f := fields{form: form}
	if _, err := strict.Parse(n.Payload); n.Payload != nil && err != nil {
		// Here and not by the api: what is no JSON would make no JSON of the whole request, and more than a payload of it.
		f.wrong("payload", "is no JSON: "+err.Error())
	}
	set(&n.DelaySeconds, f.number("delay_seconds"))
	set(&n.TimeoutSeconds, f.number("timeout_seconds"))
	set(&n.Priority, f.whole("priority"))
	set(&n.MaxAttempts, f.whole("max_attempts"))
	for tag := range strings.SplitSeq(form.Get("tags"), ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			n.Tags = append(n.Tags, tag)
		}
	}
	if err := f.err(); err != nil {
		return "", "", err
	}
	made, err := l.client.Enqueue(l.ctx, n)
	if note = "enqueued"; made.Deduplicated {
		note = "there"
	}
	return "jobs/" + made.ID.String(), note, err
}

// demoJobs is how many jobs the button for them makes, in demoQueue.
const (
	demoJobs  = 100
	demoQueue = "demo"
)

// demo enqueues jobs for the example handlers: most work, some fail at first, a few take long.
func demo(l *look, _ url.Values) (to, note string, err error) {
	if !l.can.Demo {
		return "", "", wire.NewProblem(wire.CodeForbidden, "Demo jobs are for a trial on one's own machine: `make run` has a button for them.")
	}
	b := wire.Batch{Atomic: true, Jobs: make([]wire.NewJob, demoJobs)}
	for i := range b.Jobs {
		n := wire.NewJob{Kind: "demo.shell", Queue: demoQueue, Payload: []byte(`{"number": ` + strconv.Itoa(i+1) + `}`), Tags: []string{"demo"}}
		switch {
		case i%10 == 3:
			n.Kind, n.Backoff = "demo.flaky", &wire.Backoff{Kind: job.BackoffList, List: []float64{2, 5}}
		case i%25 == 7:
			n.Kind, n.MaxAttempts = "demo.stuck", 1
		case i%20 == 11:
			n.DelaySeconds = 30
		}
		b.Jobs[i] = n
	}
	_, err = l.client.EnqueueBatch(l.ctx, b, "")
	return "?queue=" + demoQueue, "demo", err
}
