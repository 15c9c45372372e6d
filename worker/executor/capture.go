package executor

import (
	"fmt"
	"io"
)

// OutputLimit bounds Result.Output in bytes. Output within it is kept byte for byte; of longer output the first half of
// the limit and as much of the end as fits are kept, with a line between them that says how much was left out.
const OutputLimit = 64 << 10

const headLimit = OutputLimit / 2

// capture is an io.Writer that keeps the head and the tail of what it is given in at most OutputLimit bytes of memory,
// and never refuses a byte: a job must not block on, or notice, the bound.
type capture struct {
	buf   []byte // the first OutputLimit bytes; from then on buf[headLimit:] is a ring of the latest
	next  int    // where the ring goes on
	total int64
}

var _ io.Writer = (*capture)(nil)

func (c *capture) Write(p []byte) (int, error) {
	n := len(p)
	c.total += int64(n)
	if room := OutputLimit - len(c.buf); room > 0 {
		take := min(room, len(p))
		c.buf = append(c.buf, p[:take]...)
		p = p[take:]
	}
	ring := c.buf[min(headLimit, len(c.buf)):]
	if over := len(p) - len(ring); over > 0 {
		p = p[over:] // only the last ring's worth can survive; where the ring starts is then of no account
	}
	for len(p) > 0 {
		k := copy(ring[c.next:], p)
		p, c.next = p[k:], (c.next+k)%len(ring)
	}
	return n, nil
}

// maxRead bounds the memory for one read.
const maxRead = 32 << 10

// readFrom takes in all that r has, and returns r's error unless that is the end. io.Copy would take maxRead for it from
// the start, twice a job, where most jobs write a line or nothing.
func (c *capture) readFrom(r io.Reader) error {
	buf := make([]byte, 512)
	for {
		n, err := r.Read(buf)
		c.Write(buf[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n == len(buf) && n < maxRead {
			buf = make([]byte, 2*n)
		}
	}
}

// bytes returns what was kept, at most OutputLimit bytes.
func (c *capture) bytes() []byte {
	if c.total <= OutputLimit {
		return c.buf
	}
	ring := c.buf[headLimit:]
	// The marker's own length takes from the tail. Its number grows by what the marker displaces, so leave it the room of
	// the longest number.
	const markerRoom = len("\n[... 9223372036854775807 bytes left out ...]\n")
	tail := len(ring) - markerRoom
	left := c.total - int64(headLimit) - int64(tail)
	out := make([]byte, 0, OutputLimit)
	out = append(out, c.buf[:headLimit]...)
	out = fmt.Appendf(out, "\n[... %d bytes left out ...]\n", left)
	whole := append(append(make([]byte, 0, len(ring)), ring[c.next:]...), ring[:c.next]...)
	return append(out, whole[len(whole)-tail:]...)
}

// bounded is b as a capture would keep it.
func bounded(b []byte) []byte {
	if len(b) <= OutputLimit {
		return b
	}
	var c capture
	c.Write(b)
	return c.bytes()
}
