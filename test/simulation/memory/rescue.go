package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Claims implements store.Work.
func (s *Store) Claims(_ context.Context, w job.WorkerID) (claims []job.Claim, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stored := range s.claims[w] {
		c := *stored
		c.IDs = nil
		for _, id := range stored.IDs {
			if j := s.jobs[id]; j != nil && j.Token == c.Token {
				c.IDs = append(c.IDs, id)
			}
		}
		claims = append(claims, c)
	}
	slices.SortFunc(claims, compareClaims)
	return claims, nil
}

// compareClaims orders by worker, those with a suspect last, then by token.
func compareClaims(a, b job.Claim) int {
	if a.Worker == b.Worker && a.Suspect != b.Suspect {
		if b.Suspect {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.Worker, b.Worker), compareTokens(a.Token, b.Token))
}

// Orphans implements store.Manage.
func (s *Store) Orphans(_ context.Context, limit int) (claims []job.Claim, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, of := range s.claims {
		if w := s.workers[id]; w != nil && !w.Dead {
			continue
		}
		for _, c := range of {
			claims = append(claims, *c)
		}
	}
	slices.SortFunc(claims, compareClaims)
	return claims[:min(len(claims), limit)], nil
}

// Rescue implements store.Manage.
func (s *Store) Rescue(_ context.Context, c job.Claim, counted bool, lease time.Duration, now job.Time) ([]job.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dissolve(c, now, func(j *job.Job) job.Outcome {
		o := j.Crashed(now, c.Worker, lease, counted)
		if o.Action == job.Crash {
			o.RunAt = now.Add(s.opts.CrashWait(j.Crashes+1, lease))
		}
		return o
	}), nil
}

// GiveBack implements store.Work.
func (s *Store) GiveBack(_ context.Context, c job.Claim, now job.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dissolve(c, now, func(j *job.Job) job.Outcome { return job.Outcome{Job: j, Action: job.Release} })), nil
}

// dissolve removes a claim and decides about each job that still carries its token. No claim: somebody else has done it.
func (s *Store) dissolve(c job.Claim, now job.Time, decide func(*job.Job) job.Outcome) (out []job.Outcome) {
	if !s.drop(c.Worker, c.Token) {
		return nil
	}
	for _, id := range c.IDs {
		if j := s.jobs[id]; j != nil && j.Token == c.Token {
			out = append(out, decide(s.shown(j, now)))
		}
	}
	s.apply(out, now) // none is lost: nothing happened since the look at the tokens
	return out
}
