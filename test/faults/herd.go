package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
)

// herdSize workers of ten runners each start at once; with their cap of 4 connections, the api's and a manager's they
// stay under herdConnections.
const (
	herdSize        = 20
	herdConnections = 4*(herdSize+2) + 4
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
	var starting sync.WaitGroup
	for range herdSize {
		part := r.fleet.prepare(goworker, fmt.Sprintf("--concurrency=%d", r.jobs))
		starting.Go(func() { r.fleet.launch(part) })
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
}
