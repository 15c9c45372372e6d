package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/shared/store"
)

// bench is a database with a store on it, and the command line over it.
type bench struct {
	t     *testing.T
	url   string
	store store.Store
	now   job.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return benchOn(t, "sqlite:"+filepath.Join(t.TempDir(), "slotq.db"))
}

// benchOn makes the tables of an empty database.
func benchOn(t *testing.T, url string) *bench {
	t.Helper()
	b := &bench{t: t, url: url}
	s, err := store.Open(t.Context(), b.url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.store = s
	if b.now, err = s.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// enqueue stores a job that is due.
func (b *bench) enqueue(queue, kind string, change func(*job.Spec)) *job.Job {
	b.t.Helper()
	q, err := b.store.EnsureQueue(b.t.Context(), job.NewQueue(queue), b.now)
	if err != nil {
		b.t.Fatal(err)
	}
	spec := job.Spec{Kind: kind, Payload: []byte(`{"to": "a"}`)}
	if change != nil {
		change(&spec)
	}
	j := spec.Make(q, b.now)
	if _, err := b.store.Enqueue(b.t.Context(), []*job.Job{j}, true); err != nil {
		b.t.Fatal(err)
	}
	return j
}

func (b *bench) state(id job.ID) job.State {
	b.t.Helper()
	j, err := b.store.Get(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return j.State
}

// worker registers a worker that serves the kinds.
func (b *bench) worker(name string, kinds ...string) job.Worker {
	b.t.Helper()
	w := job.Worker{ID: job.NewWorkerID(), Name: name, Lease: time.Minute, Concurrency: 4, Kinds: kinds, StartedAt: b.now}
	if err := b.store.Register(b.t.Context(), w); err != nil {
		b.t.Fatal(err)
	}
	return w
}

// claim takes a job, which must be the only one of its slot, and returns it as it was claimed.
func (b *bench) claim(w job.Worker, j *job.Job) *job.Job {
	b.t.Helper()
	got, err := b.store.Claim(b.t.Context(), job.ClaimRequest{
		Worker: w.ID, Token: job.NewToken(w.ID), Slot: j.InSlot(), Queue: j.Queue, Max: 1, Now: b.now, Suspects: true,
	})
	if err != nil || len(got.Jobs) != 1 || got.Jobs[0].ID != j.ID {
		b.t.Fatalf("claimed %v, %v; want the job", got.Jobs, err)
	}
	return got.Jobs[0]
}

type result struct {
	out, err string
	failure  error
}

// code is the exit code.
func (r result) code() int {
	var coded interface{ ExitCode() int }
	switch {
	case r.failure == nil:
		return 0
	case errors.As(r.failure, &coded):
		return coded.ExitCode()
	default:
		return 1
	}
}

func call1(ctx context.Context, url, stdin string, args ...string) result {
	var out, errs bytes.Buffer
	err := Main(ctx, service.Process{
		Name: "manager", Args: args, Environ: []string{"SLOTQ_DATABASE_URL=" + url, "SLOTQ_SLOTS=7", "SLOTQ_YES=true", "SLOTQ_LIMIT=0"},
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs,
	})
	return result{out.String(), errs.String(), err}
}

// ok calls a command that must succeed and returns its output.
func (b *bench) ok(args ...string) string {
	b.t.Helper()
	r := call1(b.t.Context(), b.url, "", args...)
	if r.failure != nil {
		b.t.Fatalf("manager %s: %v", strings.Join(args, " "), r.failure)
	}
	return r.out
}

// fails calls a command that must fail with the code, saying all the words.
func (b *bench) fails(code int, words []string, args ...string) {
	b.t.Helper()
	r := call1(b.t.Context(), b.url, "", args...)
	if r.code() != code {
		b.t.Errorf("manager %s: exit code %d, want %d; error: %v", strings.Join(args, " "), r.code(), code, r.failure)
		return
	}
	for _, word := range words {
		if !strings.Contains(r.failure.Error(), word) {
			b.t.Errorf("manager %s: %q does not say %q", strings.Join(args, " "), r.failure, word)
		}
	}
}

func parse[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
