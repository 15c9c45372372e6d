package sqlstore

import (
	"context"
	"encoding/json"

	"github.com/slotq/slotq/shared/job"
)

// ReportStats implements store.Stats. The row of a process has the number of its last report and the last one that was
// taken. A report replaces the one before as long as that was not taken meanwhile, so that it may be sent any number of
// times; one that comes late changes nothing, its number being lower.
func (s *Store) ReportStats(ctx context.Context, r job.StatsReport) (taken int64, err error) {
	err = s.write(ctx, "report_stats", func(ctx context.Context, tx Tx, _ bool) error {
		taken = r.Taken
		for {
			sum, seq := job.StatsTable{}, int64(0)
			for _, p := range r.Parts {
				if p.Seq > taken {
					sum.Add(p.Stats)
					seq = p.Seq
				}
			}
			if seq == 0 {
				return errNothing // an earlier try was stored, and is taken
			}
			data, err := json.Marshal(sum.List())
			if err != nil {
				return err
			}
			n, err := tx.Exec(ctx, "UPDATE slotq_counters SET seq = ?, written_at = ?, data = ? WHERE process = ? AND taken = ? AND seq <= ?",
				seq, r.Now, data, r.Process, taken, seq)
			if err != nil || n == 1 {
				return err
			}
			before, found := taken, false
			rows, err := tx.Query(ctx, "SELECT taken FROM slotq_counters WHERE process = ?", r.Process)
			err = each(rows, err, func(rows Rows) error { found = true; return rows.Scan(&taken) })
			switch {
			case err != nil:
				return err
			case !found:
				return tx.Insert(ctx, "slotq_counters", []string{"process", "seq", "taken", "written_at", "data"},
					[][]any{{r.Process, seq, taken, r.Now, data}}, false)
			case taken == before:
				return errMoved // taken or pruned between the two statements
			}
		}
	})
	return taken, err
}

// ListStats implements store.Stats.
func (s *Store) ListStats(ctx context.Context, queues []int32, now job.Time) (stats []job.Stats, err error) {
	if len(queues) == 0 {
		return nil, nil
	}
	err = s.read(ctx, "list_stats", "SELECT queue_id, span, began_at, data FROM slotq_stats s {by key} WHERE queue_id IN (??)"+
		" AND (span = ? AND began_at >= ? OR span = ? AND began_at >= ?) ORDER BY queue_id, span, began_at",
		[]any{integers(queues), job.Minute, job.Minute.Oldest(now), job.Hour, job.Hour.Oldest(now)}, func(r Rows) error {
			var st job.Stats
			var data []byte
			if err := r.Scan(&st.QueueID, &st.Span, &st.At, &data); err != nil {
				return err
			}
			stats = append(stats, st)
			return json.Unmarshal(data, &stats[len(stats)-1].Counts)
		})
	return stats, err
}

// integers is a list as the engines take it.
func integers[T ~int32 | ~int64](list []T) []int {
	out := make([]int, len(list))
	for i, n := range list {
		out[i] = int(n)
	}
	return out
}
