package sqlstore

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sort"

	"github.com/slotq/slotq/shared/job"
)

// idempotencyWindow is how long an id or key that a client gave makes at most one job, in microseconds: 24 hours.
const idempotencyWindow = job.Time(24 * 3600 * 1_000_000)

// Enqueue implements store.Jobs.
func (s *Store) Enqueue(ctx context.Context, jobs []*job.Job, atomic bool) ([]job.Enqueued, error) {
	if len(jobs) == 0 {
		return nil, nil
	}
	in := &insertion{jobs: jobs}
	if err := s.enqueue(ctx, in, atomic, false); !isData(err) {
		return in.out, err
	}
	// The engine refused a row: the halves find it, so that its neighbours are stored.
	out := make([]job.Enqueued, len(jobs))
	if err := s.split(ctx, jobs, out, atomic); err != nil {
		return nil, err
	}
	return out, nil
}

// errData carries an engine's refusal of a row up to where the batch is split.
type errData struct{ error }

func isData(err error) bool { return errors.As(err, &errData{}) }

// split enqueues each half on its own; with trial nothing is committed, it only finds the bad rows.
func (s *Store) split(ctx context.Context, jobs []*job.Job, out []job.Enqueued, trial bool) error {
	if len(jobs) == 1 {
		in := &insertion{jobs: jobs}
		err := s.enqueue(ctx, in, false, trial)
		switch {
		case isData(err):
			out[0] = job.Enqueued{ID: jobs[0].ID, Err: job.Invalid{{Pointer: "", Detail: "the database refuses a value of this job"}}}
		case err != nil:
			return err
		default:
			out[0] = in.out[0]
		}
		return nil
	}
	half := len(jobs) / 2
	for _, part := range []struct {
		jobs []*job.Job
		out  []job.Enqueued
	}{{jobs[:half], out[:half]}, {jobs[half:], out[half:]}} {
		in := &insertion{jobs: part.jobs}
		err := s.enqueue(ctx, in, false, trial)
		if isData(err) {
			err = s.split(ctx, part.jobs, part.out, trial)
		} else {
			copy(part.out, in.out)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// insertion is one Enqueue on its way into the tables.
type insertion struct {
	jobs  []*job.Job
	out   []job.Enqueued
	done  []bool // answered: a duplicate or a mismatch, not inserted again
	nonce int64  // stands in the rows that this call creates, and so tells them from those that were there
	again bool
	maybe bool // another call may have stored them already

	claim   *job.Claim // to be made of the jobs; nil = none
	slots   []int      // of these
	refused bool       // it could not be made, or would have no job, and nothing is stored
}

// enqueue stores the jobs in one transaction, claimed if that may be. What turns out to be a duplicate after its row or its keys were written
// is left out and the transaction begun anew: its keys must not stay behind.
func (s *Store) enqueue(ctx context.Context, in *insertion, atomic, trial bool) error {
	if !in.maybe {
		in.nonce = rand.Int64()
	}
	known := make([]bool, len(in.jobs))
	answers := make([]job.Enqueued, len(in.jobs))
	twins := in.twins(known, answers)
	if err := s.knownIDs(ctx, in, known, answers); err != nil {
		return err
	}
	err := s.write(ctx, "enqueue", func(ctx context.Context, tx Tx, again bool) error {
		in.again = again || in.maybe
		in.done, in.out = slices.Clone(known), slices.Clone(answers)
		err := s.insert(ctx, tx, in)
		in.refused = errors.Is(err, errNothing)
		if s.db.Class(err) == Data {
			return errData{err}
		}
		if errors.Is(err, errDuplicate) || s.db.Class(err) == Duplicate {
			if dupErr := s.duplicates(ctx, tx, in, known, answers); dupErr != nil {
				return dupErr
			}
			return errMoved
		}
		if err == nil && (trial || atomic && refused(in.out)) {
			return errNothing
		}
		if err == nil && (in.again || slices.Contains(in.done, true)) {
			err = s.confirm(ctx, tx) // an answer is about to be given that rests on what was found, not on what was written
		}
		return err
	})
	for i, first := range twins {
		if in.out != nil && (in.out[first].By != "" || in.out[first].Err != nil) {
			in.out[i] = in.out[first]
		}
	}
	return err
}

// confirm makes the COMMIT vouch for what the transaction has read.
func (s *Store) confirm(ctx context.Context, tx Tx) error {
	statement := s.db.Dialect().Confirm
	if statement == "" {
		return nil
	}
	_, err := tx.Exec(ctx, statement)
	return err
}

// twins answers jobs whose id another job of this very call has: two requests that share an insert. It returns for each
// the one that came first.
func (in *insertion) twins(done []bool, out []job.Enqueued) map[int]int {
	var twins map[int]int
	seen := make(map[job.ID]int, len(in.jobs))
	for i, j := range in.jobs {
		first, ok := seen[j.ID]
		if !ok {
			seen[j.ID] = i
			continue
		}
		if twins == nil {
			twins = map[int]int{}
		}
		twins[i], done[i], out[i] = first, true, job.Enqueued{ID: j.ID, By: job.ByID}
		if !bytes.Equal(j.Digest, in.jobs[first].Digest) {
			out[i] = job.Enqueued{ID: j.ID, Err: job.ErrMismatch}
		}
	}
	return twins
}

func refused(out []job.Enqueued) bool {
	return slices.ContainsFunc(out, func(e job.Enqueued) bool { return e.Err != nil })
}

// errDuplicate ends a try: some id is there already.
var errDuplicate = errors.New("an id is there already")

// insert writes the claim first, if one is to be made, then keys, in a fixed order so that two calls wait and never deadlock, then the
// fences of concurrency keys, then the jobs.
func (s *Store) insert(ctx context.Context, tx Tx, in *insertion) error {
	claim, err := in.takeClaim(ctx, tx)
	if err != nil {
		return err
	}
	if err := insertIdempotencyKeys(ctx, tx, in); err != nil {
		return err
	}
	if err := insertUniqueKeys(ctx, tx, in); err != nil {
		return err
	}
	if err := placeKeyed(ctx, tx, in); err != nil {
		return err
	}
	var stored []*job.Job
	var expiries [][]any
	var ids []job.ID // those that may be there already
	for i, j := range in.jobs {
		if in.done[i] {
			continue
		}
		stored = append(stored, j)
		in.out[i] = job.Enqueued{ID: j.ID}
		if j.ExpiresAt != 0 {
			expiries = append(expiries, []any{j.ExpiresAt, j.ID})
		}
		if in.again || j.Given {
			ids = append(ids, j.ID)
		}
	}
	if len(stored) == 0 {
		if claim != nil {
			return errNothing
		}
		return nil
	}
	// Ids of our own making, sent for the first time, cannot collide: a plain insert, no look back.
	if err := insertJobs(ctx, tx, stored, in.nonce, claim, len(ids) > 0); err != nil {
		return err
	}
	for i := range in.out {
		in.out[i].Claimed = claim != nil && !in.done[i]
	}
	if len(expiries) > 0 {
		if err := tx.Insert(ctx, "slotq_expiries", []string{"expires_at", "id"}, expiries, true); err != nil {
			return err
		}
	}
	if len(ids) == 0 {
		return nil
	}
	// The insert comes first: it waits for a finisher that is moving such an id, so the look into history sees it.
	found := 0
	err = in.lookup(ctx, tx, ids, func(_ job.ID, mine bool, _ []byte) {
		if !mine {
			found++
		}
	})
	if err == nil && found > 0 {
		err = errDuplicate
	}
	return err
}

// lookupIDs is the most ids of one look into history: with many, planners find it cheaper to walk through all of a
// state (PostgreSQL) or to make a join of the list (MariaDB, from 1,000 on).
const lookupIDs = 250

// lookup reports where ids stand: in jobs, mine = inserted by this call, or in history.
func (in *insertion) lookup(ctx context.Context, q Querier, ids []job.ID, fn func(id job.ID, mine bool, digest []byte)) error {
	for part := range slices.Chunk(ids, lookupIDs) {
		rows, err := q.Query(ctx, `SELECT id, nonce, digest FROM slotq_jobs j {by id} WHERE id IN (??)
			UNION ALL SELECT id, 0, digest FROM slotq_history h {by key} WHERE state IN (5, 6, 7) AND id IN (??)`, part, part)
		err = each(rows, err, func(r Rows) error {
			var id job.ID
			var nonce int64
			var digest []byte
			err := r.Scan(&id, &nonce, &digest)
			fn(id, nonce == in.nonce, digest)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Querier is what a transaction and an engine have in common.
type Querier interface {
	Query(ctx context.Context, query string, args ...any) (Rows, error)
}

// knownIDs answers at once for ids given by clients that are there already, so that a job sent again is a duplicate
// by its id even when its keys belong to others by now. It only saves work: the look after the insert decides.
func (s *Store) knownIDs(ctx context.Context, in *insertion, done []bool, out []job.Enqueued) error {
	var ids []job.ID
	for _, j := range in.jobs {
		if j.Given {
			ids = append(ids, j.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	err := in.markDuplicates(ctx, s.db, ids, done, out)
	return s.fail("enqueue", s.db.Class(err), err)
}

// duplicates finds out which jobs of a failed try are there already.
func (s *Store) duplicates(ctx context.Context, tx Tx, in *insertion, done []bool, out []job.Enqueued) error {
	tx.Rollback()
	var ids []job.ID
	for i, j := range in.jobs {
		if !done[i] {
			ids = append(ids, j.ID)
		}
	}
	return in.markDuplicates(ctx, s.db, ids, done, out)
}

func (in *insertion) markDuplicates(ctx context.Context, q Querier, ids []job.ID, done []bool, out []job.Enqueued) error {
	index := make(map[job.ID]int, len(in.jobs))
	for i, j := range slices.Backward(in.jobs) {
		index[j.ID] = i // the first of twins
	}
	return in.lookup(ctx, q, ids, func(id job.ID, mine bool, digest []byte) {
		i := index[id]
		if done[i] {
			return
		}
		done[i], out[i] = true, job.Enqueued{ID: id}
		switch j := in.jobs[i]; {
		case mine || !j.Given: // a try of this call whose COMMIT had an unknown outcome; it may have run since
		case !bytes.Equal(digest, j.Digest):
			out[i].Err = job.ErrMismatch
		default:
			out[i].By = job.ByID
		}
	})
}

// insertIdempotencyKeys writes the keys, reads who won, and leaves only the winners' jobs to be inserted.
func insertIdempotencyKeys(ctx context.Context, tx Tx, in *insertion) error {
	order := in.sorted(func(j *job.Job) string { return j.IdempotencyKey })
	if len(order) == 0 {
		return nil
	}
	var rows [][]any
	var keys []string
	for _, i := range order {
		j := in.jobs[i]
		if len(keys) > 0 && keys[len(keys)-1] == j.IdempotencyKey {
			continue // the first of this call wins
		}
		keys = append(keys, j.IdempotencyKey)
		rows = append(rows, []any{j.IdempotencyKey, j.ID, blob(j.Digest), j.CreatedAt + idempotencyWindow})
	}
	if err := tx.Insert(ctx, "slotq_idempotency_keys", []string{"idempotency_key", "id", "digest", "remove_at"}, rows, true); err != nil {
		return err
	}
	type winner struct {
		id     job.ID
		digest []byte
	}
	winners := map[string]winner{}
	res, err := tx.Query(ctx, "SELECT idempotency_key, id, digest FROM slotq_idempotency_keys WHERE idempotency_key IN (??)", keys)
	err = each(res, err, func(r Rows) error {
		var key string
		var w winner
		err := r.Scan(&key, &w.id, &w.digest)
		winners[key] = w
		return err
	})
	if err != nil {
		return err
	}
	for _, i := range order {
		j := in.jobs[i]
		w, ok := winners[j.IdempotencyKey]
		switch {
		case !ok: // pruned between the two statements
			return errMoved
		case w.id == j.ID:
		case !bytes.Equal(w.digest, j.Digest):
			in.answer(i, job.Enqueued{ID: w.id, Err: job.ErrMismatch})
		default:
			in.answer(i, job.Enqueued{ID: w.id, By: job.ByIdempotencyKey})
		}
	}
	return nil
}

// insertUniqueKeys does the same for unique keys. An idempotency key whose job was not made because of its unique key
// from now on stands for the job that holds it.
func insertUniqueKeys(ctx context.Context, tx Tx, in *insertion) error {
	order := in.sorted(func(j *job.Job) string { return j.UniqueKey })
	if len(order) == 0 {
		return nil
	}
	type unique struct {
		queue int32
		key   string
	}
	rows := map[unique][]any{}
	var keys []unique
	for _, i := range order {
		j := in.jobs[i]
		u := unique{j.QueueID, j.UniqueKey}
		if rows[u] == nil {
			rows[u] = []any{j.QueueID, j.UniqueKey, j.ID}
			keys = append(keys, u)
		}
	}
	var ordered [][]any
	byQueue := map[int32][]string{}
	for _, u := range keys {
		ordered = append(ordered, rows[u])
		byQueue[u.queue] = append(byQueue[u.queue], u.key)
	}
	if err := tx.Insert(ctx, "slotq_unique_keys", []string{"queue_id", "unique_key", "id"}, ordered, true); err != nil {
		return err
	}
	holders := map[unique]job.ID{}
	for queue, names := range byQueue {
		res, err := tx.Query(ctx, "SELECT unique_key, id FROM slotq_unique_keys WHERE queue_id = ? AND unique_key IN (??)", queue, names)
		err = each(res, err, func(r Rows) error {
			u := unique{queue: queue}
			var id job.ID
			err := r.Scan(&u.key, &id)
			holders[u] = id
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, i := range order {
		j := in.jobs[i]
		holder, ok := holders[unique{j.QueueID, j.UniqueKey}]
		if !ok {
			return errMoved // its holder ended between the two statements
		}
		if holder == j.ID {
			continue
		}
		in.answer(i, job.Enqueued{ID: holder, By: job.ByUniqueKey})
		if j.IdempotencyKey != "" {
			if _, err := tx.Exec(ctx, "UPDATE slotq_idempotency_keys SET id = ? WHERE idempotency_key = ?", holder, j.IdempotencyKey); err != nil {
				return err
			}
		}
	}
	return nil
}

// sorted are the indexes of the jobs not answered yet that have a key, by key, then by their order.
func (in *insertion) sorted(key func(*job.Job) string) []int {
	var order []int
	for i, j := range in.jobs {
		if !in.done[i] && key(j) != "" {
			order = append(order, i)
		}
	}
	sort.SliceStable(order, func(a, b int) bool {
		x, y := in.jobs[order[a]], in.jobs[order[b]]
		if key(x) != key(y) {
			return key(x) < key(y)
		}
		return x.QueueID < y.QueueID
	})
	return order
}

func (in *insertion) answer(i int, e job.Enqueued) { in.done[i], in.out[i] = true, e }
