package loops

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

func TestActionsAreCarriedOutInTurnAndNoneHoldsTheOthersUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large, small, stuck := job.ID{1}, job.ID{2}, job.ID{3}
		f := &fakeStore{actions: map[job.ID]int{large: 500, small: 2, stuck: 1}, stuck: stuck, counted: 100 * time.Millisecond}
		m := newManager(f, io.Discard)
		stop := run(t, m.act)
		time.Sleep(m.Sweep)
		synctest.Wait()
		f.set(func() {
			if len(f.steps) < 4 || f.steps[1] != small || f.steps[3] != small || f.actions[small] != 0 {
				t.Errorf("steps %v; want one of each in turn", f.steps)
			}
			if len(f.steps) > 7 {
				t.Errorf("%d steps in half a sweep of 100 ms each", len(f.steps))
			}
			f.counted, f.stuck = 0, job.ID{}
			f.actions[large] = 10
		})
		time.Sleep(longestPause + 2*m.Sweep)
		synctest.Wait()
		f.set(func() {
			if len(f.actions) != 0 {
				t.Errorf("left %v", f.actions)
			}
		})
		stop()
	})
}

func TestWithoutActionsNoTurnIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{}
		m := newManager(f, io.Discard)
		defer run(t, m.act)()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := f.saw().turnsBy[m.holder]; n != 0 {
			t.Errorf("%d turns for nothing to do", n)
		}
	})
}

func TestAnotherManagerGoesOnWithAnAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{actions: map[job.ID]int{{1}: 40}, counted: 100 * time.Millisecond}
		a, b := newManager(f, io.Discard), newManager(f, io.Discard)
		stopA := run(t, a.act)
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		stopA()
		defer run(t, b.act)()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if f.saw().turnsBy[a.holder] == 0 || f.saw().turnsBy[b.holder] == 0 || len(f.steps) != 40 {
			t.Errorf("turns of a %d, of b %d, %d steps; want both to have done some of 40", f.saw().turnsBy[a.holder], f.saw().turnsBy[b.holder], len(f.steps))
		}
	})
}
