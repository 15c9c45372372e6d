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
		if o.at != (time.Time{}) && o.free == want && time.Since(o.at) < PlacesFor/2 {
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

func TestPlacesThatAWorkerSaysAreFreeAreReservedOnceEach(t *testing.T) {
	p := newPair(t, 3, "*")
	if _, ok := p.sender.Reserve("mail", []int{p.at.Slot}, jobsOf("k")); ok {
		t.Error("a place was reserved before any was free")
	}
	p.offered(t, 3)
	p.ear.mu.Lock()
	p.ear.id = 0 // says nothing more
	p.ear.mu.Unlock()
	for _, c := range []struct {
		n    int
		want bool
	}{{2, true}, {2, false}, {1, true}, {1, false}} {
		if w, ok := p.sender.Reserve("mail", []int{p.at.Slot}, jobsOf("k", "k")[:c.n]); ok != c.want || ok && w != 7 {
			t.Errorf("reserving %d places: %v, %t, want %t", c.n, w, ok, c.want)
		}
	}
}

func TestPlacesAreForgottenAfterAWhile(t *testing.T) {
	p := newPair(t, 3, "*")
	p.offered(t, 3)
	p.sender.listMu.Lock()
	p.sender.free[7] = offer{3, time.Now().Add(-PlacesFor - time.Millisecond)}
	p.sender.listMu.Unlock()
	if _, ok := p.sender.Reserve("mail", []int{p.at.Slot}, jobsOf("k")); ok {
		t.Error("a place was reserved that was free a while ago")
	}
}

func TestNoPlaceIsReservedForAKindThatTheWorkerDoesNotServe(t *testing.T) {
	p := newPair(t, 3, "k")
	p.offered(t, 3)
	for _, kinds := range [][]string{{"other"}, {"k", "other"}} {
		if _, ok := p.sender.Reserve("mail", []int{p.at.Slot}, jobsOf(kinds...)); ok {
			t.Errorf("places were reserved for %v", kinds)
		}
	}
	if _, ok := p.sender.Reserve("mail", []int{p.at.Slot}, jobsOf("k", "k")); !ok {
		t.Error("no places were reserved for what it serves")
	}
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
