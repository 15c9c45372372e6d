// Command with-servers runs a command, such as the tests, while private database servers are up:
//
//	with-servers [--fast] [--mariadb] [--postgres] -- command args…
//
// Without --mariadb or --postgres both are started. The command finds them in SLOTQ_TEST_MYSQL_URL and
// SLOTQ_TEST_POSTGRES_URL; where one of these is set already, that server is used and none is started. SIGINT and
// SIGTERM are handed on. The exit code is the command's, or 1 when the servers cannot be had, 2 for a wrong call.
//
// Servers that are not installed are installed when CI=true or SLOTQ_TEST_INSTALL=1 (on Debian, as root); else it
// prints the command that does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/slotq/slotq/shared/store/dbserver"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	code, err := run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr, signals)
	if err != nil {
		fmt.Fprintf(os.Stderr, "with-servers: %v\n", err)
	}
	os.Exit(code)
}

// kind is one kind of server.
type kind struct {
	variable string
	wanted   bool
	find     func() (string, error)
	start    func(context.Context, dbserver.Options) (*dbserver.Server, error)
}

func run(args, environ []string, stdout, stderr io.Writer, signals <-chan os.Signal) (int, error) {
	flags := flag.NewFlagSet("with-servers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	fast := flags.Bool("fast", false, "do not wait for the disk")
	mariadb := flags.Bool("mariadb", false, "start MariaDB")
	postgres := flags.Bool("postgres", false, "start PostgreSQL")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0, nil
	} else if err != nil {
		return 2, nil // the flag set has said why
	}
	if flags.NArg() == 0 {
		return 2, errors.New("no command: with-servers [--fast] [--mariadb] [--postgres] -- command args…")
	}
	both := !*mariadb && !*postgres
	var kinds []kind
	for _, k := range []kind{
		{"SLOTQ_TEST_MYSQL_URL", *mariadb || both, dbserver.FindMariaDB, dbserver.StartMariaDB},
		{"SLOTQ_TEST_POSTGRES_URL", *postgres || both, dbserver.FindPostgres, dbserver.StartPostgres},
	} {
		if k.wanted && value(environ, k.variable) == "" {
			kinds = append(kinds, k)
		}
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	relay := &relay{cancel: cancel}
	finished := make(chan struct{})
	var relaying sync.WaitGroup
	relaying.Go(func() { relay.run(signals, finished) })
	defer relaying.Wait()
	defer close(finished)

	if err := provide(ctx, kinds, environ, stderr); err != nil {
		return 1, err
	}
	servers, err := startAll(ctx, kinds, *fast)
	defer func() {
		for _, s := range servers {
			if err := s.Stop(); err != nil {
				fmt.Fprintf(stderr, "with-servers: %v\n", err)
			}
		}
	}()
	if err != nil {
		return 1, err
	}
	for i, s := range servers {
		environ = append(environ, kinds[i].variable+"="+s.URL())
	}
	cmd := exec.Command(flags.Arg(0), flags.Args()[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environ, os.Stdin, stdout, stderr
	// A group of its own: the terminal's Ctrl-C would reach it a second time beside the one handed on, and what takes
	// a second signal for "end at once" would not drain.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return relay.watch(cmd)
}

// relay hands signals on to the command, or ends the wait for the servers when it does not run yet.
type relay struct {
	cancel context.CancelFunc

	mu    sync.Mutex
	ended bool // a signal came before the command started
	group int  // the command's process group, while it runs
}

func (r *relay) run(signals <-chan os.Signal, finished <-chan struct{}) {
	for {
		select {
		case <-finished:
			return
		case s := <-signals:
			r.cancel()
			r.mu.Lock()
			r.ended = true
			if sig, ok := s.(syscall.Signal); ok && r.group != 0 {
				_ = syscall.Kill(-r.group, sig)
			}
			r.mu.Unlock()
		}
	}
}

// watch runs the command to its end and returns its exit code.
func (r *relay) watch(cmd *exec.Cmd) (int, error) {
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return 1, errors.New("interrupted")
	}
	err := cmd.Start()
	if err == nil {
		r.group = cmd.Process.Pid
	}
	r.mu.Unlock()
	if err != nil {
		return 1, err
	}
	err = cmd.Wait()
	r.mu.Lock()
	r.group = 0
	r.mu.Unlock()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 1, err
	}
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal()), nil // as a shell says it
	}
	return cmd.ProcessState.ExitCode(), nil
}

// startAll starts one server of each kind, at the same time. What was started is returned with an error too.
func startAll(ctx context.Context, kinds []kind, fast bool) ([]*dbserver.Server, error) {
	servers, errs := make([]*dbserver.Server, len(kinds)), make([]error, len(kinds))
	var starting sync.WaitGroup
	for i, k := range kinds {
		starting.Go(func() { servers[i], errs[i] = k.start(ctx, dbserver.Options{Fast: fast}) })
	}
	starting.Wait()
	err := errors.Join(errs...)
	if err != nil {
		servers = compact(servers)
	}
	return servers, err
}

func compact(servers []*dbserver.Server) (running []*dbserver.Server) {
	for _, s := range servers {
		if s != nil {
			running = append(running, s)
		}
	}
	return running
}

// value looks a variable up; the last one counts, as for exec.
func value(environ []string, name string) (found string) {
	for _, entry := range environ {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			found = v
		}
	}
	return found
}
