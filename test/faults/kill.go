package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/slotq/slotq/test/e2e/system"
	"github.com/slotq/slotq/test/faults/history"
)

// kill returns a fault: one of the parts of some programs dies every so often.
func kill(every time.Duration, programs ...string) func(context.Context, *running) {
	return func(ctx context.Context, r *running) {
		repeat(ctx, every, func() { r.fleet.kill(r.fleet.of(programs...)) })
	}
}

// repeat calls f every so often, give or take half, until ctx ends.
func repeat(ctx context.Context, every time.Duration, f func()) {
	for {
		pauseFor(ctx, every/2+rand.N(every))
		if ctx.Err() != nil {
			return
		}
		f()
	}
}

// killDatabase kills the server and starts it again on the same data.
func killDatabase(every time.Duration) func(context.Context, *running) {
	return func(ctx context.Context, r *running) {
		repeat(ctx, every, func() { r.crashDatabase() })
	}
}

// crashDatabase returns when the server answers again. The api has to be ready by itself within readyAgain after that.
func (x *running) crashDatabase() {
	x.db.server.Kill()
	x.fleet.note(history.KillDatabase, 0)
	if err := x.db.server.Restart(context.Background()); err != nil {
		x.Errorf("restart the database: %w", err)
		return
	}
	x.healthyAgain()
}

// readyAgain is how soon after the database every service must be ready.
const readyAgain = 5 * time.Second

// healthyAgain holds the services to readyAgain, all of them from now on.
func (x *running) healthyAgain() {
	healed := history.Monotonic()
	limit := readyAgain + x.slack
	end := time.Now().Add(limit)
	for _, p := range x.fleet.parts {
		if err := awaitReady(p.address, time.Until(end)); err != nil {
			x.Errorf("%s is not ready %s after its database: %w", p.program, limit, err)
		}
	}
	for _, p := range x.fleet.of(worker, goworker) {
		if process := p.now(); process != nil {
			x.heals = append(x.heals, heal{healed, process})
		}
	}
}

// heal is a worker that lived when the database had come back.
type heal struct {
	at     int64 // CLOCK_MONOTONIC, nanoseconds
	worker *system.Process
}

// busyAgain is how long a worker may go without a start of its own while the clients go on sending.
const busyAgain = 8 * time.Second

// noneIdle holds workers to starting jobs again after the database was back: a ready one that claims nothing would be
// covered by the others. ended is when the clients stopped.
func (x *running) noneIdle(notes []history.Note, ended int64) {
	limit := busyAgain + x.slack
	for _, h := range x.heals {
		until := h.at + int64(limit)
		if until > ended || !h.worker.Running() {
			continue // not long enough to tell
		}
		x.count.add("workers watched after a heal", 1)
		if !slices.ContainsFunc(notes, func(n history.Note) bool {
			return n.What == history.Start && n.At > h.at && n.At < until && n.Worker == h.worker.Pid
		}) {
			x.Errorf("%s started no job for %s after its database was back", h.worker.Name, limit)
		}
	}
}

// killAny kills anything at all, the database's server included.
func killAny(every time.Duration) func(context.Context, *running) {
	return func(ctx context.Context, r *running) {
		repeat(ctx, every, func() {
			if r.db.server != nil && rand.IntN(8) == 0 {
				r.db.server.Kill()
				r.fleet.note(history.KillDatabase, 0)
				if err := r.db.server.Restart(context.Background()); err != nil { // the row needs it after the faults too
					r.Errorf("restart the database: %w", err)
				}
				return
			}
			r.fleet.kill(r.fleet.parts)
		})
	}
}
