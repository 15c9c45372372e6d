package sqlstore

import (
	"context"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// keyPause is how long, in microseconds, a key is left alone whose time is over while its job lives: all such keys stand
// before the others in the order of removal, and to read past them took as many rows as there are of them.
const keyPause = 10 * 60 * 1_000_000

// Prune implements store.Manage. Rows are chosen by an unlocked read and deleted by primary key, so that a large
// backlog of history holds no lock for long.
func (s *Store) Prune(ctx context.Context, limit int, now job.Time) (int, error) {
	type finished struct {
		state int
		id    job.ID
	}
	byState := map[int][]job.ID{}
	err := s.read(ctx, "prune", "SELECT state, id FROM slotq_history WHERE remove_at <= ? ORDER BY remove_at LIMIT ?", []any{now, limit}, func(r Rows) error {
		var f finished
		err := r.Scan(&f.state, &f.id)
		byState[f.state] = append(byState[f.state], f.id)
		return err
	})
	if err != nil {
		return 0, err
	}
	var keys, needed []string
	// Not EXISTS: with a hundred thousand jobs PostgreSQL would make a hash table of them all to look a thousand up in.
	err = s.read(ctx, "prune", `SELECT k.idempotency_key, (SELECT COUNT(*) FROM slotq_jobs j WHERE j.id = k.id)
		FROM (SELECT idempotency_key, id FROM slotq_idempotency_keys WHERE remove_at <= ? ORDER BY remove_at LIMIT ?) k`, []any{now, limit}, func(r Rows) error {
		var key string
		var lives int
		err := r.Scan(&key, &lives)
		if lives == 1 {
			needed = append(needed, key)
		} else {
			keys = append(keys, key)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	var actions []job.ID
	err = s.read(ctx, "prune", "SELECT id FROM slotq_actions WHERE remove_at > 0 AND remove_at <= ? ORDER BY remove_at LIMIT ?", []any{now, limit}, func(r Rows) error {
		var id job.ID
		err := r.Scan(&id)
		actions = append(actions, id)
		return err
	})
	if err != nil {
		return 0, err
	}
	pruned := 0
	err = s.write(ctx, "prune", func(ctx context.Context, tx Tx, _ bool) error {
		pruned = 0
		for state, ids := range byState {
			for part := range slices.Chunk(ids, lookupIDs) {
				n, err := tx.Exec(ctx, "DELETE FROM slotq_history WHERE state = ? AND id IN (??) AND remove_at <= ?", state, part, now)
				if err != nil {
					return err
				}
				pruned += int(n)
			}
		}
		if len(keys) > 0 {
			// A key whose job was retried since is needed still.
			if _, err := tx.Exec(ctx, `DELETE FROM slotq_idempotency_keys WHERE idempotency_key IN (??) AND remove_at <= ?
				AND NOT EXISTS (SELECT 1 FROM slotq_jobs j WHERE j.id = slotq_idempotency_keys.id)`, keys, now); err != nil {
				return err
			}
		}
		if len(needed) > 0 {
			if _, err := tx.Exec(ctx, "UPDATE slotq_idempotency_keys SET remove_at = ? WHERE idempotency_key IN (??) AND remove_at <= ?",
				now+keyPause, needed, now); err != nil {
				return err
			}
		}
		for part := range slices.Chunk(actions, lookupIDs) {
			if _, err := tx.Exec(ctx, "DELETE FROM slotq_actions WHERE id IN (??)", part); err != nil {
				return err
			}
		}
		n, err := tx.Exec(ctx, "DELETE FROM slotq_workers WHERE dead = 1 AND NOT EXISTS (SELECT 1 FROM slotq_claims c WHERE c.worker_id = slotq_workers.id)")
		if err == nil && n == 0 && len(byState) == 0 && len(keys)+len(needed)+len(actions) == 0 {
			return errNothing
		}
		return err
	})
	return pruned, err
}
