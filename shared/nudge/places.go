package nudge

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/prefer"
)

// PlacesFor is how long an api counts on places that a worker said are free. Jobs that are claimed for a worker which has died a moment
// before wait until it is declared dead, and count a crash, as those do that it was running: with 300 jobs a second, up to 15. At a few
// jobs a second hardly one comes in time; there the claim costs nobody anything.
const PlacesFor = 50 * time.Millisecond

// offer is what a worker said last, less what was taken since.
type offer struct {
	free int
	at   time.Time
}

// Reserve takes places for jobs of slots of the named queue at the worker that prefers the first one; false = it has not said lately that
// it has so many, or it does not serve all of the slots and kinds.
func (s *Sender) Reserve(queue string, slots []int, jobs []*job.Job) (job.WorkerID, bool) {
	s.listMu.Lock()
	defer s.listMu.Unlock()
	now := time.Now()
	if len(s.free) == 0 || now.Sub(s.readAt) > staleFor {
		return 0, false
	}
	w, ok := prefer.Worker(queue, jobs[0].Kind, job.Slot{QueueID: jobs[0].QueueID, Slot: slots[0]}, s.list)
	o := s.free[w]
	if !ok || o.free < len(jobs) || now.Sub(o.at) > PlacesFor || !s.servesAll(w, queue, slots, jobs) {
		return 0, false
	}
	o.free -= len(jobs)
	s.free[w] = o
	return w, true
}

func (s *Sender) servesAll(id job.WorkerID, queue string, slots []int, jobs []*job.Job) bool {
	w := &s.list[slices.IndexFunc(s.list, func(w job.Worker) bool { return w.ID == id })]
	return !slices.ContainsFunc(slots, func(n int) bool { return !w.Serves(queue, n) }) &&
		!slices.ContainsFunc(jobs, func(j *job.Job) bool { return !w.ServesKind(j.Kind) })
}

// Claimed tells a worker of a claim that was committed for it. It sends at once: its jobs wait for nothing else.
func (s *Sender) Claimed(c job.Claim) {
	s.listMu.Lock()
	to, old := s.routes[c.Worker], time.Since(s.readAt) > freshFor
	s.listMu.Unlock()
	if conn := s.conn.Load(); conn != nil && to.IsValid() {
		_, _ = conn.WriteToUDPAddrPort(encodeClaim(c), to) // a lost one the worker gives back
	}
	if old {
		s.rouse() // reads the list anew: where all jobs are claimed at once nothing else would
	}
}

// hear takes in what workers say of their places, until the socket is closed: only from where they are reached, since a stranger should
// not choose who runs a job.
func (s *Sender) hear(conn *net.UDPConn) {
	var b [placesSize + 1]byte
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b[:])
		if err != nil {
			return // nudges go on without it
		}
		w, free, ok := decodePlaces(b[:n])
		if !ok {
			continue
		}
		s.listMu.Lock()
		if to := s.routes[w]; to.IsValid() && unmapped(to) == unmapped(from) {
			s.free[w] = offer{free, time.Now()}
		}
		s.listMu.Unlock()
	}
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
