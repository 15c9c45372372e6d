package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// call is a route with a path and a body that are right.
func (e *env) call(r route) (path, body string) {
	path = strings.NewReplacer("{name}", "default").Replace(r.Pattern)
	switch {
	case strings.HasPrefix(path, "/v1/workers/"):
		path = strings.Replace(path, "{id}", e.worker().ID.String(), 1)
	case strings.HasPrefix(path, "/v1/actions/"):
		a, err := e.client.Act(e.Context(), wire.NewAction{Action: "run", All: true, IdempotencyKey: "the one of this test"})
		if err != nil {
			e.Fatal(err)
		}
		path = strings.Replace(path, "{id}", a.ID.String(), 1)
	case strings.Contains(path, "{id}"):
		path = strings.Replace(path, "{id}", e.enqueue(`{"kind":"k","delay_seconds":60}`), 1)
	default:
		e.enqueue(`{"kind":"k","delay_seconds":60}`)
	}
	switch r.Body.(type) {
	case wire.NewJob:
		body = `{"kind":"k"}`
	case wire.Batch:
		body = `{"jobs":[{"kind":"k"}]}`
	case wire.NewAction:
		body = `{"action":"run","filter":{"queue":"default"}}`
	case wire.QueueSettings:
		body = `{"slots":3}`
	}
	return path, body
}

func TestEveryCallRefusesWhatNoCallTakes(t *testing.T) {
	e := start(t, func(o *Options) { o.MaxBody = 4096; o.Hosts = []string{"queue.example"} })
	for _, r := range e.server.routes {
		t.Run(r.String(), func(t *testing.T) {
			e := *e
			e.T = t
			path, body := e.call(r)
			for host, status := range map[string]int{"evil.example": 421, "queue.example.evil.example": 421, "127.0.0.1.evil.example:80": 421, "192.0.2.1": 421} {
				e.want(status, r.Method, path, body, "Host", host)
			}
			g := e.want(422, r.Method, path+"?nonsense=1", body)
			if len(g.problem.Errors) != 1 || g.problem.Errors[0].Parameter != "nonsense" {
				t.Errorf("an unknown parameter: %s", g.body)
			}
			e.want(422, r.Method, path+"?%zz", body)
			if r.Method != http.MethodGet {
				e.want(403, r.Method, path, body, "Origin", "https://evil.example")
				e.want(403, r.Method, path, body, "Sec-Fetch-Site", "cross-site")
			}
			if r.Body == nil {
				if r.Method != http.MethodGet {
					e.want(422, r.Method, path, `{"a":1}`)
					e.want(422, r.Method, path, `[]`)
					if g := e.sendFrom(r.Method, path, io.MultiReader(strings.NewReader("{}"))); g.status != 422 {
						t.Errorf("a chunked body: %d", g.status)
					}
				}
				return
			}
			for _, bad := range []string{`{`, ``, `{"kind":"k"} x`, "{\"kind\":\"\xff\"}", `{'kind':'k'}`, "\ufeff{}", "{\"kind\":\"a\nb\"}"} {
				if g := e.sendFrom(r.Method, path, strings.NewReader(bad)); g.status != 400 {
					t.Errorf("%q: %d, want 400", bad, g.status)
				}
			}
			for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain", "", "application/json; charset=latin1", "multipart/form-data; boundary=x"} {
				if g := e.want(415, r.Method, path, body, "Content-Type", kind); !strings.Contains(g.problem.Detail, "curl --json") {
					t.Errorf("%s: the detail %q does not help", kind, g.problem.Detail)
				}
			}
			for _, wrong := range []string{`[]`, `"a"`, `1`, `null`, `{"nonsense":1}`, strings.Repeat("[", 2000) + strings.Repeat("]", 2000)} {
				e.want(422, r.Method, path, wrong)
			}
			large := `{"kind":"` + strings.Repeat("x", 5000) + `"}`
			e.want(413, r.Method, path, large)
			if g := e.sendFrom(r.Method, path, io.MultiReader(strings.NewReader(large))); g.status != 413 {
				t.Errorf("a large body without a length: %d, want 413", g.status)
			}
		})
	}
}

