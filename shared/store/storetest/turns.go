package storetest

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

var turnsTests = []Test{
	{"one of 8 gets each turn, once per interval", 0, func(f *fixture) {
		other := f.again()
		for range 6 {
			mine := make([]bool, claimers)
			f.together(claimers, func(i int) (err error) {
				s := f.store
				if i%2 == 1 {
					s = other
				}
				mine[i], err = s.Turn(f.ctx, "prune", job.WorkerID(i+1), time.Second, f.now)
				return err
			})
			n := 0
			for _, m := range mine {
				if m {
					n++
				}
			}
			equal(f, "turns", n, 1)
			again, err := f.store.Turn(f.ctx, "prune", 1, time.Second, f.now.Add(999*time.Millisecond))
			f.ok(err)
			equal(f, "a second turn in the interval", again, false)
			f.tick(time.Second)
		}
	}},
	{"loops take their turns apart", 0, func(f *fixture) {
		for _, loop := range []string{"a", "b", "A"} {
			mine, err := f.store.Turn(f.ctx, loop, 1, time.Minute, f.now)
			f.ok(err)
			equal(f, loop, mine, true)
		}
	}},
	{"a turn that a clock which jumped put far ahead does not stop the loop", 8, func(f *fixture) {
		mine, err := f.store.Turn(f.ctx, "sweep", 1, time.Second, f.now.Add(time.Hour))
		f.ok(err)
		equal(f, "turn of the jumped clock", mine, true)
		mine, err = f.store.Turn(f.ctx, "sweep", 2, time.Second, f.now)
		f.ok(err)
		equal(f, "turn after it", mine, true)
	}},
}
