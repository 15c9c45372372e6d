package doctor

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

func TestAHealthySystemHasNoFindings(t *testing.T) {
	b := newBench(t)
	b.jobs("mail", "k", 3)
	r := b.look()
	if !r.Healthy || len(r.Findings) > 0 || len(r.Checks) != 8 {
		t.Errorf("%+v", r)
	}
}

func TestADatabaseOfAnotherVersionIsNamed(t *testing.T) {
	t.Run("without tables", func(t *testing.T) {
		b := emptyBench(t)
		b.finds("no-schema", "", "manager migrate")
	})
	t.Run("older", func(t *testing.T) {
		b := newBench(t)
		_, want, err := b.store.Schema(t.Context())
		b.ok(err)
		b.past("DELETE FROM slotq_migrations WHERE version_id = ?", want)
		have, _, err := b.store.Schema(t.Context())
		b.ok(err)
		if have == 0 {
			b.finds("no-schema", "", "manager migrate") // there is no older one yet
			return
		}
		b.finds("old-schema", fmt.Sprintf("version %d", have), "manager migrate")
	})
	newer := func(b *bench, by int64) int64 {
		_, want, err := b.store.Schema(b.t.Context())
		b.ok(err)
		b.past("INSERT INTO slotq_migrations (version_id, is_applied) VALUES (?, TRUE)", want+by)
		return want + by
	}
	t.Run("one ahead, on which this binary works", func(t *testing.T) {
		b := newBench(t)
		version := newer(b, 1)
		b.finds("newer-schema", fmt.Sprintf("version %d", version), "upgrade")
		if n := len(b.look().Checks); n != 8 {
			t.Errorf("%d checks, want all", n)
		}
	})
	t.Run("two ahead, on which it does not", func(t *testing.T) {
		b := newBench(t)
		version := newer(b, 2)
		b.finds("newer-schema", fmt.Sprintf("version %d", version), "do not start")
		if n := len(b.look().Checks); n != 3 {
			t.Errorf("%d checks, want none after the schema's", n)
		}
	})
}

func TestAClockThatIsApartFromTheDatabasesIsNamed(t *testing.T) {
	b := newBench(t)
	for offset, words := range map[time.Duration]string{3 * time.Minute: "3m behind", -90 * time.Second: "90s ahead of", 0: ""} {
		r, err := Look(t.Context(), b.store, Options{Sweep: sweep, Lease: lease, Clock: func() time.Time { return time.Now().Add(offset) }})
		b.ok(err)
		switch {
		case words == "" && !r.Healthy:
			t.Errorf("found %+v on clocks that agree", r.Findings)
		case words != "" && (len(r.Findings) != 1 || r.Findings[0].Name != "clock-offset" || r.Findings[0].Wrong != "the database's clock is "+words+" this machine's"):
			t.Errorf("found %+v, want the clock %s", r.Findings, words)
		}
	}
}

func TestLoopsThatNobodyRunsAreNamed(t *testing.T) {
	t.Run("no manager ever", func(t *testing.T) {
		b := newBench(t)
		b.past("DELETE FROM slotq_turns")
		b.finds("no-manager", "", "ever", "slotq-manager")
	})
	t.Run("no manager any more", func(t *testing.T) {
		b := newBench(t)
		b.past("UPDATE slotq_turns SET next_at = next_at - 3600000000")
		b.finds("no-manager", "", "late by 60m")
	})
	t.Run("nobody leads", func(t *testing.T) {
		b := newBench(t)
		b.past("UPDATE slotq_turns SET next_at = next_at - 60000000 WHERE loop_name = 'stats'")
		b.finds("no-leader", "stats", "metrics")
	})
	t.Run("nobody prunes", func(t *testing.T) {
		b := newBench(t)
		b.past("DELETE FROM slotq_turns WHERE loop_name = 'prune'")
		b.finds("late-loop", "prune", "retention")
	})
	t.Run("a loop is a little late", func(t *testing.T) {
		b := newBench(t)
		b.past("UPDATE slotq_turns SET next_at = next_at - 20000000")
		if r := b.look(); !r.Healthy {
			t.Errorf("found %+v", r.Findings)
		}
	})
}