func TestHostsThatAreThisMachineOrNamedAreAnswered(t *testing.T) {
	e := start(t, func(o *Options) { o.Hosts = []string{"queue.example", "[2001:db8::1]"} })
	for _, host := range []string{"localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.2:80", "[::1]", "[::1]:8080", "queue.example", "Queue.Example.:443", "[2001:db8::1]:80"} {
		e.want(200, "GET", "/v1/queues", "", "Host", host)
	}
	if !hostAllowed("anything", []string{"*"}) || hostAllowed("", nil) {
		t.Error("* allows all, and nothing is no host")
	}
}

func TestAFaultOfTheStoreIsAnInternalErrorWithoutItsText(t *testing.T) {
	e := start(t)
	for _, r := range e.server.routes {
		t.Run(r.String(), func(t *testing.T) {
			e := *e
			e.T = t
			path, body := e.call(r)
			e.server.queues.Forget()
			e.store.fail(errors.New("password is hunter2"))
			defer e.store.fail(nil)
			if g := e.want(500, r.Method, path, body); strings.Contains(g.body, "hunter2") {
				t.Errorf("the answer tells the store's secrets: %s", g.body)
			}
		})
	}
}

// stalls is what a promise in seconds is given on a machine that may stand still for a while.
const stalls = 3 * time.Second

func TestWithTheDatabaseAwayEveryCallIsAnsweredWithinFiveSecondsAndRecovers(t *testing.T) {
	e := start(t)
	type prepared struct {
		route
		path, body string
	}
	var calls []prepared
	for _, r := range e.server.routes {
		path, body := e.call(r)
		calls = append(calls, prepared{r, path, body})
	}
	away := func(name string) {
		var all sync.WaitGroup
		for _, c := range calls {
			all.Go(func() {
				begun := time.Now()
				g := e.send(c.Method, c.path, c.body)
				if took := time.Since(begun); g.status != 503 || g.header.Get("Retry-After") == "" || took > 5*time.Second+stalls {
					t.Errorf("%s, the database %s: %d after %s, Retry-After %q", c, name, g.status, took, g.header.Get("Retry-After"))
				}
			})
		}
		all.Wait()
	}
	e.store.fail(fmt.Errorf("enqueue: %w: connection refused", job.ErrUnavailable))
	away("refuses")
	e.store.fail(nil)
	e.want(201, "POST", "/v1/jobs", `{"kind":"k"}`)

	goOn := e.store.stop()
	defer goOn()
	away("hangs")
	goOn()
	// It recovers by itself: the call that hung has to end first, which the next job waits for.
	e.want(201, "POST", "/v1/jobs", `{"kind":"k"}`)
	for _, c := range calls {
		if c.Method == http.MethodGet {
			e.want(200, c.Method, c.path, "")
		}
	}
}

func TestUnknownPathsAndMethodsAreProblemsToo(t *testing.T) {
	e := start(t)
	for _, path := range []string{"/v1", "/v1/jobs/", "/v1/nothing", "//v1/jobs", "/v1/jobs/x/y/z", "/V1/jobs"} {
		e.want(404, "GET", path, "")
	}
	for call, allow := range map[string]string{
		"PUT /v1/jobs": "GET, HEAD, POST", "POST /v1/queues": "GET, HEAD", "GET /v1/jobs/x/cancel": "POST", "BREW /v1/workers": "GET, HEAD",
		"POST /v1/queues/a%2Fb": "GET, HEAD, PUT, PATCH, DELETE", "POST /openapi.json": "GET, HEAD",
	} {
		method, path, _ := strings.Cut(call, " ")
		if g := e.want(405, method, path, ""); g.header.Get("Allow") != allow {
			t.Errorf("%s: Allow %q, want %q", call, g.header.Get("Allow"), allow)
		}
	}
	if g := e.want(200, "HEAD", "/v1/queues", ""); g.body != "" {
		t.Errorf("HEAD has a body: %s", g.body)
	}
}
