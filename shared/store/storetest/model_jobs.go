package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/slotq/slotq/shared/job"
)

// What clients and operators do in the model.

// modelKeys are the concurrency keys and their limits.
var modelKeys = map[string]int{"k1": 1, "k2": 2}

func (m *model) enqueue() {
	n := rapid.IntRange(1, 4).Draw(m.T, "jobs")
	jobs := make([]*job.Job, n)
	for i := range jobs {
		s := job.Spec{Kind: rapid.SampledFrom([]string{"a", "b"}).Draw(m.T, "kind"), Payload: fmt.Appendf(nil, `{"n": %d}`, len(m.order)+i)}
		p, tries, crashes := rapid.IntRange(1, 4).Draw(m.T, "priority"), rapid.IntRange(1, 3).Draw(m.T, "max_attempts"), rapid.IntRange(1, 3).Draw(m.T, "max_crashes")
		s.Priority, s.MaxAttempts, s.MaxCrashes = &p, &tries, &crashes
		s.Delay = time.Duration(rapid.SampledFrom([]int{0, 0, 0, 3}).Draw(m.T, "delay")) * time.Second
		switch rapid.IntRange(0, 7).Draw(m.T, "key") {
		case 0, 1:
			s.ConcurrencyKey = rapid.SampledFrom([]string{"k1", "k2"}).Draw(m.T, "concurrency_key")
			limit := modelKeys[s.ConcurrencyKey]
			s.ConcurrencyLimit = &limit
		case 2:
			m.uniqueKey(&s)
		case 3:
			m.idempotencyKey(&s)
		case 4:
			m.givenID(&s)
		case 5:
			s.ExpiresAt = m.now.Add(7*time.Second + time.Microsecond)
		}
		jobs[i] = s.Make(m.queue, m.now)
		if s.ConcurrencyKey == "" {
			// Drawn here and not by Make, so that a failing run can be repeated.
			jobs[i].Slot = rapid.IntRange(1, m.queue.Slots).Draw(m.T, "slot")
		}
	}
	m.send(jobs)
}

func (m *model) uniqueKey(s *job.Spec) {
	s.UniqueKey = rapid.SampledFrom([]string{"u", "U", "u "}).Draw(m.T, "unique_key")
}

func (m *model) idempotencyKey(s *job.Spec) {
	s.IdempotencyKey, s.Digest = rapid.SampledFrom([]string{"i", "I"}).Draw(m.T, "idempotency_key"), digestOf("same")
}

func (m *model) givenID(s *job.Spec) {
	id := job.NewID(m.now)
	s.ID, s.Digest = &id, digestOf("same")
}

// enqueueClaimed stores jobs for a worker, dead or alive, which reads them back when they are claimed.
func (m *model) enqueueClaimed() {
	w := draw(m, "worker", m.workers)
	jobs := make([]*job.Job, rapid.IntRange(1, 3).Draw(m.T, "jobs"))
	slots := map[int]bool{}
	for i := range jobs {
		s := job.Spec{Kind: "a", Payload: fmt.Appendf(nil, `{"n": %d}`, len(m.order)+i)}
		p := rapid.IntRange(1, 4).Draw(m.T, "priority")
		s.Priority = &p
		switch rapid.IntRange(0, 4).Draw(m.T, "key") {
		case 0:
			m.uniqueKey(&s)
		case 1:
			m.idempotencyKey(&s)
		case 2:
			m.givenID(&s)
		}
		jobs[i] = s.Make(m.queue, m.now)
		jobs[i].Slot = rapid.IntRange(1, m.queue.Slots).Draw(m.T, "slot")
		slots[jobs[i].Slot] = true
	}
	before := func(keyed bool) bool {
		return slices.ContainsFunc(m.live(), func(j *modelJob) bool {
			return j.state == job.Available && slots[j.slot] && j.runAt <= m.now && keyed == (j.sent.ConcurrencyKey != "")
		})
	}
	free, keyed := before(false), before(true)
	c := claimOf(w.id, m.now, jobs)
	out, err := m.store.EnqueueClaimed(m.ctx, jobs, c)
	m.ok(err)
	claimed := slices.ContainsFunc(out, func(e job.Enqueued) bool { return e.Claimed })
	if made := m.answered(jobs, out, claimed); claimed && (w.dead || free) || made && !claimed && !w.dead && !free && !keyed {
		m.Fatalf("claimed: %t, with a dead worker %t, a free job %t", claimed, w.dead, free)
	}
	held, err := m.store.Fetch(m.ctx, c, m.now)
	m.ok(err)
	for _, j := range held {
		m.counts.claimedStored++
		it := m.jobs[j.ID]
		it.state, it.token, it.run = job.Running, c.Token, 1
		w.held[j.ID] = j
	}
	for _, e := range out {
		if e.Claimed != (w.held[e.ID] != nil && w.held[e.ID].Token == c.Token && e.By == "") {
			m.Fatalf("job %s: claimed %t, and the worker has %+v", e.ID, e.Claimed, w.held[e.ID])
		}
	}
}

