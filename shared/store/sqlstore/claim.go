package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// Claim implements store.Work.
func (s *Store) Claim(ctx context.Context, r job.ClaimRequest) (job.Claimed, error) {
	var out job.Claimed
	tries := 0
	err := s.write(ctx, "claim", func(ctx context.Context, tx Tx, again bool) error {
		out = job.Claimed{}
		tries++
		if again {
			r.Beside = nil // the first try took the slot's own fence too: behind it alone the look for the token is exact
		}
		err := enter(ctx, tx, r, again)
		if err == nil && again {
			if out.Jobs, err = claimedBefore(ctx, tx, r); len(out.Jobs) > 0 {
				out.More = true // nobody has looked
				return err
			}
		}
		c := &candidates{request: r, dialect: s.db.Dialect()}
		if err == nil {
			err = c.collect(ctx, tx)
		}
		if err != nil && s.db.Class(err) == Busy && !again && !c.fenced {
			err = errNothing // another holds the fence for long: the caller goes on to the next slot
		}
		if errors.Is(err, errNothing) && len(r.Beside) > 0 {
			// It may be one of the others. The next try is the first of a claim of the slot alone.
			r.Beside, tries, err = nil, 0, errMoved
		}
		out.Closed = errors.Is(err, errNothing)
		if err != nil {
			return err
		}
		out.More, out.Suspects, out.LookedBeside = c.more, slices.Contains(c.blind[:], true), c.lookedBeside
		if len(c.expired) > 0 {
			if out.Expired, err = expire(ctx, tx, c.expired, r.Now); err != nil {
				return err
			}
		}
		if len(c.chosen) == 0 {
			if len(c.expired) == 0 && !c.placed {
				return errNothing
			}
			return nil
		}
		if err := stamp(ctx, tx, r, c, tries); err != nil {
			return err
		}
		out.Jobs = c.chosen
		return nil
	})
	if err != nil {
		return job.Claimed{}, err
	}
	return out, nil
}

// enter takes the fence of the slot, and of those beside it. No row: paused or unknown. A fence that touches no row is no fence.
func enter(ctx context.Context, tx Tx, r job.ClaimRequest, again bool) error {
	const fence = "UPDATE slotq_slots SET epoch = epoch + 1 WHERE queue_id = ? AND "
	if len(r.Beside) > 0 {
		return tx.Queue(ctx, exactly(1+len(r.Beside), errNothing), fence+"slot IN (??) AND paused = 0", r.Slot.QueueID, slotsOf(r))
	}
	test := " AND paused = 0"
	if again {
		// An earlier COMMIT may land late. Its transaction holds the fence until it ends, so behind the fence
		// (paused or not) the look for the token is exact.
		test = ""
	}
	return tx.Queue(ctx, exactly(1, errNothing), fence+"slot = ?"+test, r.Slot.QueueID, r.Slot.Slot)
}

// stamp writes the token into the chosen rows and the claim beside them.
func stamp(ctx context.Context, tx Tx, r job.ClaimRequest, c *candidates, tries int) error {
	p, at := c.pick(tries)
	query, args := "UPDATE slotq_jobs AS j "+p.by+" SET token = ?, run = run + 1, started_at = ?"+p.where, append([]any{r.Token, r.Now}, p.args...)
	matched := exactly(len(c.chosen), errMoved) // fewer: one was cancelled or deleted meanwhile, or the fence failed. The token decides.
	var err error
	if at != nil {
		err = tx.Locate(ctx, matched, at, query, args...)
	} else {
		err = tx.Queue(ctx, matched, query, args...)
	}
	if err != nil {
		return err
	}
	for _, j := range c.chosen {
		j.Token, j.StartedAt, j.State = r.Token, r.Now, job.Running
		j.Run++
	}
	// Taken from workers, so that a worker declared dead gets nothing, without a lock or a statement of its own.
	n, err := tx.Exec(ctx, `INSERT INTO slotq_claims (worker_id, token, queue_id, slot, claimed_at, suspect, ids)
		SELECT id, ?::uuid, ?::int, ?::smallint, ?::bigint, ?::smallint, ?::bytea FROM slotq_workers WHERE id = ? AND dead = 0`,
		r.Token, r.Slot.QueueID, r.Slot.Slot, r.Now, flag(c.chosen[0].Suspect()), join16(c.chosen), r.Worker)
	if err != nil {
		return err
	}
	if n != 1 {
		return job.ErrWorkerDead
	}
	return nil
}

// pick says how the chosen jobs are found again. at, if not nil, is to be told where their rows lie once they are stamped.
func (c *candidates) pick(tries int) (p pick, at func(job.Location)) {
	if !c.placed && mayLocate(c.dialect, c.chosen, tries) { // a key's place is written into the row
		p = byLocation(c.chosen)
		// They are updated in the order of their locations. Would they not be, the new ones would mislead, and a second try help.
		order := slices.SortedFunc(slices.Values(c.chosen), func(a, b *job.Job) int { return cmp.Compare(a.Location, b.Location) })
		return p, func(l job.Location) {
			if len(order) > 0 {
				order[0].Location, order = l, order[1:]
			}
		}
	}
	for _, j := range c.chosen {
		j.Location = 0 // it is where the row was
	}
	if len(c.chosen) > 1 && alike(c.chosen, priorityOf) == len(c.chosen) && mayStretch(c.dialect, c.chosen, tries) {
		return stretch(c.dialect, c.chosen), nil
	}
	return ofClaim(c.chosen), nil
}

// claimedBefore returns the jobs that a claim which had an unknown outcome has taken after all.
func claimedBefore(ctx context.Context, tx Tx, r job.ClaimRequest) ([]*job.Job, error) {
	var list []byte
	rows, err := tx.Query(ctx, "SELECT ids FROM slotq_claims WHERE worker_id = ? AND token = ?", r.Worker, r.Token)
	if err = each(rows, err, func(rows Rows) error { return rows.Scan(&list) }); err != nil || len(list) == 0 {
		return nil, err
	}
	var jobs []*job.Job
	rows, err = tx.Query(ctx, "SELECT "+foundJob+" FROM slotq_jobs j {by id} {with queue} WHERE j.id IN (??) AND j.token = ?",
		split16(list), r.Token)
	err = each(rows, err, func(rows Rows) error {
		j, err := scanJob(rows, r.Now, false)
		jobs = append(jobs, j)
		return err
	})
	return jobs, err
}

// join16 is the list of ids as a claim's row has it.
func join16(jobs []*job.Job) []byte {
	list := make([]byte, 0, 16*len(jobs))
	for _, j := range jobs {
		list = append(list, j.ID[:]...)
	}
	return list
}

func split16(list []byte) []job.ID {
	ids := make([]job.ID, 0, len(list)/16)
	for b := range slices.Chunk(list, 16) {
		ids = append(ids, job.ID(b))
	}
	return ids
}
