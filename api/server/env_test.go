package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/clock"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/shared/wire"
)

// seen collects the (call, status) pairs that the tests of this package have met, to compare with the document.
var seen sync.Map

func TestMain(m *testing.M) {
	openapi3filter.RegisterBodyDecoder("application/merge-patch+json", openapi3filter.JSONBodyDecoder)
	code := m.Run()
	filtered := flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.fuzz").Value.String() != "" || flag.Lookup("test.list").Value.String() != ""
	if code == 0 && !filtered {
		code = unmet()
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// unmet prints what the document promises and no test has met.
func unmet() (code int) {
	for _, r := range New(Options{Clock: clock.New(nil)}).routes {
		for status := range r.Statuses() {
			pair := fmt.Sprintf("%s %d", r, status)
			if _, ok := seen.Load(pair); !ok {
				fmt.Fprintln(os.Stderr, "documented, but met by no test:", pair)
				code = 1
			}
		}
	}
	return code
}

// env is a running api on a SQLite file of its own.
type env struct {
	*testing.T
	url      string
	store    *faulty
	server   *Server
	client   *wire.Client
	registry *prometheus.Registry
}

func start(t *testing.T, change ...func(*Options)) *env {
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
	return startOn(t, db, change...)
}

func startOn(t *testing.T, db store.Store, change ...func(*Options)) *env {
	t.Helper()
	e := &env{T: t, store: &faulty{Store: db}, registry: prometheus.NewRegistry()}
	o := Options{Store: e.store, Clock: clock.New(db.Now), Registry: e.registry}
	for _, c := range change {
		c(&o)
	}
	e.server = New(o)
	document, err := e.server.Document()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := e.server.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	listener := httptest.NewServer(validated(t, document, e.server.Handler(document, nil)))
	e.url = listener.URL
	t.Cleanup(func() {
		listener.Close()
		cancel()
		running.Wait()
	})
	if e.client, err = wire.NewClient(e.url, listener.Client()); err != nil {
		t.Fatal(err)
	}
	return e
}

// validated checks every request that was answered well, and every answer, against the document.
func validated(t *testing.T, document []byte, next http.Handler) http.Handler {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(document)
	if err != nil {
		t.Fatal("the document cannot be read:", err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal("the document is not valid:", err)
	}
	no := false
	for _, s := range doc.Components.Schemas { // an answer may have no member that the document does not name
		s.Value.AdditionalProperties = openapi3.AdditionalProperties{Has: &no}
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, values, err := router.FindRoute(r)
		if err != nil {
			if !errors.As(err, new(*routers.RouteError)) {
				t.Errorf("%s %s: %v", r.Method, r.URL, err)
			}
			next.ServeHTTP(w, r)
			return
		}
		var sent bytes.Buffer
		body := r.Body
		r.Body = io.NopCloser(io.TeeReader(body, &sent))
		rec := httptest.NewRecorder()
		// Deadlines reach the connection through what the recorder replaces.
		next.ServeHTTP(rec, r)
		seen.Store(fmt.Sprintf("%s %s %d", r.Method, route.Path, rec.Code), true)
		request := r.Clone(context.WithoutCancel(r.Context()))
		request.Body = io.NopCloser(bytes.NewReader(readable(sent.Bytes())))
		in := &openapi3filter.RequestValidationInput{Request: request, PathParams: values, Route: route,
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}} // who may what has tests of its own
		partly := strings.Contains(rec.Body.String(), `"status":"rejected"`) // a batch that was taken in part
		if rec.Code < 300 && !partly {
			if err := openapi3filter.ValidateRequest(request.Context(), in); err != nil {
				t.Errorf("%s %s was answered with %d, but the document does not allow it: %v", r.Method, r.URL, rec.Code, err)
			}
		}
		if err := openapi3filter.ValidateResponse(request.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: in, Status: rec.Code, Header: rec.Header(), Body: io.NopCloser(bytes.NewReader(readable(rec.Body.Bytes()))),
		}); err != nil {
			t.Errorf("%s %s: the answer %d %s does not fit the document: %v", r.Method, r.URL, rec.Code, rec.Body, err)
		}
		for name, v := range rec.Header() {
			w.Header()[name] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// readable makes a number smaller that the validator, unlike the api, cannot hold.
func readable(b []byte) []byte { return bytes.ReplaceAll(b, []byte("1e400"), []byte("1e40")) }

// faulty is a store that fails or hangs when told to.
type faulty struct {
	store.Store
	mu   sync.Mutex
	err  error
	hang chan struct{}
}

// fail makes every call fail from now on; nil = none.
func (f *faulty) fail(err error) { f.mu.Lock(); f.err = err; f.mu.Unlock() }

// stop makes every call hang, whatever its context says, until the function that it returns is called.
func (f *faulty) stop() (goOn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hang = make(chan struct{})
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.hang != nil {
			close(f.hang)
			f.hang = nil
		}
	}
}

func (f *faulty) trouble() error {
	f.mu.Lock()
	err, hang := f.err, f.hang
	f.mu.Unlock()
	if hang != nil {
		<-hang
		return job.ErrUnavailable
	}
	return err
}

func (f *faulty) Enqueue(ctx context.Context, jobs []*job.Job, atomic bool) ([]job.Enqueued, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	return f.Store.Enqueue(ctx, jobs, atomic)
}

func (f *faulty) Now(ctx context.Context) (job.Time, error) {
	if err := f.trouble(); err != nil {
		return 0, err
	}
	return f.Store.Now(ctx)
}

func (f *faulty) Get(ctx context.Context, id job.ID) (*job.Job, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	return f.Store.Get(ctx, id)
}

func (f *faulty) List(ctx context.Context, filter job.Filter, p job.Page) (job.Listed, error) {
	if err := f.trouble(); err != nil {
		return job.Listed{}, err
	}
	return f.Store.List(ctx, filter, p)
}

func (f *faulty) Cancel(ctx context.Context, id job.ID, now job.Time) (*job.Job, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	return f.Store.Cancel(ctx, id, now)
}

func (f *faulty) Retry(ctx context.Context, id job.ID, now job.Time) (*job.Job, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	return f.Store.Retry(ctx, id, now)
}

func (f *faulty) RunNow(ctx context.Context, id job.ID, now job.Time) (*job.Job, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	return f.Store.RunNow(ctx, id, now)
}

func (f *faulty) Delete(ctx context.Context, id job.ID) (*job.Job, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	return f.Store.Delete(ctx, id)
}

func (f *faulty) Act(ctx context.Context, a job.BulkAction) (job.BulkAction, error) {
	if err := f.trouble(); err != nil {
		return a, err
	}
	return f.Store.Act(ctx, a)
}

func (f *faulty) Action(ctx context.Context, id job.ID) (job.BulkAction, error) {
	if err := f.trouble(); err != nil {
		return job.BulkAction{}, err
	}
	return f.Store.Action(ctx, id)
}

func (f *faulty) Failures(ctx context.Context, filter job.Filter, limit int, now job.Time) (job.FailureList, error) {
	if err := f.trouble(); err != nil {
		return job.FailureList{}, err
	}
	return f.Store.Failures(ctx, filter, limit, now)
}

func (f *faulty) ListQueues(ctx context.Context, deleted bool) ([]job.Queue, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	return f.Store.ListQueues(ctx, deleted)
}

func (f *faulty) UpdateQueue(ctx context.Context, name string, change func(*job.Queue) error) (job.Queue, error) {
	if err := f.trouble(); err != nil {
		return job.Queue{}, err
	}
	return f.Store.UpdateQueue(ctx, name, change)
}

func (f *faulty) PauseQueue(ctx context.Context, name string, paused bool) (job.Queue, error) {
	if err := f.trouble(); err != nil {
		return job.Queue{}, err
	}
	return f.Store.PauseQueue(ctx, name, paused)
}

func (f *faulty) DeleteQueue(ctx context.Context, name string) error {
	if err := f.trouble(); err != nil {
		return err
	}
	return f.Store.DeleteQueue(ctx, name)
}

func (f *faulty) Purge(ctx context.Context, name string, before job.Time, limit int, now job.Time) (int, bool, error) {
	if err := f.trouble(); err != nil {
		return 0, false, err
	}
	return f.Store.Purge(ctx, name, before, limit, now)
}

func (f *faulty) Workers(ctx context.Context) ([]job.Worker, error) {
	if err := f.trouble(); err != nil {
		return nil, err
	}
	return f.Store.Workers(ctx)
}

func (f *faulty) CommandWorker(ctx context.Context, w job.WorkerID, quiet, stop bool) (job.Worker, error) {
	if err := f.trouble(); err != nil {
		return job.Worker{}, err
	}
	return f.Store.CommandWorker(ctx, w, quiet, stop)
}

// got is an answer.
type got struct {
	status  int
	header  http.Header
	body    string
	problem wire.Problem
}

// send sends a request as it is told; headers are pairs of name and value.
func (e *env) send(method, path, body string, headers ...string) got {
	e.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	return e.sendFrom(method, path, reader, headers...)
}

func (e *env) sendFrom(method, path string, body io.Reader, headers ...string) got {
	e.Helper()
	r, err := http.NewRequestWithContext(e.Context(), method, e.url+path, body)
	if err != nil {
		e.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		switch headers[i] {
		case "Host":
			r.Host = headers[i+1]
		default:
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		e.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		e.Fatal(err)
	}
	g := got{status: res.StatusCode, header: res.Header, body: string(b)}
	if g.status >= 400 && method != http.MethodHead {
		if kind := res.Header.Get("Content-Type"); kind != "application/problem+json" {
			e.Errorf("%s %s: an error came as %s", method, path, kind)
		}
		if err := json.Unmarshal(b, &g.problem); err != nil || g.problem.Status != g.status || g.problem.Title == "" {
			e.Errorf("%s %s: the problem %s of status %d: %v", method, path, b, g.status, err)
		}
	}
	return g
}

// want sends a request and expects a status; it returns the answer.
func (e *env) want(status int, method, path, body string, headers ...string) got {
	e.Helper()
	g := e.send(method, path, body, headers...)
	if g.status != status {
		e.Errorf("%s %s %.200s: %d %s, want %d", method, path, body, g.status, g.body, status)
	}
	return g
}

// enqueue stores a job and returns its id.
func (e *env) enqueue(body string) string {
	e.Helper()
	var j wire.Enqueued
	if err := json.Unmarshal([]byte(e.want(201, "POST", "/v1/jobs", body).body), &j); err != nil {
		e.Fatal(err)
	}
	return j.ID.String()
}

// worker registers a worker and returns it.
func (e *env) worker() job.Worker {
	e.Helper()
	w := job.Worker{ID: job.NewWorkerID(), Name: "host-1", Lease: 20 * time.Second, Concurrency: 24, Kinds: []string{"*"}}
	if err := e.store.Register(e.Context(), w); err != nil {
		e.Fatal(err)
	}
	return w
}

// claim takes the job out of its queue, as a worker does.
func (e *env) claim(id string) (job.Worker, *job.Job) {
	e.Helper()
	w := e.worker()
	parsed, err := job.ParseID(id)
	if err != nil {
		e.Fatal(err)
	}
	j, err := e.store.Get(e.Context(), parsed)
	if err != nil {
		e.Fatal(err)
	}
	c, err := e.store.Claim(e.Context(), job.ClaimRequest{
		Worker: w.ID, Token: job.NewToken(w.ID), Slot: j.InSlot(), Queue: j.Queue, Max: 1000, Now: e.server.Clock.Now(),
	})
	if err != nil {
		e.Fatal(err)
	}
	i := slices.IndexFunc(c.Jobs, func(j *job.Job) bool { return j.ID == parsed })
	if i < 0 {
		e.Fatalf("the claim did not bring %s", id)
	}
	return w, c.Jobs[i]
}

// finish ends a claimed job.
func (e *env) finish(w job.Worker, o job.Outcome) {
	e.Helper()
	if _, err := e.store.Finish(e.Context(), w.ID, []job.Outcome{o}, []job.Token{o.Job.Token}, e.server.Clock.Now()); err != nil {
		e.Fatal(err)
	}
}
