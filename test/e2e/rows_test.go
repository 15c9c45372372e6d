package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/store"
)

// rowLimit is the promise: no statement of api or manager reads more rows, however many jobs wait.
const rowLimit = 20_000

// backlog is how many jobs wait: SLOTQ_TEST_ROWS, or defaultBacklog.
func backlog(t *testing.T) int {
	text := os.Getenv("SLOTQ_TEST_ROWS")
	if text == "" {
		return defaultBacklog
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 100_000 {
		t.Fatal("SLOTQ_TEST_ROWS must be a number from 100000 on")
	}
	return n
}

func TestNoStatementReadsMoreThan20000RowsHoweverManyJobsWait(t *testing.T) {
	for _, engine := range []struct {
		name  string
		start func(t *testing.T) *counter
	}{{"sqlite", newSQLite}, {"mariadb", newMariaDB}, {"postgres", newPostgres}} {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			c := engine.start(t)
			n := backlog(t)
			if engine.name == "sqlite" {
				n = max(n/20, 10_000) // where plans are looked at, it is enough that the planner knows large tables from small ones
			}
			b := fill(t, c, n)
			counted := 0
			for _, statistics := range []string{"without statistics", "with statistics", "with those of an empty queue"} {
				switch statistics {
				case "with statistics":
					must(c.raw.ExecContext(t.Context(), c.analyze))(t)
				case "with those of an empty queue":
					if c.empty == nil {
						continue
					}
					for _, statement := range c.empty {
						must(c.raw.ExecContext(t.Context(), statement))(t)
					}
				}
				for _, call := range b.calls() {
					if call.history && engine.name == "postgres" && statistics == "without statistics" {
						continue
					}
					t.Run(statistics+"/"+call.name, func(t *testing.T) {
						for statement, n := range c.call(t, call.do) {
							if counted++; n > rowLimit {
								t.Errorf("%d rows read, the limit is %d, by\n%s", n, rowLimit, statement)
							}
						}
					})
				}
			}
			if counted < 200 {
				t.Errorf("only %d statements were counted", counted)
			}
		})
	}
}

// big is a database with a large backlog of every sort.
type big struct {
	now    job.Time
	first  job.Time // before all jobs
	plain  job.Queue
	single job.Queue // one slot
	keyed  job.Queue
	past   job.Queue // its jobs are history
	later  job.Queue // two slots, and none of its jobs is due

	waiting, scheduled, finished, keyJobs []job.ID // each is used once
	live                                  job.WorkerID
	serial                                int
}

// fill makes the backlog: half of it over 24 slots, a quarter in one slot, a fifth behind concurrency keys, the rest
// scheduled, expiring or with keys of every sort; and history of a quarter of its size.
func fill(t *testing.T, c *counter, n int) *big {
	ctx, began := t.Context(), time.Now()
	s := must(store.Open(ctx, c.url, store.Options{}))(t)
	defer s.Close()
	now, err := s.Now(ctx)
	check(t, err)
	b := &big{now: now, first: now.Add(-48 * time.Hour)}
	queue := func(name string, slots int) job.Queue {
		q := job.NewQueue(name)
		q.Slots, q.KeySlots = slots, slots
		q, err := s.EnsureQueue(ctx, q, b.first)
		check(t, err)
		return q
	}
	b.plain, b.single, b.keyed, b.past, b.later = queue("plain", 24), queue("single", 1), queue("keyed", 24), queue("past", 24), queue("later", 2)
	created := b.first
	add := func(q job.Queue, n int, set func(i int, spec *job.Spec)) []job.ID {
		ids := make([]job.ID, 0, n)
		for from := 0; from < n; from += 1000 {
			var jobs []*job.Job
			for i := from; i < min(n, from+1000); i++ {
				created = created.Add(time.Millisecond)
				spec := job.Spec{Queue: q.Name, Kind: "kind" + strconv.Itoa(i%10), Payload: []byte(`{"n":1}`)}
				if set != nil {
					set(i, &spec)
				}
				j := spec.Make(q, created)
				jobs, ids = append(jobs, j), append(ids, j.ID)
			}
			for _, e := range must(s.Enqueue(ctx, jobs, false))(t) {
				check(t, e.Err)
			}
		}
		return ids
	}
	some := func(ids []job.ID) []job.ID { return ids[len(ids)/2:][:min(100, len(ids)/2)] }

	past := add(b.past, n/4, nil)
	for more := true; more; {
		_, more, err = s.Purge(ctx, b.past.Name, now, 1000, b.now)
		check(t, err)
	}
	b.finished = some(past)
	b.waiting = some(add(b.plain, n/2, func(i int, spec *job.Spec) { p := 1 + i%4; spec.Priority = &p }))
	// The claim from several slots takes nearly all of the first one.
	b.waiting = slices.DeleteFunc(b.waiting, func(id job.ID) bool { return must(s.Get(ctx, id))(t).Slot == 1 })
	add(b.single, n/4, nil)
	b.keyJobs = some(add(b.keyed, n/5, func(i int, spec *job.Spec) {
		spec.ConcurrencyKey = "one"
		if i%2 == 0 {
			spec.ConcurrencyKey = fmt.Sprint("key", i%5000)
		}
	}))
	b.scheduled = some(add(b.later, n/20, func(i int, spec *job.Spec) { spec.RunAt = now.Add(time.Hour) }))
	add(b.plain, n/100, func(i int, spec *job.Spec) { spec.ExpiresAt = b.first.Add(time.Second) })
	add(b.plain, n/100, func(i int, spec *job.Spec) { spec.UniqueKey = fmt.Sprint("unique", i) })
	add(b.plain, n/100, func(i int, spec *job.Spec) {
		spec.IdempotencyKey, spec.Digest = fmt.Sprint("key", i), make([]byte, 16)
	})
	check(t, b.fillStats(ctx, c, 200))
	b.live, _, err = b.hold(ctx, s, 10)
	check(t, err)
	t.Logf("%d jobs made in %s", n, time.Since(began).Round(time.Millisecond))
	return b
}

func (b *big) worker(ctx context.Context, s store.Store) (job.WorkerID, error) {
	w := job.Worker{ID: job.NewWorkerID(), Name: "w", Lease: 20 * time.Second, Concurrency: 1000, Kinds: []string{"*"}, StartedAt: b.now, BeatAt: b.now}
	return w.ID, s.Register(ctx, w)
}

// hold lets a new worker claim jobs of all slots of a queue.
func (b *big) hold(ctx context.Context, s store.Store, each int) (w job.WorkerID, held []job.Claim, err error) {
	if w, err = b.worker(ctx, s); err != nil {
		return w, nil, err
	}
	for slot := 1; slot <= 24; slot++ {
		r := job.ClaimRequest{Worker: w, Token: job.NewToken(w), Slot: job.Slot{QueueID: b.plain.ID, Slot: slot}, Max: each, Now: b.now}
		c, err := s.Claim(ctx, r)
		if err != nil {
			return w, nil, err
		}
		ids := make([]job.ID, len(c.Jobs))
		for i, j := range c.Jobs {
			ids[i] = j.ID
		}
		held = append(held, job.Claim{Worker: w, Token: r.Token, Slot: r.Slot, IDs: ids})
	}
	return w, held, nil
}

// take returns the next id of a list that no call has used yet.
func take(ids *[]job.ID) job.ID {
	id := (*ids)[0]
	*ids = (*ids)[1:]
	return id
}

// ignore lets an answer of the domain pass: refusing reads rows too.
func ignore(err error, expected ...error) error {
	for _, e := range expected {
		if errors.Is(err, e) {
			return nil
		}
	}
	return err
}
