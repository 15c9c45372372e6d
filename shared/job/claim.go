package job

import "slices"

// ClaimRequest asks for jobs of one slot, and of those beside it.
type ClaimRequest struct {
	Worker   WorkerID
	Token    Token // made by the caller and remembered before the call, so that an unknown outcome can be reconciled
	Slot     Slot
	Beside   []int  // other slots of its queue, from which it may take too: see Work.Claim
	Queue    string // the name of the slot's queue, which its jobs get: it never changes
	LIFO     bool   // the queue's order
	Max      int    // the most jobs to take, 1..1000
	Now      Time
	Serves   func(kind string) bool // nil = every kind; false also for a kind at its own limit
	Suspects bool                   // may take a suspect; it is then the claim's only job
	Marks    *Marks                 // where the last scan of this caller ended; nil = begin at the head
}

// Claim is a worker's hold on a batch of jobs of a queue. They are of one slot when one of them has a concurrency key.
type Claim struct {
	Worker    WorkerID
	Token     Token
	Slot      Slot // that it was asked for: some of its jobs may be of slots beside it
	ClaimedAt Time
	Suspect   bool // its only job is a suspect
	IDs       []ID // written once; jobs may have ended since
}

// ClaimOf is a worker's claim of jobs that are about to be stored, made when the last of them is due by the clock that says when it is.
func ClaimOf(w WorkerID, jobs []*Job) Claim {
	c := Claim{Worker: w, Token: NewToken(w)}
	for _, j := range jobs {
		c.IDs, c.ClaimedAt = append(c.IDs, j.ID), max(c.ClaimedAt, j.RunAt)
	}
	return c
}

// MayBeClaimed says whether jobs that are about to be stored may be claimed in the same transaction: they are due, of one queue and few
// slots, and none has a concurrency key, whose line says when it may start, or expires. It returns these slots, in order.
func MayBeClaimed(jobs []*Job) (slots []int, ok bool) {
	if len(jobs) == 0 || len(jobs) > MaxEnqueuedClaim {
		return nil, false
	}
	for _, j := range jobs {
		if j.QueueID != jobs[0].QueueID || j.State != Available || j.ConcurrencyKey != "" || j.ExpiresAt != 0 || j.Suspect() {
			return nil, false
		}
		if !slices.Contains(slots, j.Slot) {
			slots = append(slots, j.Slot)
		}
	}
	slices.Sort(slots)
	return slots, len(slots) <= 1+MaxBeside
}

// MaxEnqueuedClaim is the most jobs that are claimed while they are stored: their ids have room in one datagram.
const MaxEnqueuedClaim = 64

// Claimed is what a claim brought.
type Claimed struct {
	Jobs []*Job
	More bool // the slot may have more jobs that the caller could take now
	// Suspects says that a claim which may take no suspect has passed over some: jobs of kinds that it could serve, or of
	// kinds that it could serve when its marks were set.
	Suspects bool
	Expired  int // jobs that it met too late to start, and ended
	// Closed says that the slot was not looked into: it is paused or unknown, or somebody held its fence for long.
	Closed bool
	// LookedBeside says that the slots beside it were looked into, too, and that they and it have nothing left that is due.
	LookedBeside bool
}

// MaxBeside is the most slots beside its own that a claim takes from. With 3 jobs waited a little longer, with 15 and 23 no shorter.
const MaxBeside = 7

// ScanRows is the most rows that one try to claim reads past jobs it may not take (kinds it does not serve, suspects,
// kinds at their limit).
const ScanRows = 1000

// Marks remembers, per slot and priority, up to where a caller's scan met only jobs that it may not take. It delays
// jobs, it never hides them: a mark is forgotten after MarkTTL and the scan begins at the head again. It belongs to one
// answer to which kinds may be taken: a caller whose Serves changes keeps Marks for each. One caller uses it at a time per
// slot.
//
// Claims that may take a suspect and claims that may not share the marks before which no suspect stands; those behind a
// suspect are kept apart. Without that a worker with several claims under way would scan every front twice.
type Marks struct {
	at map[markKey]mark
}

type markKey struct {
	slot     Slot
	priority int
	blind    bool // suspects that the caller could run were passed over
}

// Mark is a position in a slot and priority. The zero Mark is the head.
type Mark struct {
	RunAt Time
	ID    ID
	Blind bool // suspects stand before it: for claims that may take none
}

type mark struct {
	Mark
	settled Mark // the last position before which nothing is likely to appear any more: see Settling
	since   Time
}

// MarkTTL is how long a mark holds, in microseconds: long enough that 100,000 unserved jobs at the front cost little
// (100 tries of 1,000 narrow rows, once in this time: 5 % of it on SQLite), short enough that a job put back before the
// mark waits little.
const MarkTTL = Time(10_000_000)

// Settling is how old a run_at must be, in microseconds, for a claim to trust that all jobs before it are there to be
// seen. A job's run_at is written before its COMMIT and by another process's clock, so one that is due can appear in
// front of jobs that a scan has passed already.
const Settling = Time(2_000_000)

// NewMarks returns empty marks.
func NewMarks() *Marks { return &Marks{at: map[markKey]mark{}} }

// Empty says that none holds.
func (m *Marks) Empty(now Time) bool {
	if m != nil {
		for _, at := range m.at {
			if now-at.since <= MarkTTL {
				return false
			}
		}
	}
	return true
}

// At is the position after which to scan; false = from the head.
func (m *Marks) At(s Slot, priority int, suspects bool, now Time) (Mark, bool) {
	if m == nil {
		return Mark{}, false
	}
	for _, blind := range []bool{true, false} {
		k, ok := m.at[markKey{s, priority, blind}]
		if ok && k.Mark != (Mark{}) && now-k.since <= MarkTTL && !(blind && suspects) {
			return k.Mark, true
		}
	}
	return Mark{}, false
}

// Unsettle takes the marks back to what was settled when they were set. It is for a claim that does not go on with the
// scan of the last one, but looks for what is new: without it a job that was committed a moment after a scan had passed
// its place waited for MarkTTL. With lifo it does nothing: a mark there says that all newer jobs were passed, so none settles
// that could be gone back to, and such a job waits for MarkTTL where more newer ones stand in front of it than a claim reads.
func (m *Marks) Unsettle() {
	for k, at := range m.at {
		at.Mark = at.settled
		m.at[k] = at
	}
}

// Front says that jobs which may not be taken stood at the head when it was read last.
func (m *Marks) Front(s Slot, priority int) bool {
	return m != nil && (m.at[markKey{s, priority, false}].since != 0 || m.at[markKey{s, priority, true}].since != 0)
}

// Set moves the mark; the time of the first mark since the head counts.
func (m *Marks) Set(s Slot, priority int, to Mark, now Time) {
	if m == nil {
		return
	}
	k, next := markKey{s, priority, to.Blind}, mark{Mark: to, since: now}
	if old, ok := m.at[k]; ok && now-old.since <= MarkTTL {
		next.since, next.settled = old.since, old.settled
	} else if base, ok := m.at[markKey{s, priority, false}]; ok && to.Blind && now-base.since <= MarkTTL {
		next.since, next.settled = base.since, base.settled // it goes on from there
	}
	if to.RunAt <= now-Settling {
		next.settled = to
	}
	m.at[k] = next
}

// Clear forgets the marks of a priority at whose head nothing was passed over.
func (m *Marks) Clear(s Slot, priority int) {
	if m != nil {
		delete(m.at, markKey{s, priority, false})
		delete(m.at, markKey{s, priority, true})
	}
}
