package storetest

import (
	"slices"
	"sort"
	"time"

	"pgregory.net/rapid"

	"github.com/slotq/slotq/shared/job"
)

// What workers and managers do in the model.

func (m *model) claim() {
	w := m.alive()
	r := job.ClaimRequest{Worker: w.id, Token: job.NewToken(w.id), Now: m.now,
		Slot: job.Slot{QueueID: m.queue.ID, Slot: rapid.IntRange(1, 4).Draw(m.T, "slot")}, Queue: m.queue.Name, Max: rapid.IntRange(1, 5).Draw(m.T, "max"),
		LIFO: rapid.Bool().Draw(m.T, "lifo"), Suspects: rapid.Bool().Draw(m.T, "suspects")}
	only := rapid.SampledFrom([]string{"", "", "a"}).Draw(m.T, "serves")
	if only != "" {
		r.Serves = func(kind string) bool { return kind == only }
	}
	for slot := 1; slot <= 4; slot++ {
		if slot != r.Slot.Slot && !r.LIFO && rapid.Bool().Draw(m.T, "beside") {
			r.Beside = append(r.Beside, slot)
		}
	}
	own, all := m.claimable(r), m.claimableFromAll(r)
	c, err := m.store.Claim(m.ctx, r)
	m.ok(err)
	may := own
	if c.LookedBeside {
		if may = all; len(c.Jobs) != len(all) {
			m.Fatalf("claimed %d jobs of slots %d and %v, and %d are due", len(c.Jobs), r.Slot.Slot, r.Beside, len(all))
		}
	}
	for _, j := range m.live() {
		// What has expired ends when a claim meets it; whether it does is the store's business.
		if j.state == job.Available && j.slot == r.Slot.Slot && j.expires != 0 && j.expires <= m.now {
			defer m.reread()
			break
		}
	}
	if !c.LookedBeside {
		m.inOrder(r, may, c)
	}
	for _, got := range c.Jobs {
		m.counts.claims++
		j := m.jobs[got.ID]
		if !slices.Contains(may, j) {
			m.Fatalf("claimed job %s that the claim may not take: %+v at %d", got.ID, j, m.now)
		}
		j.state, j.token, j.run = job.Running, r.Token, j.run+1
		if got.Run != j.run || got.Attempt != j.attempt || got.Crashes != j.crashes || got.Token != r.Token || string(got.Payload) != string(j.sent.Payload) {
			m.Fatalf("claimed %+v, the model has %+v", got, j)
		}
		w.held[got.ID] = got
	}
}

// claimable are the jobs that a claim may take, but for the places of concurrency keys.
func (m *model) claimable(r job.ClaimRequest) (may []*modelJob) {
	for _, j := range m.live() {
		if j.state == job.Available && j.slot == r.Slot.Slot && j.runAt <= m.now && (j.expires == 0 || j.expires > m.now) &&
			(r.Serves == nil || r.Serves(j.sent.Kind)) && (j.crashes == 0 || r.Suspects) {
			may = append(may, j)
		}
	}
	return may
}

// claimableFromAll are the jobs that a claim may take from its slot and those beside it: it takes all of them or none. One with a
// concurrency key is not free then, or the claim would be one of its own slot.
func (m *model) claimableFromAll(r job.ClaimRequest) (may []*modelJob) {
	for _, slot := range append([]int{r.Slot.Slot}, r.Beside...) {
		r.Slot.Slot = slot
		may = append(may, m.claimable(r)...)
	}
	return slices.DeleteFunc(may, func(j *modelJob) bool { return j.sent.ConcurrencyKey != "" })
}

