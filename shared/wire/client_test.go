package wire

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// serve makes a client of a server that answers with h. What the real api answers is tested with the api.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := NewClient(s.URL+"/under/", s.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryCallGoesToItsPath(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("Idempotency-Key") + " " + string(body)
		if r.Method != http.MethodDelete {
			_, _ = w.Write([]byte("{}"))
		}
	})
	ctx := t.Context()
	id, _ := job.ParseID("018f0000-0000-7000-8000-000000000001")
	const jobs, queues, workers = "/under/v1/jobs", "/under/v1/queues", "/under/v1/workers"
	for want, call := range map[string]func() error{
		"POST " + jobs + ` "k \"1\"" {"kind":"a"}`:            func() error { _, err := c.Enqueue(ctx, NewJob{Kind: "a", IdempotencyKey: `k "1"`}); return err },
		"POST " + jobs + ` ü {"kind":"a"}`:                    func() error { _, err := c.Enqueue(ctx, NewJob{Kind: "a", IdempotencyKey: "ü"}); return err },
		"POST " + jobs + `/batch "b" {"jobs":[{"kind":"a"}]}`: func() error { _, err := c.EnqueueBatch(ctx, Batch{Jobs: []NewJob{{Kind: "a"}}}, "b"); return err },
		"GET " + jobs + "/" + id.String() + "  ":              func() error { _, err := c.Get(ctx, id); return err },
		"POST " + jobs + "/" + id.String() + "/cancel  ":      func() error { _, err := c.Cancel(ctx, id); return err },
		"POST " + jobs + "/" + id.String() + "/retry  ":       func() error { _, err := c.Retry(ctx, id); return err },
		"POST " + jobs + "/" + id.String() + "/run  ":         func() error { _, err := c.Run(ctx, id); return err },
		"POST " + jobs + `/actions "a" {"action":"retry","filter":{"queue":"q","state":["discarded"]},"dry_run":true}`: func() error {
			_, err := c.Act(ctx, NewAction{Action: "retry", Filter: ActionFilter{Queue: "q", States: []job.State{job.Discarded}}, DryRun: true, IdempotencyKey: "a"})
			return err
		},
		"GET /under/v1/actions/" + id.String() + "  ":     func() error { _, err := c.Action(ctx, id); return err },
		"GET /under/v1/kinds  ":                           func() error { _, err := c.Kinds(ctx); return err },
		"GET /under/v1/failures?kind=k&limit=5&queue=q  ": func() error { _, err := c.Failures(ctx, "q", "k", 5); return err },
		"DELETE " + jobs + "/" + id.String() + "  ":       func() error { _, err := c.Delete(ctx, id); return err },
		"GET " + queues + "  ":                            func() error { _, err := c.Queues(ctx); return err },
		"GET " + queues + "/a:b  ":                        func() error { _, err := c.Queue(ctx, "a:b"); return err },
		"PUT " + queues + `/q  {"slots":3}`:               func() error { _, err := c.PutQueue(ctx, "q", QueueSettings{Slots: new(3)}); return err },
		"PATCH " + queues + `/q  {"keep_completed_seconds":0}`: func() error {
			_, err := c.PatchQueue(ctx, "q", QueueSettings{KeepCompletedSeconds: new(0.0)})
			return err
		},
		"DELETE " + queues + "/q  ":                     func() error { return c.DeleteQueue(ctx, "q") },
		"POST " + queues + "/q/pause  ":                 func() error { _, err := c.PauseQueue(ctx, "q"); return err },
		"POST " + queues + "/q/resume  ":                func() error { _, err := c.ResumeQueue(ctx, "q"); return err },
		"POST " + queues + "/q/purge  ":                 func() error { _, err := c.PurgeQueue(ctx, "q"); return err },
		"GET " + queues + "/q/slots  ":                  func() error { _, err := c.Slots(ctx, "q"); return err },
		"GET " + workers + "  ":                         func() error { _, err := c.Workers(ctx); return err },
		"POST " + workers + "/0000000000000007/quiet  ": func() error { _, err := c.QuietWorker(ctx, 7); return err },
		"POST " + workers + "/0000000000000007/stop  ":  func() error { _, err := c.StopWorker(ctx, 7); return err },
		"GET " + jobs + "?concurrency_key=c&cursor=x&kind=k&limit=5&queue=q&slot=2&state=running%2Cavailable&tag=t+t&unique_key=u  ": func() error {
			_, err := c.Page(ctx, JobFilter{Queue: "q", Kind: "k", States: []job.State{job.Running, job.Available}, Slot: 2, Tag: "t t", ConcurrencyKey: "c", UniqueKey: "u", Limit: 5}, "x")
			return err
		},
	} {
		if err := call(); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}

