package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/slotq/slotq/test/faults/history"
)

// soak does something to a worker or to the server every so often, and watches the api and the managers, which nobody
// kills: what they hold after the first sixth of the time they may hold in the end, and a quarter more.
func soak(every time.Duration) func(context.Context, *running) {
	return func(ctx context.Context, r *running) {
		began := time.Now()
		var early map[*part]size
		tables := r.watchTables(ctx)
		repeat(ctx, every, func() {
			workers := r.fleet.of(worker, goworker)
			switch n := rand.IntN(10); {
			case n == 0 && r.db.server != nil:
				r.crashDatabase()
			case n <= 2:
				p := workers[rand.IntN(len(workers))]
				if r.fleet.signal(p, syscall.SIGSTOP, history.Freeze) {
					pauseFor(ctx, 3*lease)
					if process := p.now(); process != nil {
						process.Signal(syscall.SIGCONT)
					}
				}
			default:
				r.fleet.kill(workers)
			}
			if early == nil && time.Since(began) > r.lasts/6 {
				early = r.sizes()
			}
		})
		tables()
		for p, now := range r.sizes() {
			then := early[p]
			r.count.add("sizes compared", 1)
			if now.resident > then.resident+then.resident/4+(16<<20) || now.files > then.files+then.files/4+10 {
				r.Errorf("%s grew from %s to %s", p.program, then, now)
			}
		}
	}
}

// size is what a process holds.
type size struct {
	resident int // bytes
	files    int // descriptors
}

func (s size) String() string { return fmt.Sprintf("%d MiB and %d files", s.resident>>20, s.files) }

// sizes measures the parts that are not killed.
func (x *running) sizes() map[*part]size {
	all := map[*part]size{}
	for _, p := range x.fleet.of(api, manager) {
		process := p.now()
		if process == nil {
			x.Errorf("%s has ended by itself", p.program)
			continue
		}
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", process.Pid))
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", process.Pid))
		fields := strings.Fields(string(content))
		if err != nil || len(fields) < 2 {
			continue
		}
		pages, _ := strconv.Atoi(fields[1])
		all[p] = size{pages * os.Getpagesize(), len(files)}
	}
	return all
}

// watchTables watches the passing tables until ctx ends; the function that it returns then says whether they grew. What
// waits goes up and down with the faults, so the most of the last third is held against the most of the first.
func (x *running) watchTables(ctx context.Context) (judge func()) {
	var most [3]int
	began, done := time.Now(), make(chan struct{})
	go func() {
		defer close(done)
		db := x.open()
		for ; ctx.Err() == nil; pauseFor(ctx, 5*time.Second) {
			if rows, _, err := left(ctx, db); err == nil { // the server is down now and then
				third := min(int(3*time.Since(began)/x.lasts), 2)
				most[third] = max(most[third], rows)
			}
		}
	}()
	return func() {
		<-done
		x.count.add("most rows in the first third", most[0])
		x.count.add("most rows in the last third", most[2])
		if most[2] > 2*most[0]+1000 {
			x.Errorf("tables that jobs pass through held up to %d rows in the first third of the time, and %d in the last", most[0], most[2])
		}
	}
}