// resend sends a job again whose id the client gave, whatever became of it.
func (m *model) resend() {
	var sent []*job.Job
	for _, id := range m.order {
		if j := m.jobs[id]; j.sent.Given && j.state != 0 {
			again := *j.sent
			sent = append(sent, &again)
		}
	}
	if len(sent) == 0 {
		m.Skip()
	}
	m.send([]*job.Job{draw(m, "again", sent)})
}

func (m *model) send(jobs []*job.Job) {
	out, err := m.store.Enqueue(m.ctx, jobs, rapid.Bool().Draw(m.T, "atomic"))
	m.ok(err)
	m.answered(jobs, out, false)
}

// answered checks the answers for jobs that were sent, and takes those in that were made.
func (m *model) answered(jobs []*job.Job, out []job.Enqueued, claimed bool) (made bool) {
	for i, j := range jobs {
		want := job.Enqueued{ID: j.ID}
		switch holder := m.uniqueHolder(j.UniqueKey); {
		case m.jobs[j.ID] != nil:
			want.By = job.ByID
		case j.IdempotencyKey != "" && m.keys[j.IdempotencyKey] != (job.ID{}):
			want.ID, want.By = m.keys[j.IdempotencyKey], job.ByIdempotencyKey
		case holder != nil:
			want.ID, want.By = holder.sent.ID, job.ByUniqueKey
		default:
			m.jobs[j.ID] = &modelJob{sent: j, state: job.Available, runAt: j.RunAt, attempt: 1, slot: j.Slot, expires: j.ExpiresAt}
			m.order = append(m.order, j.ID)
			if j.IdempotencyKey != "" {
				m.keys[j.IdempotencyKey] = j.ID
			}
		}
		want.Claimed = claimed && want.By == ""
		if out[i] != want {
			m.Fatalf("enqueue %d of %d: got %+v, want %+v", i, len(jobs), out[i], want)
		}
		if want.By == "" {
			m.counts.created++
			made = true
		} else {
			m.counts.duplicates++
		}
	}
	return made
}

// uniqueHolder is the live job that holds a unique key.
func (m *model) uniqueHolder(key string) *modelJob {
	for _, j := range m.live() {
		if key != "" && j.sent.UniqueKey == key && !j.state.Finished() {
			return j
		}
	}
	return nil
}

// shown says that the store should still show the job: with retention 0 it does not from its end on.
func (m *model) shown(j *modelJob) bool { return !j.state.Finished() || m.kept(j.state) > 0 }

func (m *model) cancel() {
	j := m.pick(func(j *modelJob) bool { return true })
	_, err := m.store.Cancel(m.ctx, j.sent.ID, m.now)
	switch {
	case !m.shown(j):
		m.want(err, job.ErrNotFound)
	case j.state == job.Available:
		m.ok(err)
		m.end(j, job.Cancelled)
	case j.state == job.Running:
		m.ok(err)
		j.cancel = true
	case j.state == job.Cancelled:
		m.ok(err)
	default:
		m.want(err, job.ErrState)
	}
}

func (m *model) retry() {
	j := m.pick(func(j *modelJob) bool { return true })
	got, err := m.store.Retry(m.ctx, j.sent.ID, m.now)
	switch {
	case !m.shown(j):
		m.want(err, job.ErrNotFound)
	case j.state.Finished() && m.uniqueHolder(j.sent.UniqueKey) != nil:
		m.want(err, job.ErrState)
	case j.state.Finished():
		m.ok(err)
		if got.MaxAttempts-got.Attempt+1 < j.sent.MaxAttempts {
			m.Fatalf("a retry leaves %d attempts of %d", got.MaxAttempts-got.Attempt+1, j.sent.MaxAttempts)
		}
		j.state, j.runAt, j.attempt, j.crashes, j.snoozes, j.slot = job.Available, m.now, got.Attempt, got.Crashes, got.Snoozes, got.Slot
		j.expires = got.ExpiresAt
		if j.expires != 0 && j.expires <= m.now {
			m.Fatalf("a retried job has expired already")
		}
	case j.state == job.Available && j.run > 0 && j.runAt > m.now:
		m.ok(err)
		j.runAt = m.now
	default:
		m.want(err, job.ErrState)
	}
}

