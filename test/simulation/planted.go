package simulation

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// Defects are planted between the processes and the database, one at a time: what the judge must find.
var Defects = map[string]func(store.Store) store.Store{
	"finish_without_token":    func(s store.Store) store.Store { return &tokenless{s} },
	"rescue_by_id":            func(s store.Store) store.Store { return &rescueByID{s} },
	"crash_not_counted":       func(s store.Store) store.Store { return &uncounted{s} },
	"attempt_not_counted":     func(s store.Store) store.Store { return &endless{s} },
	"claim_without_token":     func(s store.Store) store.Store { return &claimTwice{Store: s} },
	"run_at_ignored":          func(s store.Store) store.Store { return &early{s} },
	"limit_not_tested":        func(s store.Store) store.Store { return &limitless{s} },
	"pause_not_in_the_fence":  func(s store.Store) store.Store { return &pauseless{s} },
	"enqueue_before_commit":   func(s store.Store) store.Store { return &forgetful{Store: s} },
	"idempotency_not_kept":    func(s store.Store) store.Store { return &keyless{s} },
	"finished_comes_back":     func(s store.Store) store.Store { return &undead{s} },
	"orphans_not_found":       func(s store.Store) store.Store { return &orphanage{s} },
	"claims_not_reconciled":   func(s store.Store) store.Store { return &unreconciled{s} },
	"payload_changed":         func(s store.Store) store.Store { return &compacted{s} },
	"beat_of_the_dead_counts": func(s store.Store) store.Store { return &ghost{s} },
}

// tokenless ends whatever run is under way with the outcome of another.
type tokenless struct{ store.Store }

func (s *tokenless) Finish(ctx context.Context, w job.WorkerID, outcomes []job.Outcome, done []job.Token, now job.Time) ([]job.Verdict, error) {
	for i, o := range outcomes {
		if j, err := s.Get(ctx, o.Job.ID); err == nil && j.State == job.Running && j.Token != o.Job.Token {
			c := *o.Job
			c.Token = j.Token
			outcomes[i].Job = &c
			// The judge is shown what the worker sent.
			defer func() { outcomes[i].Job = o.Job }()
		}
	}
	return s.Store.Finish(ctx, w, outcomes, done, now)
}

// rescueByID takes the jobs of a claim back from whoever holds them by now.
type rescueByID struct{ store.Store }

func (s *rescueByID) Rescue(ctx context.Context, c job.Claim, counted bool, lease time.Duration, now job.Time) (out []job.Outcome, err error) {
	out, err = s.Store.Rescue(ctx, c, counted, lease, now)
	for _, id := range c.IDs {
		if j, e := s.Get(ctx, id); e == nil && j.State == job.Running {
			_, _ = s.Store.Finish(ctx, c.Worker, []job.Outcome{{Job: j, Action: job.Release}}, nil, now)
		}
	}
	return out, err
}

// uncounted counts no crash.
type uncounted struct{ store.Store }

func (s *uncounted) Rescue(ctx context.Context, c job.Claim, _ bool, lease time.Duration, now job.Time) ([]job.Outcome, error) {
	return s.Store.Rescue(ctx, c, false, lease, now)
}

// endless counts no failure.
type endless struct{ store.Store }

func (s *endless) Finish(ctx context.Context, w job.WorkerID, outcomes []job.Outcome, done []job.Token, now job.Time) ([]job.Verdict, error) {
	changed := append([]job.Outcome(nil), outcomes...)
	for i := range changed {
		if changed[i].Action == job.Retry {
			changed[i].Action = job.Snooze
		}
	}
	return s.Store.Finish(ctx, w, changed, done, now)
}

// claimTwice hands a job that is held to another worker as well.
type claimTwice struct {
	store.Store
	last *job.Job
}

func (s *claimTwice) Claim(ctx context.Context, r job.ClaimRequest) (job.Claimed, error) {
	out, err := s.Store.Claim(ctx, r)
	if len(out.Jobs) > 0 {
		s.last = out.Jobs[0]
	} else if last := s.last; err == nil && last != nil && r.Slot == last.InSlot() && last.Token.Worker() != r.Worker {
		twin := *last
		twin.Token = r.Token
		out.Jobs = []*job.Job{&twin}
	}
	return out, err
}

