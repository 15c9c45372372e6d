package simulation

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// judge watches every effect on the database in its order and every start of a handler, and keeps a fate for each job
// that it works out by itself: what it says of a job never comes from the store. world.mu is held in all its methods.
type judge struct {
	w      *world
	fates  map[job.ID]*fate
	paused map[int32]bool
	keys   map[string]job.ID // idempotency key → the job that was answered for it
	broken []string
}

// fate is what became of one job.
type fate struct {
	sent  *job.Job
	order *order // what its client wants of it
	acked bool

	token   job.Token // whose claim holds it
	asked   bool      // to be cancelled, while it was held
	run     int
	attempt int
	crashes int
	runAt   job.Time
	starts  map[int]int // by run
	state   job.State   // a final one, else 0
	reason  string
	deadAt  time.Time // when the process that ran it died, until it is rescued
}

// ids are all jobs, in an order.
func (g *judge) ids() []job.ID { return slices.SortedFunc(maps.Keys(g.fates), job.ID.Compare) }

// breaks notes a broken promise.
func (g *judge) breaks(promise int, format string, args ...any) {
	s := fmt.Sprintf("promise %d at %s: ", promise, time.Since(g.w.began)) + fmt.Sprintf(format, args...)
	g.broken = append(g.broken, s)
	g.w.note("%s", s)
}

func short(id job.ID) string { return id.String()[28:] }

func (g *judge) enqueued(jobs []*job.Job, out []job.Enqueued) {
	for i, e := range out {
		j := jobs[i]
		g.w.note("enqueued %s by %q %v", short(j.ID), e.By, e.Err)
		switch {
		case e.Err != nil:
			g.w.count("enqueues that do not match")
		case e.By != "":
			g.w.count("duplicates by " + e.By)
			if e.By == job.ByUniqueKey {
				if f := g.fates[e.ID]; f == nil || f.sent.UniqueKey != j.UniqueKey {
					g.breaks(3, "job %s is said to hold the unique key %q", short(e.ID), j.UniqueKey)
				}
			}
		case g.fates[j.ID] == nil:
			sent := *j
			g.fates[j.ID] = &fate{sent: &sent, order: orderOf(j), attempt: 1, runAt: j.RunAt, starts: map[int]int{}}
			if k := j.IdempotencyKey; k != "" {
				if other, ok := g.keys[k]; ok && other != j.ID {
					g.breaks(3, "the idempotency key %q has made %s and %s", k, short(other), short(j.ID))
				}
				g.keys[k] = j.ID
			}
		}
	}
}

// acknowledged: the client was told.
func (g *judge) acknowledged(id job.ID) {
	if f := g.fates[id]; f != nil {
		f.acked = true
		return
	}
	g.breaks(1, "job %s was acknowledged and is not there", short(id))
}

func (g *judge) claimed(p *process, r job.ClaimRequest, out job.Claimed, err error) {
	if err != nil || len(out.Jobs) == 0 {
		return
	}
	if g.paused[r.Slot.QueueID] {
		g.breaks(4, "%s claimed of a paused queue", p.name)
	}
	if out.Jobs[0].Suspect() {
		g.w.count("suspects claimed")
	}
	for _, j := range out.Jobs {
		f := g.fates[j.ID]
		if f == nil {
			g.breaks(2, "%s claimed job %s, which nobody enqueued", p.name, short(j.ID))
			continue
		}
		g.w.note("claimed %s run %d by %s", short(j.ID), j.Run, p.name)
		switch {
		case f.state != 0:
			g.breaks(7, "job %s was %s and is claimed", short(j.ID), f.state)
		case !f.token.IsZero():
			g.breaks(4, "job %s is held and is claimed by %s", short(j.ID), p.name)
		case j.Run != f.run+1:
			g.breaks(4, "job %s: run %d follows run %d", short(j.ID), j.Run, f.run)
		}
		if r.Now < f.runAt {
			g.breaks(9, "job %s starts %s early", short(j.ID), f.runAt.Sub(r.Now))
		}
		if e := f.sent.ExpiresAt; e != 0 && r.Now >= e {
			g.breaks(9, "job %s starts %s after it expired", short(j.ID), r.Now.Sub(e))
		}
		if j.Attempt != f.attempt || j.Crashes != f.crashes {
			g.breaks(6, "job %s: attempt %d and crashes %d, want %d and %d", short(j.ID), j.Attempt, j.Crashes, f.attempt, f.crashes)
		}
		if !bytes.Equal(j.Payload, f.sent.Payload) {
			g.breaks(2, "job %s: payload %q, sent was %q", short(j.ID), j.Payload, f.sent.Payload)
		}
		f.token, f.run = r.Token, j.Run
	}
	g.limits()
}

