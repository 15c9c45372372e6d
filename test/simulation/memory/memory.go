// Package memory is a store.Store in plain maps: the contract of package store once more, written to be read. It is the
// reference that the simulation runs on, and passes the conformance suite that the databases pass.
//
// One mutex stands for the transaction: every method holds it from its first read to its last write, so there is no
// fence to take and no COMMIT that could be in doubt. What a database adds (lost connections, answers that never come,
// effects that land late) the simulation adds around it. What it leaves out is economy: a claim reads its whole slot,
// so marks and the bound on scanned rows mean nothing here.
package memory

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// Options are what a store takes from outside. The zero value is what a database would do; a simulation gives its own,
// so that a seed replays.
type Options struct {
	Now       func() job.Time                                      // the database's clock; the wall clock
	CrashWait func(crashes int, lease time.Duration) time.Duration // job.CrashWait
	IntN      func(n int) int                                      // a number in [0, n); math/rand/v2
}

// Store is a database and its handles in one: whoever has it shares its state. It is safe for concurrent use.
type Store struct {
	opts Options

	mu          sync.Mutex
	migrated    bool
	queues      map[string]*queue
	slots       map[job.Slot]*job.SlotRow
	lanes       map[job.Slot][]*job.Job // unfinished jobs in the order of their positions
	jobs        map[job.ID]*job.Job     // the same by id
	history     map[job.ID]*finished
	claims      map[job.WorkerID]map[job.Token]*job.Claim
	workers     map[job.WorkerID]*job.Worker
	unique      map[uniqueKey]job.ID
	idempotency map[string]*idempotency
	turns       map[string]job.Turn
	apiTokens   []*job.APIToken
	counters    map[job.WorkerID]*counter
	stats       job.StatsTable
	direct      map[job.ID]bool // jobs of somebody's own INSERT
	actions     map[job.ID]*job.BulkAction
}

type queue struct {
	job.Queue
	deleted bool
}

// finished is a row of history; a stub is nobody's job any more and only keeps its id from being used twice.
type finished struct {
	*job.Job
	stub     bool
	removeAt job.Time
}

type uniqueKey struct {
	queue int32
	key   string
}

type idempotency struct {
	id       job.ID
	digest   []byte
	removeAt job.Time
}

var _ store.Store = (*Store)(nil)

// New makes an empty store.
func New(o Options) *Store {
	if o.Now == nil {
		o.Now = func() job.Time { return job.TimeOf(time.Now()) }
	}
	if o.CrashWait == nil {
		o.CrashWait = job.CrashWait
	}
	if o.IntN == nil {
		o.IntN = rand.IntN
	}
	s := &Store{opts: o}
	s.empty()
	return s
}

func (s *Store) empty() {
	s.queues, s.slots = map[string]*queue{}, map[job.Slot]*job.SlotRow{}
	s.lanes, s.jobs, s.history = map[job.Slot][]*job.Job{}, map[job.ID]*job.Job{}, map[job.ID]*finished{}
	s.claims, s.workers = map[job.WorkerID]map[job.Token]*job.Claim{}, map[job.WorkerID]*job.Worker{}
	s.unique, s.idempotency, s.turns = map[uniqueKey]job.ID{}, map[string]*idempotency{}, map[string]job.Turn{}
	s.apiTokens = nil
	s.counters, s.stats, s.direct = map[job.WorkerID]*counter{}, job.StatsTable{}, map[job.ID]bool{}
	s.actions = map[job.ID]*job.BulkAction{}
}

// Now implements store.Store.
func (s *Store) Now(context.Context) (job.Time, error) { return s.opts.Now(), nil }

// Schema implements store.Store.
func (s *Store) Schema(context.Context) (have, want int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.migrated {
		have = 1
	}
	return have, 1, nil
}

// Migrate implements store.Store.
func (s *Store) Migrate(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.migrated = true
	return nil
}

// Close implements store.Store; others may go on using it.
func (s *Store) Close() error { return nil }

// insert puts an unfinished job into its place.
func (s *Store) insert(j *job.Job) {
	at := j.InSlot()
	i, _ := slices.BinarySearchFunc(s.lanes[at], j, compare)
	s.lanes[at] = slices.Insert(s.lanes[at], i, j)
	s.jobs[j.ID] = j
}

// remove takes it out.
func (s *Store) remove(j *job.Job) {
	at := j.InSlot()
	if i, ok := slices.BinarySearchFunc(s.lanes[at], j, compare); ok {
		s.lanes[at] = slices.Delete(s.lanes[at], i, i+1)
	}
	delete(s.jobs, j.ID)
}

// change alters a job and moves it to where it belongs then.
func (s *Store) change(j *job.Job, alter func()) {
	s.remove(j)
	alter()
	s.insert(j)
}

// compare orders jobs of a slot by their positions.
func compare(a, b *job.Job) int {
	return comparePositions(positionOf(a), positionOf(b))
}

func positionOf(j *job.Job) job.Position {
	return job.Position{Blocked: j.Blocked, Priority: j.Priority, RunAt: j.RunAt, ID: j.ID}
}

func comparePositions(a, b job.Position) int {
	if a.Blocked != b.Blocked {
		if b.Blocked {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.RunAt, b.RunAt), a.ID.Compare(b.ID))
}

func compareTokens(a, b job.Token) int { return slices.Compare(a[:], b[:]) }