// inOrder checks which jobs a claim took and in which order.
func (m *model) inOrder(r job.ClaimRequest, may []*modelJob, c job.Claimed) {
	if len(c.Jobs) > r.Max {
		m.Fatalf("claimed %d jobs, max is %d", len(c.Jobs), r.Max)
	}
	before := func(a, b *modelJob) bool {
		switch {
		case a.sent.Priority != b.sent.Priority:
			return a.sent.Priority < b.sent.Priority
		case a.runAt != b.runAt:
			return (a.runAt < b.runAt) != r.LIFO
		}
		return (a.sent.ID.Compare(b.sent.ID) < 0) != r.LIFO
	}
	suspect := false
	for i, got := range c.Jobs {
		j := m.jobs[got.ID]
		suspect = suspect || j.crashes > 0
		if i > 0 && !before(m.jobs[c.Jobs[i-1].ID], j) {
			m.Fatalf("job %s came before %s", c.Jobs[i-1].ID, got.ID)
		}
	}
	if suspect && len(c.Jobs) > 1 {
		m.Fatalf("a suspect was claimed with %d others", len(c.Jobs)-1)
	}
	// Without keys and suspects the claim is exactly the head of the order.
	if slices.ContainsFunc(may, func(j *modelJob) bool { return j.crashes > 0 || j.sent.ConcurrencyKey != "" }) {
		if len(c.Jobs) == 0 && !c.More && slices.ContainsFunc(may, func(j *modelJob) bool { return j.sent.ConcurrencyKey == "" && j.crashes == 0 }) {
			m.Fatal("a claim took nothing although there was a job without key and crash")
		}
		return
	}
	sort.SliceStable(may, func(a, b int) bool { return before(may[a], may[b]) })
	if want := min(len(may), r.Max); len(c.Jobs) != want {
		if c.More && len(c.Jobs) < want && slices.ContainsFunc(m.live(), func(j *modelJob) bool { return j.expires != 0 && j.expires <= m.now }) {
			return // expired jobs took the places of this claim; it says that there is more
		}
		m.Fatalf("claimed %d jobs, want %d", len(c.Jobs), want)
	}
	for i, got := range c.Jobs {
		if got.ID != may[i].sent.ID {
			m.Fatalf("claimed %s as number %d, want %s", got.ID, i, may[i].sent.ID)
		}
	}
}

// finish writes outcomes for some of what a worker holds.
func (m *model) finish() {
	w := m.alive()
	var held []*job.Job
	for _, id := range m.order {
		if j := w.held[id]; j != nil {
			held = append(held, j)
		}
	}
	if len(held) == 0 {
		m.Skip()
	}
	held = held[:rapid.IntRange(1, min(len(held), 4)).Draw(m.T, "outcomes")]
	var outcomes []job.Outcome
	for _, j := range held {
		e := job.RunError{Type: "error", Worker: w.id}
		switch rapid.IntRange(0, 6).Draw(m.T, "outcome") {
		case 0, 1:
			outcomes = append(outcomes, completed(j))
		case 2, 3:
			outcomes = append(outcomes, j.Failed(m.now, e, 0))
		case 4:
			outcomes = append(outcomes, j.Snoozed(m.now, 2*time.Second))
		case 5:
			outcomes = append(outcomes, released(j))
		case 6:
			outcomes = append(outcomes, job.Outcome{Job: j, Action: job.Discard, Reason: job.ReasonHandler})
		}
	}
	gone := map[job.Token]bool{}
	for _, j := range held {
		delete(w.held, j.ID)
		gone[j.Token] = true
	}
	for _, j := range w.held {
		delete(gone, j.Token)
	}
	var done []job.Token
	for t := range gone {
		done = append(done, t)
	}
	verdicts, err := m.store.Finish(m.ctx, w.id, outcomes, done, m.now)
	m.ok(err)
	for i, o := range outcomes {
		if want := m.applied(o); verdicts[i] != want {
			m.Fatalf("outcome %d (action %d) got verdict %d, want %d", i, o.Action, verdicts[i], want)
		}
	}
}

// applied does to the model what an outcome of a held job does.
func (m *model) applied(o job.Outcome) job.Verdict {
	j := m.jobs[o.Job.ID]
	switch {
	case o.Action.Ends():
		if o.Reason == job.ReasonMaxCrashes {
			j.crashes++
		}
		m.end(j, o.Action.Final())
		return job.Committed
	case j.cancel:
		m.end(j, job.Cancelled)
		return job.EndedCancelled
	}
	j.state, j.token = job.Available, job.Token{}
	switch o.Action {
	case job.Retry:
		j.attempt, j.runAt = j.attempt+1, o.RunAt
	case job.Snooze:
		j.snoozes, j.runAt = j.snoozes+1, o.RunAt
	case job.Crash:
		j.crashes, j.runAt = j.crashes+1, o.RunAt
	}
	return job.Committed
}

