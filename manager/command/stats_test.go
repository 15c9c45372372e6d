package command

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/stats"
	"github.com/slotq/slotq/shared/wire"
)

func TestStatsAreShownByQueueAndByMinute(t *testing.T) {
	b := newBench(t)
	counter := stats.New(b.store, func() job.Time { return b.now })
	b.store = counter
	first, w := b.enqueue("mail", "k", nil), b.worker("host-1", "k")
	b.enqueue("other", "k", nil)
	o := job.Outcome{Job: b.claim(w, first), Action: job.Complete, Took: 40 * time.Millisecond}
	if _, err := b.store.Finish(t.Context(), w.ID, []job.Outcome{o}, []job.Token{o.Job.Token}, b.now); err != nil {
		t.Fatal(err)
	}
	if err := counter.Report(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.FoldStats(t.Context(), 10, b.now); err != nil {
		t.Fatal(err)
	}
	page := parse[wire.StatsPage](t, b.ok("stats", "--json"))
	if len(page.Queues) != 2 || len(page.Queues[0].Minutes) != 1 || len(page.Queues[0].Hours) != 1 {
		t.Fatalf("%+v", page)
	}
	if st := page.Queues[0].Minutes[0]; st.Enqueued != 1 || st.Completed != 1 || st.Wait.Count != 1 || st.Run.P99 < .035 || st.Run.P99 > .046 {
		t.Errorf("%+v", st)
	}
	for _, args := range [][]string{{"stats"}, {"stats", "--hours"}} {
		lines := strings.Split(strings.TrimSpace(b.ok(args...)), "\n")
		if len(lines) != 3 || !slices.Equal(strings.Fields(lines[1])[:4], []string{"mail", "1", "1", "0"}) || !strings.HasPrefix(lines[2], "other") || !strings.Contains(lines[2], "-") {
			t.Errorf("%v:\n%s", args, strings.Join(lines, "\n"))
		}
	}
	for _, args := range [][]string{{"stats", "mail"}, {"stats", "mail", "--hours"}} {
		if lines := strings.Split(strings.TrimSpace(b.ok(args...)), "\n"); len(lines) != 2 || !strings.Contains(lines[1], ":") {
			t.Errorf("%v:\n%s", args, strings.Join(lines, "\n"))
		}
	}
	b.fails(1, []string{"none"}, "stats", "none")
}

func TestWhatAnOperatorCancelsIsCounted(t *testing.T) {
	b := newBench(t)
	j := b.enqueue("mail", "k", nil)
	b.ok("jobs", "cancel", j.ID.String())
	b.ok("jobs", "cancel", j.ID.String()) // it is cancelled: that counts nothing
	b.enqueue("mail", "k", nil)
	b.ok("queues", "purge", "mail", "--yes")
	now, err := b.store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n > 0; {
		if n, err = b.store.FoldStats(t.Context(), 10, now); err != nil {
			t.Fatal(err)
		}
	}
	cancelled := int64(0)
	for _, st := range parse[wire.StatsPage](t, b.ok("stats", "--json")).Queues[0].Hours {
		cancelled += st.Cancelled
	}
	if cancelled != 2 {
		t.Errorf("%d cancelled, want 2", cancelled)
	}
}

func TestQuantilesAreShownToTwoDigits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "-", 900 * time.Microsecond: "≤ 1ms", 1810 * time.Microsecond: "1.8ms", 71 * time.Millisecond: "71ms", 287 * time.Millisecond: "290ms",
		996 * time.Millisecond: "1s", 12 * time.Second: "12s",
	} {
		if got := took(d); got != want {
			t.Errorf("%v is shown as %q, want %q", d, got, want)
		}
	}
}
