package job

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Spec is what somebody asks to enqueue: only Kind is needed, nil and zero fields take the queue's setting.
type Spec struct {
	ID               *ID
	Queue            string // "" = "default"
	Kind             string
	Payload          []byte // the bytes of a JSON value; empty = null
	Priority         *int
	MaxAttempts      *int
	MaxCrashes       *int
	Timeout          *time.Duration
	Backoff          *Backoff
	RunAt            Time          // 0 = now
	Delay            time.Duration // from now, instead of RunAt
	ExpiresAt        Time
	UniqueKey        string
	ConcurrencyKey   string
	ConcurrencyLimit *int
	Tags             []string
	Metadata         []byte // a JSON object
	IdempotencyKey   string
	Digest           []byte
}

// DefaultQueue is where a job without a queue goes.
const DefaultQueue = "default"

// Make builds the job that is stored: what is in force now is written into it, and its id and slot are chosen once,
// before the first try, so that sending it again can only meet itself; a Dealer may choose another slot before that. The spec
// must be valid.
func (s *Spec) Make(q Queue, now Time) *Job {
	j := &Job{
		Queue: q.Name, QueueID: q.ID, Kind: s.Kind, Payload: s.Payload,
		Priority: or(s.Priority, q.Priority), Attempt: 1,
		MaxAttempts: or(s.MaxAttempts, q.MaxAttempts), MaxCrashes: or(s.MaxCrashes, q.MaxCrashes),
		Timeout: or(s.Timeout, 0), QueueTimeout: q.Timeout, Backoff: or(s.Backoff, q.Backoff),
		RunAt: max(s.RunAt, now.Add(s.Delay)), ExpiresAt: s.ExpiresAt,
		UniqueKey: s.UniqueKey, ConcurrencyKey: s.ConcurrencyKey,
		Tags: MarshalTags(s.Tags), Metadata: s.Metadata,
		CreatedAt: now, QueueSlots: q.Slots, IdempotencyKey: s.IdempotencyKey, Digest: s.Digest,
	}
	if len(j.Payload) == 0 {
		j.Payload = []byte("null")
	}
	if s.ID != nil {
		j.ID, j.Given = *s.ID, true
	} else {
		j.ID = NewID(now)
	}
	if j.ConcurrencyKey == "" {
		j.Slot = 1 + rand.IntN(max(q.Slots, 1))
	} else {
		j.Slot = KeySlot(j.ConcurrencyKey, q.KeySlots)
		j.ConcurrencyLimit = or(s.ConcurrencyLimit, 1)
	}
	j.State = WaitingState(j.Token, j.RunAt, j.Run, now)
	return j
}

// KeySlot is the slot of all jobs of a concurrency key: one slot, so that its fence orders them.
func KeySlot(key string, keySlots int) int {
	h := fnv.New64a()
	h.Write([]byte(key))
	return 1 + int(h.Sum64()%uint64(max(keySlots, 1)))
}

func or[T any](p *T, fallback T) T {
	if p != nil {
		return *p
	}
	return fallback
}
