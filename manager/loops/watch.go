package loops

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// watch reads the workers' beats and declares a worker dead when its beat has not moved for one lease.
func (m *Manager) watch(ctx context.Context) {
	beats := newBeats(m.Lease)
	m.every(ctx, "watch", m.Lease/8, nil, func(ctx context.Context) (time.Duration, error) {
		sent := time.Now()
		workers, err := m.Store.Workers(ctx)
		received := time.Now()
		if err != nil {
			return 0, err
		}
		for _, w := range beats.read(sent, received, workers) {
			// The verdict is as old as the reading. A process that was frozen here must not pass it on: the beat is
			// compared once more by the store, but while the database was away no beat could move.
			if time.Since(received) > beats.lease(w)/3 {
				break
			}
			dead, err := m.Store.DeclareDead(ctx, w.ID, w.Beat)
			if err != nil {
				return 0, err
			}
			if dead {
				m.Log.Warn("a worker is dead: its beat has not moved for its lease", "worker", w.Name, "worker_id", w.ID, "lease", beats.lease(w))
				select {
				case m.dead <- struct{}{}:
				default:
				}
			}
		}
		return beats.pause(time.Now(), m.Sweep), nil
	})
}

// beats is what this process has seen of the workers' beats, over its own monotonic time: no clock is compared with
// another, so a clock that jumps kills nobody.
type beats struct {
	fallback time.Duration // the lease of workers that do not state theirs
	last     time.Time     // when the last answer came
	seen     map[job.WorkerID]seen
}

type seen struct {
	beat  int64
	since time.Time // the answer that first had this beat, or the first one after a long gap; later by each short one
	lease time.Duration
}

func newBeats(lease time.Duration) *beats {
	return &beats{fallback: lease, seen: map[job.WorkerID]seen{}}
}

// lease is the worker's own: it is what the worker lives by, whatever this manager was started with.
func (b *beats) lease(w job.Worker) time.Duration {
	if w.Lease > 0 {
		return w.Lease
	}
	return b.fallback
}

// read takes in one reading and returns the workers whose beat is known to have stood still for their lease: from the
// arrival of the first reading that showed it to the sending of this one. A gap of more than a third of its lease
// between two answers does not count: this process was frozen or the database away, and then no beat could be seen to
// move. After a gap of a lease it begins again: the worker has fenced itself by now, and is to give back what it held
// before that counts as a crash. To begin again after each gap let one reading that was late by a second, on a machine
// short of everything, keep a dead worker's jobs for another lease.
func (b *beats) read(sent, received time.Time, workers []job.Worker) (silent []job.Worker) {
	gap := received.Sub(b.last)
	next := make(map[job.WorkerID]seen, len(workers))
	for _, w := range workers {
		if w.Dead {
			continue
		}
		lease := b.lease(w)
		s, ok := b.seen[w.ID]
		switch {
		case !ok || s.beat != w.Beat || gap >= lease:
			s = seen{beat: w.Beat, since: received}
		case gap > lease/3:
			s.since = s.since.Add(gap)
		}
		s.lease = lease
		next[w.ID] = s
		if sent.Sub(s.since) >= lease {
			silent = append(silent, w)
		}
	}
	b.last, b.seen = received, next
	return silent
}

// pause is how long to wait for the next reading: a sweep, but at most a quarter of the shortest lease, so that a late
// reading is not yet a gap; and not past the moment at which a worker's lease is over, so that the verdict does not
// wait for the sweep.
func (b *beats) pause(now time.Time, sweep time.Duration) time.Duration {
	pause := sweep
	for _, s := range b.seen {
		pause = min(pause, s.lease/4)
		if left := s.since.Add(s.lease).Sub(now); left > 0 {
			pause = min(pause, left)
		}
	}
	return max(pause, time.Millisecond)
}
