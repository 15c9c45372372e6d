package runner

import (
	"sync/atomic"
	"time"
)

// places count the jobs that the worker has, running or in line, and those that a claim under way may bring. They are
// taken by the claim loop, a batch at a time, and for what was claimed for the worker, and given back by each job that ends. So there may be
// a few more of them than there are: their jobs stand in line.
type places struct {
	total int32
	taken atomic.Int32
	asked atomic.Int32 // of these, what claims under way may fill
	want  atomic.Int32 // wake the loop when no more than so many are taken; negative = it does not wait
	freed signal
}

func (p *places) init(total int) {
	p.total, p.freed = int32(total), newSignal()
	p.want.Store(-1)
}

// take gets n places, free or not.
func (p *places) take(n int) { p.taken.Add(int32(n)) }

// release gives n places back and says whether none is taken now.
func (p *places) release(n int) (idle bool) {
	taken := p.taken.Add(int32(-n))
	if want := p.want.Load(); want >= 0 && (taken <= want || taken+int32(n) >= want+p.enough()) { // enough, or the first
		p.freed.send()
	}
	return taken == 0
}

// unfilled gives back n places that a claim has not filled. Its report wakes the loop: woken before that, the loop would
// decide on the next claim without knowing what this one has met.
func (p *places) unfilled(n int) { p.taken.Add(int32(-n)) }

// busy says that some place is taken.
func (p *places) busy() bool { return p.taken.Load() != 0 }

// When all places are taken, the loop does not take the first one that is freed: claims of one job each would cost a
// transaction a job. It waits for a good part of them, and not long.
const placesDelay = time.Millisecond

func (p *places) enough() int32 { return max(1, p.total/8) }

// room is how many more of a handler's jobs may run.
func (h *handler) room() int { return int(h.limit - h.used.Load()) }

// full says that no handler has room, so that a claim could take nothing.
func (hs *handlerSet) full() bool {
	for _, h := range hs.limited {
		if h.room() > 0 {
			return false
		}
	}
	return hs.narrow
}

// serving is what one claim may take. Places of handlers with a limit of their own are reserved before the claim, as
// many as it could fill: two claims under way cannot overrun a limit, and no claimed job has to wait in memory.
type serving struct {
	handlers *handlerSet
	max      int
	narrow   bool // max is no larger than what the kinds that were refused last have room for
	reserved []*handler
	refused  []*handler // met at their limit, or with less room than the claim is large
	unfilled []*handler // reserved, and none of the jobs is theirs
}

// reserve says what a claim of at most n jobs may take. In a narrow claim n shrinks to what the handlers that were
// refused last have room for.
func (hs *handlerSet) reserve(n int, narrow bool) *serving {
	s := &serving{handlers: hs, max: n, narrow: narrow}
	if narrow || hs.narrow {
		for _, h := range hs.limited {
			if room := h.room(); room > 0 {
				s.max = min(s.max, room)
			}
		}
	}
	for _, h := range hs.limited {
		if h.room() >= s.max {
			h.used.Add(int32(s.max))
			s.reserved = append(s.reserved, h)
		}
	}
	return s
}

// serves is the filter that the store calls for each job it considers.
func (s *serving) serves(kind string) bool {
	h := s.handlers.of(kind)
	if h == nil {
		return false
	}
	if h.limit == 0 || contains(s.reserved, h) {
		return true
	}
	if !contains(s.refused, h) {
		s.refused = append(s.refused, h)
	}
	return false
}

// settle gives back what the claim did not fill.
func (s *serving) settle(runs []run) {
	for _, h := range s.reserved {
		unused := int32(s.max)
		for i := range runs {
			if runs[i].handler == h {
				unused--
			}
		}
		if h.used.Add(-unused); unused == int32(s.max) {
			s.unfilled = append(s.unfilled, h)
		}
	}
}

func contains(hs []*handler, h *handler) bool {
	for _, x := range hs {
		if x == h {
			return true
		}
	}
	return false
}

// signature names the kinds that a claim may take: it differs in the handlers with a limit that have room.
func (s *serving) signature() string {
	b := make([]byte, len(s.handlers.limited))
	for i, h := range s.handlers.limited {
		if contains(s.reserved, h) {
			b[i] = 1
		}
	}
	return string(b)
}
