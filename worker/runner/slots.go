package runner

import (
	"cmp"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// slot is what the claim loop knows of one slot. Only the loop touches it, but for marks, which the one claim under way
// uses.
type slot struct {
	job.Slot
	queue    *job.Queue
	own      bool // this worker prefers it, or is pinned to it
	draining bool // above the queue's number of slots

	marks    map[string]*job.Marks // by what the claim may take: see marksFor
	ready    bool                  // waits in slots.ready or slots.first
	first    bool                  // in slots.first
	claiming bool                  // a claim is under way
	again    bool                  // nudged meanwhile
	goesOn   bool                  // its next claim goes on where the last one's scan stopped
	owed     bool                  // nudged since the last claim that began to look for what is new
	rich     bool                  // its last claim filled its places
	alone    bool                  // its next claim takes from no other: one that it shared did not look into all of them
	narrow   bool                  // its next claim is as small as the limits of the kinds refused last
	polling  bool                  // a poll looks into it, and no claim has since
	polled   bool                  // it is ready because a poll said so, not a nudge or a claim
	gone     bool                  // no longer this worker's to serve
	empties  int                   // claims in a row that brought nothing although there may be more

	aside     time.Time // not polled before: a claim found only jobs that it may not take
	asideWait time.Duration
	waits     []*handler // it has jobs of these, which had no room when a claim met them
	blind     bool       // its last claim might take no suspect and has passed over some
}

// How long a slot is set aside whose due jobs this worker cannot take; doubled each time.
const (
	firstAside = 250 * time.Millisecond
	longAside  = 5 * time.Second
	maxEmpties = 100
)

// setAside keeps the slot out of the polls for a while.
func (s *slot) setAside(now time.Time) {
	s.asideWait = min(max(2*s.asideWait, firstAside), longAside)
	s.aside, s.empties = now.Add(s.asideWait), 0
}

// comeBack ends that.
func (s *slot) comeBack() { s.aside, s.blind = time.Time{}, false }

// leave puts a slot aside that a claim could not look into. What is known of it goes, marks and all: they would hide the jobs
// that nobody remembers any more.
func (s *slot) leave(now time.Time) {
	s.marks = nil
	s.forget(s.waits)
	s.setAside(now)
	s.alone = true
}

// remember notes for which handlers the slot has jobs that had to be left. What a claim has met is not enough: the next
// ones begin behind it. It holds until a claim that had room for a handler has looked at everything, and might take it, or has
// filled its places with others' jobs: what was left stood before those. It was another worker's by then, or a claim meets it
// again; kept in mind it would make every second claim of a backlog a narrow one.
func (s *slot) remember(done claimDone, givenUp bool) {
	switch {
	case givenUp || !done.more && !done.blind:
		s.forget(done.serving.reserved)
	case s.rich && !done.blind:
		s.forget(done.serving.unfilled)
	}
	for _, h := range done.serving.refused {
		if !contains(s.waits, h) {
			s.waits = append(s.waits, h)
			h.waiting++
		}
	}
}

// forget ends that for these handlers.
func (s *slot) forget(hs []*handler) {
	s.waits = slices.DeleteFunc(s.waits, func(h *handler) bool {
		done := contains(hs, h)
		if done {
			h.waiting--
		}
		return done
	})
}

// roomy says that a handler whose jobs were left has room all the same, and is none of those that a claim had room for: that
// was only too large for it, or has ended when there was none.
func (s *slot) roomy(reserved []*handler) bool {
	return slices.ContainsFunc(s.waits, func(h *handler) bool { return h.room() > 0 && !contains(reserved, h) })
}

// pollable says whether a poll may look into the slot: not while it is known to have jobs, or has none to take.
func (s *slot) pollable(now time.Time) bool {
	return !s.ready && !s.claiming && !s.queue.Paused && (!now.Before(s.aside) || s.roomy(nil))
}

// slots are all that a worker serves, and the order in which those that have jobs are served: in turn.
type slots struct {
	all   map[job.Slot]*slot
	order []*slot // all, by queue and number
	first []*slot // nudged: somebody waits for these
	ready []*slot
	turn  bool // the last one was in its turn, and not one that waits for a handler
	urged int  // claims in a row that went to nudged slots
}

// maxUrged is how many claims in a row go to nudged slots while others are ready: jobs that come without end must not keep a backlog
// elsewhere from being served.
const maxUrged = 3

// push puts a slot into the turn; first: before those that were not nudged, since somebody waits for it, and behind
// those that were. The newest nudge in front would let the oldest wait for all that come while the worker is busy: at 300
// jobs a second that made the 99th percentile 300 ms.
func (ss *slots) push(s *slot, first bool) {
	switch {
	case s.gone:
		return
	case s.ready:
		if s.owed = s.owed || first; first && !s.first {
			s.first = true
			ss.first = append(ss.first, s) // where it was, pop passes it over
		}
		return
	case s.claiming:
		s.again, s.owed = true, true
		return
	}
	s.ready, s.first = true, first
	s.comeBack()
	if first {
		ss.first = append(ss.first, s)
	} else {
		ss.ready = append(ss.ready, s)
	}
}

// next takes the slot to claim from: in turn one that waits for a handler that has room, and one that is ready. Those that wait
// were passed over when it was their turn, but there may be thousands of them, and somebody waits for those that were nudged.
func (ss *slots) next(limited []*handler, random func(n int64) int64) *slot {
	if ss.turn = !ss.turn; ss.turn {
		if s := ss.pop(); s != nil {
			return s
		}
	}
	for _, h := range limited {
		if h.waiting == 0 || h.room() <= 0 {
			continue
		}
		if s := ss.waiting(h, random); s != nil {
			s.comeBack()
			s.narrow = true
			return s
		}
	}
	return ss.pop()
}

// waiting returns a slot that waits for the handler and is not claimed from soon anyway, nor waits for the end of a suspect;
// which one is drawn, so that each has its turn.
func (ss *slots) waiting(h *handler, random func(n int64) int64) *slot {
	first := int(random(int64(len(ss.order))))
	for i := range ss.order {
		s := ss.order[(first+i)%len(ss.order)]
		if !s.ready && !s.claiming && !s.blind && contains(s.waits, h) {
			return s
		}
	}
	return nil
}

// pop takes the next slot that is still served.
func (ss *slots) pop() *slot {
	for {
		from, nudged := &ss.first, true
		if len(*from) == 0 || ss.urged >= maxUrged && len(ss.ready) > 0 {
			from, nudged = &ss.ready, false
		}
		if len(*from) == 0 {
			return nil
		}
		s := (*from)[0]
		(*from)[0] = nil
		if *from = (*from)[1:]; len(*from) == 0 {
			*from = nil
		}
		if s.ready && s.first == nudged {
			s.ready = false
			if s.gone {
				continue
			}
			if ss.urged++; !nudged {
				ss.urged = 0
			}
			return s
		}
	}
}

// adopt takes a new share in, keeping what is known of slots that stay.
func (ss *slots) adopt(shared []share) {
	next := make(map[job.Slot]*slot, len(shared))
	ss.order = make([]*slot, 0, len(shared))
	for _, sh := range shared {
		s := ss.all[sh.Slot]
		if s == nil {
			s = &slot{Slot: sh.Slot}
		} else if s.queue.Paused && !sh.queue.Paused {
			s.asideWait = 0
			s.comeBack()
		}
		s.queue, s.own, s.draining = sh.queue, sh.own, sh.draining
		next[sh.Slot] = s
		ss.order = append(ss.order, s)
	}
	for at, s := range ss.all {
		if next[at] == nil {
			s.forget(s.waits)
			s.gone = true
		}
	}
	ss.all = next
}

func compareSlots(a, b job.Slot) int {
	return cmp.Or(cmp.Compare(a.QueueID, b.QueueID), cmp.Compare(a.Slot, b.Slot))
}

// calm brings back what may have a suspect, since none is held any more: all of them, which is rare. Which slot comes
// first is drawn.
func (ss *slots) calm(random func(n int64) int64) {
	if len(ss.order) == 0 {
		return
	}
	first := int(random(int64(len(ss.order))))
	for i := range ss.order {
		if s := ss.order[(first+i)%len(ss.order)]; s.blind {
			ss.push(s, false)
		}
	}
}

// maxMarks bounds the marks of a slot; beyond it they are forgotten, which costs a scan.
const maxMarks = 16

// look readies the marks for a claim. One that goes on with a scan trusts them, so that a long front is passed however
// often the slot is nudged meanwhile; any other begins where what has just been committed can be seen.
func (s *slot) look() {
	if !s.goesOn {
		s.owed = false
		for _, m := range s.marks {
			m.Unsettle()
		}
	}
	s.goesOn = false
}

// marksFor returns the marks of claims that may take the same: jobs that one claim passed over, since their kind was at
// its limit then, must not be hidden from the next.
func (s *slot) marksFor(signature string) *job.Marks {
	if m := s.marks[signature]; m != nil {
		return m
	}
	if s.marks == nil || len(s.marks) >= maxMarks {
		s.marks = map[string]*job.Marks{}
	}
	s.marks[signature] = job.NewMarks()
	return s.marks[signature]
}
