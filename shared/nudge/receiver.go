package nudge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Receiver hears nudges.
type Receiver struct {
	conn *net.UDPConn
}

// Listen opens a UDP socket on address ("host:port"; port 0 takes a free one). Run must be called to hear anything.
func Listen(ctx context.Context, address string) (*Receiver, error) {
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for nudges on UDP %q: %w", address, err)
	}
	return &Receiver{conn.(*net.UDPConn)}, nil
}

// Addr is the address with the port that was taken.
func (r *Receiver) Addr() *net.UDPAddr { return r.conn.LocalAddr().(*net.UDPAddr) }

// Hearer is a worker, as far as what it is told goes. Its methods must return at once: while one works the kernel keeps a few hundred
// datagrams and drops the rest, which costs latency and nothing else.
type Hearer interface {
	// Nudge says that a slot has got a job.
	Nudge(job.Slot)
	// Claimed says that jobs are claimed for the worker; only the database knows whether that is true.
	Claimed(job.Claim)
	// Places says how many jobs may be claimed for the worker within PlacesFor, and under which id; 0 = none.
	Places() (w job.WorkerID, free int)
}

// Run tells h what it hears until ctx ends, then closes the socket and returns nil. Whoever has told something is told how many places
// are free then.
func (r *Receiver) Run(ctx context.Context, h Hearer) error {
	stop := context.AfterFunc(ctx, func() { _ = r.conn.Close() })
	defer stop()
	var b [maxSize + 1]byte // one more, so that what is too long shows
	answered := map[netip.AddrPort]time.Time{}
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(b[:])
		switch {
		case err == nil:
			if r.heard(b[:n], h) {
				r.answer(from, h, answered)
			}
		case errors.Is(err, net.ErrClosed):
			return nil
		case ctx.Err() != nil:
			return nil
		default:
			return fmt.Errorf("hear nudges: %w", err)
		}
	}
}

func (r *Receiver) heard(b []byte, h Hearer) bool {
	if s, ok := decode(b); ok {
		h.Nudge(s)
		return true
	}
	c, ok := decodeClaim(b)
	if ok {
		h.Claimed(c)
	}
	return ok
}

// answer tells a sender how many places are free, no more often than each answerEvery.
func (r *Receiver) answer(to netip.AddrPort, h Hearer, answered map[netip.AddrPort]time.Time) {
	now := time.Now()
	if now.Sub(answered[to]) < answerEvery {
		return
	}
	w, free := h.Places()
	if free < 0 || w == 0 {
		return
	}
	if len(answered) >= maxAnswered {
		clear(answered)
	}
	answered[to] = now
	b := encodePlaces(w, free)
	_, _ = r.conn.WriteToUDPAddrPort(b[:], to) // a lost one means a nudge more
}

const (
	answerEvery = time.Millisecond
	maxAnswered = 1000 // senders that are remembered
)

// Close closes the socket of a receiver that is not run; Run does it by itself.
func (r *Receiver) Close() error { return r.conn.Close() }
