package sqlstore

import (
	"context"
	"slices"
	"strings"

	"github.com/slotq/slotq/shared/job"
)

// candidates are the jobs that a claim finds in its slot, under the fence.
type candidates struct {
	request job.ClaimRequest
	dialect Dialect
	places  places
	chosen  []*job.Job
	expired []*job.Job
	placed  bool // a concurrency key's place was given or a job sent to wait
	more    bool
	single  bool    // a suspect was chosen: it is the claim's only job
	limits  [5]int  // rows of each priority's head
	blind   [5]bool // suspects that this claim may not take were passed over in each priority
	fenced  bool    // something was read: the fence is held
	stop    bool    // jobs that ended or went to wait stood before others of their priority, which come before the next one

	lookedBeside bool // chosen are all that are due in the slot and in those beside it
}

// collect reads the head of each priority in one statement and takes what it may; only when it met jobs it may not
// take does it scan further, narrow and bounded.
func (c *candidates) collect(ctx context.Context, tx Tx) error {
	c.places = places{}
	if len(c.request.Beside) > 0 {
		if err := c.fromAll(ctx, tx); err != nil || c.lookedBeside {
			return err
		}
	}
	heads, err := c.heads(ctx, tx)
	if err != nil {
		return err
	}
	c.fenced = true
	budget := job.ScanRows
	for priority := 1; priority <= 4 && !c.full() && !c.stop; priority++ {
		head := heads[priority]
		if len(head) == 0 {
			continue
		}
		if err := c.takeFrom(ctx, tx, priority, head, &budget); err != nil {
			return err
		}
	}
	c.more = c.more || c.full()
	return nil
}

// heads are the first jobs of each priority that are free and due.
type heads [5][]*job.Job

// heads reads them. Where a walk keeps the order and no mark says where to begin, it is one walk up to as many jobs as may be taken:
// reading four branches, and joining the queue in each, cost MariaDB a fifth more for each transaction at 3,000 jobs a second, where
// a claim brings few.
func (c *candidates) heads(ctx context.Context, tx Tx) (heads, error) {
	var conds [5]string
	var condArgs [5][]any
	walk := c.dialect.Walk && !c.request.LIFO
	for priority := 1; priority <= 4; priority++ {
		conds[priority], condArgs[priority] = c.begin(priority)
		walk = walk && conds[priority] == "" && c.limits[priority] == c.request.Max
	}
	if walk {
		jobs, err := c.read(ctx, tx, false, c.look(ofSlot, "j.priority IN (1, 2, 3, 4)", "")+" ORDER BY j.priority, j.run_at, j.id LIMIT ?",
			c.request.Slot.QueueID, c.request.Slot.Slot, c.request.Now, zeroToken, c.request.Max)
		if err != nil || len(jobs) < c.request.Max || c.takesAll(jobs) {
			return headsOf(jobs), err
		}
		c.fenced = true // some are passed over: what the limit has cut off counts, which only a read of each priority tells
	}
	jobs, err := c.branches(ctx, tx, conds, condArgs)
	return headsOf(jobs), err
}

func headsOf(jobs []*job.Job) (h heads) {
	for _, j := range jobs {
		h[j.Priority] = append(h[j.Priority], j)
	}
	return h
}

// branches reads each priority by itself.
func (c *candidates) branches(ctx context.Context, tx Tx, conds [5]string, condArgs [5][]any) ([]*job.Job, error) {
	var branches []string
	var args []any
	for priority := 1; priority <= 4; priority++ {
		branches = append(branches, "{branch}"+c.look(ofSlot, "j.priority = ?", conds[priority])+c.order()+" LIMIT ?)")
		args = append(args, c.request.Slot.QueueID, c.request.Slot.Slot, priority, c.request.Now, zeroToken)
		args = append(append(args, condArgs[priority]...), c.limits[priority])
	}
	return c.read(ctx, tx, false, strings.Join(branches, " UNION ALL "), args...)
}

const ofSlot = "j.queue_id = ? AND j.slot = ?"

// look selects jobs that are free and due.
func (c *candidates) look(slot, priority, cond string) string {
	columns, by := freeJob, ""
	if c.dialect.Located {
		columns = locatedJob
	}
	if slot != ofSlot {
		columns += ", j.slot"
	}
	if c.dialect.Walk {
		by = " {by key}"
	}
	return "SELECT " + columns + " FROM slotq_jobs j" + by + " WHERE " + slot + " AND j.blocked = 0 AND " + priority + " AND j.run_at <= ? AND j.token = ?" + cond
}

