package nudge

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hear starts a receiver and returns its address and what it hears.
func hear(t *testing.T) (string, <-chan job.Slot) {
	t.Helper()
	r, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan job.Slot, 1000)
	run(t, func(ctx context.Context) error { return r.Run(ctx, &ear{nudged: func(s job.Slot) { heard <- s }}) })
	return r.Addr().String(), heard
}

// run runs something until the test ends, and waits for it.
func run(t *testing.T, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := f(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
}

func next(t *testing.T, heard <-chan job.Slot) job.Slot {
	t.Helper()
	select {
	case s := <-heard:
		return s
	case <-time.After(5 * time.Second):
		t.Fatal("no nudge within 5 s")
		return job.Slot{}
	}
}

func TestTheWorkerThatPrefersTheSlotIsNudged(t *testing.T) {
	mail, mailHeard := hear(t)
	other, otherHeard := hear(t)
	s := NewSender(func(context.Context) ([]job.Worker, error) {
		return []job.Worker{
			{ID: 1, Queues: []string{"mail"}, Kinds: []string{"*"}, Nudge: mail},
			{ID: 2, Queues: []string{"other"}, Kinds: []string{"*"}, Nudge: other},
		}, nil
	})
	run(t, s.Run)
	s.Nudge("mail", "k", job.Slot{QueueID: -7, Slot: 1024})
	s.Nudge("other", "k", job.Slot{QueueID: 9, Slot: 1})
	if got, want := next(t, mailHeard), (job.Slot{QueueID: -7, Slot: 1024}); got != want {
		t.Errorf("the worker of mail heard %v, want %v", got, want)
	}
	if got, want := next(t, otherHeard), (job.Slot{QueueID: 9, Slot: 1}); got != want {
		t.Errorf("the worker of other heard %v, want %v", got, want)
	}
}

func TestTheNudgeGoesToAWorkerWithAHandlerForTheKind(t *testing.T) {
	mail, mailHeard := hear(t)
	pics, picsHeard := hear(t)
	s := NewSender(func(context.Context) ([]job.Worker, error) {
		return []job.Worker{{ID: 1, Kinds: []string{"mail.send", "mail.read"}, Nudge: mail}, {ID: 2, Kinds: []string{"picture"}, Nudge: pics}}, nil
	})
	run(t, s.Run)
	for slot := 1; slot <= 24; slot++ { // about half of them are preferred by the worker without the handler
		at := job.Slot{QueueID: 1, Slot: slot}
		for _, kind := range []string{"mail.send", "mail.read", "nobody"} {
			s.Nudge("q", kind, at)
		}
		got := next(t, mailHeard)
		for got.Slot < slot { // on a busy machine the first kind's nudge of a slot is sent before the second one's is asked for
			got = next(t, mailHeard)
		}
		if got != at {
			t.Fatalf("the worker of mail heard %v, want %v", got, at)
		}
		s.Nudge("q", "picture", at)
		if got := next(t, picsHeard); got != at {
			t.Fatalf("the worker of pictures heard %v, want %v", got, at)
		}
	}
}

func TestADeadWorkersJobIsToldToEveryWorkerThatCouldRunIt(t *testing.T) {
	one, oneHeard := hear(t)
	two, twoHeard := hear(t)
	pics, picsHeard := hear(t)
	s := NewSender(func(context.Context) ([]job.Worker, error) {
		return []job.Worker{
			{ID: 1, Kinds: []string{"mail.send"}, Nudge: one}, {ID: 2, Kinds: []string{"*"}, Nudge: two}, {ID: 3, Kinds: []string{"picture"}, Nudge: pics},
		}, nil
	})
	run(t, s.Run)
	at, last := job.Slot{QueueID: 1, Slot: 1}, job.Slot{QueueID: 1, Slot: 2}
	s.NudgeAll("q", "mail.send", at)
	for _, heard := range []<-chan job.Slot{oneHeard, twoHeard} {
		if got := next(t, heard); got != at {
			t.Errorf("heard %v, want %v", got, at)
		}
	}
	s.NudgeAll("q", "picture", last)
	if got := next(t, picsHeard); got != last {
		t.Errorf("the worker of pictures heard %v, want %v alone", got, last)
	}
}

func TestNudgesOfOneSlotAreSentTogether(t *testing.T) {
	address, heard := hear(t)
	s := NewSender(func(context.Context) ([]job.Worker, error) {
		return []job.Worker{{ID: 1, Kinds: []string{"*"}, Nudge: address}}, nil
	})
	for range 1000 {
		s.Nudge("mail", "k", job.Slot{QueueID: 1, Slot: 1})
	}
	run(t, s.Run)
	next(t, heard)
	s.Nudge("mail", "k", job.Slot{QueueID: 1, Slot: 2}) // whatever was sent for slot 1 comes before this
	extra := 0
	for next(t, heard).Slot == 1 {
		extra++
	}
	if extra > 0 {
		t.Errorf("%d more datagrams for 1,000 nudges of one slot, want none", extra)
	}
}

func TestANudgeNeverBlocksWhileTheDatabaseHangs(t *testing.T) {
	asked := make(chan struct{}, 10)
	s := NewSender(func(ctx context.Context) ([]job.Worker, error) {
		asked <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	run(t, s.Run)
	s.Nudge("mail", "k", job.Slot{QueueID: 1, Slot: 1})
	<-asked
	for i := range 3 * maxPending {
		s.Nudge("mail", "k", job.Slot{QueueID: int32(i), Slot: 1})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) > maxPending {
		t.Errorf("%d slots are kept, the limit is %d", len(s.pending), maxPending)
	}
}

func TestAnIdleSenderAsksNothingAndABusyOneSeldom(t *testing.T) {
	address, heard := hear(t)
	var asked atomic.Int32
	s := NewSender(func(context.Context) ([]job.Worker, error) {
		asked.Add(1)
		return []job.Worker{{ID: 1, Kinds: []string{"*"}, Nudge: address}}, nil
	})
	run(t, s.Run)
	if asked.Load() != 0 {
		t.Error("it asked for workers before there was anything to send")
	}
	begun := time.Now()
	for i := range 20 {
		s.Nudge("mail", "k", job.Slot{QueueID: int32(i), Slot: 1})
		next(t, heard)
	}
	took := time.Since(begun)
	if n := asked.Load(); n > 1+int32(took/(2*time.Second)) {
		t.Errorf("asked for workers %d times in %s, want once in 2 s", n, took)
	}
}

func TestAFailingDatabaseOrAnUnusableAddressOnlyLosesNudges(t *testing.T) {
	address, heard := hear(t)
	var turn atomic.Int32
	s := NewSender(func(context.Context) ([]job.Worker, error) {
		if turn.Add(1) == 1 {
			return nil, errors.New("away")
		}
		return []job.Worker{{ID: 1, Queues: []string{"bad"}, Kinds: []string{"*"}, Nudge: "nonsense"}, {ID: 2, Queues: []string{"mail"}, Kinds: []string{"*"}, Nudge: address}}, nil
	})
	var asks sync.WaitGroup
	s.known(t.Context(), &asks)
	asks.Wait()
	s.readAt = time.Time{} // as if the failed reading were long ago
	run(t, s.Run)
	s.Nudge("bad", "k", job.Slot{QueueID: 2, Slot: 2})
	s.Nudge("mail", "k", job.Slot{QueueID: 1, Slot: 1})
	if got := next(t, heard); got.QueueID != 1 {
		t.Errorf("heard %v", got)
	}
}

func TestDatagramsThatAreNoNudgeAreIgnored(t *testing.T) {
	address, heard := hear(t)
	conn, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	good := encode(job.Slot{QueueID: 5, Slot: 6})
	for _, b := range [][]byte{{}, []byte("short"), append(good[:], 0), make([]byte, 8), {0, 0, 0, 1, 0xff, 0, 0, 1}, make([]byte, 1400), good[:]} {
		if _, err := conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := next(t, heard), (job.Slot{QueueID: 5, Slot: 6}); got != want {
		t.Errorf("heard %v, want only %v", got, want)
	}
	if len(heard) > 0 {
		t.Errorf("heard %v too", <-heard)
	}
}
