package sqlstore

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Turn implements store.Manage. A next turn more than three intervals ahead was written by a clock that jumped.
func (s *Store) Turn(ctx context.Context, loop string, holder job.WorkerID, interval time.Duration, now job.Time) (mine bool, err error) {
	var next job.Time
	found := false
	err = s.read(ctx, "turn", "SELECT next_at FROM slotq_turns WHERE loop_name = ?", []any{loop}, func(r Rows) error {
		found = true
		return r.Scan(&next)
	})
	if err != nil || found && next > now && next <= now.Add(3*interval) {
		return false, err
	}
	err = s.write(ctx, "turn", func(ctx context.Context, tx Tx, again bool) error {
		mine = false
		if !found {
			if err := tx.Insert(ctx, "slotq_turns", []string{"loop_name", "next_at", "holder"}, [][]any{{loop, 0, 0}}, true); err != nil {
				return err
			}
		}
		n, err := tx.Exec(ctx, "UPDATE slotq_turns SET next_at = ?, holder = ? WHERE loop_name = ? AND next_at = ?", now.Add(interval), holder, loop, next)
		mine = n == 1
		return err
	})
	return mine, err
}

// Turns implements store.Diagnose.
func (s *Store) Turns(ctx context.Context) (turns []job.Turn, err error) {
	err = s.read(ctx, "turns", "SELECT loop_name, next_at, holder FROM slotq_turns ORDER BY loop_name", nil, func(r Rows) error {
		var t job.Turn
		err := r.Scan(&t.Loop, &t.NextAt, &t.Holder)
		turns = append(turns, t)
		return err
	})
	return turns, err
}
