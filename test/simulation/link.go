package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/worker/runner"
)

// process is one life of a part: what it knows is gone when it dies.
type process struct {
	w    *world
	part *part // nil = a client, which never dies
	name string

	dead chan struct{} // closed when it crashes
	end  sync.Once
	stop context.CancelFunc

	// Guarded by world.mu.
	thaw chan struct{}   // closed when it is no longer frozen; nil = it is not
	cut  bool            // it cannot reach the database
	deaf bool            // its next write of each kind lands and it is never told, all else is as with cut
	said map[string]bool // those writes
	ops  map[string]int
	// What a worker runs, and what runs in it.
	runner  *runner.Runner
	running map[job.ID]bool
}

// crash ends the process: from now on it reaches nothing and nothing reaches it.
func (p *process) crash() {
	p.end.Do(func() { close(p.dead) })
	p.stop()
}

func (p *process) crashed() bool {
	select {
	case <-p.dead:
		return true
	default:
		return false
	}
}

// sleep waits, and longer while the process is frozen; false = it died, or ctx ended.
//
// No two who sleep wake up at once: then the machine's scheduler and not the seed would say whose outcome comes first, or
// who draws the next number. So d, which is drawn to the nanosecond, says who sleeps, and those whom a thaw or the end of a
// context wakes go on one after the other.
func (p *process) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	ok := true
	select {
	case <-timer.C:
	case <-ctx.Done():
		ok = false
		p.yawn(d)
	case <-p.dead:
		return false
	}
	return p.melt(d) && ok
}

// melt waits until the process is not frozen; false = it died.
func (p *process) melt(d time.Duration) bool {
	for {
		p.w.mu.Lock()
		thaw := p.thaw
		p.w.mu.Unlock()
		if thaw == nil {
			return !p.crashed()
		}
		select {
		case <-thaw:
		case <-p.dead:
			return false
		}
		p.yawn(d)
	}
}

// yawn is the moment that somebody who slept d takes when others were woken with him.
func (p *process) yawn(d time.Duration) {
	time.Sleep(between(p.w.draw(fmt.Sprint(p.name, "yawn", d)), time.Microsecond, time.Millisecond))
}

// fault is what one operation meets.
type fault struct {
	before, after time.Duration
	refused       bool          // fails before it has an effect
	lost          bool          // has its effect, the answer is lost
	silent        bool          // it does not reach the database
	late          time.Duration // has its effect so long after its caller was told that it failed; 0 = not
}

// draw decides what the process's next operation of a kind meets: by whose and which it is, whatever else goes on.
func (p *process) draw(op string, write bool) fault {
	p.w.mu.Lock()
	p.ops[op]++
	n, rate := p.ops[op], p.w.faults
	if p.w.healed {
		rate = 0
	}
	lost := p.deaf && write && !p.said[op]
	silent := p.deaf && !lost
	if lost {
		p.said[op] = true
	}
	p.w.mu.Unlock()
	r := p.w.draw(fmt.Sprint(p.name, op, n))
	f := fault{before: between(r, 100*time.Microsecond, 2*time.Millisecond), after: between(r, 100*time.Microsecond, 2*time.Millisecond)}
	f.lost, f.silent = lost, silent
	if r.Float64() >= rate {
		return f
	}
	switch n := r.IntN(6); {
	case n == 0:
		f.refused = true
	case n == 1:
		f.before = between(r, 2*time.Millisecond, 2*time.Second)
	case n == 2:
		f.after = between(r, 2*time.Millisecond, 2*time.Second)
	case n == 3 && write:
		f.lost, f.after = true, between(r, time.Millisecond, 12*time.Second)
	case write: // the store's own limits: an operation of 10 s, a COMMIT of 5 s
		f.late = between(r, time.Millisecond, 6*time.Second)
	default:
		f.before = between(r, 2*time.Second, 10*time.Second)
	}
	return f
}

// between draws a duration to the nanosecond: no two wake-ups should fall on the same one.
func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(high-low)))
}

// call is one operation of a process on the database. effect is the transaction, and runs under the world's lock.
func call[T any](ctx context.Context, p *process, op string, write bool, effect func() (T, error)) (out T, err error) {
	return callOn(ctx, p, op, "", write, effect)
}

// callOn is call of an operation that the process does on several things at once. What each meets goes by the thing: which
// of them comes first is the machine's scheduler's choice.
func callOn[T any](ctx context.Context, p *process, op, thing string, write bool, effect func() (T, error)) (out T, err error) {
	unavailable := fmt.Errorf("%s: %w", op, job.ErrUnavailable)
	var none T
	f := p.draw(op+thing, write)
	if !p.sleep(ctx, f.before) {
		return none, unavailable
	}
	p.w.mu.Lock()
	unreachable := p.cut || f.silent || p.w.away
	if unreachable {
		p.w.count("operations refused")
	}
	p.w.mu.Unlock()
	if unreachable {
		// Refused at once, or silence until the caller has had enough.
		r := p.w.draw(fmt.Sprint(p.name, op, thing, "silence", f.before))
		p.sleep(ctx, []time.Duration{0, 10 * time.Second}[r.IntN(2)]+between(r, time.Millisecond, 100*time.Millisecond))
		return none, unavailable
	}
	if f.refused {
		return none, unavailable
	}
	if f.late > 0 {
		p.w.wg.Go(func() {
			time.Sleep(f.late)
			p.w.with(func() {
				if !p.w.over {
					p.w.count("late landings")
					p.w.count("late " + op)
					p.w.note("%s %s lands late", p.name, op)
					_, _ = effect()
				}
			})
		})
		return none, unavailable
	}
	p.w.with(func() {
		out, err = effect()
		p.w.note("%s %s %v", p.name, op, err)
		if f.lost {
			p.w.count("answers lost")
			p.w.count("ambiguous " + op)
		}
	})
	if !p.sleep(ctx, f.after) || f.lost {
		return none, unavailable
	}
	return out, err
}
