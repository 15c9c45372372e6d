package doctor

import (
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/manager/loops"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

func TestMain(m *testing.M) {
	// database/sql closes its opener after Close has returned.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"))
}

const (
	lease = 20 * time.Second
	sweep = 10 * time.Millisecond
)

// bench is a database in which faults are planted.
type bench struct {
	t     *testing.T
	path  string
	store store.Store
	now   job.Time
}

// newBench is a healthy system: a worker for the kind k that takes jobs of all queues, and managers that take their turns.
func newBench(t *testing.T) *bench {
	t.Helper()
	b := emptyBench(t)
	b.ok(b.store.Migrate(t.Context()))
	var err error
	b.now, err = b.store.Now(t.Context())
	b.ok(err)
	b.turns(b.now, loops.Names()...)
	b.worker(job.Worker{Name: "sound", Kinds: []string{"k"}})
	return b
}

// emptyBench is a database without tables.
func emptyBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, path: filepath.Join(t.TempDir(), "slotq.db")}
	s, err := store.Open(t.Context(), "sqlite:"+b.path, store.Options{})
	b.ok(err)
	t.Cleanup(func() { s.Close() })
	b.store = s
	return b
}

func (b *bench) ok(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) turns(now job.Time, names ...string) {
	b.t.Helper()
	for _, loop := range names {
		_, err := b.store.Turn(b.t.Context(), loop, 1, loops.Intervals(sweep)[loop], now)
		b.ok(err)
	}
}

func (b *bench) worker(w job.Worker) job.Worker {
	b.t.Helper()
	w.ID, w.Lease, w.Concurrency = job.NewWorkerID(), lease, 4
	if w.StartedAt == 0 {
		w.StartedAt = b.now
	}
	b.ok(b.store.Register(b.t.Context(), w))
	return w
}

// jobs stores as many jobs of a kind as fall into all of the queue's slots.
func (b *bench) jobs(queue, kind string, slots int) job.Queue {
	b.t.Helper()
	made := job.NewQueue(queue)
	made.Slots = slots
	q, err := b.store.EnsureQueue(b.t.Context(), made, b.now)
	b.ok(err)
	for seen := map[int]bool{}; len(seen) < slots; {
		j := (&job.Spec{Kind: kind, Payload: []byte("1")}).Make(q, b.now)
		_, err := b.store.Enqueue(b.t.Context(), []*job.Job{j}, true)
		b.ok(err)
		seen[j.Slot] = true
	}
	return q
}

// past changes rows behind the store's back.
func (b *bench) past(statement string, args ...any) {
	b.t.Helper()
	raw, err := sql.Open("sqlite", "file:"+b.path+"?_pragma=busy_timeout(5000)")
	b.ok(err)
	defer raw.Close()
	_, err = raw.ExecContext(b.t.Context(), statement, args...)
	b.ok(err)
}

func (b *bench) look() Report {
	b.t.Helper()
	r, err := Look(b.t.Context(), b.store, Options{Sweep: sweep, Lease: lease})
	b.ok(err)
	return r
}

// finds looks, and wants one finding alone, which says all the words.
func (b *bench) finds(name, about string, words ...string) {
	b.t.Helper()
	r := b.look()
	if len(r.Findings) != 1 || r.Findings[0].Name != name || r.Findings[0].About != about || r.Healthy {
		b.t.Fatalf("found %+v, want %s of %q alone", r.Findings, name, about)
	}
	f := r.Findings[0]
	for _, part := range append(words, "") {
		if text := strings.Join([]string{f.Wrong, f.Why, f.Remedy}, "\n"); !strings.Contains(text, part) {
			b.t.Errorf("%q does not say %q", text, part)
		}
	}
	if f.Wrong == "" || f.Why == "" || f.Remedy == "" {
		b.t.Errorf("%+v does not say everything", f)
	}
	if i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Findings == 1 }); i < 0 {
		b.t.Errorf("no check has the finding: %+v", r.Checks)
	}
}