// read returns the jobs that were looked for; slotted: with their slots.
func (c *candidates) read(ctx context.Context, tx Tx, slotted bool, query string, args ...any) (jobs []*job.Job, err error) {
	rows, err := tx.Query(ctx, query, args...)
	err = each(rows, err, func(r Rows) error {
		j, err := scanFree(r, c.request, c.dialect.Located, slotted)
		jobs = append(jobs, j)
		return err
	})
	if err != nil {
		return nil, err
	}
	return jobs, nil
}

// takesAll says that a claim takes each of these jobs, and so needs to know of no others.
func (c *candidates) takesAll(jobs []*job.Job) bool {
	return !slices.ContainsFunc(jobs, func(j *job.Job) bool {
		return j.ExpiresAt != 0 || j.Suspect() || j.ConcurrencyKey != "" || c.request.Serves != nil && !c.request.Serves(j.Kind)
	})
}

func (c *candidates) order() string {
	if c.request.LIFO {
		return " ORDER BY j.run_at DESC, j.id DESC"
	}
	return " ORDER BY j.run_at, j.id"
}

// frontRows is how many whole rows are read of a head where jobs that may not be taken stood last time: the narrow scan
// behind them costs half as much a row.
const frontRows = 32

// begin decides how much of a priority's head is read, and returns the condition that begins after the caller's mark.
// With lifo the newest jobs come before the mark, so the first read ignores it and only the scan behind it begins there.
func (c *candidates) begin(priority int) (string, []any) {
	c.limits[priority] = c.request.Max
	m, ok := c.marked(priority)
	if !ok && c.request.Marks.Front(c.request.Slot, priority) {
		c.limits[priority] = min(c.request.Max, frontRows)
	}
	if !ok || c.request.LIFO {
		return "", nil
	}
	c.blind[priority] = m.Blind
	return c.past(m.RunAt, m.ID)
}

func (c *candidates) marked(priority int) (job.Mark, bool) {
	return c.request.Marks.At(c.request.Slot, priority, c.request.Suspects, c.request.Now)
}

func (c *candidates) past(runAt job.Time, id job.ID) (string, []any) {
	cond, args := after(c.dialect, []string{"j.run_at", "j.id"}, []any{runAt, id}, c.request.LIFO)
	return " AND " + cond, args
}

func (c *candidates) full() bool { return c.single || len(c.chosen) >= c.request.Max }

// takeFrom takes from the head of one priority and, when jobs in it were passed over, from what follows it.
func (c *candidates) takeFrom(ctx context.Context, tx Tx, priority int, head []*job.Job, budget *int) error {
	taken, passed := false, 0
	before := len(c.chosen)
	var last *job.Job
	for _, j := range head {
		if c.full() {
			return nil
		}
		last = j
		j.InRow = passed == 0
		took, err := c.consider(ctx, tx, j)
		if err != nil {
			return err
		}
		taken = taken || took
		if !took {
			passed++
		}
		if !taken {
			c.mark(priority, j)
		}
	}
	if len(head) < c.limits[priority] || c.full() {
		return nil
	}
	if passed == 0 && c.limits[priority] < c.request.Max {
		// The front is gone, and more of this priority may stand behind what was read.
		c.request.Marks.Clear(c.request.Slot, priority)
		c.stop, c.more = true, true
		return nil
	}
	if passed == 0 {
		c.stop = len(c.chosen)-before < len(head)
		c.more = c.more || c.stop
		return nil
	}
	return c.scan(ctx, tx, priority, last, taken, budget)
}

