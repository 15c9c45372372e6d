package main

import (
	"context"
	"math/rand/v2"
	"time"

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

// healthyAgain holds the services to readyAgain.
func (x *running) healthyAgain() {
	for _, p := range x.fleet.parts {
		if err := awaitReady(p.address, readyAgain); err != nil {
			x.Errorf("%s is not ready %s after its database: %w", p.program, readyAgain, err)
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
