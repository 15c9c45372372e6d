package command

import (
	"fmt"
	"io"
	"time"

	"github.com/slotq/slotq/shared/service"
)

// progressEvery is how often the line changes at most: more can nobody read, and a terminal may be at the end of a slow line.
const progressEvery = 100 * time.Millisecond

// progress tells a person on a terminal how far long work is, in one line of stderr that is written over and taken away at the
// end. Where stderr is no terminal it says nothing: a log full of such lines helps nobody.
type progress struct {
	w    io.Writer // nil = nobody watches
	last time.Time
}

func (c *call) progress() *progress {
	if !service.IsTerminal(c.err) {
		return &progress{}
	}
	return &progress{w: c.err}
}

// show replaces the line, unless it was replaced a moment ago.
func (p *progress) show(format string, args ...any) {
	if p.w == nil || time.Since(p.last) < progressEvery {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.w, "\r%s\x1b[K", printable(fmt.Sprintf(format, args...)))
}

// end takes the line away: what is printed next begins where it was.
func (p *progress) end() {
	if p.w != nil && !p.last.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// during does work of which nobody knows how far it is, and shows for how long it has been at it.
func (p *progress) during(what string, work func() error) error {
	defer p.end()
	done := make(chan error, 1)
	begin := time.Now()
	go func() { done <- work() }()
	for tick := time.NewTicker(time.Second); ; {
		p.show("%s, %.0fs", what, time.Since(begin).Seconds())
		select {
		case err := <-done:
			tick.Stop()
			return err
		case <-tick.C:
		}
	}
}
