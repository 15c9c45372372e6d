package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// clockJumps lets the database's time jump by an hour, back and forth, and forth for good in the end: after a jump back
// jobs wait until their time has come once more, since nothing may start before run_at. The proxy changes what the
// services ask for: to them it is the same as a server whose clock was set, and no other server on the machine has to
// live with it.
func clockJumps(ctx context.Context, r *running) {
	var jump atomic.Int64 // microseconds
	r.proxy.Rewrite(func(statement string) (string, bool) {
		by := jump.Load()
		if by == 0 {
			return "", false
		}
		for _, now := range databaseTime {
			if strings.Contains(statement, now) {
				r.count.add("times asked for after a jump", 1)
				return strings.ReplaceAll(statement, now, fmt.Sprintf("(%s + %d)", now, by)), true
			}
		}
		return "", false
	})
	for _, by := range []time.Duration{-time.Hour, 0, -time.Hour, 0, time.Hour} {
		pauseFor(ctx, 5*time.Second)
		jump.Store(by.Microseconds())
		if r.db.name == postgres {
			r.proxy.Reset() // statements that were prepared before know nothing of it
		}
		r.count.add("clock jumps", 1)
	}
	<-ctx.Done()
}

// databaseTime is how the engines ask for it.
var databaseTime = []string{"TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))", "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"}
