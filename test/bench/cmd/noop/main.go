// Command noop is a worker whose handler does nothing: what is measured is the worker. It prints JSON lines: ready, then how many
// jobs have started and how long the one that waited longest had waited, then that it has ended. It begins with the first line
// of its standard input and drains at the input's end, so it never outlives who started it.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/slotq/slotq/shared/nudge"
	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/shared/store"
	"github.com/slotq/slotq/worker/runner"
)

// line is one line of the output.
type line struct {
	Ready   bool    `json:"ready,omitempty"`
	Ran     int64   `json:"ran"`
	Seconds float64 `json:"seconds"`   // from the first job's start to the last one's
	Oldest  int64   `json:"oldest_us"` // the longest wait of a job that has started since the last line
	Ended   bool    `json:"ended,omitempty"`
	CPU     float64 `json:"cpu_seconds,omitempty"` // since it began
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "noop:", err)
		os.Exit(1)
	}
}

func run() error {
	queues := flag.String("queues", "", "queues served; all")
	concurrency := flag.Int("concurrency", 0, "jobs at once; the default of a worker")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	service.Headroom() // as the worker binary does
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	st, err := store.Open(ctx, os.Getenv("SLOTQ_DATABASE_URL"), store.Options{})
	if err != nil {
		return err
	}
	defer st.Close()
	nudges, err := nudge.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer nudges.Close()
	options := runner.Options{Store: st, Concurrency: *concurrency, Nudge: nudges.Addr().String()}
	if *queues != "" {
		options.Queues = strings.Split(*queues, ",")
	}
	r, err := runner.New(options)
	if err != nil {
		return err
	}
	var m meter
	r.Handle("noop", func(_ context.Context, j *runner.Job) (any, error) {
		m.count(time.Now(), j.RunAt)
		return nil, nil
	})
	output := strings.Repeat("x", 98) // 100 bytes as JSON, like the payload
	r.Handle("output", func(_ context.Context, j *runner.Job) (any, error) {
		m.count(time.Now(), j.RunAt)
		return output, nil
	})
	group := &service.Group{}
	group.Add("nudges", func(ctx context.Context) error { return nudges.Run(ctx, r) })
	group.Add("worker", r.Run)
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(line{Ready: true}); err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	if !in.Scan() {
		return in.Err()
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	go func() {
		in.Scan()
		stop()
	}()
	before := cpuSeconds()
	ended := make(chan error, 1)
	go func() { ended <- group.Run(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if l, changed := m.read(); changed {
				if err := out.Encode(l); err != nil {
					return err
				}
			}
		case err := <-ended:
			if err != nil {
				return err
			}
			l, _ := m.read()
			l.Ended, l.CPU = true, cpuSeconds()-before
			return out.Encode(l)
		}
	}
}

// meter counts starts without a lock: it is in the way of every job that is measured.
type meter struct {
	ran, first, last, oldest atomic.Int64
	told                     int64
}

func (m *meter) count(now, due time.Time) {
	at := now.UnixMicro()
	m.first.CompareAndSwap(0, at)
	m.last.Store(at)
	for waited := at - due.UnixMicro(); ; {
		longest := m.oldest.Load()
		if waited <= longest || m.oldest.CompareAndSwap(longest, waited) {
			break
		}
	}
	m.ran.Add(1)
}

func (m *meter) read() (l line, changed bool) {
	l.Ran = m.ran.Load()
	l.Seconds = float64(m.last.Load()-m.first.Load()) / 1e6
	l.Oldest = m.oldest.Swap(0)
	changed = l.Ran != m.told
	m.told = l.Ran
	return l, changed
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
