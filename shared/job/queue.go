package job

import "time"

// Queue is a named set of slots with the settings that its jobs get. A queue exists from its first job on.
type Queue struct {
	ID   int32 // random, so that two stores never hand out the same one by counting
	Name string

	Slots    int // new jobs draw a slot in 1..Slots; slots above it drain
	KeySlots int // concurrency keys are spread over 1..KeySlots; fixed when the queue is made, so a resize moves no key
	LIFO     bool
	Paused   bool

	Priority    int
	MaxAttempts int
	MaxCrashes  int
	Timeout     time.Duration
	Backoff     Backoff

	// How long finished jobs are kept; 0 = not at all.
	KeepCompleted time.Duration
	KeepDiscarded time.Duration
	KeepCancelled time.Duration

	CreatedAt Time
}

// Defaults of a queue, from the contract.
const (
	DefaultSlots         = 24
	DefaultPriority      = 2
	DefaultMaxAttempts   = 25
	DefaultMaxCrashes    = 5
	DefaultTimeout       = 60 * time.Second
	DefaultKeepCompleted = 24 * time.Hour
	DefaultKeepDiscarded = 30 * 24 * time.Hour
	DefaultKeepCancelled = 7 * 24 * time.Hour
)

// NewQueue is a queue with the defaults.
func NewQueue(name string) Queue {
	return Queue{
		Name: name, Slots: DefaultSlots, KeySlots: DefaultSlots,
		Priority: DefaultPriority, MaxAttempts: DefaultMaxAttempts, MaxCrashes: DefaultMaxCrashes, Timeout: DefaultTimeout,
		KeepCompleted: DefaultKeepCompleted, KeepDiscarded: DefaultKeepDiscarded, KeepCancelled: DefaultKeepCancelled,
	}
}

// Slot names one slot of one queue.
type Slot struct {
	QueueID int32
	Slot    int
}

// InSlot is the slot that the job is in.
func (j *Job) InSlot() Slot { return Slot{j.QueueID, j.Slot} }

// SlotRow is a slot as the database has it.
type SlotRow struct {
	Slot
	Epoch  int64
	Paused bool
}

// Count is how many unfinished jobs of one kind stand in a part of a slot, by state.
type Count struct {
	Kind            string
	Scheduled       int64
	Available       int64
	Blocked         int64 // available, but waiting for a concurrency key
	Running         int64
	Retryable       int64
	OldestAvailable Time // the earliest run_at of an available, not blocked job; 0 = none
}

// Depth is the number of jobs counted.
func (c Count) Depth() int64 {
	return c.Scheduled + c.Available + c.Blocked + c.Running + c.Retryable
}

// Add puts o's figures to c's; the kind stays c's.
func (c *Count) Add(o Count) {
	c.Scheduled += o.Scheduled
	c.Available += o.Available
	c.Blocked += o.Blocked
	c.Running += o.Running
	c.Retryable += o.Retryable
	if c.OldestAvailable == 0 || (o.OldestAvailable != 0 && o.OldestAvailable < c.OldestAvailable) {
		c.OldestAvailable = o.OldestAvailable
	}
}

// Position is a place in the order of a slot's jobs: (blocked, priority, run_at, id). The zero Position is before all.
type Position struct {
	Blocked  bool
	Priority int
	RunAt    Time
	ID       ID
}

// Key names the places of one concurrency key.
type Key struct {
	Slot
	ConcurrencyKey string
}
