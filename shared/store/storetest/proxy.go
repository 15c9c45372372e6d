package storetest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// proxy stands between a store and its server and reads what the store says, in MySQL's text protocol or PostgreSQL's,
// so that a test can do to one statement what networks do: lose it, lose its answer, hold it back, fall silent. It is
// for servers; between SQLite and its file there is no network.
type proxy struct {
	listener net.Listener
	target   string
	postgres bool
	wg       sync.WaitGroup

	mu      sync.Mutex
	rules   []*rule
	rewrite func(statement string) (string, bool)
	conns   map[net.Conn]bool
	closed  bool
	done    chan struct{} // closed when the test is over
}

// rule is what happens to the first statement that it matches.
type rule struct {
	match   func(statement string) bool
	what    accident
	hit     chan struct{} // closed when the statement came
	release chan struct{} // a held statement goes on when the test closes it
	then    func()        // runs after the server's answer, before the client learns that the connection is gone
}

// accident is what a network does to a statement.
type accident int

const (
	watch  accident = iota // nothing: the test only wants to know
	cut                    // it never arrives, the connection is gone on both sides
	lost                   // it arrives, its answer does not
	late                   // the client loses the connection now, the statement arrives when it is released
	silent                 // it never arrives, and both sides see an open connection that says nothing
)

// newProxy returns a proxy before the fixture's database, and the URL that leads through it.
func (f *fixture) newProxy() (*proxy, string) {
	f.Helper()
	u, err := url.Parse(f.db.url)
	f.ok(err)
	p := &proxy{target: u.Host, postgres: strings.HasPrefix(u.Scheme, "postgres"), conns: map[net.Conn]bool{}, done: make(chan struct{})}
	p.listener, err = net.Listen("tcp", "127.0.0.1:0")
	f.ok(err)
	p.wg.Go(p.accept)
	f.Cleanup(p.close)
	u.Host = p.listener.Addr().String()
	return p, u.String()
}

// on adds a rule for the first statement that contains all the words, in lower case.
func (p *proxy) on(what accident, words ...string) *rule {
	r := &rule{what: what, hit: make(chan struct{}), release: make(chan struct{}), match: func(statement string) bool {
		for _, w := range words {
			if !strings.Contains(statement, w) {
				return false
			}
		}
		return true
	}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, r)
	return r
}

// onCommit adds a rule for the next COMMIT.
func (p *proxy) onCommit(what accident) *rule {
	r := p.on(what)
	p.mu.Lock()
	defer p.mu.Unlock()
	r.match = func(statement string) bool { return statement == "commit" }
	return r
}

