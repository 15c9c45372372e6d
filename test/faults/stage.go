package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// stage is what a row runs on, as a test runs on its testing.T: it owns the clean-up, and a fault of the harness ends the
// row on it. It is a system.TB.
type stage struct {
	slack time.Duration // on top of every promise in seconds

	mu      sync.Mutex
	cleanup []func()
	broken  []error
}

// perform runs a row to its end, cleans up behind it, and returns the harness's own faults.
func perform(slack time.Duration, row func(s *stage)) error {
	s := &stage{slack: slack}
	done := make(chan struct{})
	go func() { // Fatal ends a goroutine, which must not be the caller's
		defer close(done)
		defer s.clean()
		row(s)
	}()
	<-done
	return errors.Join(s.broken...)
}

func (s *stage) clean() {
	for {
		s.mu.Lock()
		if len(s.cleanup) == 0 {
			s.mu.Unlock()
			return
		}
		last := s.cleanup[len(s.cleanup)-1]
		s.cleanup = s.cleanup[:len(s.cleanup)-1]
		s.mu.Unlock()
		last()
	}
}

func (s *stage) Helper() {}

// Cleanup implements system.TB.
func (s *stage) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanup = append(s.cleanup, f)
}

func (s *stage) fault(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.broken, func(e error) bool { return e.Error() == err.Error() }) {
		s.broken = append(s.broken, err)
	}
}

// Failed implements system.TB.
func (s *stage) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.broken) > 0
}

// Errorf implements system.TB.
func (s *stage) Errorf(format string, args ...any) { s.fault(fmt.Errorf(format, args...)) }

// Fatalf implements system.TB.
func (s *stage) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	runtime.Goexit()
}

// Fatal implements system.TB.
func (s *stage) Fatal(args ...any) { s.Fatalf("%s", fmt.Sprint(args...)) }

// Logf implements system.TB. Of a log it shows the end.
func (s *stage) Logf(format string, args ...any) {
	const most = 1500
	text := fmt.Sprintf(format, args...)
	fmt.Fprintln(os.Stderr, text[max(0, len(text)-most):])
}

// TempDir implements system.TB.
func (s *stage) TempDir() string {
	dir, err := os.MkdirTemp("", "slotq-faults-")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
