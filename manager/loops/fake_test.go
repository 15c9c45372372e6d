package loops

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStore answers from memory and can be told to be away. The zero value is an empty database.
type fakeStore struct {
	mu       sync.Mutex
	away     error
	workers  []job.Worker
	claims   []job.Claim
	rescued  []rescued
	turns    map[string]turn
	turnsBy  map[job.WorkerID]int
	queues   []job.Queue
	jobs     map[job.Slot]int // available jobs of kind "k"
	counts   int              // calls of Count
	counted  time.Duration    // what a Count takes
	expired  []int            // what Expire answers, call by call
	pruned   []int
	folded   []int
	unblocks []*job.Key // the cursors that Unblock was given
	keys     []job.Key  // the cursors that it answers with
	frozen   chan struct{}
	broken   job.Token      // its rescue fails
	actions  map[job.ID]int // steps left of the open ones
	steps    []job.ID       // in the order in which they were done
	stuck    job.ID         // its steps fail
}

type rescued struct {
	token   job.Token
	counted bool
}

type turn struct {
	next   job.Time
	holder job.WorkerID
}

func (f *fakeStore) lock() (func(), error) {
	f.mu.Lock()
	return f.mu.Unlock, f.away
}

func (f *fakeStore) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// saw is what the loops have done so far. A test reads through it: synctest.Wait orders what came before it, not what
// the loops do while the test still reads.
type saw struct {
	rescued  []rescued
	turnsBy  map[job.WorkerID]int
	counts   int
	unblocks []*job.Key
	expired  int // answers left
	pruned   int
}

func (f *fakeStore) saw() saw {
	f.mu.Lock()
	defer f.mu.Unlock()
	return saw{slices.Clone(f.rescued), maps.Clone(f.turnsBy), f.counts, slices.Clone(f.unblocks), len(f.expired), len(f.pruned)}
}

func (f *fakeStore) Now(context.Context) (job.Time, error) {
	unlock, err := f.lock()
	defer unlock()
	return job.TimeOf(time.Now()), err
}

func (f *fakeStore) Workers(context.Context) ([]job.Worker, error) {
	f.mu.Lock()
	frozen := f.frozen
	f.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
	unlock, err := f.lock()
	defer unlock()
	if err != nil {
		return nil, err
	}
	return slices.Clone(f.workers), nil
}

func (f *fakeStore) CommandWorker(context.Context, job.WorkerID, bool, bool) (job.Worker, error) {
	panic("no loop commands workers")
}

func (f *fakeStore) DeclareDead(_ context.Context, id job.WorkerID, beat int64) (bool, error) {
	unlock, err := f.lock()
	defer unlock()
	if err != nil {
		return false, err
	}
	for i := range f.workers {
		w := &f.workers[i]
		if w.ID == id && w.Beat == beat && !w.Dead {
			w.Dead = true
			return true, nil
		}
	}
	return false, nil
}

func (f *fakeStore) Orphans(_ context.Context, limit int) ([]job.Claim, error) {
	unlock, err := f.lock()
	defer unlock()
	if err != nil {
		return nil, err
	}
	var orphans []job.Claim
	for _, c := range f.claims {
		alive := slices.ContainsFunc(f.workers, func(w job.Worker) bool { return w.ID == c.Worker && !w.Dead })
		if !alive && len(orphans) < limit {
			orphans = append(orphans, c)
		}
	}
	return orphans, nil
}

func (f *fakeStore) Rescue(_ context.Context, c job.Claim, counted bool, _ time.Duration, _ job.Time) ([]job.Outcome, error) {
	unlock, err := f.lock()
	defer unlock()
	if err != nil {
		return nil, err
	}
	if f.broken == c.Token && !c.Token.IsZero() {
		return nil, errBroken
	}
	i := slices.IndexFunc(f.claims, func(o job.Claim) bool { return o.Token == c.Token })
	if i < 0 {
		return nil, nil
	}
	f.claims = slices.Delete(f.claims, i, i+1)
	f.rescued = append(f.rescued, rescued{c.Token, counted})
	action := job.Release
	if counted {
		action = job.Crash
	}
	return []job.Outcome{{Job: &job.Job{Queue: "q", QueueID: 7, Slot: 3, Kind: "k"}, Action: action}}, nil
}

func (f *fakeStore) Expire(context.Context, int, job.Time) ([]*job.Job, error) {
	unlock, err := f.lock()
	defer unlock()
	return make([]*job.Job, pop(&f.expired)), err
}

