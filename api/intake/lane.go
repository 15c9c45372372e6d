package intake

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// lane gathers jobs while one call is under way and stores them with the next.
type lane struct {
	store    Enqueuer
	claiming claiming
	pace     pace
	entries  chan *entry
	bytes    atomic.Int64 // of payloads and the like in entries
	ended    chan struct{}
}

func newLane(store Enqueuer, places Places) *lane {
	return &lane{store: store, claiming: claiming{places: places}, entries: make(chan *entry, maxQueued), ended: make(chan struct{})}
}

// entry is a job that waits for its answer.
type entry struct {
	job   *job.Job
	size  int64
	fate  atomic.Int32
	reply chan reply // holds one, so that nobody waits for a request that has gone
}

type reply struct {
	job.Enqueued
	err error
}

// Fates of an entry: exactly one of the lane and the request moves it on from waiting.
const (
	waiting int32 = iota
	taken         // part of a call
	dropped       // its request gave up before that
)

// rowOverhead is what a job weighs beside its payload, metadata and tags, roughly.
const rowOverhead = 512

func (l *lane) one(ctx context.Context, j *job.Job, until time.Time) (job.Enqueued, error) {
	e := &entry{job: j, size: int64(len(j.Payload) + len(j.Metadata) + len(j.Tags) + rowOverhead), reply: make(chan reply, 1)}
	if l.bytes.Add(e.size) > maxQueuedBytes {
		l.bytes.Add(-e.size)
		return job.Enqueued{}, &Unanswered{}
	}
	select {
	case l.entries <- e:
	default: // full: the store is far behind, waiting would only end later with the same answer
		l.bytes.Add(-e.size)
		return job.Enqueued{}, &Unanswered{}
	}
	limit := time.NewTimer(time.Until(until))
	defer limit.Stop()
	var why error
	select {
	case r := <-e.reply:
		return r.Enqueued, r.err
	case <-limit.C:
		why = &Unanswered{MaybeStored: !e.fate.CompareAndSwap(waiting, dropped)}
	case <-l.ended:
		select { // the last call may have answered just before
		case r := <-e.reply:
			return r.Enqueued, r.err
		default:
			why = &Unanswered{MaybeStored: !e.fate.CompareAndSwap(waiting, dropped)}
		}
	case <-ctx.Done():
		why = &Unanswered{MaybeStored: !e.fate.CompareAndSwap(waiting, dropped), Err: context.Cause(ctx)}
	}
	return job.Enqueued{}, why
}

// run stores what comes until ctx ends, then the rest.
func (l *lane) run(ctx context.Context) {
	defer close(l.ended)
	var held *entry // did not fit into the call before
	for {
		first := held
		held = nil
		if first == nil {
			select {
			case first = <-l.entries:
			default:
				select {
				case first = <-l.entries:
				case <-ctx.Done():
					return
				}
			}
		}
		var batch []*entry
		batch, held = l.gather(first)
		if len(batch) > 0 {
			l.commit(batch)
		}
	}
}

// gather takes what waits at this moment, up to the limits of a call. A store cannot tell which of two jobs with the
// same id is which, so the second one is held back for the next call, where it meets the first as a duplicate.
func (l *lane) gather(first *entry) (batch []*entry, held *entry) {
	var bytes int64
	given := map[job.ID]bool{}
	for e := first; ; {
		j := e.job
		if len(batch) > 0 && (bytes+e.size > maxBytes || j.Given && given[j.ID]) {
			return batch, e
		}
		l.bytes.Add(-e.size)
		if e.fate.CompareAndSwap(waiting, taken) {
			batch = append(batch, e)
			bytes += e.size
			if j.Given {
				given[j.ID] = true
			}
		}
		if len(batch) == maxRows {
			return batch, nil
		}
		select {
		case e = <-l.entries:
		default:
			return batch, nil
		}
	}
}

func (l *lane) commit(batch []*entry) {
	jobs := make([]*job.Job, len(batch))
	for i, e := range batch {
		jobs[i] = e.job
	}
	l.pace.deal(jobs, time.Now())
	a := call(len(jobs), Limit, func(ctx context.Context) ([]job.Enqueued, error) { return l.enqueue(ctx, jobs) })
	for i, e := range batch {
		if a.err != nil {
			e.reply <- reply{err: a.err}
		} else {
			e.reply <- reply{Enqueued: a.each[i]}
		}
	}
}
