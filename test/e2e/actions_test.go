package e2e

import (
	"fmt"
	"testing"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// actionBacklog is more than a manager does in one turn.
const actionBacklog = 3000

func TestAnActionSurvivesManagersThatAreKilledAndDoesEachJobOnce(t *testing.T) {
	t.Parallel()
	system.EachDatabase(t, func(t *testing.T, db system.Database) {
		t.Parallel()
		s := system.New(t, db, system.Short, handlersWith("http://127.0.0.1:1"), hookEnviron)
		s.StartAPI()
		jobs := make([]wire.NewJob, actionBacklog)
		for i := range jobs {
			jobs[i] = wire.NewJob{Kind: "nobody", Queue: "many"}
		}
		ids := postAll(t, s, jobs)
		manager := s.StartManager()
		a := must(s.Client.Act(t.Context(), wire.NewAction{Action: "cancel", Filter: wire.ActionFilter{Queue: "many"}, IdempotencyKey: "once"}))(t)
		late := post(t, s, wire.NewJob{Kind: "nobody", Queue: "many"})
		kills, seen := 0, int64(0)
		eventually(t, 2*patience, "the action ends", func() error {
			var err error
			if a, err = s.Client.Action(t.Context(), a.ID); err != nil {
				return err
			}
			if a.State == wire.ActionFinished {
				return nil
			}
			if a.Done > seen && kills < 3 { // in the middle of it
				seen = a.Done
				kills++
				manager.Kill()
				manager = s.StartManager()
			}
			return fmt.Errorf("%d done after %d kills", a.Done, kills)
		})
		if a.Matched != actionBacklog || a.Done != actionBacklog || a.Failed != 0 {
			t.Errorf("matched %d, done %d, failed %d of %d", a.Matched, a.Done, a.Failed, actionBacklog)
		}
		if kills == 0 {
			t.Error("the action was over before a manager could be killed")
		}
		for _, id := range []job.ID{ids[0], ids[actionBacklog/2], ids[actionBacklog-1]} {
			wants(t, must(s.Client.Get(t.Context(), id))(t), job.Cancelled, job.ReasonCancelled)
		}
		wants(t, must(s.Client.Get(t.Context(), late))(t), job.Available, "")
	})
}
