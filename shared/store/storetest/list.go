package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var listTests = []Test{
	{"a list has the newest ids first, whatever became of the jobs, without payloads", 0, func(f *fixture) {
		all := f.variety()
		got := f.list(job.Filter{})
		want := slices.Clone(all)
		slices.SortFunc(want, func(a, b *job.Job) int { return b.ID.Compare(a.ID) })
		equal(f, "jobs", len(got), len(want))
		for i, j := range got {
			equal(f, "id", j.ID, want[i].ID)
			if len(j.Payload) != 0 || len(j.Output) != 0 {
				f.Fatalf("a listed job has a payload of %d and an output of %d bytes", len(j.Payload), len(j.Output))
			}
		}
	}},
	{"pages of any size make the same list", 0, func(f *fixture) {
		f.variety()
		want := f.list(job.Filter{})
		for _, limit := range []int{1, 2, 7, 1000} {
			var got []*job.Job
			page := job.Page{Limit: limit}
			for range 1000 {
				l, err := f.store.List(f.ctx, job.Filter{}, page)
				f.ok(err)
				if len(l.Jobs) > limit {
					f.Fatalf("a page of %d has %d jobs", limit, len(l.Jobs))
				}
				got = append(got, l.Jobs...)
				if page.Before = l.Next; l.Next == (job.ID{}) {
					break
				}
			}
			equal(f, fmt.Sprintf("jobs by %d", limit), len(got), len(want))
			for i := range got {
				equal(f, fmt.Sprintf("id by %d", limit), got[i].ID, want[i].ID)
			}
		}
	}},
	{"a page of large jobs is short, and the pages make the whole list", 0, func(f *fixture) {
		q := f.queue("large")
		metadata := []byte(`{"m":"` + strings.Repeat("m", 16_000) + `"}`)
		f.enqueue(f.jobs(q, 150, func(s *job.Spec) { s.Metadata = metadata })...)
		var got []job.ID
		page := job.Page{Limit: 1000}
		for range 1000 {
			l, err := f.store.List(f.ctx, job.Filter{Queue: "large"}, page)
			f.ok(err)
			if len(l.Jobs) > 70 {
				f.Fatalf("a page has %d jobs of 16 KB", len(l.Jobs))
			}
			for _, j := range l.Jobs {
				got = append(got, j.ID)
			}
			if page.Before = l.Next; l.Next == (job.ID{}) {
				break
			}
		}
		equal(f, "jobs", len(got), 150)
		if !slices.IsSortedFunc(got, func(a, b job.ID) int { return b.Compare(a) }) || len(slices.Compact(got)) != 150 {
			f.Fatalf("the pages do not make the list")
		}
	}},
	{"a filter chooses what has the value", 0, func(f *fixture) {
		all := f.variety()
		byID := map[job.ID]*job.Job{}
		for _, j := range all {
			byID[j.ID] = f.get(j.ID)
		}
		for name, c := range map[string]struct {
			filter job.Filter
			keep   func(*job.Job) bool
		}{
			"queue":           {job.Filter{Queue: "other"}, func(j *job.Job) bool { return j.Queue == "other" }},
			"kind":            {job.Filter{Kind: "b"}, func(j *job.Job) bool { return j.Kind == "b" }},
			"slot":            {job.Filter{Slot: 2}, func(j *job.Job) bool { return j.Slot == 2 }},
			"tag":             {job.Filter{Tag: "red"}, func(j *job.Job) bool { return slices.Contains(job.UnmarshalTags(j.Tags), "red") }},
			"unique key":      {job.Filter{UniqueKey: "u3"}, func(j *job.Job) bool { return j.UniqueKey == "u3" }},
			"concurrency key": {job.Filter{ConcurrencyKey: "k"}, func(j *job.Job) bool { return j.ConcurrencyKey == "k" }},
			"running":         {job.Filter{States: []job.State{job.Running}}, func(j *job.Job) bool { return j.State == job.Running }},
			"finished":        {job.Filter{States: []job.State{job.Completed, job.Discarded}}, func(j *job.Job) bool { return j.State == job.Completed || j.State == job.Discarded }},
			"kind and state":  {job.Filter{Kind: "b", States: []job.State{job.Cancelled}}, func(j *job.Job) bool { return j.Kind == "b" && j.State == job.Cancelled }},
			"nothing":         {job.Filter{Kind: "none"}, func(*job.Job) bool { return false }},
		} {
			want := 0
			for _, j := range byID {
				if c.keep(j) {
					want++
				}
			}
			got := f.list(c.filter)
			equal(f, name, len(got), want)
			for _, j := range got {
				if !c.keep(byID[j.ID]) {
					f.Fatalf("%s: job %s does not have it", name, j.ID)
				}
			}
			if want == 0 && name != "nothing" {
				f.Fatalf("%s: the test has no such job", name)
			}
		}
	}},
	{"a long list without a match is read in bounded pages that come to an end", 0, func(f *fixture) {
		q := f.queue("long")
		needle := f.add(q, kind("needle"))
		for range 16 {
			f.tick(time.Second)
			f.enqueue(f.jobs(q, 500)...)
		}
		got := f.list(job.Filter{Kind: "needle"})
		equal(f, "jobs", len(got), 1)
		equal(f, "id", got[0].ID, needle.ID)
	}},
	{"an unknown job is not found", 0, func(f *fixture) {
		f.gone(job.NewID(f.now))
		equal(f, "jobs", len(f.list(job.Filter{})), 0)
	}},
	{"a job is found at every moment of its life", 0, func(f *fixture) {
		q := f.queue("moving")
		j := f.add(q, maxAttempts(1000))
		w := f.worker()
		done := make(chan struct{})
		f.together(4, func(i int) error {
			if i == 0 {
				defer close(done)
				for n := range 60 {
					c, err := w.take(w.request(q, 1, 1, f.now))
					if err != nil || len(c.Jobs) != 1 {
						return fmt.Errorf("claim %d: %d jobs, %w", n, len(c.Jobs), err)
					}
					if _, err := w.settle(f.now, f.discarded(c.Jobs[0])); err != nil {
						return err
					}
					if _, err := f.store.Retry(f.ctx, j.ID, f.now); err != nil {
						return err
					}
				}
				return nil
			}
			for {
				select {
				case <-done:
					return nil
				default:
				}
				if _, err := f.store.Get(f.ctx, j.ID); err != nil {
					return err
				}
			}
		})
	}},
}