// finishStale sends the outcome of a job that its worker has lost.
func (m *model) finishStale() {
	if len(m.stale) == 0 {
		m.Skip()
	}
	o := draw(m, "stale", m.stale)
	v, err := m.store.Finish(m.ctx, o.Job.Token.Worker(), []job.Outcome{o}, nil, m.now)
	m.ok(err)
	if v[0] != job.Lost {
		m.Fatalf("a late outcome (action %d) got verdict %d", o.Action, v[0])
	}
	m.counts.refused++
}

// giveBack dissolves one claim of a worker, as after a drain.
func (m *model) giveBack() {
	w := m.alive()
	claims, err := m.store.Claims(m.ctx, w.id)
	m.ok(err)
	if len(claims) == 0 {
		m.Skip()
	}
	sort.Slice(claims, func(a, b int) bool { return claims[a].IDs[0].Compare(claims[b].IDs[0]) < 0 })
	c := draw(m, "claim", claims)
	n, err := m.store.GiveBack(m.ctx, c, m.now)
	m.ok(err)
	if n != len(c.IDs) {
		m.Fatalf("%d jobs given back of %d", n, len(c.IDs))
	}
	for _, id := range c.IDs {
		j := m.jobs[id]
		m.lose(j)
		m.applied(job.Outcome{Job: j.sent, Action: job.Release})
	}
}

func (m *model) beat() {
	w := draw(m, "worker", m.workers)
	var running []job.ID
	want := 0
	for _, id := range m.order {
		if w.held[id] != nil {
			running = append(running, id)
			if m.jobs[id].cancel {
				want++
			}
		}
	}
	b, err := m.store.Beat(m.ctx, w.id, running)
	if w.dead {
		m.want(err, job.ErrWorkerDead)
		return
	}
	m.ok(err)
	if len(b.Cancelled) != want {
		m.Fatalf("the beat brought %d cancels, want %d", len(b.Cancelled), want)
	}
}

// death declares a worker dead; another one takes its place.
func (m *model) death() {
	w := m.alive()
	m.ok(declareDead(&fixture{ctx: m.ctx}, m.store, w.id))
	w.dead = true
	_, err := m.store.Claim(m.ctx, job.ClaimRequest{Worker: w.id, Token: job.NewToken(w.id), Slot: job.Slot{QueueID: m.queue.ID, Slot: 1}, Max: 1, Now: m.now, Suspects: true})
	if err != nil {
		m.want(err, job.ErrWorkerDead) // with nothing to claim it may not be told
	}
	m.reread() // but it may have met an expired job, which ends whoever finds it
	m.register()
}

// rescue sweeps. Of a worker that held a suspect only the suspect counts a crash.
func (m *model) rescue() {
	out, err := sweep(&fixture{ctx: m.ctx}, m.store, m.now)
	m.ok(err)
	rescued := map[job.ID]job.Outcome{}
	for _, o := range out {
		rescued[o.Job.ID] = o
	}
	suspect := map[job.WorkerID]bool{}
	for _, j := range m.live() {
		if j.state == job.Running && m.holder(j).dead && j.crashes > 0 {
			suspect[j.token.Worker()] = true
		}
	}
	for _, j := range m.live() {
		if j.state != job.Running || !m.holder(j).dead {
			continue
		}
		o, ok := rescued[j.sent.ID]
		if !ok {
			m.Fatalf("job %s of a dead worker was not rescued", j.sent.ID)
		}
		delete(rescued, j.sent.ID)
		m.counts.rescues++
		counted := !suspect[j.token.Worker()] || j.crashes > 0
		want := job.Crash
		switch {
		case j.cancel:
			want = job.Cancel
		case !counted:
			want = job.Release
		case j.crashes+1 >= j.sent.MaxCrashes:
			want = job.Discard
		}
		if o.Action != want {
			m.Fatalf("job %s: rescued by action %d, want %d", j.sent.ID, o.Action, want)
		}
		if wait := o.RunAt.Sub(m.now); want == job.Crash && (j.crashes == 0) != (wait == 0) {
			m.Fatalf("after crash %d the job waits %v", j.crashes+1, wait)
		}
		m.lose(j)
		m.applied(o)
	}
	for id := range rescued {
		m.Fatalf("job %s was rescued and no dead worker held it", id)
	}
	// The dead have nothing left; what they may still send is among the stale outcomes.
	m.workers = slices.DeleteFunc(m.workers, func(w *modelWorker) bool { return w.dead })
}