func (f *fakeStore) FoldStats(context.Context, int, job.Time) (int, error) {
	unlock, err := f.lock()
	defer unlock()
	return pop(&f.folded), err
}

func (f *fakeStore) Prune(context.Context, int, job.Time) (int, error) {
	unlock, err := f.lock()
	defer unlock()
	return pop(&f.pruned), err
}

func pop(list *[]int) (n int) {
	if len(*list) > 0 {
		n, *list = (*list)[0], (*list)[1:]
	}
	return n
}

func (f *fakeStore) Unblock(_ context.Context, after *job.Key, _ int) (*job.Key, int, error) {
	unlock, err := f.lock()
	defer unlock()
	if err != nil {
		return nil, 0, err
	}
	f.unblocks = append(f.unblocks, after)
	if len(f.keys) == 0 {
		return nil, 0, nil
	}
	next := f.keys[0]
	f.keys = f.keys[1:]
	return &next, 0, nil
}

func (f *fakeStore) Turn(_ context.Context, loop string, holder job.WorkerID, interval time.Duration, now job.Time) (bool, error) {
	unlock, err := f.lock()
	defer unlock()
	if err != nil {
		return false, err
	}
	if now < f.turns[loop].next {
		return false, nil
	}
	if f.turns == nil {
		f.turns, f.turnsBy = map[string]turn{}, map[job.WorkerID]int{}
	}
	f.turns[loop] = turn{now.Add(interval), holder}
	f.turnsBy[holder]++
	return true, nil
}

func (f *fakeStore) OpenActions(_ context.Context, limit int) (ids []job.ID, err error) {
	unlock, err := f.lock()
	defer unlock()
	ids = slices.SortedFunc(maps.Keys(f.actions), job.ID.Compare)
	return ids[:min(len(ids), limit)], err
}

func (f *fakeStore) StepAction(_ context.Context, id job.ID, now job.Time) (job.BulkAction, error) {
	time.Sleep(f.counted)
	unlock, err := f.lock()
	defer unlock()
	if err == nil && id == f.stuck {
		err = errBroken
	}
	if err != nil {
		return job.BulkAction{}, err
	}
	f.steps = append(f.steps, id)
	if f.actions[id]--; f.actions[id] > 0 {
		return job.BulkAction{ID: id}, nil
	}
	delete(f.actions, id)
	return job.BulkAction{ID: id, FinishedAt: now}, nil
}

func (f *fakeStore) ListQueues(context.Context, bool) ([]job.Queue, error) {
	unlock, err := f.lock()
	defer unlock()
	return slices.Clone(f.queues), err
}

func (f *fakeStore) Slots(_ context.Context, queueID int32) (rows []job.SlotRow, err error) {
	unlock, err := f.lock()
	defer unlock()
	for _, q := range f.queues {
		for n := 1; q.ID == queueID && n <= q.Slots; n++ {
			rows = append(rows, job.SlotRow{Slot: job.Slot{QueueID: q.ID, Slot: n}})
		}
	}
	return rows, err
}

// Count takes the position's RunAt for how many jobs were counted before.
func (f *fakeStore) Count(_ context.Context, s job.Slot, after job.Position, _ job.Time) ([]job.Count, *job.Position, error) {
	time.Sleep(f.counted)
	unlock, err := f.lock()
	defer unlock()
	if err != nil {
		return nil, nil, err
	}
	f.counts++
	left := f.jobs[s] - int(after.RunAt)
	if left <= 0 {
		return nil, nil, nil
	}
	n := min(left, 10_000)
	counts := []job.Count{{Kind: "k", Available: int64(n), OldestAvailable: 7}}
	if n == left {
		return counts, nil, nil
	}
	return counts, &job.Position{RunAt: after.RunAt + job.Time(n)}, nil
}

// newManager makes a manager with a lease of 20 s and sweeps of 1 s on the fake.
func newManager(f *fakeStore, log io.Writer) *Manager {
	return New(Options{
		Store: f, Now: func() job.Time { return job.TimeOf(time.Now()) },
		Lease: 20 * time.Second, Sweep: time.Second,
		Log:     slog.New(slog.NewTextHandler(log, nil)),
		Metrics: NewMetrics(prometheus.NewRegistry()),
	})
}

// run runs loops of a manager until stop is called.
func run(t *testing.T, loops ...func(context.Context)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, loop := range loops {
		wg.Go(func() { loop(ctx) })
	}
	return func() { cancel(); wg.Wait() }
}
