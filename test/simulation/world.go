// Package simulation runs the real worker and the real manager against a store in memory, in virtual time, under faults
// that are all drawn from one seed: a seed that breaks a promise breaks it again.
//
// It owns the processes and their faults (part, link, nemesis), the clients and their jobs (client, work), and the judge
// that watches every effect on the database in its order (judge). The worker is package runner, the manager package
// loops, the database package memory; nothing of them is imitated here.
//
// What it cannot show: real engines, subprocesses (promise 5), a process whose own timers stand still (a frozen process
// here gets no answers and its handlers do not move, but its timers fire), and a machine whose monotonic clock is wrong
// (in a bubble there is one clock; the database's clock jumps instead). Nor a database that takes all that a worker
// writes and never answers it: such a worker's beats go on, so nobody can know that it is fenced.
package simulation

import (
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/test/simulation/memory"
)

// The pace of the simulated cluster.
const (
	lease     = 4 * time.Second
	heartbeat = time.Second
	sweep     = 500 * time.Millisecond
	healAt    = 30 * time.Second // faults stop; what is permanent stays
	// drainLimit is how long after that the last job that somebody serves may take: what a job that kills its worker needs
	// at most (4 crashes, each with its lease and its wait) and something for its neighbours.
	drainLimit = 4 * time.Minute
)

// world is one run: everything that its processes share. mu is the database's lock: whoever holds it is a transaction.
type world struct {
	seed  uint64
	began time.Time
	db    store.Store // memory, or memory behind a planted defect
	judge *judge
	parts []*part
	wg    sync.WaitGroup // late landings, restarts

	jumped atomic.Int64 // the database's clock is ahead of the machines' by this, in nanoseconds

	mu     sync.Mutex
	away   bool // the database is
	healed bool
	calm   bool // see Options
	over   bool
	faults float64 // how often an operation meets one
	queues []job.Queue
	hash   hash.Hash64
	buf    []byte
	lines  []string // the history, when somebody wants to read it
	keep   bool
	counts map[string]int
}

func newWorld(seed uint64, keep bool) *world {
	w := &world{seed: seed, began: time.Now(), hash: fnv.New64a(), keep: keep, counts: map[string]int{}}
	w.judge = &judge{w: w, fates: map[job.ID]*fate{}, paused: map[int32]bool{}, keys: map[string]job.ID{}}
	r := w.draw("database")
	w.db = memory.New(memory.Options{
		Now:  w.now,
		IntN: r.IntN,
		CrashWait: func(n int, lease time.Duration) time.Duration {
			return job.CrashWait(1, lease) + time.Duration(max(n-1, 0))*lease
		},
	})
	w.faults = []float64{0, 0.005, 0.02, 0.1}[w.draw("faults").IntN(4)]
	return w
}

// now is the database's time.
func (w *world) now() job.Time { return job.TimeOf(time.Now().Add(time.Duration(w.jumped.Load()))) }

// draw is a source of random numbers for one purpose. What it yields depends on the seed and the name alone, never on
// what others drew before.
func (w *world) draw(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// note adds an event to the history; mu is held.
func (w *world) note(format string, args ...any) {
	w.buf = fmt.Appendf(w.buf[:0], "%d ", time.Since(w.began))
	w.buf = fmt.Appendf(w.buf, format, args...)
	w.buf = append(w.buf, '\n')
	_, _ = w.hash.Write(w.buf)
	if w.keep {
		w.lines = append(w.lines, string(w.buf[:len(w.buf)-1]))
	}
}

// count counts that something happened; mu is held.
func (w *world) count(what string) { w.counts[what]++ }

// with runs fn under the lock.
func (w *world) with(fn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn()
}
