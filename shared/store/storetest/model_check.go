package storetest

import (
	"github.com/slotq/slotq/shared/job"
)

// check compares all that the store shows with the model: nothing is lost, nothing is there twice, and every job is
// what its outcomes made of it.
func (m *model) check() {
	l, err := m.store.List(m.ctx, job.Filter{}, job.Page{Limit: 1000})
	m.ok(err)
	if l.Next != (job.ID{}) {
		m.Fatalf("a list of %d jobs has more pages", len(l.Jobs))
	}
	shown := map[job.ID]bool{}
	running := map[string]int{}
	for _, got := range l.Jobs {
		if shown[got.ID] {
			m.Fatalf("job %s is there twice", got.ID)
		}
		shown[got.ID] = true
		j := m.jobs[got.ID]
		if j == nil || j.state == 0 {
			m.Fatalf("job %s is %s and should not be there", got.ID, got.State)
		}
		m.same(j, got)
		if j.state == job.Running && j.sent.ConcurrencyKey != "" {
			if running[j.sent.ConcurrencyKey]++; running[j.sent.ConcurrencyKey] > modelKeys[j.sent.ConcurrencyKey] {
				m.Fatalf("%d jobs of key %q run", running[j.sent.ConcurrencyKey], j.sent.ConcurrencyKey)
			}
		}
	}
	for _, j := range m.live() {
		pruned := j.state.Finished() && j.ended.Add(m.kept(j.state)) <= m.now
		if !shown[j.sent.ID] && !pruned {
			m.Fatalf("job %s is lost: the model has it as %s", j.sent.ID, j.state)
		}
		if shown[j.sent.ID] && !m.shown(j) {
			m.Fatalf("job %s is shown although its retention is 0", j.sent.ID)
		}
	}
	m.checkClaims()
}

// same compares one job.
func (m *model) same(j *modelJob, got *job.Job) {
	state := got.State
	if !state.Finished() && state != job.Running {
		state = job.Available // List derives the waiting states by the database's clock, which the model does not move
	}
	if state != j.state {
		m.Fatalf("job %s is %s, the model has %s", got.ID, got.State, j.state)
	}
	if got.Attempt != j.attempt || got.Run != j.run || got.Crashes != j.crashes || got.Snoozes != j.snoozes || got.Slot != j.slot {
		m.Fatalf("job %s: attempt %d run %d crashes %d snoozes %d slot %d, the model has %d %d %d %d %d", got.ID,
			got.Attempt, got.Run, got.Crashes, got.Snoozes, got.Slot, j.attempt, j.run, j.crashes, j.snoozes, j.slot)
	}
	if got.Attempt > got.MaxAttempts || got.Crashes > got.MaxCrashes {
		m.Fatalf("job %s: attempt %d of %d, crash %d of %d", got.ID, got.Attempt, got.MaxAttempts, got.Crashes, got.MaxCrashes)
	}
	switch {
	case j.state == job.Running && (got.Token != j.token || (got.CancelAt != 0) != j.cancel):
		m.Fatalf("job %s: token %x cancel %d, the model has %x %v", got.ID, got.Token, got.CancelAt, j.token, j.cancel)
	case j.state == job.Available && (!got.Token.IsZero() || got.RunAt != j.runAt):
		m.Fatalf("job %s: token %x run_at %d, the model has %d", got.ID, got.Token, got.RunAt, j.runAt)
	case j.state.Finished() && got.FinishedAt != j.ended:
		m.Fatalf("job %s: finished_at %d, the model has %d", got.ID, got.FinishedAt, j.ended)
	}
}

// checkClaims: every running job is in exactly one claim of its worker, and a claim names nothing else.
func (m *model) checkClaims() {
	claimed := map[job.ID]job.Token{}
	for _, w := range m.workers {
		claims, err := m.store.Claims(m.ctx, w.id)
		m.ok(err)
		for _, c := range claims {
			if len(c.IDs) == 0 {
				m.Fatalf("worker %s has a claim without a job", w.id)
			}
			for _, id := range c.IDs {
				if claimed[id] != (job.Token{}) {
					m.Fatalf("job %s is in two claims", id)
				}
				claimed[id] = c.Token
			}
		}
	}
	for _, j := range m.live() {
		if claimed[j.sent.ID] != j.token {
			m.Fatalf("job %s is claimed by %x, the model has %x", j.sent.ID, claimed[j.sent.ID], j.token)
		}
	}
}

// reread takes over from the store which expired jobs it has ended by now: that is left to it. It may end them, not
// more.
func (m *model) reread() {
	l, err := m.store.List(m.ctx, job.Filter{}, job.Page{Limit: 1000})
	m.ok(err)
	waiting := map[job.ID]bool{}
	for _, got := range l.Jobs {
		waiting[got.ID] = !got.State.Finished()
	}
	for _, j := range m.live() {
		expired := j.expires != 0 && j.expires <= m.now
		switch {
		case expired && j.state == job.Available && !waiting[j.sent.ID]:
			m.end(j, job.Discarded)
		case expired && j.state == job.Discarded && waiting[j.sent.ID]:
			j.state = job.Available
			m.counts.ended--
		}
	}
}
