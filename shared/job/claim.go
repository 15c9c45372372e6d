package job

// ClaimRequest asks for jobs of one slot.
type ClaimRequest struct {
	Worker   WorkerID
	Token    Token // made by the caller and remembered before the call, so that an unknown outcome can be reconciled
	Slot     Slot
	LIFO     bool // the queue's order
	Max      int  // the most jobs to take, 1..1000
	Now      Time
	Serves   func(kind string) bool // nil = every kind; false also for a kind at its own limit
	Suspects bool                   // may take a suspect; it is then the claim's only job
	Marks    *Marks                 // where the last scan of this caller ended; nil = begin at the head
}

// Claim is a worker's hold on a batch of jobs of one slot.
type Claim struct {
	Worker    WorkerID
	Token     Token
	Slot      Slot
	ClaimedAt Time
	Suspect   bool // its only job is a suspect
	IDs       []ID // written once; jobs may have ended since
}

// Claimed is what a claim brought.
type Claimed struct {
	Jobs []*Job
	More bool // the slot may have more jobs that the caller could take now
}

// ScanRows is the most rows that one try to claim reads past jobs it may not take (kinds it does not serve, suspects,
// kinds at their limit).
const ScanRows = 1000

// Marks remembers, per slot and priority, up to where a caller's scan met only jobs that it may not take. It delays
// jobs, it never hides them: a mark is forgotten after MarkTTL and the scan begins at the head again. It belongs to one
// answer to what may be taken: a caller whose Serves or Suspects changes keeps Marks for each. One caller uses it at a
// time per slot.
type Marks struct {
	at map[markKey]mark
}

type markKey struct {
	slot     Slot
	priority int
}

type mark struct {
	runAt Time
	id    ID
	since Time
}

// MarkTTL is how long a mark holds, in microseconds: long enough that 100,000 unserved jobs at the front cost little
// (100 tries of 1,000 narrow rows, once in this time), short enough that a job put back before the mark waits little.
const MarkTTL = Time(5_000_000)

// NewMarks returns empty marks.
func NewMarks() *Marks { return &Marks{at: map[markKey]mark{}} }

// At is the position after which to scan; false = from the head.
func (m *Marks) At(s Slot, priority int, now Time) (Time, ID, bool) {
	if m == nil {
		return 0, ID{}, false
	}
	k, ok := m.at[markKey{s, priority}]
	if ok && now-k.since > MarkTTL {
		delete(m.at, markKey{s, priority})
		ok = false
	}
	return k.runAt, k.id, ok
}

// Set moves the mark; the time of the first mark since the head counts.
func (m *Marks) Set(s Slot, priority int, runAt Time, id ID, now Time) {
	if m == nil {
		return
	}
	since := now
	if old, ok := m.at[markKey{s, priority}]; ok {
		since = old.since
	}
	m.at[markKey{s, priority}] = mark{runAt, id, since}
}
