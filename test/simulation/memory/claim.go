package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// Poll implements store.Work.
func (s *Store) Poll(_ context.Context, slots []job.Slot, now job.Time) (hits []job.Slot, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range slots {
		row := s.slots[at]
		if row != nil && !row.Paused && slices.ContainsFunc(s.lanes[at], func(j *job.Job) bool { return claimable(j, now) }) {
			hits = append(hits, at)
		}
	}
	return hits, nil
}

func claimable(j *job.Job, now job.Time) bool {
	return !j.Blocked && j.Token.IsZero() && j.RunAt <= now
}

// Claim implements store.Work.
func (s *Store) Claim(_ context.Context, r job.ClaimRequest) (out job.Claimed, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row := s.slots[r.Slot]
	if row == nil || row.Paused {
		return job.Claimed{Closed: true}, nil
	}
	if w := s.workers[r.Worker]; w == nil || w.Dead {
		return out, job.ErrWorkerDead
	}
	jobs, beside := s.fromAll(r)
	if out.LookedBeside = beside; !beside {
		jobs = s.inOrder(r)
	}
	var chosen []*job.Job
	moved := false
	for _, j := range jobs {
		if len(chosen) >= r.Max {
			break
		}
		switch {
		case j.ExpiresAt != 0 && j.ExpiresAt <= r.Now:
			s.archive(j, job.Discarded, job.ReasonExpired, r.Now)
			out.Expired++
			moved = true
			continue
		case r.Serves != nil && !r.Serves(j.Kind):
			continue
		case j.Suspect() && !r.Suspects:
			out.Suspects = true
			continue
		case j.Suspect() && len(chosen) > 0:
			out.More = true // the next claim takes it alone
			continue
		case j.ConcurrencyKey != "" && !j.KeyHeld:
			moved = true
			s.change(j, func() { s.place(j) })
			if j.Blocked {
				continue
			}
		}
		if chosen = append(chosen, j); j.Suspect() {
			out.More = true
			break
		}
	}
	if moved || len(chosen) > 0 {
		row.Epoch++
	}
	if len(chosen) > 0 {
		out.Jobs = s.stamp(r, chosen)
	}
	out.More = out.More || len(chosen) >= r.Max
	return out, nil
}

// fromAll are the jobs of the slot and of those beside it, when there is nothing to weigh.
func (s *Store) fromAll(r job.ClaimRequest) (all []*job.Job, ok bool) {
	if len(r.Beside) == 0 {
		return nil, false
	}
	for _, n := range append([]int{r.Slot.Slot}, r.Beside...) {
		one := r
		one.Slot.Slot = n
		row := s.slots[one.Slot]
		if row == nil || row.Paused {
			return nil, false
		}
		all = append(all, s.inOrder(one)...)
	}
	return all, len(all) < r.Max && !slices.ContainsFunc(all, func(j *job.Job) bool {
		return j.ExpiresAt != 0 || j.Suspect() || j.ConcurrencyKey != "" || r.Serves != nil && !r.Serves(j.Kind)
	})
}

// inOrder are the claimable jobs of the slot in the order in which the request wants them.
func (s *Store) inOrder(r job.ClaimRequest) (jobs []*job.Job) {
	for _, j := range s.lanes[r.Slot] {
		if claimable(j, r.Now) {
			jobs = append(jobs, j)
		}
	}
	if r.LIFO {
		slices.SortFunc(jobs, func(a, b *job.Job) int {
			return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.RunAt, a.RunAt), b.ID.Compare(a.ID))
		})
	}
	return jobs
}

// stamp writes the token into the jobs, and the claim beside them.
func (s *Store) stamp(r job.ClaimRequest, chosen []*job.Job) (jobs []*job.Job) {
	c := &job.Claim{Worker: r.Worker, Token: r.Token, Slot: r.Slot, ClaimedAt: r.Now, Suspect: chosen[0].Suspect()}
	for _, j := range chosen {
		j.Token, j.StartedAt = r.Token, r.Now
		j.Run++
		c.IDs = append(c.IDs, j.ID)
		claimed := s.shown(j, r.Now)
		claimed.Direct = s.direct[j.ID]
		jobs = append(jobs, claimed)
	}
	if s.claims[r.Worker] == nil {
		s.claims[r.Worker] = map[job.Token]*job.Claim{}
	}
	s.claims[r.Worker][r.Token] = c
	return jobs
}