func TestAListGoesOverPagesUntilTheLastOneEvenOverEmptyOnes(t *testing.T) {
	pages := map[string]string{
		"": `{"jobs":[{"kind":"a"},{"kind":"b"}],"next_cursor":"1"}`, "1": `{"jobs":[],"next_cursor":"2"}`, "2": `{"jobs":[{"kind":"c"}]}`,
	}
	asked := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		_, _ = w.Write([]byte(pages[r.URL.Query().Get("cursor")]))
	})
	var kinds []string
	for j, err := range c.List(t.Context(), JobFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, j.Kind)
	}
	if !slices.Equal(kinds, []string{"a", "b", "c"}) || asked != 3 {
		t.Errorf("%v after %d requests", kinds, asked)
	}
	for range c.List(t.Context(), JobFilter{}) {
		break
	}
	if asked != 4 {
		t.Errorf("a list that was left went on: %d requests", asked-3)
	}
}

func TestAnErrorOfTheServerIsAProblem(t *testing.T) {
	var status int
	var kind, body string
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Retry-After", "2")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
	get := func(s int, k, b string) (p *Problem) {
		status, kind, body = s, k, b
		_, err := c.Get(t.Context(), job.ID{1})
		if !errors.As(err, &p) {
			t.Fatalf("%v is no problem", err)
		}
		return p
	}
	b, _ := json.Marshal(NewProblem(CodeUnavailable, "Try again."))
	if p := get(503, "application/problem+json", string(b)); !errors.Is(p, job.ErrUnavailable) || p.RetryAfter != 2*time.Second || p.Detail != "Try again." {
		t.Errorf("%+v", p)
	}
	if p := get(502, "text/html", "<h1>Bad gateway</h1>"); p.Status != 502 || p.Unwrap() != nil || p.Detail != "<h1>Bad gateway</h1>" {
		t.Errorf("of a proxy: %+v", p)
	}
	if p := get(418, "application/problem+json", `{"type":"urn:slotq:problem:new","title":"New","status":418}`); p.Code() != "new" || p.Unwrap() != nil {
		t.Errorf("of a later version: %+v", p)
	}
	for _, err := range c.List(t.Context(), JobFilter{}) {
		if p := (*Problem)(nil); !errors.As(err, &p) {
			t.Errorf("a list ends with %v", err)
		}
	}
}

func TestWhatIsNoAnswerIsAnError(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("not json")) })
	if _, err := c.Get(t.Context(), job.ID{1}); err == nil {
		t.Error("an answer that is no JSON was taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, job.ID{1}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := c.Enqueue(t.Context(), NewJob{Kind: "k", Backoff: &Backoff{List: []float64{1, 0, -1}[:0]}, TimeoutSeconds: inf()}); err == nil {
		t.Error("a number that JSON cannot hold was sent")
	}
	for _, base := range []string{"", "localhost:8080", "ftp://x", "http://", "http://a b"} {
		if _, err := NewClient(base, nil); err == nil {
			t.Errorf("the address %q was taken", base)
		}
	}
	if c, err := NewClient("http://localhost:8080", nil); err != nil || c.http.Timeout == 0 {
		t.Errorf("%v", err)
	}
}

func inf() float64 { var zero float64; return 1 / zero }
