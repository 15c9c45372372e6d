package command

import (
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func TestTopShowsTheLongestQueueFirstAndWhatChangedBetweenTwoLooks(t *testing.T) {
	b := newBench(t)
	w := b.worker("host-1", "k")
	b.enqueue("short", "k", nil)
	j := b.enqueue("long", "k", nil)
	c := &call{ctx: t.Context(), store: b.store}
	top := &topCommand{Interval: time.Second}
	before, err := top.look(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.claim(w, j)
	b.enqueue("long", "k", nil)
	b.enqueue("long", "k", func(s *job.Spec) { s.Delay = time.Hour })
	if _, err := b.store.PauseQueue(t.Context(), "short", true); err != nil {
		t.Fatal(err)
	}
	before.at = time.Now().Add(-2 * time.Second) // the looks are two seconds apart
	s, err := top.look(c, before)
	if err != nil || len(s.Queues) != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	long, short := s.Queues[0], s.Queues[1]
	if long.Queue != "long" || long.Available != 1 || long.Running != 1 || long.Scheduled != 1 || long.Paused || !short.Paused || short.Available != 1 {
		t.Errorf("queues %+v", s.Queues)
	}
	about := func(got, want float64) bool { return got > want/2 && got <= want }
	if !about(long.Claims, 0.5) || !about(long.Change, 1) || short.Claims != 0 || short.Change != 0 {
		t.Errorf("one claim and two more jobs in two seconds are %+v; nothing is %+v", long, short)
	}
	if len(s.Workers) != 1 || s.Workers[0].Name != "host-1" {
		t.Errorf("workers %+v", s.Workers)
	}
	if lines := c.frame(s, 24); len(lines) != 8 || !strings.Contains(strings.Join(lines, "\n"), "host-1") {
		t.Errorf("a screen is\n%s", strings.Join(lines, "\n"))
	}
}

func TestTopFitsOnASmallScreen(t *testing.T) {
	s := &sample{Queues: make([]sampleQueue, 50)}
	for range 9 {
		s.workers = append(s.workers, job.Worker{})
		s.Workers = append(s.Workers, wire.Worker{})
	}
	c := &call{}
	for _, rows := range []int{8, 10, 24, 60, 100} {
		lines := c.frame(s, rows)
		if len(lines) > rows {
			t.Errorf("%d lines for %d rows", len(lines), rows)
		}
	}
}

func TestTopWithoutATerminalPrintsPlainTables(t *testing.T) {
	b := newBench(t)
	b.worker("host-1", "k")
	b.enqueue("mail", "k", nil)
	if out := b.ok("top", "--once", "--interval=10ms"); !strings.Contains(out, "mail") || !strings.Contains(out, "host-1") || strings.Contains(out, "\x1b") || strings.Count(out, "QUEUE") != 1 {
		t.Errorf("it prints\n%q", out)
	}
	b.fails(2, []string{"--interval"}, "top", "--interval=0s")
}
