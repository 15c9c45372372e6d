package server

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/stats"
	"github.com/slotq/slotq/shared/wire"
)

// counting puts a counter between the server and its store, as the binary does.
func counting(into **stats.Counter) func(*Options) {
	return func(o *Options) {
		*into = stats.New(o.Store.(*faulty), o.Clock.Now)
		o.Store = *into
	}
}

func TestStatsSayWhatHappenedToTheJobsOfAQueue(t *testing.T) {
	var counter *stats.Counter
	e := start(t, counting(&counter))
	for range 3 {
		e.enqueue(`{"kind":"k","queue":"mail"}`)
	}
	e.want(200, "POST", "/v1/jobs/"+e.enqueue(`{"kind":"k","queue":"mail"}`)+"/cancel", "")
	given := `{"kind":"k","queue":"mail","id":"0197e3a0-0000-7000-8000-0123456789ab"}`
	e.want(201, "POST", "/v1/jobs", given)
	e.want(200, "POST", "/v1/jobs", given) // a duplicate
	e.want(201, "POST", "/v1/jobs/batch", `{"atomic":true,"jobs":[{"kind":"k","queue":"mail"},{"kind":"k","queue":"other"}]}`)
	e.want(422, "POST", "/v1/jobs/batch", `{"atomic":true,"jobs":[{"kind":"k","queue":"mail"},{"kind":"","queue":"mail"}]}`)
	e.want(200, "POST", "/v1/queues/other/purge", "")

	if got, err := e.client.Stats(t.Context(), "mail"); err != nil || got.Queue != "mail" || len(got.Minutes) != 0 || len(got.Hours) != 0 {
		t.Errorf("nobody has reported, and the stats are %+v, %v", got, err)
	}
	if err := counter.Report(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, err := e.store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.store.FoldStats(t.Context(), 10, now); err != nil {
		t.Fatal(err)
	}
	mail, err := e.client.Stats(t.Context(), "mail")
	if err != nil {
		t.Fatal(err)
	}
	for what, list := range map[string][]wire.Stats{"minutes": mail.Minutes, "hours": mail.Hours} {
		var enqueued, cancelled int64
		for _, st := range list {
			enqueued, cancelled = enqueued+st.Enqueued, cancelled+st.Cancelled
			if st.Wait != nil || st.Run != nil {
				t.Errorf("no job was claimed: %+v", st)
			}
		}
		if enqueued != 6 || cancelled != 1 || len(list) < 1 || len(list) > 2 { // two when the test meets the end of one
			t.Errorf("%s: %d enqueued, %d cancelled in %d, want 6 and 1", what, enqueued, cancelled, len(list))
		}
	}
	page, err := e.client.StatsPage(t.Context(), "")
	if err != nil || len(page.Queues) != 2 || page.Queues[0].Queue != "mail" || page.Queues[1].Queue != "other" || page.NextCursor != "" {
		t.Fatalf("all queues: %+v, %v", page, err)
	}
	var other wire.Stats
	for _, st := range page.Queues[1].Hours {
		other.Enqueued, other.Cancelled = other.Enqueued+st.Enqueued, other.Cancelled+st.Cancelled
	}
	if other.Enqueued != 1 || other.Cancelled != 1 {
		t.Errorf("purged: %+v", other)
	}
}

func TestStatsHaveQuantiles(t *testing.T) {
	e := start(t)
	q, err := e.client.PutQueue(t.Context(), "slow", wire.QueueSettings{})
	if err != nil {
		t.Fatal(err)
	}
	queues, err := e.store.ListQueues(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	now, err := e.store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st := job.Stats{StatsKey: job.StatsKey{QueueID: queues[0].ID, Span: job.Minute, At: job.Minute.Begin(now)}}
	for i := range 100 {
		st.Completed++
		st.Run.Observe(time.Duration(i+1) * time.Second)
	}
	report := job.StatsReport{Process: 1, Parts: []job.StatsPart{{Seq: 1, Stats: []job.Stats{st}}}, Now: now}
	if _, err := e.store.ReportStats(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	if _, err := e.store.FoldStats(t.Context(), 10, now); err != nil {
		t.Fatal(err)
	}
	got, err := e.client.Stats(t.Context(), q.Name)
	if err != nil || len(got.Minutes) != 1 || len(got.Hours) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, got := range []*wire.Quantiles{got.Minutes[0].Run, got.Hours[0].Run} {
		for _, c := range []struct{ got, want float64 }{{got.P50, 50}, {got.P95, 95}, {got.P99, 99}} {
			if got.Count != 100 || c.got < c.want/1.13 || c.got > c.want*1.13 {
				t.Errorf("%+v: want %v within 12 %%", got, c.want)
			}
		}
	}
	if b := e.want(200, "GET", "/v1/stats?queue=slow", "").body; strings.Contains(b, "wait_seconds") {
		t.Errorf("no job was claimed, and a wait is made up: %s", b)
	}
}

func TestStatsOfManyQueuesComeInPages(t *testing.T) {
	e := start(t)
	for i := range 45 {
		if _, err := e.client.PutQueue(t.Context(), fmt.Sprintf("q%02d", i), wire.QueueSettings{}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for cursor, pages := "", 0; ; pages++ {
		page, err := e.client.StatsPage(t.Context(), cursor)
		if err != nil || pages > 3 {
			t.Fatal(pages, err)
		}
		for _, q := range page.Queues {
			names = append(names, q.Queue)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if len(names) != 45 || names[0] != "q00" || names[44] != "q44" || names[20] != "q20" {
		t.Errorf("%d queues: %v", len(names), names)
	}
	cursor := statsCursor("q01")
	e.want(200, "GET", "/v1/stats?limit=50&cursor="+cursor, "")
	for _, query := range []string{"limit=0", "limit=51", "limit=x", "queue=", "queue=a%20b", "cursor=", "cursor=AAAA", "cursor=" + cursor[1:], "queue=q01&cursor=" + cursor} {
		e.want(422, "GET", "/v1/stats?"+query, "")
	}
	if _, err := e.client.Stats(t.Context(), "none"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("an unknown queue: %v", err)
	}
}

// FuzzStatsCursor: only a cursor that this list has given is taken.
func FuzzStatsCursor(f *testing.F) {
	f.Add(statsCursor("mail"))
	f.Add(cursor(job.ID{1}, job.Filter{}))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		if name, ok := parseStatsCursor(s); ok != (s == statsCursor(name) && name != "") {
			t.Fatalf("%q is read as %q, %v", s, name, ok)
		}
	})
}
