package ui

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/api/server"
	"github.com/slotq/slotq/shared/clock"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// env is the pages on a real api, on a SQLite file of its own.
type env struct {
	testing.TB
	store  *away
	clock  *clock.Clock
	url    string
	client *http.Client
}

// away is a store whose database can go away.
type away struct {
	store.Store
	gone, failures atomic.Bool
}

var errGone = errors.New("the password is hunter2")

func (a *away) ListQueues(ctx context.Context, deleted bool) ([]job.Queue, error) {
	if a.gone.Load() {
		return nil, errGone
	}
	return a.Store.ListQueues(ctx, deleted)
}

func (a *away) PauseQueue(ctx context.Context, name string, paused bool) (job.Queue, error) {
	if a.gone.Load() {
		return job.Queue{}, errGone
	}
	return a.Store.PauseQueue(ctx, name, paused)
}

func (a *away) Failures(ctx context.Context, f job.Filter, limit int, now job.Time) (job.FailureList, error) {
	if a.failures.Load() {
		return job.FailureList{}, job.ErrUnavailable
	}
	return a.Store.Failures(ctx, f, limit, now)
}

func start(t testing.TB, change ...func(*Options)) *env {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "slotq.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := &env{TB: t, store: &away{Store: db}, clock: clock.New(db.Now)}
	api := server.New(server.Options{Store: e.store, Clock: e.clock})
	document, err := api.Document()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{API: api, Document: document, Log: slog.New(slog.DiscardHandler), Lease: 20 * time.Second, Sweep: time.Second}
	for _, c := range change {
		c(&o)
	}
	pages, err := Pages(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := api.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	s := httptest.NewServer(api.Handler(document, pages))
	e.url, e.client = s.URL, &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		s.Close()
		cancel()
		running.Wait()
		e.client.CloseIdleConnections()
	})
	return e
}

func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// got is an answer.
type got struct {
	status int
	header http.Header
	body   string
}

// get asks for a page; headers are pairs of name and value.
func (e *env) get(path string, headers ...string) got {
	e.Helper()
	return e.send(http.MethodGet, path, nil, headers...)
}

// post sends a form as a browser does.
func (e *env) post(path string, form url.Values, headers ...string) got {
	e.Helper()
	return e.send(http.MethodPost, path, form, append([]string{"Sec-Fetch-Site", "same-origin"}, headers...)...)
}

func (e *env) send(method, path string, form url.Values, headers ...string) got {
	e.Helper()
	r, err := http.NewRequestWithContext(e.Context(), method, e.url+path, strings.NewReader(form.Encode()))
	e.ok(err)
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := e.client.Do(r)
	e.ok(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	e.ok(err)
	return got{res.StatusCode, res.Header, string(b)}
}

// shows gets a page and wants words in it.
func (e *env) shows(path string, words ...string) string {
	e.Helper()
	g := e.get(path)
	if g.status != http.StatusOK || g.header.Get("Content-Security-Policy") != policy {
		e.Errorf("%s: %d, policy %q\n%s", path, g.status, g.header.Get("Content-Security-Policy"), g.body)
	}
	for _, w := range words {
		if !strings.Contains(g.body, w) {
			e.Errorf("%s does not show %q:\n%s", path, w, g.body)
		}
	}
	return g.body
}

// enqueue stores a job past the api.
func (e *env) enqueue(queue string, spec job.Spec) *job.Job {
	e.Helper()
	now := e.clock.Now()
	q, err := e.store.EnsureQueue(e.Context(), job.NewQueue(queue), now)
	e.ok(err)
	if spec.Payload == nil {
		spec.Payload = []byte(`{"a": 1}`)
	}
	j := spec.Make(q, now)
	_, err = e.store.Enqueue(e.Context(), []*job.Job{j}, true)
	e.ok(err)
	return j
}

// worker registers a worker for queues, none = all, that serves every kind.
func (e *env) worker(name string, queues ...string) job.Worker {
	e.Helper()
	w := job.Worker{ID: job.NewWorkerID(), Name: name, Lease: time.Minute, Concurrency: 8, Queues: queues, Kinds: []string{"*"}, StartedAt: e.clock.Now()}
	e.ok(e.store.Register(e.Context(), w))
	return w
}

// claim takes a job as a worker does.
func (e *env) claim(w job.Worker, j *job.Job) *job.Job {
	e.Helper()
	c, err := e.store.Claim(e.Context(), job.ClaimRequest{
		Worker: w.ID, Token: job.NewToken(w.ID), Slot: j.InSlot(), Queue: j.Queue, Max: 1000, Now: e.clock.Now(),
	})
	e.ok(err)
	for _, got := range c.Jobs {
		if got.ID == j.ID {
			return got
		}
	}
	e.Fatalf("the claim did not bring %s", j.ID)
	return nil
}

// finish ends a claimed job.
func (e *env) finish(w job.Worker, o job.Outcome) {
	e.Helper()
	_, err := e.store.Finish(e.Context(), w.ID, []job.Outcome{o}, []job.Token{o.Job.Token}, e.clock.Now())
	e.ok(err)
}

// token makes a token and returns the header that sends its secret.
func (e *env) token(queues string, scopes ...job.Scope) []string {
	e.Helper()
	secret, now := job.NewAPISecret(), e.clock.Now()
	_, err := e.store.CreateAPIToken(e.Context(), job.APIToken{ID: job.NewID(now), Hash: secret.Hash(), Name: "t", Scopes: scopes, Queues: []string{queues}}, now)
	e.ok(err)
	return []string{"Authorization", "Bearer " + secret.Reveal()}
}
