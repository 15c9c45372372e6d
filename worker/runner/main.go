package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/nudge"
	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/worker/executor"
	"github.com/slotq/slotq/worker/handlers"
)

// registered are the handlers of Main, in the manner of net/http's default mux: a worker program is its handlers.
var registered []*handler

// Handle makes fn the handler of a kind in Main; kind "*" catches all that have no other. It panics on a kind that is
// not valid or has a handler. Call it before Main.
func Handle(kind string, fn Func, options ...HandlerOptions) {
	h := goHandler(kind, fn, options)
	if slices.ContainsFunc(registered, func(o *handler) bool { return o.kind == kind }) {
		panic(fmt.Sprintf("runner: kind %q has two handlers", kind))
	}
	registered = append(registered, h)
}

// Main is the whole main function of a worker: it takes the flags and variables of the worker binary, serves the kinds
// of Handle and those of worker.yaml, if there is one, and ends the process when it has drained.
func Main() {
	executor.ShimMain() // first: the subprocess executor starts this binary again as its shim
	os.Exit(service.Main(Program))
}

// Program is Main without the process around it, for tests: it returns when ctx has ended and the worker has drained.
func Program(ctx context.Context, p service.Process) error {
	var c config
	about := service.About{Name: "slotq-worker", Description: "Takes jobs from the queues and runs them."}
	if _, err := service.Parse(p.Args, p.Environ, p.Stdout, about, &c); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	set, err := c.load(p.Environ)
	if err != nil {
		return &service.UsageError{Err: err}
	}
	log := c.Logger(p.Stderr)
	sockets, err := c.listen(ctx)
	if err != nil {
		return err
	}
	defer sockets.close()
	registry := service.NewRegistry("worker")
	done, retried := service.DatabaseMetrics(registry, store.RetryReasons())
	s, err := store.Open(ctx, c.DatabaseURL.Reveal(), store.Options{
		Connections: c.DatabaseConnections, Observe: store.Observer{Done: done, Retried: retried},
	})
	if err != nil {
		return c.explain(fmt.Errorf("cannot open the database %s: %w", c.DatabaseURL, err))
	}
	group := &service.Group{}
	group.AddClose("database", s.Close)
	if err := store.Prepare(ctx, s, c.Migrate); err != nil {
		return errors.Join(c.explain(err), s.Close())
	}
	subprocess, err := executor.NewSubprocess(executor.SubprocessOptions{Insecure: c.Insecure, LookupEnv: lookup(p.Environ)})
	if err != nil {
		return errors.Join(err, s.Close())
	}
	group.AddClose("subprocesses", subprocess.Close)
	r, err := New(Options{
		Store: s, Concurrency: c.Concurrency, Queues: c.Queues, Slots: c.Slots, Poll: c.Poll,
		Heartbeat: c.Heartbeat, Lease: c.Lease, DrainTimeout: c.drainTimeout(),
		Nudge: c.nudgeAddress(sockets.nudges.Addr().Port), Log: log, Metrics: registry, Subprocess: subprocess,
	})
	if err != nil {
		return errors.Join(err, s.Close())
	}
	if err := r.adopt(set, subprocess, group); err != nil {
		return errors.Join(err, s.Close())
	}
	ops := service.NewOpsHandler(registry, r.Ready)
	group.Add("http", func(ctx context.Context) error {
		return service.Serve(ctx, service.NewServer(ops, log), sockets.http)
	})
	group.Add("nudges", func(ctx context.Context) error { return sockets.nudges.Run(ctx, r) })
	group.Add("worker", r.Run)
	log.Info("the worker starts", "version", service.Version(), "database", c.DatabaseURL, "listen", sockets.http.Addr().String(), slog.Int("pid", os.Getpid()))
	err = group.Run(ctx)
	log.Info("the worker has stopped")
	return err
}

// load reads the handlers' file. A program with handlers of its own needs none.
func (c *config) load(environ []string) (*handlers.Set, error) {
	if len(registered) > 0 && c.Handlers == "worker.yaml" {
		if _, err := os.Stat(c.Handlers); errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
	}
	set, err := handlers.Load(c.Handlers, handlers.Options{Insecure: c.Insecure, LookupEnv: lookup(environ)})
	if err != nil {
		return nil, err
	}
	for _, h := range registered {
		for _, other := range set.All() {
			if h.kind == other.Kind {
				return nil, fmt.Errorf("%s:%d: kind %s has a handler in the program already: take one of the two out", c.Handlers, other.Line, h.kind)
			}
		}
	}
	return set, nil
}

// adopt gives the runner the program's handlers and those of the file.
func (r *Runner) adopt(set *handlers.Set, subprocess *executor.Subprocess, group *service.Group) error {
	for _, h := range registered {
		// A copy with a fresh count of what runs: Program may run more than once.
		r.handlers.add(&handler{kind: h.kind, fn: h.fn, timeout: h.timeout, grace: h.grace, limit: h.limit})
	}
	if set == nil {
		return nil
	}
	for _, h := range set.All() {
		e, err := h.Executor(subprocess)
		if err != nil {
			return err
		}
		if closer, ok := e.(interface{ Close() }); ok {
			group.AddClose("handler "+h.Kind, func() error { closer.Close(); return nil })
		}
		o := HandlerOptions{Timeout: h.Timeout, Concurrency: h.Concurrency}
		if h.Command != nil {
			o.Grace = h.Command.Grace
		}
		r.HandleWith(h.Kind, e, o)
	}
	return nil
}

// sockets are the two listeners of a worker, on one port.
type sockets struct {
	http   net.Listener
	nudges *nudge.Receiver
}

// close closes what nobody has run; twice does no harm.
func (s sockets) close() {
	_ = s.http.Close()
	_ = s.nudges.Close()
}

// listen opens the port for HTTP and the nudge. With --ops-listen HTTP has an address of its own.
func (c *config) listen(ctx context.Context) (s sockets, err error) {
	for try := 0; ; try++ {
		address, flag := c.Listen, "listen"
		if c.OpsListen != "" {
			address, flag = c.OpsListen, "ops-listen"
		}
		if s.http, err = service.Listen(ctx, address, flag); err != nil {
			return s, err
		}
		host, port, err := net.SplitHostPort(c.Listen)
		if err != nil {
			return s, errors.Join(fmt.Errorf("--listen: %w", err), s.http.Close())
		}
		free := port == "0"
		if free && c.OpsListen == "" {
			port = strconv.Itoa(s.http.Addr().(*net.TCPAddr).Port)
		}
		if s.nudges, err = nudge.Listen(ctx, net.JoinHostPort(host, port)); err == nil {
			return s, nil
		}
		_ = s.http.Close()
		if !free || try == 20 { // a free TCP port may be a taken UDP port: draw again
			return s, fmt.Errorf("UDP port %s is in use by another program: choose another with --listen or SLOTQ_LISTEN: %w", port, err)
		}
	}
}

// explain adds what to do about an error that says only what happened.
func (c *config) explain(err error) error {
	if errors.Is(err, job.ErrUnavailable) {
		err = fmt.Errorf("the database %s cannot be reached, or does not answer in time; is its server running? %w", c.DatabaseURL, err)
	}
	return c.DatabaseURL.RedactError(err)
}

// lookup finds variables in a process's environment.
func lookup(environ []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := len(environ) - 1; i >= 0; i-- {
			if value, ok := strings.CutPrefix(environ[i], name+"="); ok {
				return value, true
			}
		}
		return "", false
	}
}
