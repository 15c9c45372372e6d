// Command load POSTs jobs over keep-alive connections and prints one JSON line. It is a process of its own, so that its share of
// the machine can be told from what it measures, and it speaks HTTP by hand, so that the share is small.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type settings struct {
	address, path string
	clients       int
	jobs          int
	batch         int
	rate          float64
	seconds       float64
}

// result is the line printed.
type result struct {
	Jobs    int     `json:"jobs"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`
	Took    []int64 `json:"took_us,omitempty"` // of each request, up to the first 100,000
}

func main() {
	var s settings
	flag.StringVar(&s.address, "address", "127.0.0.1:8080", "host and port of the api")
	flag.StringVar(&s.path, "path", "/v1/jobs", "what is POSTed to")
	flag.IntVar(&s.clients, "clients", 64, "connections, each with one request under way")
	flag.IntVar(&s.jobs, "jobs", 10_000, "how many jobs; 0 = as many as come within --seconds")
	flag.IntVar(&s.batch, "batch", 1, "jobs of one request")
	flag.Float64Var(&s.rate, "rate", 0, "requests a second of all clients together; 0 = as fast as they are answered")
	flag.Float64Var(&s.seconds, "seconds", 0, "how long; 0 = until all jobs are sent")
	flag.Parse()
	r, err := run(s)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(s settings) (result, error) {
	body := request(s)
	var next atomic.Int64
	start := time.Now()
	// take says whether there is one more request to send, and when at a fixed rate.
	take := func() (at time.Time, more bool) {
		n := next.Add(1) - 1
		if s.rate > 0 {
			at = start.Add(time.Duration(float64(n) / s.rate * float64(time.Second)))
		}
		more = s.jobs == 0 || int(n)*s.batch < s.jobs
		if s.seconds > 0 {
			more = more && max(time.Since(start), at.Sub(start)).Seconds() < s.seconds
		}
		return at, more
	}
	var wg sync.WaitGroup
	clients := make([]client, s.clients)
	errs := make([]error, s.clients)
	for i := range clients {
		wg.Go(func() { errs[i] = clients[i].run(s.address, body, take) })
	}
	wg.Wait()
	r := result{Seconds: time.Since(start).Seconds(), CPU: cpuSeconds()}
	for _, c := range clients {
		r.Jobs += c.answered * s.batch
		r.Took = append(r.Took, c.took...)
	}
	r.Took = r.Took[:min(len(r.Took), 100_000)]
	return r, errors.Join(errs...)
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
