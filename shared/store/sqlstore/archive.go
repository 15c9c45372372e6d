package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// take archives the held jobs, with what each of them has left (nil = nothing), and says for each whether this operation did
// it. When only some could be moved, nothing tells which, so the transaction begins again and moves them one by one.
func (c *care) take(ctx context.Context, tx Tx, held []*job.Job, outputs [][]byte, e ending, now job.Time) ([]bool, error) {
	mine := make([]bool, len(held))
	moved, step := 0, 0
	for from := 0; from < len(held); from += step {
		some := held[from:]
		if outputs != nil {
			some = some[:withOutputs(outputs[from:])]
		}
		p := c.together(some, now)
		if step = p.n; outputs != nil {
			p.outputs = outputsOf(some[:step], outputs[from:])
		}
		n, err := archive(ctx, tx, p, e, now)
		if err != nil {
			return nil, err
		}
		if n != step && (n != 0 || p.hinted) {
			c.apart = !p.hinted
			return nil, errMoved
		}
		for k := range step {
			mine[from+k] = n != 0
		}
		moved += n
	}
	if moved == len(held) || !c.again && planted != "finish_believes_history" {
		return mine, nil
	}
	before, err := archived(ctx, tx, held)
	for k, j := range held {
		mine[k] = mine[k] || before[j.ID]
	}
	return mine, err
}

// together picks the jobs from the first on that are archived by one statement: those of one claim when they are many, else
// those of all that have few. By a list of ids a job costs 1 µs of PostgreSQL's time and 3 µs of MariaDB's less than by one
// of pairs; by their stretch of the primary key MariaDB's statements cost 7 µs less
// again, and SQLite's together a fifth.
func (c *care) together(held []*job.Job, now job.Time) pick {
	if c.apart {
		return ofClaim(held[:1])
	}
	n := alike(held, tokenOf)
	all := n
	for n < manyOfOne && all < len(held) {
		next := alike(held[all:], tokenOf)
		if next >= manyOfOne {
			break
		}
		all += next
	}
	if all > n {
		return pairs(held[:all], mayLocate(c.dialect, held[:all], c.tries))
	}
	if m := alike(held[:n], priorityOf); m >= manyOfOne && mayStretch(c.dialect, held[:m], c.tries) && now.Sub(held[0].StartedAt) <= stretchAge {
		return stretch(c.dialect, held[:m])
	}
	if mayLocate(c.dialect, held[:n], c.tries) {
		return byLocation(held[:n])
	}
	return ofClaim(held[:n])
}

// alike is how many jobs from the first on have in common with it what of tells.
func alike[T comparable](jobs []*job.Job, of func(*job.Job) T) int {
	n, first := 1, of(jobs[0])
	for n < len(jobs) && of(jobs[n]) == first {
		n++
	}
	return n
}

func tokenOf(j *job.Job) job.Token { return j.Token }

func priorityOf(j *job.Job) int { return j.Priority }

// mayStretch says whether jobs of one claim and priority may be picked by their stretch: see there.
func mayStretch(d Dialect, jobs []*job.Job, tries int) bool {
	return d.Stretch && tries == 1 && !slices.ContainsFunc(jobs, func(j *job.Job) bool { return !j.InRow })
}

const manyOfOne = 50

// stretchAge is how long after its claim a job is still looked for in its stretch: what was enqueued since with a run_at
// in the past may stand in it too, and would be read in vain.
const stretchAge = time.Second

// pick says which unfinished jobs a statement is about: the way to them, the condition, and its arguments.
type pick struct {
	n      int
	by     string
	where  string
	args   []any
	hinted bool // that it finds none may only mean that they are no longer where it looks

	outputs *Outputs // of the jobs, for the archive; nil = none
}

// pairs picks jobs of several claims; located: by where their rows lie, see byLocation.
func pairs(jobs []*job.Job, located bool) pick {
	held := make([]job.Held, len(jobs))
	for i, j := range jobs {
		held[i] = job.Held{ID: j.ID, Token: j.Token}
	}
	if located {
		return pick{n: len(jobs), hinted: true, where: " WHERE {at ??} AND {held among ??}", args: []any{locationsOf(jobs), HeldAmong(held)}}
	}
	return pick{n: len(jobs), by: "{by id}", where: " WHERE {held ??}", args: []any{held}}
}

// ofClaim picks jobs of one claim, or some that nobody holds.
func ofClaim(jobs []*job.Job) pick {
	return pick{n: len(jobs), by: "{by id}", where: " WHERE j.id IN (??) AND j.token = ?", args: []any{idsOf(jobs), jobs[0].Token}}
}

// stretch picks jobs of one claim and priority by their part of the primary key, where they stand side by side: one walk
// instead of a descent through two indexes for each. The ids decide, as everywhere; the stretch only leads to them. What
// stands between them is read, and locked by some engines: so it is for jobs in a row, and not for a second try, since two
// who end claims that are interleaved can wait for each other.
//
// Its ends are jobs, not times, since a whole batch has one run_at. MySQL and MariaDB look the ids up in the primary key where
// there is but one, so the times do for them.
func stretch(d Dialect, jobs []*job.Job) pick {
	byTime := func(a, b *job.Job) int { return cmp.Or(cmp.Compare(a.RunAt, b.RunAt), a.ID.Compare(b.ID)) }
	first, last := slices.MinFunc(jobs, byTime), slices.MaxFunc(jobs, byTime)
	within, ends := "j.run_at BETWEEN ? AND ?", []any{first.RunAt, last.RunAt}
	if d.RowCompare {
		within, ends = "(j.run_at, j.id) >= (?, ?) AND (j.run_at, j.id) <= (?, ?)", []any{first.RunAt, first.ID, last.RunAt, last.ID}
	}
	args := append([]any{jobs[0].QueueID, jobs[0].Slot, jobs[0].Priority}, ends...)
	return pick{
		n: len(jobs), by: "{by key}", hinted: true,
		where: " WHERE j.queue_id = ? AND j.slot = ? AND j.blocked = 0 AND j.priority = ? AND " + within + " AND {among ??} AND j.token = ?",
		args:  append(args, idsOf(jobs), jobs[0].Token),
	}
}

