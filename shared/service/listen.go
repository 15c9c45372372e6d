package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// shutdownLimit is how long requests under way may take once the server is told to stop. Every answer is due within
// 5 s even with the database away; the rest is for slow readers.
const shutdownLimit = 10 * time.Second

// NewServer returns an HTTP server with limits on everything that a client may draw out or make large. Bodies are the
// handler's to limit.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// Serve answers requests on l until ctx ends, lets those under way finish for up to 10 s and returns nil. It closes l.
// Its shape is that of a part of a Group.
func Serve(ctx context.Context, server *http.Server, l net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	err := server.Shutdown(limit)
	if err != nil {
		// Close cuts off those still served; that they were too slow is no fault of this process.
		err = server.Close()
	}
	<-ended
	return err
}

// Listen listens on a TCP address, "host:port"; port 0 takes a free one, and the listener's Addr tells which. flag
// is the name of the flag that the address came from, such as "listen": its errors say what to change.
func Listen(ctx context.Context, address, flag string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err == nil {
		return l, nil
	}
	change := fmt.Sprintf("--%s or %s", flag, Variable(flag))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use by another program: stop that one, or choose another port with %s: %w",
			address, change, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s is not allowed to this user: choose a port from 1024 on with %s: %w", address, change, err)
	}
	return nil, fmt.Errorf("cannot listen on %q: correct %s, for example 127.0.0.1:8080: %w", address, change, err)
}

// IsLoopback reports whether only programs of this machine can reach a listener on address ("host:port", or a host
// alone). An empty host is every interface; a name other than localhost is taken for reachable, as what it resolves
// to may change.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
