package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"syscall"
)

// errNoBatch says that a system's library has no call for more than one job.
var errNoBatch = errors.New("the library has no call for many jobs")

// queue is what is measured of a system.
type queue interface {
	// Insert stores one job with the library's own call. It is called by many goroutines.
	Insert(ctx context.Context, seq int) error

	// InsertMany stores jobs with the library's fastest call, or says errNoBatch.
	InsertMany(ctx context.Context, n int) error

	// Work hands every job's number to ran, which stands for a handler that does nothing, until stop. When stop returns, all that ran
	// is committed.
	Work(ctx context.Context, ran func(seq int)) (stop func() error, err error)

	Close() error
}

// result is one line of the output.
type result struct {
	Jobs    int     `json:"jobs"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`        // of this process, start and filling included
	Waits   []int64 `json:"waits_us,omitempty"` // insert returned → handler started
}

// message is a job's payload. Encoded it is about 100 bytes, as in the figures of slotq.
type message struct {
	Seq     int    `json:"seq"`
	Padding string `json:"padding"`
}

var padding = strings.Repeat("x", 72)

// Kind names the job for River.
func (message) Kind() string { return "noop" }

func encode(seq int) ([]byte, error) { return json.Marshal(message{seq, padding}) }

func decode(payload []byte) (seq int, err error) {
	var m message
	err = json.Unmarshal(payload, &m)
	return m.Seq, err
}

// cpuSeconds is what this process has used so far, in user and system mode.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
