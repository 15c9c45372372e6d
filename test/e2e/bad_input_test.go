package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// testBadInput sends what no client should: a clear error comes back, and nothing is stored.
func testBadInput(t *testing.T, d *document) {
	const queue = `"queue":"bad"`
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	many := func(n int) string {
		return `{"jobs":[` + strings.TrimSuffix(strings.Repeat(`{"kind":"x",`+queue+`},`, n), ",") + `]}`
	}
	for _, c := range []struct {
		name, body string
		status     int
		pointer    string
	}{
		{"malformed JSON", `{"kind":"x",` + queue + `,}`, 400, ""},
		{"no JSON", `kind=x`, 400, ""},
		{"two values", `{"kind":"x",` + queue + `} {}`, 400, ""},
		{"an unknown field", `{"kind":"x",` + queue + `,"color":1}`, 422, "#/color"},
		{"a field in another case", `{"Kind":"x",` + queue + `}`, 422, "#/Kind"},
		{"a doubled field", `{"kind":"x",` + queue + `,"kind":"y"}`, 422, "#/kind"},
		{"a wrong type", `{"kind":7,` + queue + `}`, 422, "#/kind"},
		{"a number in quotes", `{"kind":"x",` + queue + `,"priority":"1"}`, 422, "#/priority"},
		{"a fraction", `{"kind":"x",` + queue + `,"max_attempts":1.5}`, 422, "#/max_attempts"},
		{"no kind", `{` + queue + `}`, 422, "#/kind"},
		{"an empty kind", `{"kind":"",` + queue + `}`, 422, "#/kind"},
		{"a kind of 10 MB", `{"kind":"` + strings.Repeat("k", 10<<20) + `",` + queue + `}`, 422, "#/kind"},
		{"a kind with a space", `{"kind":"a b",` + queue + `}`, 422, "#/kind"},
		{"bad UTF-8", "{\"kind\":\"x\"," + queue + ",\"payload\":\"\xff\"}", 400, ""},
		{"half a surrogate pair in a key", `{"kind":"x",` + queue + `,"unique_key":"\ud800"}`, 422, "#/unique_key"},
		{"a NUL in a key", `{"kind":"x",` + queue + `,"unique_key":"a\u0000b"}`, 422, "#/unique_key"},
		{"a key of 256 bytes", `{"kind":"x",` + queue + `,"concurrency_key":"` + strings.Repeat("é", 128) + `"}`, 422, "#/concurrency_key"},
		{"nesting 10,000 deep", `{"kind":"x",` + queue + `,"payload":` + deep(10_000) + `}`, 422, "#"},
		{"nesting a million deep", `{"kind":"x",` + queue + `,"payload":` + deep(1_000_000) + `}`, 422, "#"},
		{"a payload over the limit", `{"kind":"x",` + queue + `,"payload":"` + strings.Repeat("p", 256<<10) + `"}`, 422, "#/payload"},
		{"a body over the limit", `{"kind":"x",` + queue + `,"payload":"` + strings.Repeat("p", 16<<20) + `"}`, 413, ""},
		{"run_at in 9999", `{"kind":"x",` + queue + `,"run_at":"9999-12-31T23:59:59Z"}`, 422, "#/run_at"},
		{"run_at in 1970", `{"kind":"x",` + queue + `,"run_at":"1970-01-01T00:00:00Z"}`, 422, "#/run_at"},
		{"run_at without a zone", `{"kind":"x",` + queue + `,"run_at":"2030-01-01T00:00:00"}`, 422, "#/run_at"},
		{"a delay of 300 years", `{"kind":"x",` + queue + `,"delay_seconds":1e10}`, 422, "#/delay_seconds"},
		{"a negative delay", `{"kind":"x",` + queue + `,"delay_seconds":-1}`, 422, "#/delay_seconds"},
		{"an infinite time limit", `{"kind":"x",` + queue + `,"timeout_seconds":1e999}`, 422, "#/timeout_seconds"},
		{"priority 5", `{"kind":"x",` + queue + `,"priority":5}`, 422, "#/priority"},
		{"a backoff of no kind", `{"kind":"x",` + queue + `,"backoff":{"kind":"cubic"}}`, 422, "#/backoff"},
		{"33 tags", `{"kind":"x",` + queue + `,"tags":[` + strings.TrimSuffix(strings.Repeat(`"t",`, 33), ",") + `]}`, 422, "#/tags"},
		{"metadata that is a list", `{"kind":"x",` + queue + `,"metadata":[]}`, 422, "#/metadata"},
		{"an id that is no UUID", `{"kind":"x",` + queue + `,"id":"7"}`, 422, "#/id"},
		{"a queue with a slash", `{"kind":"x","queue":"a/b"}`, 422, "#/queue"},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, d.ask(t, http.MethodPost, "/v1/jobs", c.body), c.status, c.pointer) })
	}
	twice := `{"kind":"x",` + queue + `,"id":"0197e3a0-1111-7000-8000-0123456789ab"}`
	for _, c := range []struct {
		name, body string
		status     int
		pointer    string
	}{
		{"a batch of 10,001", many(10_001), 422, "#/jobs"},
		{"an empty batch", `{"jobs":[]}`, 422, "#/jobs"},
		{"a batch without jobs", `{}`, 422, "#/jobs"},
		{"a bad job in an atomic batch", `{"atomic":true,"jobs":[{"kind":"x",` + queue + `},{"kind":"",` + queue + `}]}`, 422, "#/jobs/1/kind"},
		{"a duplicate id in an atomic batch", `{"atomic":true,"jobs":[` + twice + `,` + twice + `]}`, 422, "#/jobs/1/id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			refused(t, d.ask(t, http.MethodPost, "/v1/jobs/batch", c.body), c.status, c.pointer)
		})
	}
	for _, c := range []struct{ name, query string }{
		{"an unknown query parameter", "colour=red"}, {"a parameter twice", "queue=a&queue=b"}, {"a made-up cursor", "cursor=AAAA"},
		{"a cursor that is no base64", "cursor=%21"}, {"a limit of 0", "limit=0"}, {"a limit of 1001", "limit=1001"},
		{"no such state", "state=sleeping"}, {"slot 0", "slot=0"}, {"an empty queue", "queue="},
	} {
		t.Run(c.name, func(t *testing.T) { problem(t, d.ask(t, http.MethodGet, "/v1/jobs?"+c.query, ""), 422) })
	}
	t.Run("a cursor of another list", func(t *testing.T) {
		page := must(d.s.Client.Page(t.Context(), wire.JobFilter{Limit: 1}, ""))(t)
		problem(t, d.ask(t, http.MethodGet, "/v1/jobs?kind=go.echo&cursor="+page.NextCursor, ""), 422)
	})
	t.Run("an Idempotency-Key of 256 bytes", func(t *testing.T) {
		problem(t, d.ask(t, http.MethodPost, "/v1/jobs", `{"kind":"x",`+queue+`}`, "Idempotency-Key: "+strings.Repeat("k", 256)), 422)
	})
	t.Run("settings of a queue out of their limits", func(t *testing.T) {
		for _, body := range []string{`{"slots":0}`, `{"slots":1025}`, `{"order":"random"}`, `{"timeout_seconds":0}`, `{"keep_completed_seconds":-1}`, `{"name":"x"}`} {
			problem(t, d.ask(t, http.MethodPut, "/v1/queues/bad", body), 422)
		}
		problem(t, d.ask(t, http.MethodPut, "/v1/queues/a%20b", `{}`), 422)
	})
	t.Run("a body of 3 GB that is announced is refused unread", func(t *testing.T) {
		status, _ := raw(t, d.s.API, "POST /v1/jobs/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "+
			strconv.FormatInt(3<<30, 10)+"\r\n\r\n", nil)
		if status != 413 {
			t.Errorf("%d, want 413", status)
		}
	})
	t.Run("a body of 3 GB that is not announced is cut off at the limit", func(t *testing.T) {
		chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<20, strings.Repeat(" ", 1<<20))
		status, sent := raw(t, d.s.API, "POST /v1/jobs/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
			func(w io.Writer) (n int64, err error) {
				for n < 3<<30 && err == nil {
					_, err = io.WriteString(w, chunk)
					n += 1 << 20
				}
				return n, err
			})
		if status != 413 || sent > 200<<20 {
			t.Errorf("%d after %d MiB, want 413 soon after 16", status, sent>>20)
		}
	})
	if page := must(d.s.Client.Page(t.Context(), wire.JobFilter{Queue: "bad"}, ""))(t); len(page.Jobs) > 0 {
		t.Errorf("jobs of refused requests were stored: %+v", page.Jobs)
	}
	wants(t, ran(t, d.s, wire.NewJob{Kind: "go.echo", Payload: []byte(`"still here"`)}), job.Completed, "")
}

// refused fails the test unless an answer is the problem, at the place.
func refused(t testing.TB, a answer, status int, pointer string) {
	t.Helper()
	p := problem(t, a, status)
	if len(a.body) > 4096 {
		t.Errorf("an answer of %d bytes: it echoes what was sent", len(a.body))
	}
	if pointer == "" {
		return
	}
	for _, e := range p.Errors {
		if e.Pointer == pointer {
			return
		}
	}
	t.Errorf("no error at %s: %s", pointer, a.body)
}

// raw speaks HTTP by hand: it sends a head, then a body until the answer comes, and returns the status.
func raw(t testing.TB, api, head string, body func(io.Writer) (int64, error)) (status int, sent int64) {
	t.Helper()
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(api, "http://"), 5*time.Second)
	check(t, err)
	check(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(c, head)
	check(t, err)
	written := make(chan int64, 1)
	go func() {
		var n int64
		if body != nil {
			n, _ = body(c) // the server hangs up in the middle
		}
		written <- n
	}()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Errorf("no answer: %v", err)
	} else {
		status = res.StatusCode
		_ = res.Body.Close()
	}
	_ = c.Close()
	return status, <-written
}
