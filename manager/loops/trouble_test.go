package loops

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slotq/slotq/shared/job"
)

func TestAnOutageIsLoggedOnceAndItsEndOnceForAllLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := &fakeStore{}
		m := newManager(f, &log)
		stop := run(t, func(ctx context.Context) { _ = m.Run(ctx) })
		for range 2 {
			time.Sleep(30 * time.Second)
			f.set(func() { f.away = job.ErrUnavailable })
			time.Sleep(10 * time.Minute)
			f.set(func() { f.away = nil })
		}
		time.Sleep(time.Minute)
		stop()
		if n := strings.Count(log.String(), "trying again"); n != 2 {
			t.Errorf("logged the beginning of 2 outages %d times", n)
		}
		if n := strings.Count(log.String(), "answers again"); n != 2 {
			t.Errorf("logged the end of 2 outages %d times", n)
		}
		if n := strings.Count(log.String(), "\n"); n != 4 {
			t.Errorf("%d lines, want 4:\n%s", n, log.String())
		}
	})
}

func TestReadyNeedsTheDatabaseAndARecentSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{}
		m := newManager(f, io.Discard)
		if err := m.Ready(t.Context()); err != nil {
			t.Errorf("just started: %v", err)
		}
		time.Sleep(time.Minute)
		if err := m.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "no sweep") {
			t.Errorf("a minute without a sweep: %v", err)
		}
		stop := run(t, m.rescue)
		synctest.Wait()
		if err := m.Ready(t.Context()); err != nil {
			t.Errorf("just swept: %v", err)
		}
		stop()
		time.Sleep(time.Minute)
		if err := m.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "1m0s ago") {
			t.Errorf("the last sweep a minute ago: %v", err)
		}
		f.set(func() { f.away = job.ErrUnavailable })
		if err := m.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "database") {
			t.Errorf("without a database: %v", err)
		}
	})
}
