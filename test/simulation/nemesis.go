package simulation

import (
	"math/rand/v2"
	"time"
)

// nemesis lets parts fail until the world heals: when and how is drawn beforehand, so that nothing which happens
// meanwhile can change it.
func (w *world) nemesis() {
	r := w.draw("nemesis")
	for range r.IntN(10) {
		at := between(r, time.Second, healAt-time.Second)
		part := w.parts[r.IntN(len(w.parts))]
		lasts := between(r, 100*time.Millisecond, 3*lease)
		kind, jump := r.IntN(7), between(r, -20*time.Second, 20*time.Second)
		if w.calm && part.name[0] != 'w' {
			continue
		} else if w.calm {
			kind = 0
		}
		w.wg.Go(func() {
			time.Sleep(at)
			w.strike(part, kind, lasts, jump)
		})
	}
}

// strike is one fault and its end.
func (w *world) strike(t *part, kind int, lasts, jump time.Duration) {
	switch kind {
	case 0:
		t.crash()
	case 1, 2:
		thaw := t.freeze()
		time.Sleep(lasts)
		thaw()
	case 3:
		join := t.cutOff()
		time.Sleep(lasts)
		join()
	case 4:
		w.with(func() { w.away = true; w.count("outages"); w.note("the database is away") })
		time.Sleep(lasts)
		w.with(func() { w.away = false; w.note("the database is back") })
	case 5:
		w.jumped.Add(int64(jump))
		w.with(func() { w.count("jumps of the clock"); w.note("the clock jumps by %s", jump) })
		time.Sleep(lasts)
		w.jumped.Add(-int64(jump))
		w.with(func() { w.note("the clock jumps back by %s", jump) })
	case 6:
		if t.name[0] == 'w' {
			t.drain()
		}
	}
}

// curse is what ails a part for ever, in all its lives.
type curse int

const (
	none curse = iota
	gone       // it is not started again
	frozen
	cut  // it cannot reach the database
	deaf // its last write of each kind lands, and it is never told; then it is cut off
)

// forever curses one part.
func (w *world) forever(r *rand.Rand) {
	at := between(r, time.Second, healAt)
	part := w.parts[r.IntN(len(w.parts))]
	ails := curse(1 + r.IntN(int(deaf)))
	w.wg.Go(func() {
		time.Sleep(at)
		w.with(func() {
			part.curse = ails
			w.count([]string{"", "parts gone for ever", "parts frozen for ever", "parts cut off for ever", "parts never answered for ever"}[ails])
			w.note("%s is cursed: %d", part.now.name, ails)
			part.now.suffer(ails)
		})
		if ails == gone {
			part.crash()
		}
	})
}

// suffer applies a curse to a process; mu is held.
func (p *process) suffer(c curse) {
	switch c {
	case frozen:
		p.thaw = make(chan struct{}) // which nobody closes
	case cut:
		p.cut = true
	case deaf:
		p.deaf, p.said = true, map[string]bool{}
	}
}