func TestWorkersThatDoNotWorkAreNamed(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		b := newBench(t)
		b.past("DELETE FROM slotq_workers")
		b.jobs("mail", "k", 2)
		b.finds("no-worker", "", "slotq-worker")
	})
	t.Run("all quiet", func(t *testing.T) {
		b := newBench(t)
		b.past("UPDATE slotq_workers SET quiet = 1")
		b.finds("no-worker", "", "quiet")
	})
	t.Run("one beats no more", func(t *testing.T) {
		b := newBench(t)
		b.worker(job.Worker{Name: "host-9", Kinds: []string{"k"}, StartedAt: b.now.Add(-10 * time.Minute)})
		b.finds("silent-worker", "host-9", "10m", "lease of 20s")
	})
	t.Run("a dead one holds jobs", func(t *testing.T) {
		b := newBench(t)
		w := b.worker(job.Worker{Name: "host-9", Kinds: []string{"k"}})
		q := b.jobs("mail", "k", 1)
		got, err := b.store.Claim(t.Context(), job.ClaimRequest{Worker: w.ID, Token: job.NewToken(w.ID), Slot: job.Slot{QueueID: q.ID, Slot: 1}, Max: 5, Now: b.now})
		b.ok(err)
		dead, err := b.store.DeclareDead(t.Context(), w.ID, 0)
		b.ok(err)
		if len(got.Jobs) != 1 || !dead {
			t.Fatalf("claimed %d jobs, dead %t", len(got.Jobs), dead)
		}
		b.finds("dead-worker-holds-jobs", "host-9", "1 claims of it with up to 1 jobs")
		b.past("DELETE FROM slotq_workers WHERE id = ?", int64(w.ID))
		b.finds("dead-worker-holds-jobs", w.ID.String())
	})
}

func TestJobsThatNobodyTakesAreNamed(t *testing.T) {
	t.Run("of a kind without a handler", func(t *testing.T) {
		b := newBench(t)
		b.jobs("mail", "unheard", 1)
		b.finds("unserved-kind", "unheard", "1 jobs", "mail", "worker.yaml")
	})
	t.Run("of a kind whose handler is pinned to other slots", func(t *testing.T) {
		b := newBench(t)
		b.worker(job.Worker{Name: "pinned", Kinds: []string{"rare"}, Slots: []int{2}})
		b.jobs("mail", "rare", 1)
		b.finds("unserved-kind", "rare")
	})
	t.Run("of a paused queue", func(t *testing.T) {
		b := newBench(t)
		b.jobs("mail", "k", 1)
		_, err := b.store.PauseQueue(t.Context(), "mail", true)
		b.ok(err)
		b.finds("paused-backlog", "mail", "manager queues resume mail")
		b.past("DELETE FROM slotq_jobs")
		if r := b.look(); !r.Healthy {
			t.Errorf("a paused queue without jobs: %+v", r.Findings)
		}
	})
	t.Run("of a queue that no worker is started for", func(t *testing.T) {
		b := newBench(t)
		b.past("UPDATE slotq_workers SET queues = ?", []byte(`["other"]`))
		b.jobs("mail", "k", 2)
		b.finds("unserved-queue", "mail", "worker --queues=mail")
	})
	t.Run("of slots that no worker is pinned to", func(t *testing.T) {
		b := newBench(t)
		b.past("UPDATE slotq_workers SET slots = ?", []byte(`[1, 2, 4]`))
		b.jobs("mail", "k", 6)
		b.finds("unserved-slot", "mail", "slots 3,5-6,", "--slots=3,5-6")
	})
	t.Run("of slots above the queue's number that nobody drains", func(t *testing.T) {
		b := newBench(t)
		b.past("UPDATE slotq_workers SET slots = ?", []byte(`[1, 2]`))
		b.jobs("mail", "k", 3)
		_, err := b.store.UpdateQueue(t.Context(), "mail", func(q *job.Queue) error { q.Slots = 2; return nil })
		b.ok(err)
		b.finds("orphan-slot", "mail", "slots 3,", "queue's 2", "--slots=3")
	})
	t.Run("of slots above the queue's number that a worker drains", func(t *testing.T) {
		b := newBench(t)
		b.jobs("mail", "k", 3)
		_, err := b.store.UpdateQueue(t.Context(), "mail", func(q *job.Queue) error { q.Slots = 2; return nil })
		b.ok(err)
		if r := b.look(); !r.Healthy {
			t.Errorf("found %+v", r.Findings)
		}
	})
	t.Run("of a slot without a row", func(t *testing.T) {
		b := newBench(t)
		q := b.jobs("mail", "k", 3)
		b.past("DELETE FROM slotq_slots WHERE slot = 2")
		b.finds("stray-jobs", fmt.Sprintf("queue_id %d, slot 2", q.ID), "INSERT INTO slotq_slots")
		b.past(fmt.Sprintf("INSERT INTO slotq_slots (queue_id, slot, epoch, paused) VALUES (%d, 2, 0, 0);", q.ID))
		if r := b.look(); !r.Healthy {
			t.Errorf("after what it said was done: %+v", r.Findings)
		}
	})
	t.Run("of a queue without a row", func(t *testing.T) {
		b := newBench(t)
		q := b.jobs("mail", "k", 1)
		b.past("DELETE FROM slotq_queues")
		b.finds("stray-jobs", fmt.Sprintf("queue_id %d, slot 1", q.ID), "backup")
	})
}

func TestADatabaseThatGoesAwayIsNoFindingAndNoHealth(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := Look(ctx, b.store, Options{Sweep: sweep, Lease: lease}); err == nil || r.Healthy {
		t.Errorf("%+v, %v", r, err)
	}
}
