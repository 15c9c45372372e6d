package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// crew is worker processes that do nothing with their jobs (cmd/noop).
type crew struct {
	members []*member
	changed chan struct{} // something was read
}

type member struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	read  chan struct{} // closed at the end of its output

	mu      sync.Mutex
	said    said
	longest time.Duration
}

// said is a line that a member prints.
type said struct {
	Ready   bool    `json:"ready"`
	Ran     int     `json:"ran"`
	Seconds float64 `json:"seconds"`
	Oldest  int64   `json:"oldest_us"`
	Ended   bool    `json:"ended"`
	CPU     float64 `json:"cpu_seconds"`
}

// hire starts n worker processes, which are connected and ready when it returns, and wait for begin.
func (b *bench) hire(ctx context.Context, db database, n, concurrency int, queues string) (*crew, error) {
	c := &crew{changed: make(chan struct{}, 1)}
	for range n {
		args := []string{"--concurrency", strconv.Itoa(concurrency), "--queues", queues}
		if b.profile != "" && n == 1 {
			args = append(args, "--cpuprofile", b.profile)
		}
		cmd := exec.CommandContext(ctx, filepath.Join(b.dir, "noop"), args...)
		cmd.Env = append(os.Environ(), "SLOTQ_DATABASE_URL="+db.url)
		cmd.Stderr = os.Stderr
		m := &member{cmd: cmd, read: make(chan struct{})}
		var err error
		if m.stdin, err = cmd.StdinPipe(); err != nil {
			return nil, errors.Join(err, c.leave())
		}
		stdout, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			return nil, errors.Join(err, c.leave())
		}
		c.members = append(c.members, m)
		go m.listen(stdout, c.changed)
	}
	err := c.until(ctx, time.Minute, func() bool {
		for _, m := range c.members {
			if !m.last().Ready {
				return false
			}
		}
		return true
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the workers did not get ready: %w", err), c.leave())
	}
	return c, nil
}

func (m *member) listen(stdout io.Reader, changed chan<- struct{}) {
	defer close(m.read)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var s said
		if json.Unmarshal(lines.Bytes(), &s) != nil {
			continue
		}
		m.mu.Lock()
		s.Ready = true
		m.said = s
		m.longest = max(m.longest, time.Duration(s.Oldest)*time.Microsecond)
		m.mu.Unlock()
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

func (m *member) last() said {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.said
}

// begin lets them work.
func (c *crew) begin() error {
	for _, m := range c.members {
		if _, err := io.WriteString(m.stdin, "go\n"); err != nil {
			return err
		}
	}
	return nil
}

// ran is how many jobs have started.
func (c *crew) ran() (n int) {
	for _, m := range c.members {
		n += m.last().Ran
	}
	return n
}

// oldest is the longest that a job has waited since the last call.
func (c *crew) oldest() (longest time.Duration) {
	for _, m := range c.members {
		m.mu.Lock()
		longest = max(longest, m.longest)
		m.longest = 0
		m.mu.Unlock()
	}
	return longest
}

// await returns when n jobs have started.
func (c *crew) await(ctx context.Context, limit time.Duration, n int) error {
	if err := c.until(ctx, limit, func() bool { return c.ran() >= n }); err != nil {
		return fmt.Errorf("%d of %d jobs ran: %w", c.ran(), n, err)
	}
	return nil
}

func (c *crew) until(ctx context.Context, limit time.Duration, reached func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	check := time.NewTicker(100 * time.Millisecond)
	defer check.Stop()
	for !reached() {
		select {
		case <-c.changed:
		case <-check.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// leave lets them drain, which commits what is under way, and end.
func (c *crew) leave() error {
	var errs []error
	for _, m := range c.members {
		errs = append(errs, m.stdin.Close())
	}
	for _, m := range c.members {
		<-m.read
		errs = append(errs, m.cmd.Wait())
	}
	return errors.Join(errs...)
}

// cpu is what they used from begin to their end, in seconds.
func (c *crew) cpu() (seconds float64) {
	for _, m := range c.members {
		seconds += m.last().CPU
	}
	return seconds
}
