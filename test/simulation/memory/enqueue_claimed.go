package memory

import (
	"context"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// EnqueueClaimed implements store.Jobs.
func (s *Store) EnqueueClaimed(_ context.Context, jobs []*job.Job, c job.Claim) ([]job.Enqueued, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slots, ok := job.MayBeClaimed(jobs)
	for _, slot := range slots {
		ok = ok && s.mayClaim(job.Slot{QueueID: jobs[0].QueueID, Slot: slot}, c)
	}
	fresh := map[job.ID]bool{}
	for _, j := range jobs {
		ok = ok && j.RunAt <= c.ClaimedAt
		fresh[j.ID] = s.jobs[j.ID] == nil && s.history[j.ID] == nil
	}
	out := s.enqueue(jobs, false)
	var chosen []*job.Job
	for i, e := range out {
		if ok && e.Err == nil && e.By == "" && fresh[e.ID] {
			chosen, out[i].Claimed = append(chosen, s.jobs[e.ID]), true
		}
	}
	if len(chosen) == 0 {
		return out, nil
	}
	for _, slot := range slots {
		s.slots[job.Slot{QueueID: jobs[0].QueueID, Slot: slot}].Epoch++
	}
	s.stamp(job.ClaimRequest{Worker: c.Worker, Token: c.Token, Slot: job.Slot{QueueID: jobs[0].QueueID, Slot: slots[0]}, Now: c.ClaimedAt}, chosen)
	return out, nil
}

// mayClaim says that jobs which are stored in the slot now may be claimed by the worker.
func (s *Store) mayClaim(slot job.Slot, c job.Claim) bool {
	row, w := s.slots[slot], s.workers[c.Worker]
	if row == nil || row.Paused || w == nil || w.Dead || w.Quiet {
		return false
	}
	return !slices.ContainsFunc(s.lanes[slot], func(j *job.Job) bool { return claimable(j, c.ClaimedAt) })
}

// Fetch implements store.Work.
func (s *Store) Fetch(_ context.Context, c job.Claim, now job.Time) (jobs []*job.Job, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range c.IDs {
		if j := s.jobs[id]; j != nil && j.Token == c.Token {
			jobs = append(jobs, s.shown(j, now))
		}
	}
	return jobs, nil
}

// NewClaims implements store.Work.
func (s *Store) NewClaims(_ context.Context, w job.WorkerID, known func(job.Token) bool) (claims []job.Claim, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, c := range s.claims[w] {
		if !known(token) {
			claims = append(claims, *c)
		}
	}
	slices.SortFunc(claims, compareClaims)
	return claims, nil
}
