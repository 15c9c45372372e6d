package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/worker/executor"
)

func TestMain(m *testing.M) {
	executor.ShimMain()
	goleak.VerifyTestMain(m)
}

// fake is a store in memory whose failures and delays a test decides. It keeps the token's rule and nothing else of
// the contract: what a database promises is tested on databases.
type fake struct {
	store.Store // what a worker does not call

	mu        sync.Mutex
	away      bool
	fails     string        // the one call that fails although the database is there
	delay     time.Duration // of each claim
	delayed   int           // the slot whose claims alone are delayed; 0 = all
	queues    []job.Queue
	jobs      []*job.Job
	done      map[job.ID]job.Outcome
	workers   map[job.WorkerID]*job.Worker
	claims    []job.Claim
	calls     map[string]int
	single    int   // claims that were to bring one job
	under     int   // claims under way
	most      int   // of them at once
	apart     bool  // claims look into no slot beside their own
	broken    int   // the slot of which no claim can read a job; 0 = none
	shared    int   // claims that looked into others
	closed    bool  // claims do not look into their slots
	refused   error // what claims come to
	budget    int   // rows that a claim reads at most; 0 = all
	refuse    func(job.Outcome) error
	meanwhile func(call string) // comes before a fetch or a giving back takes effect
	cancels   []job.ID
	beats     []time.Time // acknowledged
	gone      []job.WorkerID
}

func newFake(slots int) *fake {
	q := job.NewQueue("default")
	q.ID, q.Slots = 7, slots
	return &fake{
		queues: []job.Queue{q}, done: map[job.ID]job.Outcome{}, workers: map[job.WorkerID]*job.Worker{}, calls: map[string]int{},
	}
}

// call counts a call; the error is the database's being away.
func (f *fake) call(name string) error {
	f.calls[name]++
	if f.away || f.fails == name {
		return fmt.Errorf("%s: %w", name, job.ErrUnavailable)
	}
	return nil
}

// with runs fn on the fake's state.
func (f *fake) with(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

func (f *fake) setAway(away bool) { f.with(func() { f.away = away }) }

// add stores a job and returns it.
func (f *fake) add(kind string, change ...func(*job.Job)) *job.Job {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := job.TimeOf(time.Now())
	j := &job.Job{
		ID: job.NewID(now), Queue: "default", QueueID: 7, Slot: 1, Kind: kind, Attempt: 1, MaxAttempts: 3, MaxCrashes: 5,
		QueueTimeout: time.Minute, RunAt: now, CreatedAt: now, Payload: []byte("null"),
	}
	for _, c := range change {
		c(j)
	}
	f.jobs = append(f.jobs, j)
	return j
}

func inSlot(n int) func(*job.Job) { return func(j *job.Job) { j.Slot = n } }

// outcome is how a job ended or was put back last.
func (f *fake) outcome(id job.ID) (job.Outcome, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.done[id]
	return o, ok
}

func (f *fake) count(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[name]
}

func (f *fake) Now(context.Context) (job.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return job.TimeOf(time.Now()), f.call("now")
}

func (f *fake) ReportStats(_ context.Context, r job.StatsReport) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return r.Taken, f.call("report stats")
}

func (f *fake) ListQueues(context.Context, bool) ([]job.Queue, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.queues), f.call("queues")
}

func (f *fake) Slots(_ context.Context, id int32) (rows []job.SlotRow, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range f.queues {
		for n := 1; q.ID == id && n <= q.Slots; n++ {
			rows = append(rows, job.SlotRow{Slot: job.Slot{QueueID: id, Slot: n}})
		}
	}
	return rows, f.call("slots")
}

func (f *fake) Workers(context.Context) (all []job.Worker, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.workers {
		all = append(all, *w)
	}
	return all, f.call("workers")
}

func (f *fake) Register(_ context.Context, w job.Worker) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("register"); err != nil {
		return err
	}
	f.workers[w.ID] = &w
	return nil
}

