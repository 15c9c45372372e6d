package sqlstore

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// EnqueueClaimed implements store.Jobs. A job that is stored and then claimed costs two transactions before it starts, and one
// where a worker is known to have room: at 300 jobs a second the second one was most of what a job waited.
func (s *Store) EnqueueClaimed(ctx context.Context, jobs []*job.Job, c job.Claim) ([]job.Enqueued, error) {
	slots, ok := job.MayBeClaimed(jobs)
	for _, j := range jobs {
		ok = ok && j.RunAt <= c.ClaimedAt
	}
	if !ok {
		return s.Enqueue(ctx, jobs, false)
	}
	c.Slot = job.Slot{QueueID: jobs[0].QueueID, Slot: slots[0]}
	limit, cancel := context.WithTimeout(ctx, claimStoredLimit)
	defer cancel()
	in := &insertion{jobs: jobs, claim: &c, slots: slots}
	err := s.enqueue(limit, in, false, false)
	switch {
	case in.refused || isData(err):
		return s.Enqueue(ctx, jobs, false)
	case err != nil && limit.Err() != nil && ctx.Err() == nil: // its COMMIT, if it was sent, may have had an unknown outcome
		in = &insertion{jobs: jobs, nonce: in.nonce, maybe: true}
		err = s.enqueue(ctx, in, false, false)
	}
	return in.out, err
}

// claimStoredLimit is how long it is tried to claim jobs as they are stored, up to the COMMIT. A worker that was stopped in a claim may hold
// the slot's fence for seconds, and whoever stores jobs without claiming them waits for no fence.
const claimStoredLimit = 500 * time.Millisecond

// takeClaim makes the claim that was asked for, if any, of all jobs that are not answered yet, and returns it. There is one try with it:
// where another may help, as when a duplicate is found, that one is without. The claim comes first, so that nobody waits for a fence who
// holds keys.
func (in *insertion) takeClaim(ctx context.Context, tx Tx) (*job.Claim, error) {
	c := in.claim
	if in.claim = nil; c == nil || in.again {
		return nil, nil
	}
	var jobs []*job.Job
	for i, j := range in.jobs {
		if !in.done[i] {
			jobs = append(jobs, j)
		}
	}
	if len(jobs) == 0 {
		return nil, nil
	}
	return c, claimStored(ctx, tx, c, in.slots, jobs)
}

// claimStored makes the claim of jobs that the transaction is about to store, in the round trip of the next statement. Those that turn out to
// be duplicates will not carry its token. errNothing, from here or from the next statement: a slot is paused or unknown, a job that is free
// goes first, or the worker may not be given any.
func claimStored(ctx context.Context, tx Tx, c *job.Claim, slots []int, jobs []*job.Job) error {
	if err := enter(ctx, tx, job.ClaimRequest{Slot: c.Slot, Beside: slots[1:]}, false); err != nil {
		return err
	}
	// One subquery over the priorities: with one for each MariaDB took 300 µs more.
	return tx.Queue(ctx, exactly(1, errNothing), `INSERT INTO slotq_claims (worker_id, token, queue_id, slot, claimed_at, suspect, ids)
		SELECT w.id, ?::uuid, ?::int, ?::smallint, ?::bigint, 0, ?::bytea FROM slotq_workers w WHERE w.id = ? AND w.dead = 0 AND w.quiet = 0
		AND NOT EXISTS (SELECT 1 FROM slotq_jobs j {by key} WHERE j.queue_id = ? AND j.slot IN (??) AND j.blocked = 0 AND j.priority IN (1, 2, 3, 4)
			AND j.run_at <= ? AND j.token = ?)`,
		c.Token, c.Slot.QueueID, c.Slot.Slot, c.ClaimedAt, join16(jobs), c.Worker, c.Slot.QueueID, slots, c.ClaimedAt, zeroToken)
}

// Fetch implements store.Work.
func (s *Store) Fetch(ctx context.Context, c job.Claim, now job.Time) (jobs []*job.Job, err error) {
	err = s.read(ctx, "fetch", jobsHeld, []any{c.IDs, c.Token}, func(r Rows) error {
		j, err := scanJob(r, now, false)
		jobs = append(jobs, j)
		return err
	})
	if err != nil {
		return nil, err // a part of a claim would be taken for all of it
	}
	return jobs, nil
}

// NewClaims implements store.Work.
func (s *Store) NewClaims(ctx context.Context, w job.WorkerID, known func(job.Token) bool) (claims []job.Claim, err error) {
	err = s.read(ctx, "claims", "SELECT "+claimColumns+" FROM slotq_claims c WHERE c.worker_id = ?", []any{w}, func(r Rows) error {
		c, err := scanClaim(r)
		if !known(c.Token) {
			claims = append(claims, c)
		}
		return err
	})
	return claims, err
}
