// Package clock follows the database's time. All parts of slotq write and compare times of this clock, so that a run_at
// means the same to all of them, whatever the clocks of their machines say. It decides when a job is due and what
// people see; who holds a job and who is alive is never decided by it. When to ask the database is the caller's choice:
// a worker learns the time with each heartbeat, the others ask now and then.
package clock

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Clock is the database's time as this process believes it. It is safe for concurrent use.
type Clock struct {
	now    func(context.Context) (job.Time, error)
	base   time.Time    // carries the monotonic reading that times are counted from
	offset atomic.Int64 // microseconds from base's monotonic time to the database's
	known  atomic.Bool  // the database's time was read at least once
}

// New makes a clock that asks now for the database's time. Until the first Sync or Adjust it follows this machine's.
func New(now func(context.Context) (job.Time, error)) *Clock {
	c := &Clock{now: now, base: time.Now()}
	c.offset.Store(c.base.UnixMicro())
	return c
}

// Now is the database's time. Between two adjustments it never goes back, since it runs on the monotonic clock; an
// adjustment may take it either way, as the database's own time has gone.
func (c *Clock) Now() job.Time {
	return job.Time(c.offset.Load() + time.Since(c.base).Microseconds())
}

// readings is how often Sync asks: each that comes back faster takes the clock nearer to the database's. The first answer finds
// a process that is just starting, and its way back took up to 1.6 ms. A worker whose clock is so far behind the api's claims a job
// that it was nudged for before the job is due by that clock, in vain, and starts it 10 ms later, by polling.
const readings = 4

// Sync asks the database a few times.
func (c *Clock) Sync(ctx context.Context) error {
	for range readings {
		if err := c.ask(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *Clock) ask(ctx context.Context) error {
	sent := time.Now()
	database, err := c.now(ctx)
	if err != nil {
		return fmt.Errorf("the database's time: %w", err)
	}
	c.Adjust(database, sent, time.Now())
	return nil
}

// Adjust takes a reading of the database's time that was asked for at sent and came back at received; both must carry
// a monotonic reading, as those of time.Now do. The reading was taken at some moment between the two. A clock that agrees
// with that is left alone, so that it does not tremble with the network; another one is set as if the reading had been
// taken at received. So it is behind the database by the way back of one answer at most, and never ahead of it: the
// middle of the trip, which is nearer to the truth most of the time, would let jobs start before their run_at.
func (c *Clock) Adjust(database job.Time, sent, received time.Time) {
	earliest := int64(database) - received.Sub(c.base).Microseconds() // all but the part of a microsecond
	latest := int64(database) - sent.Sub(c.base).Microseconds()
	if offset := c.offset.Load(); !c.known.Swap(true) || offset < earliest || offset > latest {
		c.offset.Store(earliest)
	}
}

// Follow asks the database every so often until ctx ends. A failed reading is reported to failed, which may be nil, and
// changes nothing: the clock runs on. Each reading may take up to a second, since a later one is no better.
func (c *Clock) Follow(ctx context.Context, every time.Duration, failed func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		limit, cancel := context.WithTimeout(ctx, time.Second)
		err := c.ask(limit)
		cancel()
		if err != nil && failed != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}
