package loops

import (
	"context"
	"errors"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// orphansRead is how many claims one look for orphans asks for, and pagesPerSweep how often a sweep looks: claims that
// for some reason stay must not turn it into a busy loop.
const (
	orphansRead   = 1000
	pagesPerSweep = 100
)

// rescue takes back, each sweep and as soon as a worker was declared dead, every claim whose worker is dead or has no
// row: also one that a frozen worker committed after its death.
func (m *Manager) rescue(ctx context.Context) {
	m.every(ctx, "rescue", m.Sweep, m.dead, func(ctx context.Context) (time.Duration, error) {
		for limit, pages := orphansRead, 0; pages < pagesPerSweep; pages++ {
			claims, err := m.Store.Orphans(ctx, limit)
			if err != nil {
				return 0, err
			}
			all := len(claims) < limit
			whole := claims
			if !all {
				whole = wholeWorkers(claims)
			}
			if len(whole) == 0 && !all {
				limit *= 4 // one worker has more claims than that: its suspects come last, so they must be seen
				continue
			}
			if err := m.rescueClaims(ctx, whole); err != nil {
				return 0, err
			}
			if all {
				break
			}
		}
		now := time.Now()
		m.swept.Store(&now)
		m.Metrics.Sweep.Set(seconds(m.Now()))
		return m.Sweep, nil
	})
}

// wholeWorkers cuts the last worker's claims off a page that may lack some of them.
func wholeWorkers(claims []job.Claim) []job.Claim {
	i := len(claims)
	for last := claims[i-1].Worker; i > 0 && claims[i-1].Worker == last; {
		i--
	}
	return claims[:i]
}

// rescueClaims takes claims back, in the order given: those of one worker together, the suspects' last. A worker that
// held a suspect's claim was most likely killed by it, so only that one counts as a crash; and because it goes last,
// a manager that takes over halfway still finds it and judges the neighbours alike. A claim that cannot be taken back
// holds up the other claims of its worker, for the same reason, but no other worker's.
func (m *Manager) rescueClaims(ctx context.Context, claims []job.Claim) error {
	suspects := map[job.WorkerID]bool{}
	for _, c := range claims {
		suspects[c.Worker] = suspects[c.Worker] || c.Suspect
	}
	var errs []error
	for len(claims) > 0 {
		worker := claims[0].Worker
		jobs, crashes := 0, 0
		stuck := false
		for ; len(claims) > 0 && claims[0].Worker == worker; claims = claims[1:] {
			if stuck {
				continue
			}
			c := claims[0]
			outcomes, err := m.Store.Rescue(ctx, c, c.Suspect || !suspects[worker], m.Lease, m.Now())
			if err != nil {
				errs = append(errs, err)
				stuck = true
				continue
			}
			jobs += len(outcomes)
			crashes += m.countRescued(outcomes)
			for _, o := range outcomes {
				if m.Nudge != nil && !o.Action.Ends() && o.RunAt <= m.Now() {
					m.Nudge(o.Job.Queue, o.Job.Kind, o.Job.InSlot())
				}
			}
		}
		if jobs > 0 {
			m.Log.Warn("took the jobs of a dead worker back", "worker_id", worker, "jobs", jobs, "crashes", crashes)
		}
		if stuck && errors.Is(errs[len(errs)-1], job.ErrUnavailable) {
			break
		}
	}
	return errors.Join(errs...)
}

// countRescued puts outcomes of a rescue into the metrics and returns how many of them counted as a crash.
func (m *Manager) countRescued(outcomes []job.Outcome) (crashes int) {
	m.Metrics.Rescued.Add(float64(len(outcomes)))
	for _, o := range outcomes {
		if o.Action == job.Crash || o.Action == job.Discard {
			crashes++
			m.Metrics.crashes.WithLabelValues(m.Metrics.queues.Of(o.Job.Queue), m.Metrics.kinds.Of(o.Job.Kind)).Inc()
		}
	}
	return crashes
}
