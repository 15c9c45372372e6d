package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slotq/slotq/manager/loops"
	"github.com/slotq/slotq/shared/job"
)

// late is how long after its time a loop may be: one that takes turns with others comes every one and a half intervals, and
// whoever asks may not know the managers' --sweep.
func late(interval time.Duration) time.Duration { return max(3*interval, 30*time.Second) }

// lateWhy says what the lateness of one loop alone leads to.
var lateWhy = map[string]string{
	"fold":    "what processes have counted is in no minute and no hour: GET /v1/stats and manager stats stand still",
	"expire":  "jobs past their expires_at stay in the queue; none of them starts",
	"prune":   "history and keys grow beyond their retention",
	"unblock": "a concurrency key that lost its job is not freed",
	"stats":   "nobody counts: the gauges of queues, slots and workers are missing from every manager's metrics",
}

// managers looks at the turns of the managers' loops. Watching and rescue take none and cannot be seen from outside; they run
// in the same processes.
func (v *visit) managers() (string, error) {
	turns, err := v.store.Turns(v.ctx)
	if err != nil {
		return "", err
	}
	var last job.Time // by when the loop that ran last should have run again
	var behind []string
	all := loops.Intervals(v.Sweep)
	for _, loop := range loops.Names() {
		i := slices.IndexFunc(turns, func(t job.Turn) bool { return t.Loop == loop })
		if i >= 0 {
			last = max(last, turns[i].NextAt)
		}
		if i < 0 || v.now.Sub(turns[i].NextAt) > late(all[loop]) {
			behind = append(behind, loop)
		}
	}
	switch {
	case len(behind) == 0:
		return "all loops take their turns", nil
	case len(behind) == len(all):
		wrong := "no manager has ever run on this database"
		if last > 0 {
			wrong = fmt.Sprintf("no manager runs: its last loop is late by %s", rough(v.now.Sub(last)))
		}
		v.find(Finding{
			Name: "no-manager", Wrong: wrong,
			Why:    "jobs of dead workers are not brought back, expired and old ones not cleared away, and nobody counts",
			Remedy: "systemctl start slotq-manager   # or run: manager",
		})
		return "none", nil
	}
	for _, loop := range behind {
		name := "late-loop"
		if loop == "stats" {
			name = "no-leader"
		}
		v.find(Finding{
			Name: name, About: loop, Wrong: fmt.Sprintf("the loop %s of the managers does not take its turns", loop), Why: lateWhy[loop],
			Remedy: "journalctl -u slotq-manager   # it logs what fails; with another --sweep than " + v.Sweep.String() + " say so to doctor",
		})
	}
	return "late: " + strings.Join(behind, ", "), nil
}
