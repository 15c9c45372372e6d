package doctor

import (
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// straysRead is how many slots are listed; one is bad enough.
const straysRead = 100

// strays looks for jobs where no slot is. slotq never removes a row of a slot, so that somebody else has.
func (v *visit) strays() (string, error) {
	slots, err := v.store.Strays(v.ctx, straysRead)
	if err != nil {
		return "", err
	}
	for _, s := range slots {
		v.find(Finding{
			Name: "stray-jobs", About: fmt.Sprintf("queue_id %d, slot %d", s.QueueID, s.Slot), Wrong: "jobs are in a slot that has no row, or no queue",
			Why:    "nobody looks there: they wait for ever. slotq removes no such row; a restore of part of the tables, or a statement by hand, may have",
			Remedy: v.mend(s),
		})
	}
	return fmt.Sprintf("%d slots without a row", len(slots)), nil
}

// mend brings the row of a slot back; a queue that is gone has to come from a backup, since its settings are gone too.
func (v *visit) mend(s job.Slot) string {
	queues, err := v.store.ListQueues(v.ctx, true)
	for _, q := range queues {
		if err == nil && q.ID == s.QueueID {
			paused := 0
			if q.Paused {
				paused = 1
			}
			return fmt.Sprintf("INSERT INTO slotq_slots (queue_id, slot, epoch, paused) VALUES (%d, %d, 0, %d);", s.QueueID, s.Slot, paused)
		}
	}
	return fmt.Sprintf("restore the row of slotq_queues with id = %d and its rows of slotq_slots from a backup", s.QueueID)
}

// rough is a length of time to two digits or so, for people.
func rough(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0fm", d.Minutes())
	default:
		return fmt.Sprintf("%.0fh", d.Hours())
	}
}
