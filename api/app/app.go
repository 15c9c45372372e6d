// Package app puts the api together: configuration, store, clock, intake, server and pages, in the order in which they
// need each other, and takes them down in reverse. Main is the binary; tests call it too.
package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/slotq/slotq/api/server"
	"github.com/slotq/slotq/api/ui"
	"github.com/slotq/slotq/shared/clock"
	"github.com/slotq/slotq/shared/nudge"
	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/shared/stats"
	"github.com/slotq/slotq/shared/store"
)

// clockEvery is how often the api asks for the database's time.
const clockEvery = 10 * time.Second

// Main is the api: it reads its flags and serves until ctx ends.
func Main(ctx context.Context, p service.Process) error {
	var c Config
	about := service.About{Name: "slotq-api", Description: "Takes jobs over HTTP and answers what became of them."}
	if _, err := service.Parse(p.Args, p.Environ, p.Stdout, about, &c); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	log := c.Logger(p.Stderr)
	// First: a port that is taken is the commonest fault, and says so before a database is touched.
	listener, err := service.Listen(ctx, c.Listen, "listen")
	if err != nil {
		return err
	}
	defer listener.Close() // by then the group has closed it, if it got that far
	registry := service.NewRegistry("api")
	done, retried := service.DatabaseMetrics(registry, store.RetryReasons())
	s, err := store.Open(ctx, c.DatabaseURL.Reveal(), store.Options{
		Connections: c.DatabaseConnections, Observe: store.Observer{Done: done, Retried: retried},
	})
	if err != nil {
		return explain(fmt.Errorf("cannot open the database %s: %w", c.DatabaseURL, err), c.DatabaseURL)
	}
	group, err := assemble(ctx, &c, s, registry, log, listener)
	if err != nil {
		_ = s.Close() // the fault before is the one to report
		return explain(err, c.DatabaseURL)
	}
	log.Info("the api runs", "version", service.Version(), "database", c.DatabaseURL, "listen", listener.Addr().String())
	err = group.Run(ctx)
	log.Info("the api has stopped")
	return err
}

// assemble makes the parts, in the order of their starting.
func assemble(ctx context.Context, c *Config, s store.Store, registry *prometheus.Registry, log *slog.Logger, listener net.Listener) (*service.Group, error) {
	if err := store.Prepare(ctx, s, c.Migrate); err != nil {
		return nil, err
	}
	databaseTime := clock.New(s.Now)
	if err := databaseTime.Sync(ctx); err != nil {
		return nil, err
	}
	if err := bootstrap(ctx, s, c.BootstrapTokenFile, databaseTime.Now(), log); err != nil {
		return nil, err
	}
	if err := c.reachable(ctx, s); err != nil {
		return nil, err
	}
	nudges := nudge.NewSender(s.Workers)
	counter := stats.New(s, databaseTime.Now)
	calls := server.New(server.Options{
		Store: counter, Clock: databaseTime, Log: log, Registry: registry, Nudge: nudges.Nudge, Places: nudges,
		Hosts: c.hosts(), MaxPayload: int(c.MaxPayload), MaxBody: int64(c.MaxBody), NoCreate: !c.AutoCreate,
		TokensOnly: !service.IsLoopback(c.Listen) && !c.Insecure, RateLimit: c.RateLimit,
	})
	document, err := calls.Document()
	if err != nil {
		return nil, err
	}
	pages, err := ui.Pages(ui.Options{API: calls, Document: document, Log: log, Lease: c.Lease, Sweep: c.Sweep, Demo: c.Demo})
	if err != nil {
		return nil, err
	}
	ops := service.NewOpsHandler(registry, func(ctx context.Context) error {
		_, err := s.Now(ctx)
		return c.DatabaseURL.RedactError(err)
	})
	listener, err = c.secure(service.LimitConnections(listener, c.MaxConnections))
	if err != nil {
		return nil, err
	}
	var opsListener net.Listener
	if c.OpsListen != "" {
		if opsListener, err = service.Listen(ctx, c.OpsListen, "ops-listen"); err != nil {
			return nil, err
		}
	} else {
		pages["/metrics"] = ops
	}
	handler := withProbes(calls.Handler(document, pages), ops, c.OpsListen == "")

	group := &service.Group{}
	group.AddClose("database", s.Close)
	group.Add("clock", func(ctx context.Context) error {
		databaseTime.Follow(ctx, clockEvery, func(err error) { log.Debug("the clock runs on by itself", "error", err) })
		return nil
	})
	group.Add("nudges", nudges.Run)
	group.Add("stats", func(ctx context.Context) error { return counter.Run(ctx, c.Heartbeat, log) })
	group.Add("calls", calls.Run)
	if opsListener != nil {
		group.Add("ops", func(ctx context.Context) error { return service.Serve(ctx, service.NewServer(ops, log), opsListener) })
	}
	group.Add("http", func(ctx context.Context) error {
		return service.Serve(ctx, service.NewServer(handler, log), listener)
	})
	return group, nil
}

// withProbes serves health before the api's own checks: a prober asks for an address as its host, and gets no more than a
// word. Metrics are a page like the others.
func withProbes(api, ops http.Handler, here bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if here && (r.URL.Path == "/healthz" || r.URL.Path == "/readyz") {
			ops.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}