// early starts jobs an hour before they are due.
type early struct{ store.Store }

func (s *early) Poll(ctx context.Context, slots []job.Slot, now job.Time) ([]job.Slot, error) {
	return s.Store.Poll(ctx, slots, now.Add(time.Hour))
}

func (s *early) Claim(ctx context.Context, r job.ClaimRequest) (job.Claimed, error) {
	r.Now = r.Now.Add(time.Hour)
	return s.Store.Claim(ctx, r)
}

// limitless knows no concurrency keys.
type limitless struct{ store.Store }

func (s *limitless) Enqueue(ctx context.Context, jobs []*job.Job, atomic bool) ([]job.Enqueued, error) {
	changed := make([]*job.Job, len(jobs))
	for i, j := range jobs {
		c := *j
		c.ConcurrencyKey = ""
		changed[i] = &c
	}
	return s.Store.Enqueue(ctx, changed, atomic)
}

// pauseless says that a queue is paused.
type pauseless struct{ store.Store }

func (s *pauseless) PauseQueue(ctx context.Context, name string, _ bool) (job.Queue, error) {
	return s.Store.PauseQueue(ctx, name, false)
}

// forgetful acknowledges every tenth call and stores nothing of it.
type forgetful struct {
	store.Store
	n int
}

func (s *forgetful) Enqueue(ctx context.Context, jobs []*job.Job, atomic bool) ([]job.Enqueued, error) {
	if s.n++; s.n%10 != 0 {
		return s.Store.Enqueue(ctx, jobs, atomic)
	}
	out := make([]job.Enqueued, len(jobs))
	for i, j := range jobs {
		out[i].ID = j.ID
	}
	return out, nil
}

// keyless knows no idempotency keys.
type keyless struct{ store.Store }

func (s *keyless) Enqueue(ctx context.Context, jobs []*job.Job, atomic bool) ([]job.Enqueued, error) {
	changed := make([]*job.Job, len(jobs))
	for i, j := range jobs {
		c := *j
		c.IdempotencyKey = ""
		changed[i] = &c
	}
	return s.Store.Enqueue(ctx, changed, atomic)
}

// undead lets a job that completed in a later run come back.
type undead struct{ store.Store }

func (s *undead) Finish(ctx context.Context, w job.WorkerID, outcomes []job.Outcome, done []job.Token, now job.Time) ([]job.Verdict, error) {
	verdicts, err := s.Store.Finish(ctx, w, outcomes, done, now)
	for i, o := range outcomes {
		if verdicts[i] == job.Committed && o.Action == job.Complete && o.Job.Run > 1 {
			_, _ = s.Retry(ctx, o.Job.ID, now)
		}
	}
	return verdicts, err
}

// orphanage keeps what dead workers held.
type orphanage struct{ store.Store }

func (s *orphanage) Orphans(context.Context, int) ([]job.Claim, error) { return nil, nil }

// unreconciled never tells a worker what it has forgotten.
type unreconciled struct{ store.Store }

func (s *unreconciled) Claims(context.Context, job.WorkerID) ([]job.Claim, error) { return nil, nil }

// compacted changes a payload.
type compacted struct{ store.Store }

func (s *compacted) Claim(ctx context.Context, r job.ClaimRequest) (job.Claimed, error) {
	out, err := s.Store.Claim(ctx, r)
	for _, j := range out.Jobs {
		j.Payload = append([]byte(" "), j.Payload...)
	}
	return out, err
}

// ghost tells a worker that was declared dead that it lives.
type ghost struct{ store.Store }

func (s *ghost) Beat(ctx context.Context, w job.WorkerID, running []job.ID) (job.Beat, error) {
	b, err := s.Store.Beat(ctx, w, running)
	if err != nil {
		b.Now, err = s.Now(ctx)
	}
	return b, err
}
