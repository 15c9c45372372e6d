package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// refusing is a store whose database refuses jobs of one kind, as an engine refuses a value that it cannot hold; every
// other job must not notice.
type refusing struct {
	*faulty
	mu    sync.Mutex
	calls int
}

func (s *refusing) Enqueue(ctx context.Context, jobs []*job.Job, atomic bool) ([]job.Enqueued, error) {
	s.mu.Lock()
	s.calls++
	s.mu.Unlock()
	out := make([]job.Enqueued, len(jobs))
	var good []*job.Job
	var index []int
	for i, j := range jobs {
		if j.Kind == "bad" {
			out[i].Err = job.Invalid{{Detail: "the database refuses a value of this job"}}
			continue
		}
		good, index = append(good, j), append(index, i)
	}
	stored, err := s.faulty.Enqueue(ctx, good, atomic)
	for i, e := range stored {
		out[index[i]] = e
	}
	return out, err
}

func TestOneBadJobAmong64PostsAtOnceFailsAlone(t *testing.T) {
	var store *refusing
	e := start(t, func(o *Options) {
		store = &refusing{faulty: o.Store.(*faulty)}
		o.Store = store
	})
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			kind, want := "good", 201
			if i == 20 {
				kind, want = "bad", 422
			}
			e.want(want, "POST", "/v1/jobs", `{"kind":"`+kind+`"}`)
		})
	}
	all.Wait()
	if n := e.count(); n != 63 {
		t.Errorf("%d jobs are stored, want 63", n)
	}
	t.Logf("64 posts in %d calls of the store", store.calls)
}

func TestJobsAreCountedAndTheirWorkersNudgedOnceTheyAreDue(t *testing.T) {
	var mu sync.Mutex
	nudged := map[string]int{}
	e := start(t, func(o *Options) {
		o.Nudge = func(queue, kind string, slot job.Slot) {
			mu.Lock()
			defer mu.Unlock()
			if slot.Slot < 1 || slot.QueueID == 0 || kind != "k" {
				t.Errorf("nudged %+v for a %q", slot, kind)
			}
			nudged[queue]++
		}
	})
	e.enqueue(`{"kind":"k","queue":"now"}`)
	later := e.enqueue(`{"kind":"k","queue":"later","delay_seconds":60}`)
	e.enqueue(`{"kind":"k","queue":"key","concurrency_key":"c"}`)
	e.enqueue(`{"kind":"k","queue":"key","concurrency_key":"c"}`)
	e.want(200, "POST", "/v1/jobs/batch", `{"jobs":[{"kind":"k","queue":"batch"},{"kind":"k","queue":"batch"},{"kind":"?","queue":"batch"}]}`)
	for range 3 {
		e.send("POST", "/v1/jobs", `{"kind":"k","queue":"dup","unique_key":"u"}`)
	}
	if got, want := fmt.Sprint(nudged), "map[batch:2 dup:1 key:1 now:1]"; got != want {
		t.Errorf("nudged %s, want %s", got, want)
	}
	e.want(200, "POST", "/v1/jobs/"+later+"/run", "")
	if nudged["later"] != 1 {
		t.Error("a job that was made due was not nudged")
	}
	for queue, want := range map[string]float64{"now": 1, "later": 1, "key": 2, "batch": 2, "dup": 1} {
		if got := testutil.ToFloat64(e.server.metrics.enqueued.WithLabelValues(queue, "k")); got != want {
			t.Errorf("queue %s: %g jobs counted, want %g", queue, got, want)
		}
	}
	if got := testutil.ToFloat64(e.server.metrics.deduplicated); got != 2 {
		t.Errorf("%g duplicates counted, want 2", got)
	}
}

func TestRequestsAreTimedUnderTheirRouteWhateverClientsInvent(t *testing.T) {
	e := start(t)
	for i := range 150 {
		e.enqueue(fmt.Sprintf(`{"kind":"kind-%d"}`, i))
	}
	e.want(404, "GET", "/v1/jobs/018f0000-0000-7000-8000-000000000001", "")
	e.want(404, "GET", "/invented/path", "")
	e.want(405, "INVENTED", "/v1/jobs", "")
	e.want(421, "GET", "/v1/jobs", "", "Host", "x.example")
	problems, err := testutil.GatherAndLint(e.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	families, err := e.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	kinds := 0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			line := f.GetName()
			for _, l := range m.GetLabel() {
				line += " " + l.GetName() + "=" + l.GetValue()
			}
			if f.GetName() == "slotq_jobs_enqueued_total" {
				kinds++
				continue
			}
			got = append(got, line)
		}
	}
	if want := 101; kinds != want {
		t.Errorf("%d series for 150 kinds, want %d", kinds, want)
	}
	all := strings.Join(got, "\n")
	for _, want := range []string{
		"slotq_http_request_seconds code=201 method=POST route=/v1/jobs", "slotq_http_request_seconds code=404 method=GET route=/v1/jobs/{id}",
		"slotq_http_request_seconds code=404 method=GET route=_other", "slotq_http_request_seconds code=405 method=_other route=_other",
		"slotq_http_request_seconds code=421 method=GET route=_other", "slotq_jobs_deduplicated_total",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing among\n%s", want, all)
		}
	}
	if len(got) != 6 {
		t.Errorf("%d series:\n%s", len(got), all)
	}
}

func TestAClientThatHangsUpLeavesNothingHalfDone(t *testing.T) {
	e := start(t)
	e.enqueue(`{"kind":"warm"}`)
	goOn := e.store.stop()
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := e.client.Enqueue(ctx, wire.NewJob{Kind: "k"})
		done <- err
	}()
	hangUp()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	goOn()
	e.enqueue(`{"kind":"next"}`)
}
