package simulation

import (
	"bytes"
	"fmt"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// Options choose a run.
type Options struct {
	Seed    uint64
	Forever bool                          // one part fails and never heals; the others must finish
	Calm    bool                          // nothing fails but workers, which crash: how soon are their jobs back?
	Plant   func(store.Store) store.Store // a defect between the processes and the database; nil = none
	Keep    bool                          // keep the history
}

// Result is what a run came to.
type Result struct {
	Broken  []string // promises that were broken, with what shows it
	Hash    uint64   // of the history
	Counts  map[string]int
	History []string
	Jobs    int           // acknowledged
	Took    time.Duration // virtual
}

// Run runs one seed to its end. It must be called in a bubble of testing/synctest, and returns when all that it started
// has ended.
func Run(o Options) Result {
	w := newWorld(o.Seed, o.Keep)
	if o.Forever { // the rest must be sound enough to finish
		w.faults = min(w.faults, 0.02)
	}
	if w.calm = o.Calm; o.Calm {
		w.faults = 0
	}
	if o.Plant != nil {
		w.db = o.Plant(w.db)
	}
	r := w.draw("world")
	w.makeQueues()
	for n := range 1 + r.IntN(3) {
		w.parts = append(w.parts, w.worker(n+1))
	}
	for n := range 1 + r.IntN(2) {
		w.parts = append(w.parts, w.manager(n+1))
	}
	if o.Forever { // and somebody who is left
		w.parts = append(w.parts, w.worker(8), w.manager(8))
	}
	for _, t := range w.parts {
		time.Sleep(between(r, time.Millisecond, 500*time.Millisecond))
		t.start()
	}
	if o.Forever {
		w.forever(w.draw("forever"))
	}
	w.nemesis()
	clients := 1 + r.IntN(2)
	ended := make(chan struct{})
	for n := range clients {
		p := &process{w: w, name: fmt.Sprintf("c%d", n+1), dead: make(chan struct{}), ops: map[string]int{}}
		c := &client{w: w, p: p, l: &link{p: p}, r: w.draw(p.name)}
		go func() { c.run(); ended <- struct{}{} }()
	}
	time.Sleep(healAt + 3*lease + time.Second) // the longest fault has ended too
	w.heal()
	for range clients {
		<-ended
	}
	w.settle()
	w.stop()
	return w.result()
}

// heal ends all faults that end. A pause may have landed behind the client's last word, so the queues go on from here.
func (w *world) heal() {
	w.with(func() {
		w.healed, w.away = true, false
		w.note("all is healed that heals")
		for _, q := range w.queues {
			if _, err := w.db.PauseQueue(bg, q.Name, false); err != nil {
				panic(err)
			}
			w.judge.paused[q.ID] = false
		}
	})
}

// makeQueues makes what the workers serve: one queue in the order of its jobs, and one that takes the newest first.
func (w *world) makeQueues() {
	r := w.draw("queues")
	for i, name := range []string{"first", "second"} {
		q := job.NewQueue(name)
		q.Slots, q.LIFO = 1+r.IntN(4), i == 1
		q.Backoff = job.Backoff{Kind: job.BackoffList, List: []float64{0.5, 2, 4}}
		q.KeepCompleted, q.KeepDiscarded, q.KeepCancelled = time.Hour, time.Hour, time.Hour
		q, err := w.db.EnsureQueue(bg, q, w.now())
		if err != nil {
			panic(err)
		}
		w.queues = append(w.queues, q)
	}
}

// settle waits until every job that somebody serves has ended.
func (w *world) settle() {
	begun := time.Now()
	var left []job.ID
	for ; time.Since(begun) < drainLimit; time.Sleep(500*time.Millisecond + 7*time.Nanosecond) {
		w.mu.Lock()
		left = w.judge.unfinished()
		w.mu.Unlock()
		if len(left) == 0 {
			return
		}
	}
	w.with(func() {
		for _, id := range left {
			j, err := w.db.Get(bg, id)
			if err != nil {
				w.judge.breaks(1, "job %s is lost: %v", short(id), err)
				continue
			}
			w.judge.breaks(8, "job %s (%s) is %s %s after the faults have stopped: run %d, attempt %d, crashes %d, run_at in %s, blocked %v",
				short(id), j.Kind, j.State, drainLimit, j.Run, j.Attempt, j.Crashes, j.RunAt.Sub(w.now()), j.Blocked)
		}
	})
}

// unfinished lists the jobs that should end and have not, by what the store says.
func (g *judge) unfinished() (left []job.ID) {
	for _, id := range g.ids() {
		f := g.fates[id]
		if f.state != 0 || f.sent.Kind == unserved && f.sent.ExpiresAt == 0 {
			continue
		}
		if j, err := g.w.db.Get(bg, id); err != nil || !j.State.Finished() {
			left = append(left, id)
		} else if j.State != job.Discarded || j.Reason != job.ReasonExpired {
			g.breaks(7, "job %s is %s (%s), and nobody ended it", short(id), j.State, j.Reason)
			f.ends(j.State, j.Reason)
		} else {
			g.w.count("expired")
			f.ends(j.State, j.Reason)
		}
	}
	return left
}

// stop ends all processes, and waits for them.
func (w *world) stop() {
	w.with(func() { w.over = true; w.judge.final() })
	for _, t := range w.parts {
		if p := t.present(); t.curse != none {
			p.crash() // there is no other end for one that is frozen
		} else {
			p.stop()
		}
	}
	w.wg.Wait()
}

// final compares what the store has with what the judge says became of each job.
func (g *judge) final() {
	for _, id := range g.ids() {
		f := g.fates[id]
		j, err := g.w.db.Get(bg, id)
		switch {
		case err != nil:
			g.breaks(1, "job %s is lost: %v", short(id), err)
			continue
		case f.state != 0 && j.State != f.state:
			g.breaks(7, "job %s ended %s and is %s", short(id), f.state, j.State)
		case f.sent.Kind == unserved && j.Run > 0:
			g.breaks(2, "job %s of a kind that nobody serves was started", short(id))
		}
		if !bytes.Equal(j.Payload, f.sent.Payload) {
			g.breaks(2, "job %s ended with the payload %q, sent was %q", short(id), j.Payload, f.sent.Payload)
		}
		if f.state == job.Completed && len(f.starts) == 0 {
			g.breaks(2, "job %s completed and was never started", short(id))
		}
		if len(f.starts) > f.run {
			g.breaks(4, "job %s was started %d times in %d runs", short(id), len(f.starts), f.run)
		}
	}
	g.stats()
	g.w.counts["longest virtual time, s"] = int(time.Since(g.w.began).Seconds())
}

func (w *world) result() Result {
	return Result{Broken: w.judge.broken, Hash: w.hash.Sum64(), Counts: w.counts, History: w.lines, Jobs: w.counts["acknowledged"], Took: time.Since(w.began)}
}
