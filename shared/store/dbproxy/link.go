package dbproxy

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// link is one connection.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	muted          atomic.Bool   // answers are dropped
	replied        chan struct{} // closed at the first answer that was dropped, or when there will be none
	started        bool          // PostgreSQL: the start-up message is through, messages have a type
	names          map[string]string
}

// answers copies what the server says.
func (l *link) answers() {
	defer l.client.Close()
	replied := sync.OnceFunc(func() { close(l.replied) })
	defer replied()
	buf := make([]byte, 64<<10)
	for {
		n, err := l.server.Read(buf)
		if err != nil {
			return
		}
		l.proxy.quiet()
		if l.muted.Load() {
			replied()
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
		l.proxy.quiet()
		r := l.proxy.take(statement)
		if r == nil {
			what, after := l.proxy.forecast(statement)
			if after > 0 {
				l.pause(after)
			}
			if what == Watch {
				if _, err := l.server.Write(message); err != nil {
					return
				}
				continue
			}
			r = newRule(what)
		}
		switch r.what {
		case Watch:
			_, err = l.server.Write(message)
			close(r.Hit)
			if err != nil {
				return
			}
		case Cut:
			close(r.Hit)
			_ = l.client.Close()
			return
		case Lost:
			l.muted.Store(true)
			l.run(message)
			l.proxy.wait(l.replied)
			if r.Then != nil {
				r.Then()
			}
			close(r.Hit)
			_ = l.client.Close()
			return
		case Late:
			l.muted.Store(true)
			_ = l.client.Close()
			close(r.Hit)
			l.proxy.wait(r.Release)
			_, _ = l.server.Write(message)
			l.proxy.wait(l.replied)
			return
		case Silent:
			close(r.Hit)
			l.muted.Store(true)
			_, _ = io.Copy(io.Discard, l.client) // until the client gives up or the test ends
			return
		}
	}
}

// pause is the time that a statement is on its way.
func (l *link) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.proxy.done:
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
