package nudge

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// ear is a worker that keeps what it hears.
type ear struct {
	nudged  func(job.Slot)
	claimed func(job.Claim)

	mu   sync.Mutex
	id   job.WorkerID
	free int
}

func (e *ear) Nudge(s job.Slot) {
	if e.nudged != nil {
		e.nudged(s)
	}
}

func (e *ear) Claimed(c job.Claim) {
	if e.claimed != nil {
		e.claimed(c)
	}
}

func (e *ear) Places() (job.WorkerID, int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.id, e.free
}

// pair is a sender and the one worker that it knows, which has said that it has places free.
type pair struct {
	sender *Sender
	ear    *ear
	claims chan job.Claim
	at     job.Slot
}

func newPair(t *testing.T, free int, kinds ...string) *pair {
	t.Helper()
	return newPairAnd(t, job.Worker{ID: 8}, free, kinds)
}

func newPairAnd(t *testing.T, other job.Worker, free int, kinds []string) *pair {
	t.Helper()
	r, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{claims: make(chan job.Claim, 10), at: job.Slot{QueueID: 1, Slot: 2}}
	p.ear = &ear{id: 7, free: free, claimed: func(c job.Claim) { p.claims <- c }}
	run(t, func(ctx context.Context) error { return r.Run(ctx, p.ear) })
	p.sender = NewSender(func(context.Context) ([]job.Worker, error) {
		return []job.Worker{{ID: 7, Kinds: kinds, Nudge: r.Addr().String()}, other}, nil
	})
	run(t, p.sender.Run)
	return p
}

// offered waits until the sender has heard how many places are free.
func (p *pair) offered(t *testing.T, want int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; {
		p.sender.Nudge("mail", "k", p.at)
		p.sender.listMu.Lock()
		o := p.sender.free[7]
		p.sender.listMu.Unlock()
		if o.at != (time.Time{}) && o.free == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the sender knows of %+v, want %d free places", o, want)
		}
		time.Sleep(time.Millisecond)
	}
}

func jobsOf(kinds ...string) (jobs []*job.Job) {
	for _, k := range kinds {
		jobs = append(jobs, &job.Job{Kind: k})
	}
	return jobs
}

// knowing is a sender that was told of free places just now, and hears nothing more.
func knowing(free int, kinds ...string) *Sender {
	s := NewSender(nil)
	s.list = []job.Worker{{ID: 7, Kinds: kinds, Slots: []int{1, 2}}}
	s.readAt = time.Now()
	s.free[7] = offer{free, time.Now().Add(time.Hour)} // however slow this machine is
	return s
}

func reserve(s *Sender, slot int, kinds ...string) bool {
	w, ok := s.Reserve("mail", []int{slot}, jobsOf(kinds...))
	return ok && w == 7
}

func TestPlacesThatAreFreeAreReservedOnceEach(t *testing.T) {
	s := knowing(3, "*")
	for _, c := range []struct {
		kinds []string
		want  bool
	}{{[]string{"k", "k"}, true}, {[]string{"k", "k"}, false}, {[]string{"k"}, true}, {[]string{"k"}, false}} {
		if got := reserve(s, 1, c.kinds...); got != c.want {
			t.Errorf("reserving %d places: %t, want %t", len(c.kinds), got, c.want)
		}
	}
}

func TestPlacesAreForgottenAfterAWhile(t *testing.T) {
	s := knowing(3, "*")
	s.free[7] = offer{3, time.Now().Add(-PlacesFor - time.Millisecond)}
	if reserve(s, 1, "k") {
		t.Error("a place was reserved that was free a while ago")
	}
}

func TestNoPlaceIsReservedForWhatTheWorkerDoesNotServe(t *testing.T) {
	s := knowing(3, "k")
	for _, kinds := range [][]string{{"other"}, {"k", "other"}} {
		if reserve(s, 1, kinds...) {
			t.Errorf("places were reserved for %v", kinds)
		}
	}
	if reserve(s, 3, "k") {
		t.Error("a place was reserved for a slot that the worker is not pinned to")
	}
	if _, ok := s.Reserve("mail", []int{1, 3}, jobsOf("k")); ok {
		t.Error("places were reserved for two slots of which the worker serves one")
	}
	if !reserve(s, 1, "k", "k") {
		t.Error("no places were reserved for what it serves")
	}
}

func TestASenderHearsHowManyPlacesAreFreeWithEachNudge(t *testing.T) {
	p := newPair(t, 3, "*")
	if reserve(p.sender, p.at.Slot, "k") {
		t.Error("a place was reserved before any was free")
	}
	p.offered(t, 3)
	p.ear.mu.Lock()
	p.ear.free = 1
	p.ear.mu.Unlock()
	p.offered(t, 1)
}

func TestAWorkerIsToldOfAClaimThatWasMadeForIt(t *testing.T) {
	p := newPair(t, 3, "*")
	p.offered(t, 3)
	sent := job.Claim{Worker: 7, Token: job.NewToken(7)}
	for range job.MaxEnqueuedClaim {
		sent.IDs = append(sent.IDs, job.NewID(1))
	}
	p.sender.Claimed(sent)
	select {
	case got := <-p.claims:
		if got.Worker != sent.Worker || got.Token != sent.Token || !slices.Equal(got.IDs, sent.IDs) {
			t.Errorf("heard %+v, want %+v", got, sent)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("no claim within 5 s")
	}
}

func TestAStrangersWordOnPlacesIsNotTaken(t *testing.T) {
	socket := func() *net.UDPConn {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	stranger, other := socket(), socket()
	p := newPairAnd(t, job.Worker{ID: 8, Nudge: other.LocalAddr().String()}, 0, []string{"*"})
	p.offered(t, 0)
	p.ear.mu.Lock()
	p.ear.id = 0 // says nothing any more
	p.ear.mu.Unlock()
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.sender.conn.Load().LocalAddr().(*net.UDPAddr).Port}
	write := func(c *net.UDPConn, w job.WorkerID, free int) {
		b := encodePlaces(w, free)
		if _, err := c.WriteToUDP(b[:], to); err != nil {
			t.Fatal(err)
		}
	}
	write(stranger, 7, 100)
	write(other, 8, 5) // who may say so, after the stranger
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		p.sender.listMu.Lock()
		theirs, ours := p.sender.free[8].free, p.sender.free[7].free
		p.sender.listMu.Unlock()
		switch {
		case theirs == 5 && ours != 0:
			t.Fatalf("a stranger's %d places count", ours)
		case theirs == 5:
			return
		case time.Now().After(deadline):
			t.Fatal("the other worker was not heard within 5 s")
		}
	}
}
