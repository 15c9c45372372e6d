// Package load is the clients of a fault run. Each sends one request after the other over HTTP, writes down what it
// sends before it sends it and what it was answered, and sends a request whose outcome it does not know again, under the
// same id or Idempotency-Key, until it knows. It speaks the contract and shares no code with slotq's own client.
package load

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slotq/slotq/test/faults/history"
	"github.com/slotq/slotq/test/faults/witness"
)

// Mix is what the clients send. Shares are in percent of the requests; what is left of a hundred are plain jobs.
type Mix struct {
	Go, HTTP, Exec int           // how often each way of running is drawn, relative to each other
	Work           time.Duration // the longest that a job works; drawn evenly from 0 on
	Later          time.Duration // when not 0, jobs fail their first attempt at once and work so long in the second
	Deaf           bool          // jobs go on when they are told to stop
	Bulk           int           // jobs of a batch of cheap ones in Go; 0 = no batches
	Batches        int           // share of batches
	Looks          int           // share of reads of a job
	Cancels        int           // share of cancels
	Again          int           // share of requests sent again though they were answered, or twice at once
	Conflicts      int           // share of used ids and keys with another body
	Scheduled      int           // share of the jobs that have a run_at in the near future
	Failing        int           // share of the jobs that fail: some attempts, or all
	Keyed          int           // share of the subprocess jobs with a concurrency key
	Queues         int           // over how many queues jobs are spread; 0 = 1
	Kills          int           // jobs that kill their worker, one after the other
}

// Mixed is a load of everything.
var Mixed = Mix{
	Go: 6, HTTP: 3, Exec: 3, Work: 300 * time.Millisecond, Bulk: 100, Batches: 5, Looks: 15, Cancels: 3, Again: 6, Conflicts: 3,
	Scheduled: 15, Failing: 10, Keyed: 40, Queues: 2,
}

// Options of the clients.
type Options struct {
	API     string
	History *history.File
	Clients int
	Think   time.Duration // a client's pause after each request; drawn from half of it to one and a half
	Mix     Mix
	Seed    uint64
}

// requestLimit is longer than the api may take for any answer.
const requestLimit = 8 * time.Second

// Load is running clients.
type Load struct {
	o       Options
	http    *http.Client
	op      atomic.Int64
	stopped atomic.Bool // no new requests
	wg      sync.WaitGroup
	cancel  context.CancelFunc

	mu    sync.Mutex
	fault error      // of the history file
	acked []*request // single jobs that were acknowledged, the newest ones
}

// Start starts the clients.
func Start(ctx context.Context, o Options) *Load {
	l := &Load{o: o, http: &http.Client{Timeout: requestLimit, Transport: &http.Transport{MaxIdleConnsPerHost: 2 * o.Clients, IdleConnTimeout: 5 * time.Second}}}
	ctx, l.cancel = context.WithCancel(ctx)
	for n := range o.Clients {
		c := &client{Load: l, n: n, random: rand.New(rand.NewPCG(o.Seed, uint64(n)))}
		l.wg.Go(func() { c.run(ctx) })
	}
	if o.Mix.Kills > 0 {
		c := &client{Load: l, n: o.Clients, random: rand.New(rand.NewPCG(o.Seed, uint64(o.Clients)))}
		l.wg.Go(func() { c.poison(ctx) })
	}
	return l
}

// Stop lets no client begin anything new, gives what is under way until the limit to become known, and returns the first
// fault of the harness itself.
func (l *Load) Stop(limit time.Duration) error {
	l.stopped.Store(true)
	late := time.AfterFunc(limit, l.cancel)
	l.wg.Wait()
	late.Stop()
	l.cancel()
	l.http.CloseIdleConnections()
	return l.fault
}

// record writes events; a history that cannot be written ends the run.
func (l *Load) record(events ...history.Event) {
	if err := history.Append(l.o.History, events...); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.fault == nil {
			l.fault = err
		}
		l.cancel()
	}
}

