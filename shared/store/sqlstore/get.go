package sqlstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// Get implements store.Jobs.
func (s *Store) Get(ctx context.Context, id job.ID) (*job.Job, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	return s.get(ctx, id, now)
}

// anywhere finds a job in one statement, so that it cannot hide while it moves between the tables. A stub, which
// retention 0 leaves so that an id is not used twice, is nobody's job any more.
var anywhere = "SELECT " + waitingJob + " FROM slotq_jobs j {by id} {with queue} WHERE j.id = ? UNION ALL" +
	" SELECT " + finishedJob + " FROM slotq_history j {by key} {with queue} WHERE j.state IN (5, 6, 7) AND j.id = ? AND j.stub = 0"

// get finds a job outside a transaction.
func (s *Store) get(ctx context.Context, id job.ID, now job.Time) (*job.Job, error) {
	return readOne(ctx, s, "get", anywhere, []any{id, id}, scanAt(now))
}

// get finds a job within a transaction.
func get(ctx context.Context, tx Tx, id job.ID, now job.Time) (*job.Job, error) {
	rows, err := tx.Query(ctx, anywhere, id, id)
	return one(rows, err, scanAt(now))
}

// scanAt reads a whole job as it stands at a time.
func scanAt(now job.Time) func(Rows) (*job.Job, error) {
	return func(r Rows) (*job.Job, error) { return scanJob(r, now, false) }
}

// How much of the tables one page may read: rows per statement, statements per table, and about how many bytes of jobs per
// table. Metadata and errors make a job up to 60 KB: a thousand such, held for each client that is slow to read its
// answer, would be the end of the api.
const (
	listRows   = 1000
	listRounds = 5
	listBytes  = 1 << 20
)

// List implements store.Jobs. Each table is read from the newest id down, a bounded way; what all of them have passed
// is the page.
func (s *Store) List(ctx context.Context, f job.Filter, p job.Page) (job.Listed, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return job.Listed{}, err
	}
	before := p.Before
	if before == (job.ID{}) {
		before = newest
	}
	var out job.Listed
	var frontier job.ID // below it some table has not been read
	unread := false
	for _, t := range sources(f) {
		matched, reached, end, err := s.listSource(ctx, t, f.Matches, before, p.Limit, now)
		if err != nil {
			return job.Listed{}, err
		}
		out.Jobs = append(out.Jobs, matched...)
		if !end && (!unread || reached.Compare(frontier) > 0) {
			frontier = reached
		}
		unread = unread || !end
	}
	slices.SortFunc(out.Jobs, func(a, b *job.Job) int { return cmp.Or(b.ID.Compare(a.ID), cmp.Compare(a.State, b.State)) })
	out.Jobs = slices.CompactFunc(out.Jobs, func(a, b *job.Job) bool { return a.ID == b.ID }) // moved while we read
	if unread {
		cut := slices.IndexFunc(out.Jobs, func(j *job.Job) bool { return j.ID.Compare(frontier) < 0 })
		if cut >= 0 {
			out.Jobs = out.Jobs[:cut]
		}
		out.Next = frontier
	}
	if len(out.Jobs) > p.Limit {
		out.Jobs = out.Jobs[:p.Limit]
		out.Next = out.Jobs[p.Limit-1].ID
	}
	return out, nil
}

var newest = job.ID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// sources are the tables, or the states of history, that can hold what the filter asks for; 0 = jobs.
func sources(f job.Filter) []job.State {
	if len(f.States) == 0 {
		return []job.State{0, job.Completed, job.Discarded, job.Cancelled}
	}
	var out []job.State
	for _, st := range f.States {
		if !st.Finished() {
			st = 0
		}
		if !slices.Contains(out, st) {
			out = append(out, st)
		}
	}
	return out
}

// listSource reads one of the sources from an id down, 0 = jobs, and keeps what is asked for: a few more than limit, or fewer
// with end not set when that is all that a call may read.
func (s *Store) listSource(ctx context.Context, state job.State, keep func(*job.Job) bool, before job.ID, limit int, now job.Time) (matched []*job.Job, reached job.ID, end bool, err error) {
	query := "SELECT " + listedWaiting + " FROM slotq_jobs j {by id} {with queue} WHERE j.id < ? ORDER BY j.id DESC LIMIT ?"
	args := []any{before, listRows}
	if state != 0 {
		query = "SELECT " + listedFinished + " FROM slotq_history j {by key} {with queue} WHERE j.state = ? AND j.id < ? AND j.stub = 0 ORDER BY j.id DESC LIMIT ?"
		args = []any{state, before, listRows}
	}
	reached = before
	size := 0
	for range listRounds {
		n := 0
		rowsWanted := min(listRows, max(limit-len(matched)+1, 100))
		args[len(args)-2], args[len(args)-1] = reached, rowsWanted
		err = s.read(ctx, "list", query, args, func(r Rows) error {
			if size > listBytes {
				return nil // the page is full: the rest of the result is let go by
			}
			j, err := scanJob(r, now, true)
			if err != nil {
				return err
			}
			n++
			reached = j.ID
			if keep(j) {
				matched = append(matched, j)
				size += bytesOf(j)
			}
			return nil
		})
		if err == nil && size > listBytes {
			return matched, reached, false, nil
		}
		if err != nil || n < rowsWanted {
			return matched, reached, true, err
		}
		if len(matched) > limit {
			return matched, reached, false, nil
		}
	}
	return matched, reached, false, nil
}

// bytesOf is about what a listed job takes beside its fixed fields.
func bytesOf(j *job.Job) int {
	n := len(j.Metadata) + len(j.Tags)
	for _, e := range j.Errors {
		n += len(e.Message) + len(e.Answer)
	}
	return n
}
