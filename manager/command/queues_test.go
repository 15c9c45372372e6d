package command

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func TestQueuesAreSetPausedPurgedAndDeleted(t *testing.T) {
	b := newBench(t)
	q := parse[wire.Queue](t, b.ok("queues", "set", "mail", "--slots=6", "--order=lifo", "--max-attempts=3", "--timeout=5s",
		"--backoff-kind=list", "--backoff-list=1,2.5", "--keep-completed=1h", "--json"))
	if q.Slots != 6 || q.Order != "lifo" || q.MaxAttempts != 3 || q.TimeoutSeconds != 5 || q.KeepCompletedSeconds != 3600 || !slices.Equal(q.Backoff.List, []float64{1, 2.5}) {
		t.Errorf("made with %+v", q)
	}
	q = parse[wire.Queue](t, b.ok("queues", "set", "mail", "--backoff-kind=exponential", "--backoff-base=1s", "--json"))
	if q.Slots != 6 || q.Order != "lifo" || q.Backoff.BaseSeconds != 1 || q.Backoff.List != nil {
		t.Errorf("changed to %+v; want the backoff changed, all else kept", q)
	}
	b.fails(2, []string{"--slots", "1 and 1024"}, "queues", "set", "mail", "--slots=0")
	b.fails(2, []string{"--order", "fifo"}, "queues", "set", "mail", "--order=random")
	b.fails(2, []string{"name of a queue"}, "queues", "set", "a/b")
	b.fails(1, []string{"no queue other"}, "queues", "pause", "other")

	kept := b.enqueue("mail", "send", nil)
	b.ok("queues", "pause", "mail")
	if list := parse[wire.QueueList](t, b.ok("queues", "--json")); !list.Queues[0].Paused {
		t.Error("not paused")
	}
	if out := b.ok("queues"); !strings.Contains(out, "paused") {
		t.Errorf("the table does not say that it is paused:\n%s", out)
	}
	b.ok("queues", "resume", "mail")
	b.fails(1, []string{"unfinished jobs", "purge"}, "queues", "delete", "mail")

	for _, answer := range []string{"", "n\n", "no\n", "yess\n"} {
		r := call1(t.Context(), b.url, answer, "queues", "purge", "mail")
		if r.code() != 1 || b.state(kept.ID) != job.Available {
			t.Errorf("the answer %q purged: %v", answer, r.failure)
		}
	}
	if r := call1(t.Context(), b.url, "y\n", "queues", "purge", "mail"); r.failure != nil || b.state(kept.ID) != job.Cancelled {
		t.Errorf("the answer y did not purge: %v", r.failure)
	}
	b.enqueue("mail", "send", func(s *job.Spec) { s.RunAt = b.now.Add(time.Hour) })
	if n := parse[wire.Purged](t, b.ok("queues", "purge", "mail", "--yes", "--json")); n.Purged != 1 || n.More {
		t.Errorf("purged %+v, want 1", n)
	}
	b.ok("queues", "delete", "mail")
	if list := parse[wire.QueueList](t, b.ok("queues", "--json")); len(list.Queues) != 0 {
		t.Errorf("still there: %+v", list)
	}
}
