// Command peers runs other job queues through their own public libraries and prints what it measured, one JSON object a
// line, so that the benchmarks can set them beside slotq in one run. It is a module of its own: nothing of slotq depends
// on what it imports.
//
//	peers --system river --part drain --url postgres://… --jobs 100000 --workers 2000 --cooldown 2ms
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// settings are the command line. What a system does not know it does not use.
type settings struct {
	system, part, url string
	jobs              int
	workers           int           // jobs that run at once
	cooldown          time.Duration // pause between two looks for jobs; 0 = the system's default
	clients           int           // goroutines that insert
	batch             int           // jobs of one insert
	rate              float64       // jobs a second of a latency run
}

func main() {
	var s settings
	flag.StringVar(&s.system, "system", "", "river, asynq or goqite")
	flag.StringVar(&s.part, "part", "", "drain, insert, batch or latency")
	flag.StringVar(&s.url, "url", "", "postgres://…, redis://… or a SQLite file")
	flag.IntVar(&s.jobs, "jobs", 1000, "how many jobs")
	flag.IntVar(&s.workers, "workers", 0, "jobs that run at once; 0 = what the system's documentation uses")
	flag.DurationVar(&s.cooldown, "cooldown", 0, "pause between two looks for jobs; 0 = the system's default")
	flag.IntVar(&s.clients, "clients", 64, "goroutines that insert")
	flag.IntVar(&s.batch, "batch", 1000, "jobs of one batch")
	flag.Float64Var(&s.rate, "rate", 300, "jobs a second of a latency run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		stop()
		os.Exit(1)
	}
}

var systems = map[string]func(context.Context, settings) (queue, error){
	"river": openRiver, "asynq": openAsynq, "goqite": openGoqite,
}

var parts = map[string]func(context.Context, settings, queue) (result, error){
	"drain": drain, "insert": insert, "batch": insertMany, "latency": latency,
}

func run(ctx context.Context, s settings) error {
	open, part := systems[s.system], parts[s.part]
	if open == nil || part == nil {
		return fmt.Errorf("no part %q of a system %q", s.part, s.system)
	}
	q, err := open(ctx, s)
	if err != nil {
		return err
	}
	r, err := part(ctx, s, q)
	if err = errors.Join(err, q.Close()); err != nil {
		return err
	}
	r.CPU = cpuSeconds()
	return json.NewEncoder(os.Stdout).Encode(r)
}