func (m *model) runNow() {
	j := m.pick(func(j *modelJob) bool { return true })
	_, err := m.store.RunNow(m.ctx, j.sent.ID, m.now)
	switch {
	case !m.shown(j):
		m.want(err, job.ErrNotFound)
	case j.state == job.Available:
		m.ok(err)
		j.runAt = min(j.runAt, m.now)
	default:
		m.want(err, job.ErrState)
	}
}

// delete leaves out jobs whose id or key may be sent again: what a delete leaves of them is nobody's promise.
func (m *model) delete() {
	j := m.pick(func(j *modelJob) bool { return !j.sent.Given && j.sent.IdempotencyKey == "" })
	_, err := m.store.Delete(m.ctx, j.sent.ID)
	switch {
	case !m.shown(j):
		m.want(err, job.ErrNotFound)
	case j.state == job.Running:
		m.want(err, job.ErrState)
	default:
		m.ok(err)
		j.state = 0
	}
}

func (m *model) want(err, want error) {
	m.Helper()
	if !errors.Is(err, want) {
		m.Fatalf("got %v, want %v", err, want)
	}
}

func (m *model) resize() {
	n := rapid.IntRange(1, 4).Draw(m.T, "slots")
	q, err := m.store.UpdateQueue(m.ctx, m.queue.Name, func(q *job.Queue) error { q.Slots = n; return nil })
	m.ok(err)
	if q.Slots != n || q.KeySlots != m.queue.KeySlots || q.ID != m.queue.ID {
		m.Fatalf("resize to %d: got %+v", n, q)
	}
	m.queue = q
}

// pause pauses, tries every slot, and resumes: a machine that stays paused for long tries little else.
func (m *model) pause() {
	_, err := m.store.PauseQueue(m.ctx, m.queue.Name, true)
	m.ok(err)
	w := m.alive()
	for slot := 1; slot <= 4; slot++ {
		c, err := m.store.Claim(m.ctx, job.ClaimRequest{Worker: w.id, Token: job.NewToken(w.id), Slot: job.Slot{QueueID: m.queue.ID, Slot: slot}, Max: 10, Now: m.now, Suspects: true})
		m.ok(err)
		if len(c.Jobs) != 0 {
			m.Fatalf("a paused slot handed out %d jobs", len(c.Jobs))
		}
	}
	m.queue, err = m.store.PauseQueue(m.ctx, m.queue.Name, false)
	m.ok(err)
}

func (m *model) clock() {
	m.now = m.now.Add(time.Duration(rapid.SampledFrom([]int{1, 1, 5, 5, 60, 1800}).Draw(m.T, "seconds")) * time.Second)
}

func (m *model) expire() {
	expired, err := m.store.Expire(m.ctx, 1000, m.now)
	m.ok(err)
	n := len(expired)
	want := 0
	for _, j := range m.live() {
		if j.state == job.Available && j.expires != 0 && j.expires <= m.now {
			m.end(j, job.Discarded)
			want++
		}
	}
	// A sweep may leave a job that ran when it expired to the next sweep or to the claim that meets it, but no other.
	if n > want {
		m.Fatalf("%d jobs expired, want at most %d", n, want)
	}
	if n < want {
		m.reread()
	}
}

// prune removes what nobody may ask for any more; ids and keys given by clients hold on.
func (m *model) prune() {
	_, err := m.store.Prune(m.ctx, 1000, m.now)
	m.ok(err)
	for _, j := range m.live() {
		if !j.state.Finished() || j.ended.Add(m.kept(j.state)) > m.now {
			continue
		}
		if len(j.sent.Digest) > 0 && m.now < j.sent.CreatedAt.Add(24*time.Hour) {
			continue // still known, at least by its id: the store may show it or not
		}
		j.state = 0
	}
	m.workers = slices.DeleteFunc(m.workers, func(w *modelWorker) bool { return w.dead && len(w.held) == 0 })
	for key, id := range m.keys {
		if j := m.jobs[id]; m.now > j.sent.CreatedAt.Add(24*time.Hour) && (j.state == 0 || j.state.Finished()) {
			delete(m.keys, key)
		}
	}
}

func (m *model) unblock() {
	_, freed, err := m.store.Unblock(m.ctx, nil, 100)
	m.ok(err)
	if freed != 0 {
		m.Fatalf("the sweep had to free %d places", freed)
	}
}
