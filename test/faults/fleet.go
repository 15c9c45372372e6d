package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/slotq/slotq/test/e2e/system"
	"github.com/slotq/slotq/test/faults/history"
)

// part is one place in a fleet: a program that is started again whenever it ends, as a service manager would.
type part struct {
	program string
	address string
	args    []string

	mu      sync.Mutex
	process *system.Process
	starts  int
}

// fleet is the services of a row.
type fleet struct {
	s       *stage
	dir     string // of logs
	bin     binaries
	environ []string
	events  *history.File
	counts  *counts

	parts    []*part
	stopping chan struct{}
	wg       sync.WaitGroup
}

// startLimit is how long a service may try to start.
const startLimit = 12 * time.Second

// restartAfter is how long a dead part stays down.
const restartAfter = 200 * time.Millisecond

// add starts a part on a port of its own and keeps it up until the end of the row.
func (f *fleet) add(program string, args ...string) *part {
	p := f.prepare(program, args...)
	f.launch(p)
	return p
}

// prepare makes a part that launch starts.
func (f *fleet) prepare(program string, args ...string) *part {
	p := &part{program: program, address: "127.0.0.1:" + strconv.Itoa(system.FreePort(f.s)), args: args}
	f.parts = append(f.parts, p)
	return p
}

// launch returns when the part's process runs.
func (f *fleet) launch(p *part) {
	started := make(chan struct{})
	f.wg.Go(func() { f.keep(p, started) })
	<-started
}

// keep starts a part again and again. It gives up on none: a part that cannot stay up shows in what it does not do.
func (f *fleet) keep(p *part, started chan struct{}) {
	first := sync.OnceFunc(func() { close(started) })
	defer first() // Start ends this goroutine when it fails
	for {
		args := append([]string{"--listen=" + p.address}, p.args...)
		process := system.Start(f.s, filepath.Base(p.program), f.dir, f.bin.path(p.program), args, f.environ)
		p.mu.Lock()
		p.process = process
		p.starts++
		p.mu.Unlock()
		began := time.Now()
		first()
		select {
		case <-process.Done():
		case <-f.stopping:
			return
		}
		// Nothing stops a service but a signal. One that finds no database when it starts gives up after a while.
		if code := process.Exit(f.s, time.Second); code >= 0 && time.Since(began) > startLimit+f.s.slack {
			f.s.Errorf("%s ended by itself with code %d after %s", process.Name, code, time.Since(began).Round(time.Second))
		}
		again := time.NewTimer(restartAfter)
		select {
		case <-again.C:
		case <-f.stopping:
			again.Stop()
			return
		}
	}
}

// stop keeps nothing up any longer; the stage kills what still runs.
func (f *fleet) stop() {
	close(f.stopping)
	f.wg.Wait()
}

// of lists the parts of some programs.
func (f *fleet) of(programs ...string) (parts []*part) {
	for _, p := range f.parts {
		if slices.Contains(programs, p.program) {
			parts = append(parts, p)
		}
	}
	return parts
}

// now is the part's running process, nil = it is being started again.
func (p *part) now() *system.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil || !p.process.Running() {
		return nil
	}
	return p.process
}

// signal sends a signal to a part and writes down what was done to which process.
func (f *fleet) signal(p *part, sig syscall.Signal, call string) bool {
	process := p.now()
	if process == nil {
		return false
	}
	f.note(call, process.Pid)
	process.Signal(sig)
	return true
}

func (f *fleet) note(call string, pid int) {
	f.counts.add(call, 1)
	if err := history.Append(f.events, history.Event{At: history.Monotonic(), Type: history.Fault, Call: call, Pid: pid}); err != nil {
		f.s.Errorf("%w", err)
	}
}

// kill ends a random one of the parts as kill -9 does.
func (f *fleet) kill(parts []*part) bool {
	p := parts[rand.IntN(len(parts))]
	call := map[string]string{api: history.KillAPI, manager: history.KillManager, worker: history.KillWorker, goworker: history.KillWorker}[p.program]
	if call == history.KillWorker {
		f.expectNoOrphans(p)
	}
	return f.signal(p, syscall.SIGKILL, call)
}

// orphansEnd is how long after its worker's death a job's process may live.
const orphansEnd = 2 * time.Second

// expectNoOrphans holds the processes that a worker has now to orphansEnd.
func (f *fleet) expectNoOrphans(p *part) {
	process := p.now()
	if process == nil {
		return
	}
	children, limit := system.Descendants(process.Pid), orphansEnd+f.s.slack
	f.wg.Go(func() {
		<-process.Done()
		<-time.After(limit)
		for _, child := range children {
			if system.Alive(child) {
				f.s.Errorf("a process of a killed worker lives %s after it", limit)
			}
		}
	})
}

// ready waits until every part answers that it is.
func (f *fleet) ready() error {
	for _, p := range f.parts {
		if err := awaitReady(p.address, system.ReadyLimit); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(p.program), err)
		}
	}
	return nil
}

// logs are the files of all processes of a program so far.
func (f *fleet) logs(programs ...string) (paths []string) {
	for _, p := range programs {
		found, _ := filepath.Glob(filepath.Join(f.dir, filepath.Base(p)+"-*.log"))
		paths = append(paths, found...)
	}
	return paths
}

// panics looks for what no fault excuses.
func (f *fleet) panics() error {
	for _, path := range f.logs(api, manager, worker, goworker) {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, word := range []string{"\npanic: ", "\nfatal error: ", "goroutine 1 ["} {
			if at := strings.Index("\n"+string(content), word); at >= 0 {
				return fmt.Errorf("%s: %.600s", filepath.Base(path), content[at:])
			}
		}
	}
	return nil
}

// counts are the things that really happened.
type counts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counts) add(name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[name] += n
}
