package doctor

import (
	"cmp"
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/census"
	"github.com/slotq/slotq/shared/job"
)

// liveness looks at the workers' beats.
func (v *visit) liveness() (seen string, err error) {
	if v.workers, err = v.store.Workers(v.ctx); err != nil {
		return "", err
	}
	beating := 0
	for _, w := range v.workers {
		switch {
		case w.Dead:
		case census.Silent(w, v.now, v.Lease, v.Sweep):
			lease := cmp.Or(w.Lease, v.Lease)
			v.find(Finding{
				Name: "silent-worker", About: w.Name, Wrong: fmt.Sprintf("no heartbeat for %s, with a lease of %s, and no manager has declared it dead", rough(v.now.Sub(w.BeatAt)), lease),
				Why:    fmt.Sprintf("the %d jobs that it ran at its last heartbeat wait until a manager brings them back", w.Running),
				Remedy: "systemctl restart slotq-manager   # and see why the worker is gone: journalctl -u slotq-worker",
			})
		default:
			beating++
		}
	}
	v.alive = census.Takers(v.workers, v.now, v.Lease, v.Sweep)
	if len(v.alive) > 0 {
		return fmt.Sprintf("%d alive, %d of them take jobs", beating, len(v.alive)), nil
	}
	wrong := "no worker is alive"
	if beating > 0 {
		wrong = fmt.Sprintf("%d workers are alive, all of them quiet or stopping", beating)
	}
	v.find(Finding{
		Name: "no-worker", Wrong: wrong, Why: "no job starts",
		Remedy: "systemctl start slotq-worker   # or run: worker --handlers worker.yaml",
	})
	return fmt.Sprintf("%d alive, none of them takes jobs", beating), nil
}

// claimsRead is how many claims are looked at.
const claimsRead = 10_000

// claims looks for jobs that dead workers hold. They are there for a moment after each death, so it looks twice.
func (v *visit) claims() (string, error) {
	before, err := v.store.Orphans(v.ctx, claimsRead)
	if err != nil {
		return "", err
	}
	if len(before) == 0 {
		return "none of a dead worker", nil
	}
	if err := v.wait(3 * v.Sweep); err != nil {
		return "", err
	}
	after, err := v.store.Orphans(v.ctx, claimsRead)
	if err != nil {
		return "", err
	}
	stays := map[job.Token]bool{}
	for _, c := range before {
		stays[c.Token] = true
	}
	claims, jobs := map[job.WorkerID]int{}, map[job.WorkerID]int{}
	var order []job.WorkerID
	for _, c := range after {
		if !stays[c.Token] {
			continue
		}
		if claims[c.Worker] == 0 {
			order = append(order, c.Worker)
		}
		claims[c.Worker]++
		jobs[c.Worker] += len(c.IDs)
	}
	for _, id := range order {
		v.find(Finding{
			Name: "dead-worker-holds-jobs", About: v.name(id), Wrong: fmt.Sprintf("it is dead, and %d claims of it with up to %d jobs are not brought back", claims[id], jobs[id]),
			Why:    "these jobs wait until a manager brings them back, which takes a sweep when one runs",
			Remedy: "systemctl restart slotq-manager   # journalctl -u slotq-manager says what fails",
		})
	}
	return fmt.Sprintf("of %d dead workers", len(order)), nil
}

func (v *visit) name(id job.WorkerID) string {
	for _, w := range v.workers {
		if w.ID == id {
			return w.Name
		}
	}
	return id.String()
}

func (v *visit) wait(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-v.ctx.Done():
		return v.ctx.Err()
	}
}