// take finds the rule for a statement; it holds once.
func (p *proxy) take(statement string) *rule {
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

func (p *proxy) close() {
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

// own lets close end the connection.
func (p *proxy) own(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[c] = true; p.closed {
		_ = c.Close()
	}
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.own(client)
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

// link is one connection.
type link struct {
	proxy          *proxy
	client, server net.Conn
	muted          atomic.Bool   // answers are dropped
	replied        chan struct{} // closed at the first answer that was dropped
	started        bool          // PostgreSQL: the start-up message is through, messages have a type
	names          map[string]string
}

// answers copies what the server says.
func (l *link) answers() {
	defer l.client.Close()
	buf := make([]byte, 64<<10)
	for first := true; ; {
		n, err := l.server.Read(buf)
		if err != nil {
			return
		}
		if l.muted.Load() {
			if first {
				first = false
				close(l.replied)
			}
			continue
		}
		if _, err := l.client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// statements copies what the client says, one message at a time.
func (l *link) statements() {
	defer l.server.Close()
	for {
		message, statement, err := l.read()
		if err != nil {
			return
		}
		r := l.proxy.take(statement)
		if r == nil {
			if _, err := l.server.Write(message); err != nil {
				return
			}
			continue
		}
		switch r.what {
		case watch:
			_, err = l.server.Write(message)
			close(r.hit)
			if err != nil {
				return
			}
		case cut:
			close(r.hit)
			_ = l.client.Close()
			return
		case lost:
			l.muted.Store(true)
			l.run(message)
			l.wait(l.replied)
			if r.then != nil {
				r.then()
			}
			close(r.hit)
			_ = l.client.Close()
			return
		case late:
			l.muted.Store(true)
			_ = l.client.Close()
			close(r.hit)
			l.wait(r.release)
			_, _ = l.server.Write(message)
			l.wait(l.replied)
			return
		case silent:
			close(r.hit)
			l.muted.Store(true)
			_, _ = io.Copy(io.Discard, l.client) // until the client gives up or the test ends
			return
		}
	}
}

// run sends a message and, where it only begins a statement (PostgreSQL's Bind), the rest up to Sync: before that the
// server does not answer.
func (l *link) run(message []byte) {
	_, err := l.server.Write(message)
	for l.proxy.postgres && message[0] == 'B' && err == nil {
		var next []byte
		if next, _, err = l.read(); err == nil {
			_, err = l.server.Write(next)
		}
		if err == nil && next[0] == 'S' {
			return
		}
	}
}

// wait waits, but not past the end of the test.
func (l *link) wait(c <-chan struct{}) {
	select {
	case <-c:
	case <-l.proxy.done:
	}
}

// read returns the client's next message and the statement that it runs, in lower case, or "".
func (l *link) read() (message []byte, statement string, err error) {
	if l.proxy.postgres {
		message, statement, err = l.readPostgres()
	} else {
		message, statement, err = l.readMySQL()
	}
	return message, strings.ToLower(strings.TrimRight(statement, "\x00; ")), err
}

// readMySQL reads a packet: 3 bytes of length, a sequence number, the payload; command 3 is a query as text.
func (l *link) readMySQL() ([]byte, string, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(l.client, head); err != nil {
		return nil, "", err
	}
	body := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	if _, err := io.ReadFull(l.client, body); err != nil {
		return nil, "", err
	}
	if len(body) == 0 || body[0] != 3 || head[3] != 0 {
		return append(head, body...), "", nil
	}
	text := l.rewritten(string(body[1:]))
	head[0], head[1], head[2] = byte(len(text)+1), byte((len(text)+1)>>8), byte((len(text)+1)>>16)
	return append(append(head, 3), text...), text, nil
}

// readPostgres reads a message: a type but for the first, 4 bytes of length, the body. A statement runs by Query, or by
// Bind of what an earlier Parse named.
func (l *link) readPostgres() ([]byte, string, error) {
	head := make([]byte, 4, 5)
	if l.started {
		head = head[:5]
	}
	if _, err := io.ReadFull(l.client, head); err != nil {
		return nil, "", err
	}
	body := make([]byte, int(binary.BigEndian.Uint32(head[len(head)-4:]))-4)
	if _, err := io.ReadFull(l.client, body); err != nil {
		return nil, "", err
	}
	if !l.started {
		// Requests for TLS and the like come before the start-up message and have codes of their own.
		l.started = len(body) >= 4 && binary.BigEndian.Uint16(body) == 3
		return append(head, body...), "", nil
	}
	statement := ""
	switch head[0] {
	case 'Q':
		statement = string(body)
	case 'P':
		name, rest, _ := bytes.Cut(body, []byte{0})
		text, types, _ := bytes.Cut(rest, []byte{0})
		changed := l.rewritten(string(text))
		l.names[string(name)] = changed
		body = bytes.Join([][]byte{name, []byte(changed), types}, []byte{0})
		binary.BigEndian.PutUint32(head[1:], uint32(len(body)+4))
	case 'B':
		_, rest, _ := bytes.Cut(body, []byte{0})
		name, _, _ := bytes.Cut(rest, []byte{0})
		statement = l.names[string(name)]
	}
	return append(head, body...), statement, nil
}

func (l *link) rewritten(text string) string {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	if l.proxy.rewrite != nil {
		if changed, ok := l.proxy.rewrite(text); ok {
			return changed
		}
	}
	return text
}
