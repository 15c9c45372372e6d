package ui

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sample = `{"info":{"title":"slotq","version":"v9","description":"About."},"paths":{"/v1/things/{id}":{"post":{"summary":"Make <b>","tags":["things"],
	"parameters":[{"name":"id","in":"path","schema":{"type":"string","format":"uuid"}}],"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Thing"}}}},
	"responses":{"201":{"description":"Created","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Thing"}}}}}}}},
	"components":{"schemas":{"Thing":{"properties":{"name":{"type":"string","enum":["a","b"],"default":"a"},"any":{"type":["null","string"]},
	"parts":{"type":"array","items":{"$ref":"#/components/schemas/Thing"}},"size":{"anyOf":[{"type":"integer","minimum":1,"maximum":4},{"type":"null"}]}},"required":["name"]}}}}`

// source is a store with a little of everything, made of what a hostile client might have sent.
type source struct {
	err   error
	hang  bool
	slow  time.Duration // a count
	empty bool
}

func (s *source) ListQueues(context.Context, bool) ([]job.Queue, error) {
	if s.empty {
		return nil, s.err
	}
	a, b := job.NewQueue("mail"), job.NewQueue("slow")
	b.Paused = true
	return []job.Queue{a, b}, s.err
}

func (s *source) Slots(context.Context, int32) ([]job.SlotRow, error) {
	return []job.SlotRow{{Slot: job.Slot{Slot: 1}}, {Slot: job.Slot{Slot: 2}}}, s.err
}

func (s *source) Count(context.Context, job.Slot, job.Position, job.Time) ([]job.Count, *job.Position, error) {
	time.Sleep(s.slow)
	return []job.Count{{Kind: "k", Available: 5001, Blocked: 7, Running: 3, OldestAvailable: job.MinTime}}, &job.Position{}, s.err
}

func (s *source) Workers(context.Context) ([]job.Worker, error) {
	if s.empty {
		return nil, s.err
	}
	return []job.Worker{{ID: 7, Name: "<script>alert(1)</script>", Concurrency: 24, Running: 3, Queues: []string{"mail"}}, {ID: 8, Dead: true}}, s.err
}

func (s *source) Now(ctx context.Context) (job.Time, error) {
	if s.hang {
		<-ctx.Done()
		time.Sleep(time.Second)
		return 0, ctx.Err()
	}
	return job.MinTime.Add(90 * time.Second), s.err
}

func get(t *testing.T, s *source, path string) *http.Response {
	t.Helper()
	pages, err := Pages(s, []byte(sample), &door{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	pages[path].ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return rec.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheOverviewShowsQueuesAndWorkersAsText(t *testing.T) {
	r := get(t, &source{}, "/")
	body := text(t, r)
	if r.StatusCode != 200 || r.Header.Get("Content-Security-Policy") != policy {
		t.Errorf("%d, policy %q", r.StatusCode, r.Header.Get("Content-Security-Policy"))
	}
	for _, want := range []string{
		"mail", "paused", "≥ 10016", "(14 blocked)", "≥ 6", "1 min ago", "3 of 24", "dead", "all queues", "&lt;script&gt;", `href="/docs"`, `href="/v1/queues/mail/slots"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, never := range []string{"<script", "style=", "onclick", "http://cdn", "https://"} {
		if strings.Contains(body, never) {
			t.Errorf("the page has %q", never)
		}
	}
}

func TestAnEmptyOverviewSaysHowToBegin(t *testing.T) {
	if body := text(t, get(t, &source{empty: true}, "/")); !strings.Contains(body, "curl --json") || !strings.Contains(body, "http://example.com/v1/jobs") || !strings.Contains(body, "until a worker runs") {
		t.Errorf("%s", body)
	}
}

func TestQueuesThatWouldTakeTooLongAreShownUncounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if body := text(t, get(t, &source{slow: countTime}, "/")); strings.Count(body, "not counted") != 1 || strings.Count(body, "10016") != 1 {
			t.Errorf("%s", body)
		}
	})
}

func TestWithTheDatabaseAwayThePageSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, s := range map[string]*source{"fails": {err: errors.New("password is hunter2")}, "hangs": {hang: true}} {
			begun := time.Now()
			r := get(t, s, "/")
			body := text(t, r)
			if r.StatusCode != 503 || !strings.Contains(body, "does not answer") || strings.Contains(body, "hunter2") || time.Since(begun) > 5*time.Second {
				t.Errorf("the database %s: %d after %s\n%s", name, r.StatusCode, time.Since(begun), body)
			}
		}
		time.Sleep(2 * time.Second) // the look that hung ends
	})
}

func TestTheCallsAreShownFromTheDocument(t *testing.T) {
	body := text(t, get(t, &source{}, "/docs"))
	for _, want := range []string{
		"v9", "<b>POST</b> /v1/things/{id}", "Make &lt;b&gt;", "path, string, uuid", `<a href="#Thing">Thing</a>`, `id="Thing"`, "string: a, b, default a, always there",
		"any JSON value", "array of Thing", "integer from 1 to 4, or null",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in\n%s", want, body)
		}
	}
	if _, err := Pages(&source{}, []byte("{"), nil, nil); err == nil {
		t.Error("a broken document was taken")
	}
}

func TestTheStyleSheetIsServed(t *testing.T) {
	if r := get(t, &source{}, "/style.css"); r.Header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(text(t, r), "table") {
		t.Errorf("%v", r.Header)
	}
}

func TestTimesAreShownAsPeopleSayThem(t *testing.T) {
	now := time.Unix(1e9, 0)
	for d, want := range map[time.Duration]string{0: "now", 90 * time.Second: "1 min ago", 25 * time.Hour: "25 h ago", -time.Hour: "now", 3 * time.Second: "3 s ago"} {
		if got := ago(now.Add(-d), now); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	if ago(time.Time{}, now) != "–" {
		t.Error("no time is shown as one")
	}
}
