package main

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/store/dbproxy"
)

// What the network between the services and their server does. Every row of these is behind a proxy.

// cutCommits loses the answer of one COMMIT in so many, and the COMMIT itself of as many others: what the services are
// told is the same, a broken connection.
func cutCommits(oneIn int) func(context.Context, *running) {
	return func(ctx context.Context, r *running) {
		r.proxy.Change(func(statement string) (dbproxy.Accident, time.Duration) {
			if statement != "commit" {
				return dbproxy.Watch, 0
			}
			switch rand.IntN(oneIn) {
			case 0:
				r.count.add("answers of COMMIT lost", 1)
				return dbproxy.Lost, 0
			case 1:
				r.count.add("COMMITs lost", 1)
				return dbproxy.Cut, 0
			}
			return dbproxy.Watch, 0
		})
		<-ctx.Done()
		r.proxy.Change(nil)
	}
}

// badNetwork delays every statement by 2 to 6 ms and resets all connections now and then.
func badNetwork(ctx context.Context, r *running) {
	r.proxy.Change(func(string) (dbproxy.Accident, time.Duration) {
		return dbproxy.Watch, 2*time.Millisecond + rand.N(4*time.Millisecond)
	})
	repeat(ctx, 3*time.Second, func() {
		r.count.add("resets", 1)
		r.proxy.Reset()
	})
	r.proxy.Change(nil)
}

// silence cuts the network without telling anybody, for longer than a lease; what was said meanwhile arrives afterwards.
func silence(ctx context.Context, r *running) {
	for ctx.Err() == nil {
		pauseFor(ctx, 3*time.Second)
		r.count.add("silences", 1)
		r.proxy.Silence()
		pauseFor(ctx, lease+3*time.Second)
		r.proxy.Resume()
		r.healthyAgain()
	}
}

// silentCommits lets single connections fall silent in the middle of a transaction, which then holds its locks.
func silentCommits(ctx context.Context, r *running) {
	r.proxy.Change(func(statement string) (dbproxy.Accident, time.Duration) {
		if statement == "commit" && rand.IntN(400) == 0 || strings.HasPrefix(statement, "update slotq_jobs") && rand.IntN(400) == 0 {
			r.count.add("connections fallen silent", 1)
			return dbproxy.Silent, 0
		}
		return dbproxy.Watch, 0
	})
	<-ctx.Done()
	r.proxy.Change(nil)
	r.proxy.Reset()
}