// list reads a whole list.
func (f *fixture) list(filter job.Filter) (jobs []*job.Job) {
	f.Helper()
	page := job.Page{Limit: 500}
	for range 1000 {
		l, err := f.store.List(f.ctx, filter, page)
		f.ok(err)
		jobs = append(jobs, l.Jobs...)
		if page.Before = l.Next; l.Next == (job.ID{}) {
			return jobs
		}
	}
	f.Fatal("the list does not end")
	return nil
}

// variety stores 60 jobs of two queues and three slots and brings them into all states.
func (f *fixture) variety() (all []*job.Job) {
	f.Helper()
	queues := []job.Queue{f.queue("one", slots(3)), f.queue("other", slots(3))}
	for n := range 60 {
		f.tick(time.Millisecond)
		set := []func(*job.Spec){kind([]string{"a", "b"}[n%2])}
		if n%5 == 0 {
			set = append(set, func(s *job.Spec) { s.Tags = []string{"blue", "red"}[n%10/5:] })
		}
		if n%7 == 3 {
			set = append(set, uniqueKey(fmt.Sprint("u", n)))
		}
		if n%11 == 1 {
			set = append(set, concurrencyKey("k", 2))
		}
		if n%13 == 2 {
			set = append(set, delay(time.Hour))
		}
		all = append(all, f.add(queues[n/2%2], set...))
	}
	w := f.worker()
	ran := map[string]int{} // of each kind, so that each has come to everything, whatever slots were drawn
	for _, q := range queues {
		for slot := 1; slot <= 3; slot++ {
			c, err := w.take(w.request(q, slot, 7, f.now))
			f.ok(err)
			for _, j := range c.Jobs {
				ran[j.Kind]++
				switch ran[j.Kind] % 5 {
				case 0:
					w.commit(completed(j))
				case 1:
					w.commit(f.discarded(j))
				case 2:
					w.commit(job.Outcome{Job: j, Action: job.Cancel, Reason: job.ReasonCancelled})
				case 3:
					w.commit(f.failed(j))
				}
			}
		}
	}
	rand.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
	return all
}
