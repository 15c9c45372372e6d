package nudge

import (
	"context"
	"errors"
	"fmt"
	"net"

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

// Run calls wake for every nudge until ctx ends, then closes the socket and returns nil. wake must return at once: while
// it works the kernel keeps a few hundred nudges and drops the rest, which costs latency and nothing else.
func (r *Receiver) Run(ctx context.Context, wake func(job.Slot)) error {
	stop := context.AfterFunc(ctx, func() { _ = r.conn.Close() })
	defer stop()
	var b [size + 1]byte // one more, so that what is too long shows
	for {
		n, _, err := r.conn.ReadFromUDPAddrPort(b[:])
		switch {
		case err == nil:
			if s, ok := decode(b[:n]); ok {
				wake(s)
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

// Close closes the socket of a receiver that is not run; Run does it by itself.
func (r *Receiver) Close() error { return r.conn.Close() }
