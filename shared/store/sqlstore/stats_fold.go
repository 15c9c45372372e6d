package sqlstore

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// staleRows is how many rows of silent processes, and of each span of stats, one fold removes.
const staleRows = 1000

// silence is how long the row of a process that reports nothing is kept: twice as long as a report is good, so that one
// which was on its way when the row went is not added after it.
const silence = 2 * job.StatsGood

// counter is the row of a process.
type counter struct {
	process    job.WorkerID
	seq, taken int64
}

// FoldStats implements store.Stats. Minutes and hours are written in the same transaction that takes the reports: there is
// no second step that could be done twice or not at all.
func (s *Store) FoldStats(ctx context.Context, limit int, now job.Time) (folded int, err error) {
	var fresh, silent []counter
	err = s.read(ctx, "fold_stats", "SELECT process, seq, taken FROM slotq_counters WHERE taken < seq OR written_at < ? ORDER BY process LIMIT ?",
		[]any{now.Add(-silence), limit + staleRows}, func(r Rows) error {
			var c counter
			err := r.Scan(&c.process, &c.seq, &c.taken)
			if c.taken >= c.seq {
				silent = append(silent, c)
			} else if len(fresh) < limit {
				fresh = append(fresh, c)
			}
			return err
		})
	if err != nil {
		return 0, err
	}
	if len(fresh) > 0 {
		err = s.write(ctx, "fold_stats", func(ctx context.Context, tx Tx, _ bool) error {
			reports, err := takeReports(ctx, tx, fresh)
			if err != nil {
				return err
			}
			if folded = len(reports); folded == 0 {
				return errNothing // somebody else has taken them, or an earlier try of this call did
			}
			return addStats(ctx, tx, merged(reports).Fold(now).List())
		})
		if err != nil {
			return 0, err
		}
	}
	return folded, s.pruneStats(ctx, silent, now)
}

// takeReports marks reports as taken and returns those that it took. They are read only then: a report that was replaced
// meanwhile has another number and waits for the next fold.
func takeReports(ctx context.Context, tx Tx, counters []counter) (reports [][]byte, err error) {
	args := make([][]any, len(counters))
	for i, c := range counters {
		args[i] = []any{c.seq, c.process, c.seq, c.taken}
	}
	counts, err := tx.ExecMany(ctx, "UPDATE slotq_counters SET taken = ? WHERE process = ? AND seq = ? AND taken = ?", args)
	if err != nil {
		return nil, err
	}
	var mine []job.WorkerID
	for i, n := range counts {
		if n == 1 {
			mine = append(mine, counters[i].process)
		}
	}
	if len(mine) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, "SELECT data FROM slotq_counters WHERE process IN (??)", integers(mine))
	err = each(rows, err, func(r Rows) error {
		var data []byte
		err := r.Scan(&data)
		reports = append(reports, data)
		return err
	})
	return reports, err
}

// merged adds reports up. One that cannot be read is left out: it would stop all others for ever.
func merged(reports [][]byte) job.StatsTable {
	sum := job.StatsTable{}
	for _, data := range reports {
		var list []job.Stats
		if json.Unmarshal(data, &list) == nil {
			sum.Add(list)
		}
	}
	return sum
}

// addStats adds to the rows of each queue, or makes them. They come in the order of their keys, which is the order of locks.
func addStats(ctx context.Context, tx Tx, list []job.Stats) error {
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].QueueID == list[0].QueueID {
			n++
		}
		if err := addToQueue(ctx, tx, list[:n]); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// statsRow is a row as it was read; the version tells whether somebody else has written it since.
type statsRow struct {
	version int64
	counts  job.Counts
}

func addToQueue(ctx context.Context, tx Tx, list []job.Stats) error {
	there, err := statsRows(ctx, tx, list)
	if err != nil {
		return err
	}
	var updates, inserts [][]any
	for _, st := range list {
		row, found := there[st.StatsKey]
		row.counts.Add(&st.Counts)
		data, err := json.Marshal(&row.counts)
		if err != nil {
			return err
		}
		if found {
			updates = append(updates, []any{data, row.version + 1, st.QueueID, st.Span, st.At, row.version})
		} else {
			inserts = append(inserts, []any{st.QueueID, int(st.Span), st.At, int64(1), data})
		}
	}
	if len(updates) > 0 {
		counts, err := tx.ExecMany(ctx, "UPDATE slotq_stats SET data = ?, version = ? WHERE queue_id = ? AND span = ? AND began_at = ? AND version = ?", updates)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(counts, func(n int64) bool { return n != 1 }) {
			return errMoved
		}
	}
	if len(inserts) == 0 {
		return nil
	}
	return tx.Insert(ctx, "slotq_stats", []string{"queue_id", "span", "began_at", "version", "data"}, inserts, false)
}

// statsRows reads the rows of one queue that are to be added to. What cannot be read is empty, and is written anew.
func statsRows(ctx context.Context, tx Tx, list []job.Stats) (map[job.StatsKey]statsRow, error) {
	var times []int
	for _, st := range list {
		times = append(times, int(st.At))
	}
	slices.Sort(times)
	there := map[job.StatsKey]statsRow{}
	rows, err := tx.Query(ctx, "SELECT span, began_at, version, data FROM slotq_stats s {by key} WHERE queue_id = ? AND span IN (60, 3600) AND began_at IN (??)",
		list[0].QueueID, slices.Compact(times))
	return there, each(rows, err, func(r Rows) error {
		k := job.StatsKey{QueueID: list[0].QueueID}
		var row statsRow
		var data []byte
		if err := r.Scan(&k.Span, &k.At, &row.version, &data); err != nil {
			return err
		}
		_ = json.Unmarshal(data, &row.counts)
		there[k] = row
		return nil
	})
}

// pruneStats removes what is no longer kept.
func (s *Store) pruneStats(ctx context.Context, silent []counter, now job.Time) error {
	var stale [][]any
	for _, span := range []job.Span{job.Minute, job.Hour} {
		err := s.read(ctx, "prune_stats", "SELECT queue_id, began_at FROM slotq_stats WHERE span = ? AND began_at < ? ORDER BY began_at LIMIT ?",
			[]any{span, span.Oldest(now), staleRows}, func(r Rows) error {
				var queue int32
				var at job.Time
				err := r.Scan(&queue, &at)
				stale = append(stale, []any{queue, span, at})
				return err
			})
		if err != nil {
			return err
		}
	}
	if len(stale) == 0 && len(silent) == 0 {
		return nil
	}
	return s.write(ctx, "prune_stats", func(ctx context.Context, tx Tx, _ bool) error {
		if len(stale) > 0 {
			if _, err := tx.ExecMany(ctx, "DELETE FROM slotq_stats WHERE queue_id = ? AND span = ? AND began_at = ?", stale); err != nil {
				return err
			}
		}
		for _, c := range silent {
			if _, err := tx.Exec(ctx, "DELETE FROM slotq_counters WHERE process = ? AND seq = ? AND taken = ?", c.process, c.seq, c.taken); err != nil {
				return err
			}
		}
		return nil
	})
}
