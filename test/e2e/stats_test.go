package e2e

import (
	"database/sql"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// insertOwn is how an application stores a job in a transaction of its own: every column, and nonce 0.
const insertOwn = `INSERT INTO slotq_jobs (queue_id, slot, blocked, priority, run_at, id, token, cancel_at, kind, attempt, max_attempts, run, crashes,
	max_crashes, snoozes, timeout_us, queue_timeout_us, expires_at, created_at, started_at, nonce, key_held, concurrency_limit, unique_key, concurrency_key,
	digest, backoff, tags, metadata, errors, payload)
	SELECT id, 1, 0, 2, ?, randomblob(16), zeroblob(16), 0, 'w.run', 1, 3, 0, 0, 5, 0, 0, 60000000, 0, ?, 0, 0, 0, 0, '', '', x'', x'', x'', x'', x'', 'null'
	FROM slotq_queues WHERE name = 'mixed'`

// sums is what history says of a queue. A run that was lost with its worker, or given back before it started, has no end.
const sums = `SELECT COUNT(*), COUNT(CASE WHEN state = 5 THEN 1 END), COUNT(CASE WHEN state = 6 THEN 1 END), COUNT(CASE WHEN state = 7 THEN 1 END),
	COUNT(CASE WHEN state_reason = 'expired' THEN 1 END), SUM(attempt - 1), SUM(snoozes), SUM(crashes), SUM(run),
	SUM(attempt - 1) + SUM(snoozes) + COUNT(CASE WHEN run > 0 AND state_reason NOT IN ('expired', 'max_crashes') THEN 1 END)
	FROM slotq_history h JOIN slotq_queues q ON q.id = h.queue_id WHERE q.name = ?`

// statsSums is the same by the stats; the wait and the run tell how many runs began and ended.
type statsSums struct {
	enqueued, completed, discarded, cancelled, expired, retries, snoozed, crashes, begun, ended int64
}

func historySums(t *testing.T, raw *sql.DB, queue string) (n statsSums) {
	t.Helper()
	check(t, raw.QueryRowContext(t.Context(), sums, queue).Scan(&n.enqueued, &n.completed, &n.discarded, &n.cancelled, &n.expired,
		&n.retries, &n.snoozed, &n.crashes, &n.begun, &n.ended))
	return n
}

func sumsOf(list []wire.Stats) (n statsSums) {
	for _, st := range list {
		n.enqueued += st.Enqueued
		n.completed += st.Completed
		n.discarded += st.Discarded
		n.cancelled += st.Cancelled
		n.expired += st.Expired
		n.retries += st.Retries
		n.snoozed += st.Snoozed
		n.crashes += st.Crashes
		if st.Wait != nil {
			n.begun += st.Wait.Count
		}
		if st.Run != nil {
			n.ended += st.Run.Count
		}
	}
	return n
}

// TestTheStatsAgreeWithHistory lets jobs end in every way, some stored by INSERT, and compares what the api says of the
// last hour with what SQL says of history.
func TestTheStatsAgreeWithHistory(t *testing.T) {
	t.Parallel()
	db := system.Database{Name: "sqlite", URL: "sqlite:" + t.TempDir() + "/slotq.db"}
	s := system.New(t, db, system.Short, handlersWith(hook(t).URL), hookEnviron)
	s.StartAPI()
	s.StartManager()
	raw := system.OpenRaw(t, db.URL)

	doomed := s.StartWorker("--queues=deadly")
	crashed := post(t, s, wire.NewJob{Queue: "deadly", Kind: "w.run", MaxCrashes: 1, Payload: orders{"kill_worker": true}.payload()})
	<-doomed.Done()

	in := func(n wire.NewJob) wire.NewJob { n.Queue = "mixed"; return n }
	ids := []job.ID{post(t, s, in(wire.NewJob{Kind: "w.run", ExpiresAt: time.Now().Add(time.Second), Payload: orders{}.payload()}))} // nobody serves it yet
	purged := post(t, s, in(wire.NewJob{Kind: "w.run", DelaySeconds: 1000}))
	must(s.Client.Cancel(t.Context(), purged))(t)
	eventually(t, patience, "the job expires", func() error {
		if j, err := s.Client.Get(t.Context(), ids[0]); err != nil || j.State != job.Discarded {
			return fmt.Errorf("it is %v: %w", j.State, err)
		}
		return nil
	})
	worker := s.StartWorker("--queues=mixed")
	for _, n := range []wire.NewJob{
		{Kind: "w.run", Backoff: quick(0), Payload: orders{"fail_until": 3}.payload()},
		{Kind: "w.run", MaxAttempts: 2, Backoff: quick(0), TimeoutSeconds: 0.1, Payload: orders{"ms": 60_000}.payload()},
		{Kind: "w.run", Backoff: quick(0), Payload: orders{"exit": 75, "exit_until": 2}.payload()},
		{Kind: "w.run", Payload: orders{"exit": 100}.payload()},
	} {
		ids = append(ids, post(t, s, in(n)))
	}
	var many []wire.NewJob
	for range 50 {
		many = append(many, in(wire.NewJob{Kind: "w.run", Payload: orders{}.payload()}))
	}
	ids = append(ids, postAll(t, s, many)...)
	now := job.TimeOf(must(s.Client.Get(t.Context(), ids[1]))(t).CreatedAt)
	const own = 3
	for range own {
		must(raw.ExecContext(t.Context(), insertOwn, int64(now), int64(now)))(t)
	}
	running := post(t, s, in(wire.NewJob{Kind: "w.run", Payload: orders{"ms": 60_000}.payload()}))
	started(t, s, running, 1)
	must(s.Client.Cancel(t.Context(), running))(t)
	for _, id := range append(ids, running, crashed) {
		ended(t, s, id)
	}
	eventually(t, patience, "all jobs end", func() error {
		var left int
		err := raw.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM slotq_jobs").Scan(&left)
		if err == nil && left > 0 {
			err = fmt.Errorf("%d are left", left)
		}
		return err
	})
	want := historySums(t, raw, "mixed")
	if want.enqueued != int64(len(ids)+own+2) || want.completed < 50+own || want.discarded != 3 || want.cancelled != 2 || want.expired != 1 || want.retries != 3 || want.snoozed != 1 {
		t.Fatalf("history is not as it should be: %+v", want)
	}
	eventually(t, patience, "the stats agree with history", func() error {
		got := must(s.Client.Stats(t.Context(), "mixed"))(t)
		for what, list := range map[string][]wire.Stats{"minutes": got.Minutes, "hours": got.Hours} {
			if sum := sumsOf(list); sum != want {
				return fmt.Errorf("the %s say %+v, history %+v", what, sum, want)
			}
		}
		return nil
	})
	worker.Signal(syscall.SIGTERM) // its last report adds nothing
	worker.Exit(t, patience)
	if sum := sumsOf(must(s.Client.Stats(t.Context(), "mixed"))(t).Hours); sum != want {
		t.Errorf("after the worker's end the hours say %+v, history %+v", sum, want)
	}
	deadly := sumsOf(must(s.Client.Stats(t.Context(), "deadly"))(t).Hours)
	deadly.begun = 0 // lost with the worker, or not
	if want := (statsSums{enqueued: 1, discarded: 1, crashes: 1}); deadly != want {
		t.Errorf("the queue of the worker that was killed: %+v, want %+v", deadly, want)
	}
}