// limits: what the claims hold stays within the limits of its keys.
func (g *judge) limits() {
	held := map[job.Key]int{}
	for _, f := range g.fates {
		k := job.Key{Slot: job.Slot{QueueID: f.sent.QueueID}, ConcurrencyKey: f.sent.ConcurrencyKey}
		if k.ConcurrencyKey != "" && !f.token.IsZero() {
			held[k]++
			if held[k] > f.sent.ConcurrencyLimit {
				g.breaks(10, "%d jobs of key %q are held, the limit is %d", held[k], k.ConcurrencyKey, f.sent.ConcurrencyLimit)
			}
		}
	}
}

// started: a handler begins.
func (g *judge) started(p *process, id job.ID, run int, payload []byte) {
	f := g.fates[id]
	if f == nil {
		g.breaks(2, "%s starts job %s, which nobody enqueued", p.name, short(id))
		return
	}
	g.w.note("%s starts %s run %d", p.name, short(id), run)
	g.w.count("starts")
	if f.starts[run]++; f.starts[run] > 1 {
		g.breaks(4, "run %d of job %s starts a second time", run, short(id))
	}
	if !bytes.Equal(payload, f.sent.Payload) {
		g.breaks(2, "job %s got the payload %q, sent was %q", short(id), payload, f.sent.Payload)
	}
}

// finished: outcomes and what the store says of them.
func (g *judge) finished(p *process, outcomes []job.Outcome, verdicts []job.Verdict) {
	for i, o := range outcomes {
		f := g.fates[o.Job.ID]
		if f == nil {
			g.breaks(2, "%s ends job %s, which nobody enqueued", p.name, short(o.Job.ID))
			continue
		}
		g.w.note("%s ends %s run %d action %d verdict %d", p.name, short(o.Job.ID), o.Job.Run, o.Action, verdicts[i])
		if verdicts[i] == job.Lost {
			g.w.count("finishes refused")
			continue
		}
		g.apply(f, o, verdicts[i] == job.EndedCancelled)
	}
}

// apply is an outcome that took effect.
func (g *judge) apply(f *fate, o job.Outcome, cancelled bool) {
	id := short(f.sent.ID)
	switch {
	case f.state != 0:
		g.breaks(7, "job %s was %s and changes by action %d", id, f.state, o.Action)
	case f.token != o.Job.Token || f.token.IsZero():
		g.breaks(4, "an outcome of run %d of job %s took effect without its token", o.Job.Run, id)
	}
	f.token, f.deadAt = job.Token{}, time.Time{}
	switch {
	case cancelled:
		f.ends(job.Cancelled, job.ReasonCancelled)
		g.w.count("cancelled instead of put back")
	case o.Action.Ends():
		if o.Action == job.Complete {
			g.w.count("completions")
		}
		f.ends(o.Action.Final(), o.Reason)
		g.ended(f)
	case o.Action == job.Retry:
		f.attempt++
		f.runAt = o.RunAt
		g.w.count("retries")
	case o.Action == job.Crash:
		f.crashes++
		f.runAt = o.RunAt
		g.w.count("crashes counted")
	case o.Action == job.Snooze:
		f.runAt = o.RunAt
		g.w.count("snoozes")
	default:
		g.w.count("jobs given back")
	}
	if f.attempt > f.sent.MaxAttempts || f.crashes >= f.sent.MaxCrashes {
		g.breaks(6, "job %s goes on with attempt %d of %d and %d crashes of %d", id, f.attempt, f.sent.MaxAttempts, f.crashes, f.sent.MaxCrashes)
	}
}

func (f *fate) ends(s job.State, reason string) { f.state, f.reason = s, reason }

