package service

import (
	"errors"
	"io"
	"net"
	"testing"
)

func TestConnectionsBeyondTheLimitWaitUntilOneCloses(t *testing.T) {
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := LimitConnections(inner, 1)
	dial := func() net.Conn {
		t.Helper()
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	dial()
	second := dial()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	if len(l.(*limitedListener).places) != 1 {
		t.Error("the place of the first is free")
	}
	first.Close()
	first.Close() // a second time frees nothing more
	c := <-accepted
	if c == nil {
		t.Fatal("the second was not accepted after the first had closed")
	}
	if half, ok := c.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		t.Error("it cannot be closed for writing alone")
	}
	if b, err := io.ReadAll(second); err != nil || len(b) != 0 {
		t.Errorf("the client reads %q, %v", b, err)
	}
	<-accepted
	full := make(chan error)
	go func() {
		_, err := l.Accept()
		full <- err
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-full; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept at the limit after Close: %v", err)
	}
	c.Close()
	if LimitConnections(inner, 0) != inner {
		t.Error("0 is a limit")
	}
}