func (f *fake) Beat(_ context.Context, id job.WorkerID, _ []job.ID) (job.Beat, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("beat"); err != nil {
		return job.Beat{}, err
	}
	w := f.workers[id]
	if w == nil || w.Dead {
		return job.Beat{}, job.ErrWorkerDead
	}
	f.beats = append(f.beats, time.Now())
	return job.Beat{Now: job.TimeOf(time.Now()), Cancelled: f.cancels, Quiet: w.Quiet, Stop: w.Stop}, nil
}

func (f *fake) Leave(_ context.Context, id job.WorkerID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = append(f.gone, id)
	return f.call("leave")
}

func (f *fake) Poll(_ context.Context, slots []job.Slot, now job.Time) (hits []job.Slot, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range slots {
		if slices.ContainsFunc(f.jobs, func(j *job.Job) bool { return due(j, s, now) }) {
			hits = append(hits, s)
		}
	}
	return hits, f.call("poll")
}

func due(j *job.Job, s job.Slot, now job.Time) bool {
	return j.QueueID == s.QueueID && j.Slot == s.Slot && j.RunAt <= now && j.Token.IsZero()
}

func inOrder(a, b *job.Job) int {
	return cmp.Or(cmp.Compare(a.RunAt, b.RunAt), a.ID.Compare(b.ID))
}

