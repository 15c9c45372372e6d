// Package system runs slotq as its users do: the real api, worker and manager as processes of their own on a real
// database, which a test can kill, freeze and start again, and a witness outside the database of what the jobs' runs
// did. It owns processes, ports, files and the end of them all; what slotq promises is left to the tests.
package system

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/wire"
)

// Times are the settings that decide how fast a death is seen.
type Times struct{ Heartbeat, Lease, Sweep time.Duration }

// Short are times for tests, those of the local run; on two busy cores such a lease is not lost by accident.
var Short = Times{time.Second, 4 * time.Second, 500 * time.Millisecond}

// Default are the times of the binaries.
var Default = Times{5 * time.Second, 20 * time.Second, time.Second}

// ReadyLimit bounds how long a process may take until it is ready.
const ReadyLimit = 20 * time.Second

// System is one database with the processes on it.
type System struct {
	TB
	DB     Database
	Times  Times
	Dir    string // of logs and of handlers
	Client *wire.Client
	API    string // the api's address, http://…
	Runs   *Log   // what the witnesses of jobs saw

	handlers string
	environ  []string
	http     *http.Client
}

// New makes a system without processes. handlers is worker.yaml, in which {witness} stands for a command that leaves
// its witness in Runs and does what its payload says.
func New(t TB, db Database, times Times, handlers string, environ ...string) *System {
	t.Helper()
	s := &System{TB: t, DB: db, Times: times, Dir: t.TempDir(), http: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	t.Cleanup(s.http.CloseIdleConnections)
	s.Runs = newLog(t, filepath.Join(s.Dir, "runs"))
	s.handlers = filepath.Join(s.Dir, "handlers.yaml") // not worker.yaml, which every worker reads by itself
	if err := os.WriteFile(s.handlers, []byte(withWitness(handlers, Program(t, Witness), s.Runs.dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.API = "http://127.0.0.1:" + strconv.Itoa(FreePort(t))
	var err error
	if s.Client, err = wire.NewClient(s.API, s.http); err != nil {
		t.Fatal(err)
	}
	s.environ = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "TMPDIR=" + s.Dir, "LANG=C.UTF-8", "SLOTQ_DATABASE_URL=" + db.URL,
		"SLOTQ_LOG_FORMAT=text",
		"SLOTQ_HEARTBEAT=" + times.Heartbeat.String(), "SLOTQ_LEASE=" + times.Lease.String(), "SLOTQ_SWEEP=" + times.Sweep.String(),
	}, environ...)
	return s
}

// StartAPI starts the api, always at the same address, and waits until it is ready.
func (s *System) StartAPI(args ...string) *Process {
	s.Helper()
	p := s.Launch(API, append([]string{"--listen=" + s.API[len("http://"):]}, args...)...)
	p.URL = s.API
	s.AwaitReady(p)
	return p
}

// StartManager starts a manager and waits until it has swept once.
func (s *System) StartManager(args ...string) *Process {
	s.Helper()
	return s.startOps(Manager, args)
}

// StartWorker starts a worker with the system's handlers and waits until it is registered.
func (s *System) StartWorker(args ...string) *Process {
	s.Helper()
	return s.startOps(Worker, slices.Concat([]string{"--handlers=" + s.handlers, "--insecure"}, args))
}

// StartGoHandler starts the worker that is a program of its own.
func (s *System) StartGoHandler(args ...string) *Process {
	s.Helper()
	return s.startOps(GoHandler, args)
}

func (s *System) startOps(program string, args []string) *Process {
	s.Helper()
	listen := "127.0.0.1:" + strconv.Itoa(FreePort(s))
	p := s.Launch(program, append([]string{"--listen=" + listen}, args...)...)
	p.URL = "http://" + listen
	s.AwaitReady(p)
	return p
}

// Launch starts a program with the system's environment and waits for nothing.
func (s *System) Launch(program string, args ...string) *Process {
	s.Helper()
	return Start(s, filepath.Base(program), s.Dir, Program(s, program), args, s.environ)
}

// Setting changes the environment of processes that are started from now on; "NAME=" takes a variable away.
func (s *System) Setting(entry string) { s.environ = append(slices.Clone(s.environ), entry) }

// AwaitReady waits until a process answers /readyz with 200.
func (s *System) AwaitReady(p *Process) {
	s.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	err := Await(ctx, ReadyLimit, func() error {
		if !p.Running() {
			cancel(fmt.Errorf("it has ended"))
		}
		return s.Ready(p)
	})
	if err != nil {
		s.Fatalf("%s is not ready: %v", p.Name, err)
	}
}

// Ready asks a process's /readyz once; nil = ready.
func (s *System) Ready(p *Process) error {
	status, body, err := s.Read(p.URL + "/readyz")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d %s", status, body)
	}
	return err
}

// Read gets a page.
func (s *System) Read(url string) (status int, body string, err error) {
	res, err := s.http.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// Supervise starts workers one after the other, the next when the last has died, as systemd would, until stop is
// called, which kills the last and returns how many there were. It does not fail the test: what is started may kill
// itself before it is ready.
func (s *System) Supervise(args ...string) (stop func() int) {
	s.Helper()
	ended, done, n := make(chan struct{}), make(chan struct{}), 0
	path := Program(s, Worker)
	args = slices.Concat([]string{"--handlers=" + s.handlers, "--insecure", "--listen=127.0.0.1:" + strconv.Itoa(FreePort(s))}, args)
	go func() {
		defer close(done)
		for {
			n++
			p := Start(s, "supervised", s.Dir, path, args, s.environ)
			select {
			case <-p.Done():
			case <-ended:
				p.Kill()
				return
			}
		}
	}()
	once := sync.OnceFunc(func() { close(ended); <-done })
	s.Cleanup(once)
	return func() int { once(); return n }
}
