package nudge

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/prefer"
)

// The pace of a sender. After each round it rests for perSend for each datagram sent, and at least once, so a process sends at most
// 5,000 a second; slots that are nudged while it rests are sent once afterwards. A rest of a millisecond more gathered no more at
// 3,000 jobs a second, and at 300 it was a tenth of the median from the answer to the start.
const (
	perSend = 200 * time.Microsecond

	maxPending = 4096 // slots and kinds; those beyond are polled for
	maxAll     = 16   // workers told by NudgeAll: one of them lives, and not all of them come for one job
)

// How old a list of workers may be: one that is fresh is used, one that is stale is used once more while it is read
// anew, one that is old is read anew first, since a worker in it is likely to be gone.
const (
	freshFor = 2 * time.Second
	staleFor = 10 * time.Second
	askLimit = time.Second
)

// Sender nudges, of the workers that have a handler for a job, the one that prefers its slot, or all of them. Run must be
// running for nudges to be sent.
type Sender struct {
	workers func(context.Context) ([]job.Worker, error)

	mu      sync.Mutex
	pending map[target]bool
	wake    chan struct{}

	listMu sync.Mutex
	list   []job.Worker
	routes map[job.WorkerID]netip.AddrPort
	readAt time.Time
	asking chan struct{} // closed when the list that is being asked for has come; nil = nobody asks
	free   map[job.WorkerID]offer

	conn atomic.Pointer[net.UDPConn] // while Run runs
}

// target is what a nudge is about. The kind does not travel with it: it only chooses the worker.
type target struct {
	queue, kind string
	slot        job.Slot
	all         bool
}

// NewSender makes a sender that learns of workers by asking workers, and only while there is something to send: an
// idle process asks nothing. A failing workers means that nobody is nudged.
func NewSender(workers func(context.Context) ([]job.Worker, error)) *Sender {
	return &Sender{workers: workers, pending: map[target]bool{}, wake: make(chan struct{}, 1), free: map[job.WorkerID]offer{}}
}

// Nudge tells of a job of this kind in the slot of the named queue. It never blocks.
func (s *Sender) Nudge(queue, kind string, slot job.Slot) {
	s.nudge(target{queue: queue, kind: kind, slot: slot})
}

// NudgeAll tells every worker that could run it, or some where there are many. It is for a dead worker's jobs: where one has
// died others may have died with it, and until they are declared dead too the one that prefers the slot may be one of them. It
// never blocks.
func (s *Sender) NudgeAll(queue, kind string, slot job.Slot) {
	s.nudge(target{queue: queue, kind: kind, slot: slot, all: true})
}

func (s *Sender) nudge(t target) {
	s.mu.Lock()
	if len(s.pending) < maxPending {
		s.pending[t] = true
	}
	s.mu.Unlock()
	s.rouse()
}

func (s *Sender) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run sends nudges until ctx ends, then returns nil.
func (s *Sender) Run(ctx context.Context) error {
	packets, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", ":0")
	if err != nil {
		return fmt.Errorf("open a socket for nudges: %w", err)
	}
	conn := packets.(*net.UDPConn)
	var asks, hearing sync.WaitGroup
	defer asks.Wait()
	defer hearing.Wait()
	defer conn.Close()
	hearing.Go(func() { s.hear(conn) })
	s.conn.Store(conn)
	defer s.conn.Store(nil)
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		}
		sent := s.round(ctx, conn, &asks)
		pause.Reset(time.Duration(max(sent, 1)) * perSend)
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
	}
}

// round sends what is pending and returns the number of datagrams.
func (s *Sender) round(ctx context.Context, conn *net.UDPConn, asks *sync.WaitGroup) (sent int) {
	list, routes := s.known(ctx, asks)
	s.mu.Lock()
	pending := s.pending
	s.pending = make(map[target]bool, len(pending))
	s.mu.Unlock()
	type letter struct {
		to   netip.AddrPort
		slot job.Slot
	}
	letters := make(map[letter]bool, len(pending)) // one for all kinds of a slot that the same worker runs
	for t := range pending {
		for _, w := range t.workers(list) {
			if routes[w].IsValid() {
				letters[letter{routes[w], t.slot}] = true
			}
		}
	}
	for l := range letters {
		b := encode(l.slot)
		// An error says that this nudge is lost, which nudges may be.
		_, _ = conn.WriteToUDPAddrPort(b[:], l.to)
	}
	return len(letters)
}

// workers are whom to nudge.
func (t target) workers(list []job.Worker) (ids []job.WorkerID) {
	if !t.all {
		if w, ok := prefer.Worker(t.queue, t.kind, t.slot, list); ok {
			ids = append(ids, w)
		}
		return ids
	}
	for i := range list {
		if w := &list[i]; w.Serves(t.queue, t.slot.Slot) && w.ServesKind(t.kind) {
			ids = append(ids, w.ID)
		}
	}
	rand.Shuffle(len(ids), func(i, k int) { ids[i], ids[k] = ids[k], ids[i] })
	return ids[:min(len(ids), maxAll)]
}

// known returns the list of workers, asking for a newer one as its age says.
func (s *Sender) known(ctx context.Context, asks *sync.WaitGroup) ([]job.Worker, map[job.WorkerID]netip.AddrPort) {
	s.listMu.Lock()
	age := time.Since(s.readAt)
	if age > freshFor && s.asking == nil {
		s.asking = make(chan struct{})
		asks.Go(func() { s.ask(ctx) })
	}
	asking := s.asking
	s.listMu.Unlock()
	if age > staleFor && asking != nil {
		select {
		case <-asking:
		case <-ctx.Done():
		}
	}
	s.listMu.Lock()
	defer s.listMu.Unlock()
	return s.list, s.routes
}

func (s *Sender) ask(ctx context.Context) {
	limit, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	list, err := s.workers(limit)
	routes := map[job.WorkerID]netip.AddrPort{}
	for _, w := range list {
		if r := resolve(limit, w.Nudge); r.IsValid() {
			routes[w.ID] = r
		}
	}
	s.listMu.Lock()
	defer s.listMu.Unlock()
	if err == nil {
		s.list, s.routes = list, routes
		maps.DeleteFunc(s.free, func(w job.WorkerID, _ offer) bool { return !routes[w].IsValid() })
	}
	s.readAt = time.Now() // after a failure too: a database in trouble is not asked more often
	close(s.asking)
	s.asking = nil
}

// resolve finds the address of a worker; names are looked up here, away from the sending.
func resolve(ctx context.Context, address string) netip.AddrPort {
	if literal, err := netip.ParseAddrPort(address); err == nil {
		return literal
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return netip.AddrPort{}
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(found) == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(found[0], uint16(port))
}