func (f *fake) Claim(_ context.Context, r job.ClaimRequest) (job.Claimed, error) {
	f.mu.Lock()
	delay, delayed := f.delay, f.delayed
	f.under++
	f.most = max(f.most, f.under)
	f.mu.Unlock()
	if delay > 0 && (delayed == 0 || delayed == r.Slot.Slot) {
		time.Sleep(delay)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.under--
	if err := f.call("claim"); err != nil {
		return job.Claimed{}, err
	}
	if w := f.workers[r.Worker]; w == nil || w.Dead {
		return job.Claimed{}, job.ErrWorkerDead
	}
	if r.Max == 1 {
		f.single++
	}
	if f.broken != 0 && (r.Slot.Slot == f.broken || slices.Contains(r.Beside, f.broken)) {
		return job.Claimed{}, errRefused
	}
	if f.closed || f.refused != nil {
		return job.Claimed{Closed: f.closed}, f.refused
	}
	slots := f.slotsOf(r)
	out := job.Claimed{LookedBeside: len(slots) > 1}
	if out.LookedBeside {
		f.shared++
	}
	read := 0
	c := job.Claim{Worker: r.Worker, Token: r.Token, Slot: r.Slot}
	from, _ := r.Marks.At(r.Slot, 0, r.Suspects, r.Now)
	for _, j := range slices.SortedFunc(slices.Values(f.jobs), inOrder) {
		if !dueIn(j, r, slots) || j.RunAt < from.RunAt || j.RunAt == from.RunAt && j.ID.Compare(from.ID) <= 0 {
			continue
		}
		if read++; f.budget > 0 && read > f.budget {
			out.More = true
			break
		}
		if !r.Serves(j.Kind) {
			if len(out.Jobs) == 0 {
				r.Marks.Set(r.Slot, 0, job.Mark{RunAt: j.RunAt, ID: j.ID}, r.Now)
			}
			continue
		}
		if j.Suspect() && (!r.Suspects || len(out.Jobs) > 0) {
			out.Suspects = out.Suspects || !r.Suspects
			continue
		}
		j.Token, j.Run = r.Token, j.Run+1
		held := *j
		out.Jobs, c.IDs = append(out.Jobs, &held), append(c.IDs, j.ID)
		if j.Suspect() || len(out.Jobs) == r.Max {
			out.More = true
			break
		}
	}
	if len(c.IDs) > 0 {
		f.claims = append(f.claims, c)
	}
	return out, nil
}

// slotsOf are the slots that a claim takes from: its own alone where there is something to weigh.
func (f *fake) slotsOf(r job.ClaimRequest) []int {
	slots, n := append([]int{r.Slot.Slot}, r.Beside...), 0
	for _, j := range f.jobs {
		if !dueIn(j, r, slots) {
			continue
		}
		if n++; j.Suspect() || !r.Serves(j.Kind) {
			return slots[:1]
		}
	}
	if f.apart || n >= r.Max {
		return slots[:1]
	}
	return slots
}

func dueIn(j *job.Job, r job.ClaimRequest, slots []int) bool {
	return slices.Contains(slots, j.Slot) && due(j, job.Slot{QueueID: r.Slot.QueueID, Slot: j.Slot}, r.Now)
}

var errRefused = errors.New("the database refuses this value")

func (f *fake) Finish(_ context.Context, w job.WorkerID, outcomes []job.Outcome, done []job.Token, now job.Time) ([]job.Verdict, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.call("finish"); err != nil {
		return nil, err
	}
	for _, o := range outcomes {
		if f.refuse != nil {
			if err := f.refuse(o); err != nil {
				return nil, err
			}
		}
	}
	verdicts := make([]job.Verdict, len(outcomes))
	for i, o := range outcomes {
		at := slices.IndexFunc(f.jobs, func(j *job.Job) bool { return j.ID == o.Job.ID && j.Token == o.Job.Token })
		if at < 0 {
			verdicts[i] = job.Lost
			continue
		}
		verdicts[i] = job.Committed
		f.done[o.Job.ID] = o
		j := f.jobs[at]
		if o.Action.Ends() {
			f.jobs = slices.Delete(f.jobs, at, at+1)
			continue
		}
		j.Token = job.Token{}
		if o.Action != job.Release {
			j.RunAt = o.RunAt
		}
		if o.Action == job.Retry {
			j.Attempt++
		}
	}
	f.claims = slices.DeleteFunc(f.claims, func(c job.Claim) bool { return c.Worker == w && slices.Contains(done, c.Token) })
	return verdicts, nil
}

func (f *fake) Claims(_ context.Context, w job.WorkerID) (out []job.Claim, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.claims {
		if c.Worker == w {
			c.IDs = slices.DeleteFunc(slices.Clone(c.IDs), func(id job.ID) bool { return !f.holds(id, c.Token) })
			out = append(out, c)
		}
	}
	return out, f.call("claims")
}

func (f *fake) NewClaims(_ context.Context, w job.WorkerID, known func(job.Token) bool) (out []job.Claim, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.claims {
		if c.Worker == w && !known(c.Token) {
			out = append(out, c)
		}
	}
	return out, f.call("new claims")
}

// wait lets a test do something before a call takes effect.
func (f *fake) wait(call string) {
	if f.meanwhile != nil {
		f.meanwhile(call)
	}
}

func (f *fake) Fetch(_ context.Context, c job.Claim, _ job.Time) (out []*job.Job, err error) {
	f.wait("fetch")
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		if slices.Contains(c.IDs, j.ID) && j.Token == c.Token {
			held := *j
			out = append(out, &held)
		}
	}
	return out, f.call("fetch")
}

func (f *fake) holds(id job.ID, token job.Token) bool {
	return slices.ContainsFunc(f.jobs, func(j *job.Job) bool { return j.ID == id && j.Token == token })
}

func (f *fake) GiveBack(_ context.Context, c job.Claim, _ job.Time) (n int, err error) {
	f.wait("give_back")
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		if j.Token == c.Token {
			j.Token, n = job.Token{}, n+1
		}
	}
	f.claims = slices.DeleteFunc(f.claims, func(x job.Claim) bool { return x.Token == c.Token })
	return n, f.call("give_back")
}

func (f *fake) Get(_ context.Context, id job.ID) (*job.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		if j.ID == id {
			found := *j
			return &found, f.call("get")
		}
	}
	return nil, job.ErrNotFound
}

// returned is how many waiting jobs were claimed once and given back.
func (f *fake) returned() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range f.jobs {
		if j.Token.IsZero() && j.Run > 0 {
			n++
		}
	}
	return n
}
