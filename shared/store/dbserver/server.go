// Package dbserver starts private MariaDB and PostgreSQL servers for tests and local trials: real processes on free
// loopback ports with data of their own, which can be killed, paused and started again, and of which nothing remains.
// It owns processes, ports and directories. Schemas, and what runs on the databases, are the store's.
package dbserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Options of a server. The zero value is a server as durable as one in production.
type Options struct {
	// Fast gives up durability for speed: nothing waits for the disk. What was committed still outlives Kill, since a
	// commit hands it to the operating system; it would not outlive a power failure.
	Fast bool
	// Args are passed to the server last, so that they go before what this package sets.
	Args []string
	// Dir is where the server's directory is made; os.TempDir() when empty, or memory for a Fast one. A PostgreSQL server started by root runs
	// as another user, who must be able to enter it.
	Dir string
}

// startLimit bounds how long a server may take until it answers, recovery after Kill included.
const startLimit = 60 * time.Second

// maxConnections is enough for several test packages at once.
const maxConnections = "500"

// Server is a running database server. Its methods may be used by several goroutines, Stop more than once.
type Server struct {
	engine   engine
	home     *home
	port     int
	password string
	fast     bool
	args     []string

	mu      sync.Mutex
	process *process // nil when not running
	stopped bool
}

// engine is what differs between the two.
type engine interface {
	// scheme of the server's URL.
	scheme() string
	// prepare makes the data directory.
	prepare(ctx context.Context, s *Server) error
	// command returns how to start the server.
	command(s *Server) command
	// ended cleans up what the kernel keeps after the process was killed.
	ended(s *Server)
}

// memory is a directory in memory with room for a test's data, or "". What a server does not flush, a file system on a disk
// still has to write, and ext4 makes everybody else's fsync wait for it: a SQLite file beside such a server stood still
// for half a minute.
func memory() string {
	const dir, room = "/dev/shm", 4 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil || uint64(fs.Bavail)*uint64(fs.Bsize) < room {
		return ""
	}
	return dir
}

func start(ctx context.Context, engine engine, options Options) (*Server, error) {
	if options.Fast && options.Dir == "" && os.Getenv("TMPDIR") == "" {
		options.Dir = memory()
	}
	home, err := newHome(options.Dir, engine.scheme())
	if err != nil {
		return nil, err
	}
	s := &Server{
		engine: engine, home: home, password: rand.Text(), fast: options.Fast, args: options.Args,
	}
	if err = engine.prepare(ctx, s); err == nil {
		err = s.startOnFreePort(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a private %s server: %w", engine.scheme(), err), s.Stop())
	}
	return s, nil
}

// startOnFreePort tries again on another port, since another program may take the port between the search and the
// start.
func (s *Server) startOnFreePort(ctx context.Context) (err error) {
	for range 3 {
		if s.port, err = freePort(); err != nil {
			return err
		}
		if err = s.Restart(ctx); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// URL returns the URL of an empty database on the server, in slotq's form, password included. It stays the same over
// Restart.
func (s *Server) URL() string {
	u := url.URL{
		Scheme: s.engine.scheme(), User: url.UserPassword("root", s.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/slotq",
	}
	if u.Scheme == "postgres" {
		u.RawQuery = "sslmode=disable"
	}
	return u.String()
}

// Pid returns the id of the server's main process, or 0 when it is not running.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return 0
	}
	return s.process.pid
}

// Dir returns the directory that holds all of the server's files; Stop removes it.
func (s *Server) Dir() string { return s.home.dir }

// Restart starts the server again after Kill, on the same port and data, and returns when it answers. A running one is
// killed first.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errors.New("the server was stopped and its data removed: start a new one")
	}
	s.kill()
	p, err := startProcess(s.engine.command(s), filepath.Join(s.home.dir, "log"))
	if err != nil {
		return err
	}
	s.process = p
	if err := s.awaitAnswer(ctx, p); err != nil {
		err = fmt.Errorf("%w; its log ends with:\n%s", err, p.logTail())
		s.kill()
		return err
	}
	return nil
}

// Kill ends the server as kill -9 or a lack of memory would, and returns when all its processes are gone. The data
// stays.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
}

func (s *Server) kill() {
	if s.process == nil {
		return
	}
	s.process.kill()
	s.process = nil
	s.engine.ended(s)
}

// Pause freezes all processes of the server: connections stay open and nothing answers. Continue ends it.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Continue ends Pause.
func (s *Server) Continue() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return errors.New("the server is not running")
	}
	return s.process.signalTree(sig)
}

// ended says that the server is not running though nobody killed it.
func (s *Server) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process != nil && s.process.ended()
}

func (s *Server) logTail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return "(not running)"
	}
	return s.process.logTail()
}

// Stop ends the server and removes its data. It is sudden, as Kill is: what is removed need not be written first.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
	s.stopped = true
	return s.home.remove()
}

// awaitAnswer returns when a real connection to the server answers.
func (s *Server) awaitAnswer(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("no answer within %s", startLimit))
	defer cancel()
	db, _, err := open(s.URL())
	if err != nil {
		return err
	}
	defer db.Close()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%w (%v)", errEnded, p.err)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-again.C:
		}
	}
}

var errEnded = errors.New("the server ended by itself")

// ErrNotInstalled says that a server's programs are not on this machine.
var ErrNotInstalled = errors.New("not installed")

// Packages are the Debian packages that hold both servers.
var Packages = []string{"mariadb-server-core", "galera-4", "postgresql"}

func asRoot() bool { return os.Geteuid() == 0 }