// ended: a job is discarded for its limits only when it has reached them.
func (g *judge) ended(f *fate) {
	switch f.reason {
	case job.ReasonMaxAttempts:
		g.w.count("discarded at max_attempts")
		if f.attempt != f.sent.MaxAttempts {
			g.breaks(6, "job %s was discarded after %d of %d attempts", short(f.sent.ID), f.attempt, f.sent.MaxAttempts)
		}
	case job.ReasonMaxCrashes:
		g.w.count("discarded at max_crashes")
		if f.crashes+1 != f.sent.MaxCrashes {
			g.breaks(6, "job %s was discarded after %d of %d crashes", short(f.sent.ID), f.crashes+1, f.sent.MaxCrashes)
		}
	}
}

// rescued: a manager has taken a claim back. Every job that it still held must have come out of it.
func (g *judge) rescued(c job.Claim, counted bool, out []job.Outcome) {
	g.w.note("rescued %d of %d, counted %v", len(out), len(c.IDs), counted)
	for _, o := range out {
		g.w.count("rescues")
		f := g.fates[o.Job.ID]
		if f == nil {
			g.breaks(2, "job %s was rescued, which nobody enqueued", short(o.Job.ID))
			continue
		}
		if counted && o.Action == job.Release {
			g.breaks(6, "the crash of job %s was not counted", short(o.Job.ID))
		}
		if !f.deadAt.IsZero() {
			took := time.Since(f.deadAt)
			g.w.counts["longest recovery, ms"] = max(g.w.counts["longest recovery, ms"], int(took.Milliseconds()))
			if took > lease+2*sweep && g.w.calm {
				g.breaks(8, "job %s is back %s after its worker died, the limit is %s", short(o.Job.ID), took, lease+2*sweep)
			}
		}
		g.apply(f, o, false)
	}
	g.leftOf(c)
}

// leftOf: a claim that is gone holds nothing any more.
func (g *judge) leftOf(c job.Claim) {
	for _, id := range c.IDs {
		if f := g.fates[id]; f != nil && f.token == c.Token && f.state == 0 {
			if j, err := g.w.db.Get(bg, id); err == nil && j.Token != c.Token {
				g.breaks(6, "job %s left its claim without an outcome", short(id))
				f.token = job.Token{}
			}
		}
	}
}

// givenBack: a worker has given back what it had forgotten.
func (g *judge) givenBack(c job.Claim, n int) {
	g.w.note("gave back %d of %d", n, len(c.IDs))
	if n == 0 {
		return
	}
	g.w.counts["forgotten jobs given back"] += n
	for _, id := range c.IDs {
		if f := g.fates[id]; f != nil && f.token == c.Token {
			if f.token = (job.Token{}); f.asked {
				f.ends(job.Cancelled, job.ReasonCancelled)
			}
		}
	}
}

func (g *judge) cancelled(id job.ID, j *job.Job, err error) {
	f := g.fates[id]
	if err != nil || f == nil {
		return
	}
	g.w.note("cancelled %s: %s", short(id), j.State)
	switch {
	case j.State == job.Cancelled && f.state == 0 && !f.token.IsZero():
		g.breaks(4, "job %s is held and was ended by a cancel", short(id))
	case j.State == job.Cancelled:
		if f.state != 0 && f.state != job.Cancelled {
			g.breaks(7, "job %s was %s and is cancelled", short(id), f.state)
		}
		f.ends(job.Cancelled, job.ReasonCancelled)
	case j.State == job.Running:
		f.asked = true
		g.w.count("running jobs asked to cancel")
	}
}

func (g *judge) retried(id job.ID, ended bool, now job.Time, err error) {
	f := g.fates[id]
	if err != nil || f == nil {
		return
	}
	g.w.note("retried %s", short(id))
	g.w.count("retried by an operator")
	if ended && f.state == 0 && f.sent.ExpiresAt == 0 { // that a job expires is the one thing which nobody tells the judge
		g.breaks(7, "job %s had ended, and nobody ended it", short(id))
	}
	if ended {
		f.state, f.reason, f.attempt, f.crashes, f.asked = 0, "", 1, 0, false
		if f.sent.ExpiresAt <= now {
			f.sent.ExpiresAt = 0
		}
	}
	f.runAt = now
}

func (g *judge) dueNow(id job.ID, j *job.Job, err error) {
	if f := g.fates[id]; err == nil && f != nil {
		f.runAt = min(f.runAt, j.RunAt)
	}
}

// died: a process is gone; recovery of what it held is timed from now.
func (g *judge) died(runs []job.ID) {
	for _, id := range runs {
		if f := g.fates[id]; f != nil {
			f.deadAt = time.Now()
		}
	}
}
