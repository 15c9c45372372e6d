package runner

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
)

// config is a worker's configuration: each field is a flag and an environment variable.
type config struct {
	service.Common

	Handlers     string        `default:"worker.yaml" help:"The handlers: which kinds are served, and how."`
	Queues       []string      `placeholder:"QUEUE" help:"Serve only these queues."`
	Slots        slotList      `placeholder:"SLOTS" help:"Serve only these slots of each queue: 7, or 1-12,15."`
	Concurrency  int           `default:"24" help:"The most jobs that run at once."`
	Poll         time.Duration `default:"1s" help:"The longest that an idle worker waits between two looks for jobs; a nudge makes it sooner."`
	DrainTimeout time.Duration `default:"25s" help:"How long running jobs may go on after SIGTERM; then they are stopped and given back."`
	Listen       string        `default:"127.0.0.1:8081" help:"Serve health and metrics (TCP) and the nudge (UDP) here."`
	NudgeAddress string        `placeholder:"ADDR" help:"Where the api reaches the nudge's port, when that is not what --listen says."`
	Insecure     bool          `help:"Run commands without a user of their own even as root."`
}

// check finds what is wrong with the flags, all of it at once.
func (c *config) check() error {
	var faults []error
	for _, q := range c.Queues {
		if wrong := job.CheckName(q); wrong != "" {
			faults = append(faults, fmt.Errorf("--queues: the name %q %s", q, wrong))
		}
	}
	if c.Concurrency < 1 || c.Concurrency > MaxConcurrency {
		faults = append(faults, fmt.Errorf("--concurrency is %d; it must be between 1 and %d", c.Concurrency, MaxConcurrency))
	}
	if c.Poll < time.Millisecond {
		faults = append(faults, fmt.Errorf("--poll is %s; it must be at least 1ms", c.Poll))
	}
	if c.DrainTimeout < 0 {
		faults = append(faults, fmt.Errorf("--drain-timeout is %s; it must not be negative", c.DrainTimeout))
	}
	if len(faults) > 0 {
		return &service.UsageError{Err: errors.Join(faults...)}
	}
	return nil
}

// drainTimeout is the flag as Options have it, where zero means the default.
func (c *config) drainTimeout() time.Duration {
	if c.DrainTimeout == 0 {
		return -1
	}
	return c.DrainTimeout
}

// nudgeAddress is where others reach the UDP port. A worker that listens on all addresses says its host's name.
func (c *config) nudgeAddress(port int) string {
	if c.NudgeAddress != "" {
		return c.NudgeAddress
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return ""
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			return ""
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// slotList is a list of slots, written as 7 or 1-12,15.
type slotList []int

// UnmarshalText reads a list; what is named twice is there once.
func (l *slotList) UnmarshalText(text []byte) error {
	var slots []int
	for part := range strings.SplitSeq(string(text), ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.Atoi(strings.TrimSpace(first))
		to := from
		if err == nil && isRange {
			to, err = strconv.Atoi(strings.TrimSpace(last))
		}
		if err != nil || from < 1 || to < from || to > job.MaxSlots {
			return fmt.Errorf("%q is no list of slots from 1 to %d: write it as 7 or 1-12,15", text, job.MaxSlots)
		}
		for s := from; s <= to; s++ {
			slots = append(slots, s)
		}
	}
	slices.Sort(slots)
	*l = slices.Compact(slots)
	return nil
}
