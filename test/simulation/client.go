package simulation

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// client sends jobs and asks for changes, through a link that loses answers as everybody's does. It never dies: what it
// was not answered it sends again, with the same ids and keys, until it is.
type client struct {
	w *world
	p *process
	l *link
	r *rand.Rand
	n int
}

func kindOf(deed string) string { return strings.ReplaceAll(deed, " ", "-") }

// run works for a time, and lets all queues go on at its end.
func (c *client) run() {
	ops := 10 + c.r.IntN(25)
	for range ops {
		time.Sleep(between(c.r, time.Millisecond, 2*healAt/time.Duration(ops)))
		if time.Since(c.w.began) > healAt {
			break
		}
		switch n := c.r.IntN(20); {
		case n < 11:
			c.enqueue()
		case n < 13:
			c.ask(func(id job.ID) error { _, err := c.l.Cancel(bg, id, c.w.now()); return err })
		case n < 15:
			c.ask(func(id job.ID) error { _, err := c.l.Retry(bg, id, c.w.now()); return err })
		case n < 16:
			c.ask(func(id job.ID) error { _, err := c.l.RunNow(bg, id, c.w.now()); return err })
		case n < 18:
			q := c.queue()
			_, _ = c.l.PauseQueue(bg, q.Name, c.r.IntN(3) > 0)
		default:
			slots := 1 + c.r.IntN(5)
			_, _ = c.l.UpdateQueue(bg, c.queue().Name, func(q *job.Queue) error { q.Slots = slots; return nil })
		}
	}
	if wait := healAt - time.Since(c.w.began); wait > 0 {
		time.Sleep(wait + time.Duration(c.r.IntN(1000)))
	}
	for _, q := range c.w.queues {
		c.until(func() error { _, err := c.l.PauseQueue(bg, q.Name, false); return err })
	}
}

func (c *client) queue() job.Queue { return c.w.queues[c.r.IntN(len(c.w.queues))] }

// until asks again while the database does not answer.
func (c *client) until(ask func() error) {
	for errors.Is(ask(), job.ErrUnavailable) {
		time.Sleep(between(c.r, 100*time.Millisecond, time.Second))
	}
}

// ask wants something of a job that the client knows.
func (c *client) ask(want func(job.ID) error) {
	if c.n > 0 {
		id := c.id(c.r.IntN(c.n))
		c.until(func() error { return want(id) })
	}
}

// id is the client's job number n: version 7, so that the domain takes it for one of its own making.
func (c *client) id(n int) (id job.ID) {
	binary.BigEndian.PutUint64(id[:8], c.w.draw(fmt.Sprint(c.p.name, "id", n)).Uint64()>>20)
	binary.BigEndian.PutUint32(id[12:], uint32(n))
	id[11] = c.p.name[1]
	id[6], id[8] = 0x70, 0x80
	return id
}

// enqueue sends some jobs, until they are acknowledged.
func (c *client) enqueue() {
	q := c.queue()
	jobs := make([]*job.Job, 1+c.r.IntN(4))
	plain := c.r.IntN(3) == 0
	for i := range jobs {
		jobs[i] = c.make(q, plain)
	}
	out := c.enqueueClaimed(jobs)
	if out == nil {
		c.until(func() (err error) { out, err = c.l.Enqueue(bg, jobs, false); return err })
	}
	c.w.with(func() {
		for i, e := range out {
			switch {
			case e.Err != nil:
				c.w.judge.breaks(3, "job %s was refused: %v", short(jobs[i].ID), e.Err)
			case e.By == "" || e.By == job.ByID:
				c.w.judge.acknowledged(e.ID)
				c.w.count("acknowledged")
			}
		}
	})
	for _, j := range jobs {
		c.w.nudge(c.p, j.InSlot())
	}
	if c.r.IntN(4) == 0 { // and once more, as a proxy does that believes its request lost
		again := make([]*job.Job, 0, len(jobs))
		for _, j := range jobs {
			if j.Given || j.IdempotencyKey != "" {
				twin := *j
				if !j.Given {
					twin.ID = c.id(c.n)
					c.n++
				}
				again = append(again, &twin)
			}
		}
		if len(again) > 0 {
			_, _ = c.l.Enqueue(bg, again, false)
		}
	}
}

// enqueueClaimed stores jobs for a worker that has said that it has places free, and tells it. nil = there is none, or nobody knows what
// came of it.
func (c *client) enqueueClaimed(jobs []*job.Job) []job.Enqueued {
	if _, ok := job.MayBeClaimed(jobs); !ok || slices.ContainsFunc(jobs, func(j *job.Job) bool { return j.Kind == unserved }) {
		return nil
	}
	w, hearer := c.w.offer(c.p)
	if hearer == nil {
		return nil
	}
	claim := job.ClaimOf(w, jobs)
	out, err := c.l.EnqueueClaimed(bg, jobs, claim)
	if err != nil {
		return nil
	}
	if anyClaimed(out) && !c.w.lost(c.p) {
		hearer.Claimed(claim)
	}
	return out
}

// make draws a job; a plain one is due at once, and has no concurrency_key.
func (c *client) make(q job.Queue, plain bool) *job.Job {
	r := c.r
	o := order{N: c.n, Do: deeds[r.IntN(len(deeds))], Micros: r.IntN(500_000), Times: 1 + r.IntN(2)}
	if r.IntN(4) == 0 {
		o.Micros = r.IntN(6_000_000)
	}
	if o.Do == "kill always" && r.IntN(2) == 0 {
		o.Do = "complete"
	}
	kind := kindOf(o.Do)
	if r.IntN(25) == 0 {
		kind = unserved
	}
	id := c.id(c.n)
	c.n++
	attempts, crashes, priority, timeout := 1+r.IntN(4), 1+r.IntN(4), 1+r.IntN(4), 10*time.Second
	s := job.Spec{Kind: kind, Priority: &priority, MaxAttempts: &attempts, MaxCrashes: &crashes, Timeout: &timeout}
	if o.Do == "late" || o.Do == "deaf" {
		*s.Timeout, o.Micros = 500*time.Millisecond, 300_000+r.IntN(3_000_000)
	}
	switch choice := r.IntN(8); {
	case choice < 2 && !plain:
		s.Delay = between(r, time.Millisecond, 10*time.Second)
	case choice == 2 && !plain:
		s.ExpiresAt = c.w.now().Add(between(r, time.Second, 20*time.Second))
	case choice == 3:
		o.Key = fmt.Sprintf("key-%s-%d", c.p.name, o.N)
		s.IdempotencyKey = o.Key
	case choice == 4:
		s.UniqueKey = fmt.Sprintf("unique-%d", r.IntN(4))
	case choice < 7 && kind != unserved && !plain: // one that nobody serves would keep its place for ever
		k := r.IntN(3)
		limit := 1 + k
		s.ConcurrencyKey, s.ConcurrencyLimit = fmt.Sprintf("key-%d", k), &limit
	}
	s.Payload, _ = json.Marshal(o)
	s.ID, s.Digest = &id, []byte(fmt.Sprintf("%016d", o.N))
	j := s.Make(q, c.w.now())
	j.Given = s.IdempotencyKey == "" && r.IntN(2) == 0
	if !j.Given && s.IdempotencyKey == "" {
		j.Digest = nil
	}
	if j.ConcurrencyKey == "" {
		j.Slot = 1 + r.IntN(q.Slots)
	}
	return j
}