// scan goes on behind last, narrow rows first, and loads only what it takes.
func (c *candidates) scan(ctx context.Context, tx Tx, priority int, last *job.Job, taken bool, budget *int) error {
	if *budget <= 0 {
		c.more = true
		return nil
	}
	runAt, id := last.RunAt, last.ID
	if c.request.LIFO && !taken {
		// Every job from the mark's front to the mark was passed over lately: behind both is what may be new.
		if m, ok := c.marked(priority); ok && (m.RunAt < runAt || m.RunAt == runAt && m.ID.Compare(id) < 0) {
			runAt, id = m.RunAt, m.ID
			c.blind[priority] = c.blind[priority] || m.Blind
		}
	}
	cond, condArgs := c.past(runAt, id)
	args := append([]any{c.request.Slot.QueueID, c.request.Slot.Slot, priority, c.request.Now, zeroToken}, condArgs...)
	var narrow []*job.Job
	rows, err := tx.Query(ctx, "SELECT j.run_at, j.id, j.kind, j.crashes, j.expires_at FROM slotq_jobs j"+
		" WHERE j.queue_id = ? AND j.slot = ? AND j.blocked = 0 AND j.priority = ? AND j.run_at <= ? AND j.token = ?"+cond+c.order()+" LIMIT ?",
		append(args, *budget)...)
	err = each(rows, err, func(r Rows) error {
		j := &job.Job{Priority: priority}
		narrow = append(narrow, j)
		return r.Scan(&j.RunAt, &j.ID, &j.Kind, &j.Crashes, &j.ExpiresAt)
	})
	if err != nil {
		return err
	}
	*budget -= len(narrow)
	var wanted []job.ID
	for _, j := range narrow {
		if len(c.chosen)+len(wanted) >= c.request.Max {
			break
		}
		if j.ExpiresAt != 0 && j.ExpiresAt <= c.request.Now || c.mayTake(j) {
			wanted, taken = append(wanted, j.ID), true
		}
		if !taken {
			c.mark(priority, j)
		}
	}
	if *budget <= 0 {
		c.more = true
	}
	if len(wanted) == 0 {
		return nil
	}
	byID := map[job.ID]*job.Job{}
	rows, err = tx.Query(ctx, "SELECT "+foundJob+" FROM slotq_jobs j {by id} {with queue} WHERE j.id IN (??)", wanted)
	err = each(rows, err, func(r Rows) error {
		j, err := scanJob(r, c.request.Now, false)
		if err == nil {
			byID[j.ID] = j
		}
		return err
	})
	if err != nil {
		return err
	}
	before := len(c.chosen)
	for _, id := range wanted {
		if j := byID[id]; j != nil && !c.full() && j.Token.IsZero() {
			if _, err := c.consider(ctx, tx, j); err != nil {
				return err
			}
		}
	}
	if !c.full() && len(c.chosen)-before < len(wanted) {
		c.stop, c.more = true, true
	}
	return nil
}

// mark remembers that everything up to j was passed over. With lifo the head is read anew each time; that must not move
// the mark back.
func (c *candidates) mark(priority int, j *job.Job) {
	if c.request.LIFO {
		m, ok := c.marked(priority)
		if ok && (m.RunAt < j.RunAt || m.RunAt == j.RunAt && m.ID.Compare(j.ID) < 0) {
			return
		}
	}
	c.request.Marks.Set(c.request.Slot, priority, job.Mark{RunAt: j.RunAt, ID: j.ID, Blind: c.blind[priority]}, c.request.Now)
}

// mayTake says that this caller could run the job.
func (c *candidates) mayTake(j *job.Job) bool {
	if c.request.Serves != nil && !c.request.Serves(j.Kind) {
		return false
	}
	if j.Suspect() && !c.request.Suspects {
		c.blind[j.Priority] = true
		return false
	}
	return true
}

// consider takes a job, ends it, or sends it to wait for its key; false = it was passed over.
func (c *candidates) consider(ctx context.Context, tx Tx, j *job.Job) (bool, error) {
	if j.ExpiresAt != 0 && j.ExpiresAt <= c.request.Now {
		c.expired = append(c.expired, j)
		c.more = true // it took the place of one that may start
		return true, nil
	}
	if !c.mayTake(j) {
		return false, nil
	}
	if j.Suspect() && len(c.chosen) > 0 {
		c.more = true // the next claim takes it alone
		return true, nil
	}
	if j.ConcurrencyKey != "" && !j.KeyHeld {
		c.placed = true
		free, err := place(ctx, tx, c.places, j)
		if err != nil {
			return false, err
		}
		if !free {
			c.more = true
			return true, nil
		}
	}
	c.chosen = append(c.chosen, j)
	c.single = j.Suspect()
	return true, nil
}