// remembered bounds how many acknowledged jobs are looked at, cancelled and sent again.
const remembered = 2000

func (l *Load) remember(r *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.acked) < remembered {
		l.acked = append(l.acked, r)
	} else {
		l.acked[rand.IntN(remembered)] = r
	}
}

// some draws an acknowledged job, nil = there is none yet.
func (l *Load) some(random *rand.Rand) *request {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.acked) == 0 {
		return nil
	}
	return l.acked[random.IntN(len(l.acked))]
}

// client is one closed loop.
type client struct {
	*Load
	n      int
	random *rand.Rand
}

func (c *client) run(ctx context.Context) {
	for !c.stopped.Load() && ctx.Err() == nil {
		c.step(ctx)
		if c.o.Think > 0 {
			pause(ctx, c.o.Think/2+time.Duration(c.random.Int64N(int64(c.o.Think))))
		}
	}
}

// step is one request, repeated until its outcome is known.
func (c *client) step(ctx context.Context) {
	m := c.o.Mix
	draw := c.random.IntN(100)
	if draw -= m.Batches; draw < 0 {
		c.settle(ctx, c.batch())
		return
	}
	known := c.some(c.random)
	if known == nil {
		c.settle(ctx, c.single())
		return
	}
	if draw -= m.Looks; draw < 0 {
		c.look(ctx, history.Get, known)
	} else if draw -= m.Cancels; draw < 0 {
		c.look(ctx, history.Cancel, known)
	} else if draw -= m.Conflicts; draw < 0 {
		c.settle(ctx, c.conflict(known))
	} else if draw -= m.Again; draw < 0 {
		c.again(ctx, known)
	} else {
		c.settle(ctx, c.single())
	}
}

// poison enqueues jobs that kill their worker, the next when the last has ended: two at once would be each other's
// neighbours, whose crashes do not count. Each as a subprocess and as a Go function in turn.
func (c *client) poison(ctx context.Context) {
	for n := 0; n < c.o.Mix.Kills && !c.stopped.Load() && ctx.Err() == nil; n++ {
		kind := []string{"f.exec", "f.go"}[n%2]
		s, b := c.order(kind, witness.Orders{Nonce: newID(), Kills: true})
		s.ID = newID()
		b.ID, s.MaxCrashes, b.MaxCrashes = s.ID, 3, 3
		r := &request{path: "/v1/jobs", sent: []*history.Sent{s}, safe: true, body: b.bytes()}
		c.settle(ctx, r)
		for ctx.Err() == nil {
			if f, ok := c.look(ctx, history.Get, r); ok && f.Ended() {
				break
			}
			pause(ctx, 200*time.Millisecond)
		}
	}
}

// again sends what was acknowledged once more, or something new twice at once.
func (c *client) again(ctx context.Context, known *request) {
	if c.random.IntN(2) == 0 && known.safe {
		c.settle(ctx, known)
		return
	}
	r := c.single()
	if !r.safe {
		c.settle(ctx, r)
		return
	}
	var both sync.WaitGroup
	both.Go(func() { c.settle(ctx, r) })
	both.Go(func() { c.settle(ctx, r) })
	both.Wait()
}

// settle sends a request until its outcome is known, or for ever unknown: a job without an id and a key must not be sent
// again.
func (c *client) settle(ctx context.Context, r *request) {
	for try := 0; ; try++ {
		outcome := c.send(ctx, r)
		if outcome == history.OK {
			if len(r.sent) == 1 && !r.sent[0].Conflict {
				c.remember(r)
			}
			return
		}
		if ctx.Err() != nil || r.sent[0].Conflict && outcome == history.Fail || outcome == history.Unknown && !r.safe || outcome == refused {
			return
		}
		pause(ctx, min(50*time.Millisecond<<min(try, 4), 500*time.Millisecond))
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
