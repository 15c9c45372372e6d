package main

import (
	"context"
	"syscall"
	"time"

	"github.com/slotq/slotq/test/faults/history"
)

// freeze stops one worker process for three leases, again and again, the shim of its subprocesses not with it. A frozen
// process cannot fence itself: that its jobs' subprocesses end is the shim's work, and that its late outcomes change
// nothing the token's.
func freeze(programs ...string) func(context.Context, *running) {
	return func(ctx context.Context, r *running) {
		for n := 0; ctx.Err() == nil; n++ {
			pauseFor(ctx, 2*time.Second) // it takes jobs
			parts := r.fleet.of(programs[n%len(programs)])
			p := parts[n%len(parts)]
			if !r.fleet.signal(p, syscall.SIGSTOP, history.Freeze) {
				continue
			}
			pauseFor(ctx, 3*lease)
			if process := p.now(); process != nil {
				process.Signal(syscall.SIGCONT)
			}
		}
	}
}
