// Package dbproxy stands between programs and a database server and reads what they say, in MySQL's text protocol or
// PostgreSQL's, so that a test can do to one statement, or to all, what networks do: lose it, lose its answer, hold it
// back, fall silent. It is for servers; between SQLite and its file there is no network.
package dbproxy

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Proxy passes on what it is not told to spoil.
type Proxy struct {
	listener net.Listener
	target   string
	postgres bool
	wg       sync.WaitGroup

	mu      sync.Mutex
	rules   []*Rule
	rewrite func(statement string) (string, bool)
	weather Weather
	silence chan struct{} // closed when it ends; nil = there is none
	conns   map[net.Conn]bool
	closed  bool
	done    chan struct{} // closed when the proxy is
}

// Weather is what happens to every statement that no rule takes, in lower case: an accident, and how long it is on its
// way. Late has no release here and is not for it.
type Weather func(statement string) (Accident, time.Duration)

// Rule is what happens to the first statement that it matches.
type Rule struct {
	match   func(statement string) bool
	what    Accident
	Hit     chan struct{} // closed when the statement came
	Release chan struct{} // a held statement goes on when the caller closes it
	Then    func()        // runs after the server's answer, before the client learns that the connection is gone
}

// Accident is what a network does to a statement.
type Accident int

const (
	Watch  Accident = iota // nothing: the test only wants to know
	Cut                    // it never arrives, the connection is gone on both sides
	Lost                   // it arrives, its answer does not
	Late                   // the client loses the connection now, the statement arrives when it is released
	Silent                 // it never arrives, and both sides see an open connection that says nothing
)

// New returns a proxy before the server that databaseURL names, and the URL that leads through it. Close must be called.
func New(databaseURL string) (*Proxy, string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return nil, "", fmt.Errorf("the server's URL: %w", err)
	}
	p := &Proxy{target: u.Host, postgres: strings.HasPrefix(u.Scheme, "postgres"), conns: map[net.Conn]bool{}, done: make(chan struct{})}
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, "", err
	}
	p.wg.Go(p.accept)
	u.Host = p.listener.Addr().String()
	return p, u.String(), nil
}

// Done is closed when the proxy is.
func (p *Proxy) Done() <-chan struct{} { return p.done }

// Rewrite lets f change statements from now on; it says whether it did.
func (p *Proxy) Rewrite(f func(statement string) (string, bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rewrite = f
}

// Change sets the weather from now on; nil = fair.
func (p *Proxy) Change(w Weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.weather = w
}

// Silence holds back everything in both directions, as a network that is cut without anybody being told: connections stay
// open, and what was said arrives when Resume ends it, whether or not anybody still waits for it.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silence == nil {
		p.silence = make(chan struct{})
	}
}

// Resume ends Silence.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silence != nil {
		close(p.silence)
		p.silence = nil
	}
}

// Reset breaks all connections at once, without a goodbye.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
}

// quiet waits while there is silence.
func (p *Proxy) quiet() {
	p.mu.Lock()
	silence := p.silence
	p.mu.Unlock()
	if silence != nil {
		p.wait(silence)
	}
}

// wait waits, but not past the proxy's end.
func (p *Proxy) wait(c <-chan struct{}) {
	select {
	case <-c:
	case <-p.done:
	}
}

func newRule(what Accident) *Rule {
	return &Rule{what: what, Hit: make(chan struct{}), Release: make(chan struct{})}
}

// On adds a rule for the first statement that contains all the words, in lower case.
func (p *Proxy) On(what Accident, words ...string) *Rule {
	r := newRule(what)
	r.match = func(statement string) bool {
		for _, w := range words {
			if !strings.Contains(statement, w) {
				return false
			}
		}
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, r)
	return r
}

// OnCommit adds a rule for the next COMMIT.
func (p *Proxy) OnCommit(what Accident) *Rule {
	r := p.On(what)
	p.mu.Lock()
	defer p.mu.Unlock()
	r.match = func(statement string) bool { return statement == "commit" }
	return r
}

// take finds the rule for a statement; it holds once.
func (p *Proxy) take(statement string) *Rule {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, r := range p.rules {
		if r.match(statement) {
			p.rules = append(p.rules[:i:i], p.rules[i+1:]...)
			return r
		}
	}
	return nil
}

// forecast is what the weather does to a statement.
func (p *Proxy) forecast(statement string) (Accident, time.Duration) {
	p.mu.Lock()
	w := p.weather
	p.mu.Unlock()
	if w == nil || statement == "" {
		return Watch, 0
	}
	return w(statement)
}

// Close ends all connections and returns when nothing of the proxy runs.
func (p *Proxy) Close() {
	p.mu.Lock()
	if !p.closed {
		close(p.done)
	}
	p.closed = true
	_ = p.listener.Close()
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// own lets Close end the connection.
func (p *Proxy) own(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[c] = true; p.closed {
		_ = c.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.own(client)
		p.quiet()
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.own(server)
		l := &link{proxy: p, client: client, server: server, replied: make(chan struct{}), names: map[string]string{}}
		p.wg.Go(l.answers)
		p.wg.Go(l.statements)
	}
}
