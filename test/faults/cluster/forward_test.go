//go:build ledger

package cluster

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// forwarder is the load balancer in front of a database: it hands every new connection to the server that pick names. An
// open connection stays where it is, even when its server is no longer picked: to leave such a one is the services' task.
type forwarder struct {
	listener net.Listener
	pick     func() string // host:port, "" = nowhere

	mu    sync.Mutex
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

func forward(t testing.TB, pick func() string) *forwarder {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{listener: l, pick: pick, conns: map[net.Conn]bool{}}
	f.wg.Go(f.accept)
	t.Cleanup(f.close)
	return f
}

func (f *forwarder) address() string { return f.listener.Addr().String() }

func (f *forwarder) accept() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return // closed
		}
		f.wg.Go(func() { f.serve(client) })
	}
}

func (f *forwarder) serve(client net.Conn) {
	defer client.Close()
	to := f.pick()
	if to == "" {
		return
	}
	server, err := net.DialTimeout("tcp4", to, time.Second)
	if err != nil {
		return
	}
	defer server.Close()
	if !f.keep(client, server) {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // whatever ends it ends both ways
			_ = client.Close()
			_ = server.Close()
		})
	}
	both.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, client)
	delete(f.conns, server)
}

// keep remembers connections that close must end; false = it was called already.
func (f *forwarder) keep(conns ...net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conns == nil {
		return false
	}
	for _, c := range conns {
		f.conns[c] = true
	}
	return true
}

func (f *forwarder) close() {
	_ = f.listener.Close()
	f.mu.Lock()
	for c := range f.conns {
		_ = c.Close()
	}
	f.conns = nil
	f.mu.Unlock()
	f.wg.Wait()
}
