package sqlstore

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// DeclareDead implements store.Manage.
func (s *Store) DeclareDead(ctx context.Context, w job.WorkerID, beat int64) (dead bool, err error) {
	err = s.write(ctx, "declare_dead", func(ctx context.Context, tx Tx, _ bool) error {
		n, err := tx.Exec(ctx, "UPDATE slotq_workers SET dead = 1 WHERE id = ? AND beat = ? AND dead = 0", w, beat)
		dead = n == 1
		return err
	})
	return dead, err
}

// jobsHeld reads those of a list of jobs that carry a token.
var jobsHeld = "SELECT " + waitingJob + " FROM slotq_jobs j {by id} {with queue} WHERE j.id IN (??) AND j.token = ?"

const claimColumns = "c.worker_id, c.token, c.queue_id, c.slot, c.claimed_at, c.suspect, c.ids"

func scanClaim(r Rows) (job.Claim, error) {
	var c job.Claim
	var suspect int
	var list []byte
	err := r.Scan(&c.Worker, &c.Token, &c.Slot.QueueID, &c.Slot.Slot, &c.ClaimedAt, &suspect, &list)
	c.Suspect, c.IDs = suspect != 0, split16(list)
	return c, err
}

// Orphans implements store.Manage.
func (s *Store) Orphans(ctx context.Context, limit int) (claims []job.Claim, err error) {
	err = s.read(ctx, "orphans", "SELECT "+claimColumns+` FROM slotq_claims c LEFT JOIN slotq_workers w ON w.id = c.worker_id
		WHERE w.id IS NULL OR w.dead = 1 ORDER BY c.worker_id, c.suspect, c.token LIMIT ?`, []any{limit}, func(r Rows) error {
		c, err := scanClaim(r)
		claims = append(claims, c)
		return err
	})
	return claims, err
}

// Rescue implements store.Manage.
func (s *Store) Rescue(ctx context.Context, c job.Claim, counted bool, lease time.Duration, now job.Time) (outcomes []job.Outcome, err error) {
	err = s.dissolve(ctx, "rescue", c, now, func(j *job.Job) job.Outcome {
		return j.Crashed(now, c.Worker, lease, counted)
	}, &outcomes)
	return outcomes, err
}

// GiveBack implements store.Work.
func (s *Store) GiveBack(ctx context.Context, c job.Claim, now job.Time) (int, error) {
	var outcomes []job.Outcome
	err := s.dissolve(ctx, "give_back", c, now, func(j *job.Job) job.Outcome {
		return job.Outcome{Job: j, Action: job.Release}
	}, &outcomes)
	return len(outcomes), err
}

// dissolve removes a claim and decides about each job that still carries its token. The claim goes first: no row means
// that somebody else has done it. Only then, and only with the token, jobs are read: what was read before may have
// moved on while this process was frozen.
func (s *Store) dissolve(ctx context.Context, operation string, c job.Claim, now job.Time, decide func(*job.Job) job.Outcome, out *[]job.Outcome) error {
	keyed, err := s.anyKeyed(ctx, operation, c.IDs)
	if err != nil {
		return err
	}
	care := care{dialect: s.db.Dialect()}
	return s.write(ctx, operation, func(ctx context.Context, tx Tx, _ bool) error {
		*out = nil
		if keyed { // a claim with a job that has a key is of one slot; a fence taken without need does no harm
			if err := fence(ctx, tx, map[job.Slot]bool{c.Slot: true}); err != nil {
				return err
			}
		}
		err := tx.Queue(ctx, exactly(1, errNothing), "{delete c} {by key} WHERE c.worker_id = ? AND c.token = ?", c.Worker, c.Token)
		if err != nil {
			return err
		}
		var outcomes []job.Outcome
		rows, err := tx.Query(ctx, jobsHeld, c.IDs, c.Token)
		err = each(rows, err, func(r Rows) error {
			j, err := scanJob(r, now, false)
			if err == nil {
				outcomes = append(outcomes, decide(j))
			}
			return err
		})
		if err != nil {
			return err
		}
		verdicts, err := care.apply(ctx, tx, outcomes, now)
		if err != nil {
			return err
		}
		for i, v := range verdicts {
			if v != job.Lost {
				*out = append(*out, outcomes[i])
			}
		}
		return nil
	})
}

func (s *Store) anyKeyed(ctx context.Context, operation string, ids []job.ID) (keyed bool, err error) {
	if len(ids) == 0 {
		return false, nil
	}
	err = s.read(ctx, operation, "SELECT COUNT(*) FROM slotq_jobs j {by id} WHERE id IN (??) AND concurrency_key <> ?", []any{ids, ""}, func(r Rows) error {
		var n int
		err := r.Scan(&n)
		keyed = n > 0
		return err
	})
	return keyed, err
}

// Claims implements store.Work.
func (s *Store) Claims(ctx context.Context, w job.WorkerID) (claims []job.Claim, err error) {
	claims, err = s.NewClaims(ctx, w, func(job.Token) bool { return false })
	for i := range claims {
		if err != nil {
			break
		}
		c := &claims[i]
		ids := c.IDs
		c.IDs = nil
		err = s.read(ctx, "claims", "SELECT id FROM slotq_jobs j {by id} WHERE id IN (??) AND token = ?", []any{ids, c.Token}, func(r Rows) error {
			var id job.ID
			err := r.Scan(&id)
			c.IDs = append(c.IDs, id)
			return err
		})
	}
	return claims, err
}