// mayLocate says whether all of the jobs may be picked by where their rows lie: see byLocation.
func mayLocate(d Dialect, jobs []*job.Job, tries int) bool {
	return d.Located && tries == 1 && !slices.ContainsFunc(jobs, func(j *job.Job) bool { return j.Location == 0 })
}

// byLocation picks jobs of one claim, or some that nobody holds, by where their rows lay when they were last read or written: a
// job costs PostgreSQL 18 µs from its claim's read to its end instead of 22, of which the way through the index by id, three
// times, was most. A row that has been rewritten since, as by a request to cancel it, lies elsewhere, and another one may lie
// in its place: so the ids decide here too.
//
// It is also the only way that a planner with bad statistics cannot lose. Where ANALYZE has found hardly a job, as it does while
// the workers keep up, PostgreSQL would rather walk through all of an index than look up ten ids; with a burst of jobs, and
// all that had been deleted since, in that index a finish took seconds, until the next ANALYZE.
func byLocation(jobs []*job.Job) pick {
	ids := idsOf(jobs)
	slices.SortFunc(ids, job.ID.Compare)
	return pick{n: len(jobs), hinted: true, where: " WHERE {at ??} AND {among ??} AND j.token = ?", args: []any{locationsOf(jobs), ids, jobs[0].Token}}
}

func locationsOf(jobs []*job.Job) []job.Location {
	at := make([]job.Location, len(jobs))
	for i, j := range jobs {
		at[i] = j.Location
	}
	return at
}

func idsOf(jobs []*job.Job) []job.ID {
	ids := make([]job.ID, len(jobs))
	for i, j := range jobs {
		ids[i] = j.ID
	}
	return ids
}

// archive copies jobs into history and deletes them; the counts must agree. What retention 0 keeps of a job is a
// stub: an hour for an id that may be sent again after an unknown COMMIT, a day for ids and keys that clients gave.
func archive(ctx context.Context, tx Tx, p pick, e ending, now job.Time) (int, error) {
	var n int64
	copied := func(rows int64) error { n = rows; return nil }
	query, args := archiveQuery[e.state], []any{e.state, now, e.reason, []byte{}}
	if p.outputs != nil {
		query, args = archiveOutputs[e.state], append(args, *p.outputs)
	}
	args = append(append(args, now, now), p.args...)
	if err := tx.Queue(ctx, copied, query+p.by+" {with queue}"+p.where, args...); err != nil {
		return 0, err
	}
	deleted, err := tx.Exec(ctx, "{delete j} "+p.by+p.where, p.args...)
	if err == nil && deleted != n {
		err = errMoved // somebody took one between the two statements
	}
	return int(n), err
}

var (
	archiveQuery   = archives(func(string) string { return "?::bytea" })
	archiveOutputs = archives(func(keep string) string { // a stub has none
		return "CASE WHEN " + keep + " = 0 THEN ?::bytea ELSE {output ??} END"
	})
)

// archives are the statements for each final state; output is what they say for it.
func archives(output func(keep string) string) map[job.State]string {
	texts := map[job.State]string{
		job.Completed: "q.keep_completed_us", job.Discarded: "q.keep_discarded_us", job.Cancelled: "q.keep_cancelled_us",
	}
	for state, keep := range texts {
		texts[state] = archiveInto(keep, output(keep))
	}
	return texts
}

func archiveInto(keep, output string) string {
	return "INSERT INTO slotq_history (state, " + list("") + ", finished_at, state_reason, output, stub, remove_at) SELECT ?::smallint, " + list("j.") +
		", ?::bigint, ?::text, " + output + ", CASE WHEN " + keep + " = 0 THEN 1 ELSE 0 END," +
		" GREATEST(?::bigint + " + keep + ", ?::bigint + 3600000000, CASE WHEN LENGTH(j.digest) > 0 THEN j.created_at + 86400000000 ELSE 0 END)" +
		" FROM slotq_jobs j "
}

// archived says which of the held jobs stand in history with their token.
func archived(ctx context.Context, tx Tx, held []*job.Job) (map[job.ID]bool, error) {
	ids := idsOf(held)
	tokens := make(map[job.ID]job.Token, len(held))
	for _, j := range held {
		tokens[j.ID] = j.Token
	}
	mine := map[job.ID]bool{}
	rows, err := tx.Query(ctx, "SELECT id, token FROM slotq_history h {by key} WHERE state IN (5, 6, 7) AND id IN (??)", ids)
	err = each(rows, err, func(r Rows) error {
		var id job.ID
		var token job.Token
		err := r.Scan(&id, &token)
		if token == tokens[id] {
			mine[id] = true
		}
		return err
	})
	return mine, err
}
