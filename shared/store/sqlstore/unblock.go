package sqlstore

import (
	"context"

	"github.com/slotq/slotq/shared/job"
)

// Unblock implements store.Manage. It looks without a lock at keys that somebody waits for and takes the fence only of
// those that have a place left.
func (s *Store) Unblock(ctx context.Context, after *job.Key, limit int) (next *job.Key, freed int, err error) {
	from := job.Key{}
	if after != nil {
		from = *after
	}
	var keys []job.Key
	cond, args := s.after([]string{"queue_id", "slot", "concurrency_key"}, []any{from.QueueID, from.Slot.Slot, from.ConcurrencyKey}, false)
	err = s.read(ctx, "unblock", "SELECT DISTINCT queue_id, slot, concurrency_key FROM slotq_keyed WHERE waiting = 1 AND "+cond+
		" ORDER BY queue_id, slot, concurrency_key LIMIT ?", append(args, limit), func(r Rows) error {
		var k job.Key
		err := r.Scan(&k.QueueID, &k.Slot.Slot, &k.ConcurrencyKey)
		keys = append(keys, k)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	for _, k := range keys {
		stuck, err := s.stuck(ctx, k)
		if err != nil {
			return nil, freed, err
		}
		if !stuck {
			continue
		}
		n, err := s.unblock(ctx, k)
		if err != nil {
			return nil, freed, err
		}
		freed += n
	}
	if len(keys) == limit {
		next = &keys[len(keys)-1]
	}
	return next, freed, nil
}

// stuck says that the first waiting job of a key could have a place.
func (s *Store) stuck(ctx context.Context, k job.Key) (bool, error) {
	limit, taken := 0, 0
	err := s.read(ctx, "unblock", `SELECT concurrency_limit FROM slotq_keyed WHERE queue_id = ? AND slot = ? AND concurrency_key = ? AND waiting = 1
		ORDER BY created_at, id LIMIT 1`, []any{k.QueueID, k.Slot.Slot, k.ConcurrencyKey}, func(r Rows) error { return r.Scan(&limit) })
	if err != nil || limit == 0 {
		return false, err
	}
	err = s.read(ctx, "unblock", `SELECT COUNT(*) FROM slotq_keyed k JOIN slotq_jobs j ON j.id = k.id AND j.key_held = 1 AND j.blocked = 0
		WHERE k.queue_id = ? AND k.slot = ? AND k.concurrency_key = ? AND k.waiting = 0`,
		[]any{k.QueueID, k.Slot.Slot, k.ConcurrencyKey}, func(r Rows) error { return r.Scan(&taken) })
	return taken < limit, err
}

// unblock frees the places of a key whose job is gone and lets the next ones in.
func (s *Store) unblock(ctx context.Context, k job.Key) (n int, err error) {
	err = s.write(ctx, "unblock", func(ctx context.Context, tx Tx, _ bool) error {
		n = 0
		if err := fence(ctx, tx, map[job.Slot]bool{k.Slot: true}); err != nil {
			return err
		}
		gone, err := tx.Exec(ctx, `DELETE FROM slotq_keyed WHERE queue_id = ? AND slot = ? AND concurrency_key = ? AND waiting = 0
			AND NOT EXISTS (SELECT 1 FROM slotq_jobs j WHERE j.id = slotq_keyed.id AND j.key_held = 1)`, k.QueueID, k.Slot.Slot, k.ConcurrencyKey)
		if err != nil {
			return err
		}
		admitted, err := admit(ctx, tx, []job.Key{k})
		if n = int(gone) + admitted; err == nil && n == 0 {
			return errNothing
		}
		return err
	})
	return n, err
}
