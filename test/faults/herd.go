package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
)

// herdSize workers of ten runners each start at once; with their cap of herdCap connections, the api's and a manager's they
// stay under herdConnections.
const (
	herdSize        = 20
	herdCap         = 4
	herdConnections = herdCap*(herdSize+2) + 4
)

// counted is a server that has no more connections than the services may open between them.
func counted(_ *stage, name string) *dbserver.Options {
	if name == mariadb {
		return &dbserver.Options{Args: []string{fmt.Sprintf("--max-connections=%d", herdConnections)}}
	}
	return &dbserver.Options{Args: []string{"-c", fmt.Sprintf("max_connections=%d", herdConnections)}}
}

// herd lets a backlog grow, kills the database, and starts all workers at the moment it is back.
func herd(ctx context.Context, r *running) {
	pauseFor(ctx, 10*time.Second)
	r.crashDatabase()
	var workers []*part
	for range herdSize {
		workers = append(workers, r.fleet.prepare(goworker, fmt.Sprintf("--concurrency=%d", r.jobs)))
	}
	watched, enough := context.WithCancel(ctx)
	var starting, watching sync.WaitGroup
	watching.Go(func() { r.watchConnections(watched) })
	for _, p := range workers {
		starting.Go(func() { r.fleet.launch(p) })
	}
	starting.Wait()
	r.count.add("workers at once", herdSize)
	if err := r.fleet.ready(); err != nil {
		r.Errorf("%w", err)
	}
	for _, p := range r.fleet.parts {
		p.mu.Lock()
		if p.starts > 1 {
			r.Errorf("%s had to be started %d times", p.program, p.starts)
		}
		p.mu.Unlock()
	}
	<-ctx.Done()
	enough()
	watching.Wait()
}

// watchConnections holds every service to its cap, from before the herd's first connection on.
func (x *running) watchConnections(ctx context.Context) {
	u, err := url.Parse(x.db.url)
	if err != nil {
		x.Errorf("%w", err)
		return
	}
	port, _ := strconv.Atoi(u.Port())
	most := 0
	for ; ctx.Err() == nil; pauseFor(ctx, 20*time.Millisecond) {
		sockets, total := socketsTo(port), 0
		for _, p := range x.fleet.parts {
			n := 0
			if process := p.now(); process != nil {
				n = held(process.Pid, sockets)
			}
			if n > herdCap {
				x.Errorf("%s has %d connections, its cap is %d", p.program, n, herdCap)
			}
			total += n
		}
		most = max(most, total)
	}
	x.count.add("connections at once", most)
}

// socketsTo are the inodes of this machine's established TCP connections to a port.
func socketsTo(port int) map[string]bool {
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		content, _ := os.ReadFile(table) // without IPv6 there is no second
		for line := range strings.Lines(string(content)) {
			const remote, state, established, inode = 2, 3, "01", 9
			fields := strings.Fields(line)
			if len(fields) > inode && fields[state] == established && strings.HasSuffix(fields[remote], fmt.Sprintf(":%04X", port)) {
				inodes["socket:["+fields[inode]+"]"] = true
			}
		}
	}
	return inodes
}

// held counts the sockets that a process has open.
func held(pid int, sockets map[string]bool) (n int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, f := range files {
		if to, err := os.Readlink(f); err == nil && sockets[to] {
			n++
		}
	}
	return n
}
