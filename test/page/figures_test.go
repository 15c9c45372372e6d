package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// shown is what the overview shows.
type shown struct {
	In, Out, Failed string
	Oldest          string
	Queues          map[string]map[string]int // by state
	Rates           map[string]string
	Takers          map[string]string
	Lanes           map[string]string // of mail: depth and running jobs by slot
	Failures        map[string]string
	Running         int // of all workers
}

const readOverview = `(() => {
  const text = (e) => e.innerText.trim(), all = (s, e = document) => [...e.querySelectorAll(s)];
  const big = (name) => text(document.querySelector("#figure-" + name + " .big"));
  const rows = all("tr[id^='q-']"), by = (f) => Object.fromEntries(rows.map((r) => [r.id.slice(2), f(r)]));
  const cell = (r, i) => text(r.children[i]);
  return {
    In: big("in"), Out: big("out"), Failed: big("failed"), Oldest: big("oldest"),
    Queues: by((r) => Object.fromEntries(all(".parts a", r).map((a) => text(a).split(" ")).map(([n, state]) => [state, Number(n)]))),
    Rates: by((r) => cell(r, 3) + " " + cell(r, 4)), Takers: by((r) => cell(r, 5)),
    Lanes: Object.fromEntries(all(".lane").map((l) => [text(l.querySelector(".slot")), text(l.querySelector(".depth")) + " " + all("circle", l).length]).filter(([, n]) => n !== "0 0")),
    Failures: Object.fromEntries(all(".failed").map((f) => [f.id.slice(7), text(f.querySelector("h3 .dim")).split(" ")[0]])),
    Running: all("tr[id^='w-'] td:nth-child(3)").reduce((n, c) => n + parseInt(text(c)), 0),
  };
})()`

// TestEveryFigureOfTheOverviewIsTheTables holds what is shown against the rows, read past slotq.
func TestEveryFigureOfTheOverviewIsTheTables(t *testing.T) {
	t.Parallel()
	system.EachDatabase(t, func(t *testing.T, db system.Database) {
		s := setUpOn(t, db, 1)
		raw := system.OpenRaw(t, db.URL)
		for range 4 {
			s.awaitState(s.enqueue(wire.NewJob{Queue: "mail"}, orders{}), job.Completed)
		}
		for i, kind := range []string{"mail.send", "report.build", "report.build"} {
			failing := s.enqueue(wire.NewJob{Queue: "mail", Kind: kind, MaxAttempts: 1 + i, Backoff: &wire.Backoff{Kind: job.BackoffList, List: []float64{3600}}}, orders{Exit: 1})
			s.awaitState(failing, map[bool]job.State{true: job.Discarded, false: job.Retryable}[i == 0])
		}
		for range 3 {
			s.awaitState(s.enqueue(wire.NewJob{Queue: "mail"}, orders{Milliseconds: 300_000}), job.Running)
			s.enqueue(wire.NewJob{Queue: "mail", DelaySeconds: 3600}, orders{})
			s.enqueue(wire.NewJob{Queue: "fax", Kind: "fax.send"}, orders{}) // nobody serves it
		}
		var mail int64
		if err := raw.QueryRow("SELECT id FROM slotq_queues WHERE name = 'mail'").Scan(&mail); err != nil {
			// A name is bytes, which PostgreSQL compares with no text.
			if err = raw.QueryRow("SELECT id FROM slotq_queues WHERE name = convert_to('mail', 'UTF8')").Scan(&mail); err != nil {
				t.Fatal(err)
			}
		}
		// Some history: two minutes ago 50 jobs came and 25 ended.
		past := time.Now().Truncate(time.Minute).Add(-2 * time.Minute).UnixMicro()
		insert := fmt.Sprintf(`INSERT INTO slotq_stats (queue_id, span, began_at, version, data) VALUES (%d, 60, %d, 1, '{"enqueued":50,"completed":20,"discarded":5,"failed":7}')`, mail, past)
		if _, err := raw.Exec(insert); err != nil {
			t.Fatal(err)
		}

		b := newTab(t, s.API)
		b.open("/?queue=mail")
		var page, want shown
		err := system.Await(t.Context(), 2*limit, func() error {
			page, want = value[shown](b, readOverview), tables(t, s, raw)
			oldest := oldestWait(t, raw)
			if age, err := time.ParseDuration(trimmed(page.Oldest)); err != nil || (age-oldest).Abs() > 3*time.Second {
				return fmt.Errorf("the oldest waits %s (%v), and is shown as %s", oldest, err, page.Oldest)
			}
			page.Oldest = ""
			a, _ := json.Marshal(page)
			w, _ := json.Marshal(want)
			if !bytes.Equal(a, w) {
				return fmt.Errorf("shown  %s\nin SQL %s", a, w)
			}
			if want.In != "66" || want.Out != "30" || want.Running != 3 || want.Queues["mail"]["running"] != 3 || want.Queues["mail"]["retryable"] != 2 {
				return fmt.Errorf("not all is counted yet: %s", w)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if db.Name == "sqlite" {
			b.shot("figures")
		}
	})
}

func trimmed(age string) string { return string(bytes.ReplaceAll([]byte(age), []byte(" "), nil)) }

// tables is what the overview should show.
func tables(t *testing.T, s *stage, raw rows) shown {
	t.Helper()
	want := shown{Queues: map[string]map[string]int{}, Rates: map[string]string{}, Takers: map[string]string{}, Lanes: map[string]string{}, Failures: map[string]string{}}
	now := time.Now().UnixMicro()
	lanes, running := map[int]int{}, map[int]int{}
	failures := map[string]int{}
	read(t, raw, "SELECT name FROM slotq_queues", func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		want.Queues[name], want.Takers[name] = map[string]int{}, "1"
		return err
	})
	read(t, raw, "SELECT q.name, j.slot, j.kind, j.token, j.run_at, j.run FROM slotq_jobs j JOIN slotq_queues q ON q.id = j.queue_id", func(scan func(...any) error) error {
		var name, kind string
		var slot, run int
		var token []byte
		var runAt int64
		err := scan(&name, &slot, &kind, &token, &runAt, &run)
		state := "available"
		switch {
		case held(token):
			state = "running"
		case runAt > now && run == 0:
			state = "scheduled"
		case runAt > now:
			state = "retryable"
			failures[kind]++
		}
		want.Queues[name][state]++
		if name == "mail" {
			lanes[slot]++
			if state == "running" {
				running[slot]++
				want.Running++
			}
		}
		return err
	})
	read(t, raw, "SELECT kind FROM slotq_history WHERE state = 6", func(scan func(...any) error) error {
		var kind string
		err := scan(&kind)
		failures[kind]++
		return err
	})
	for kind, n := range failures {
		want.Failures[kind] = fmt.Sprint(n)
	}
	for slot, n := range lanes {
		want.Lanes[fmt.Sprint(slot)] = fmt.Sprint(n, " ", running[slot])
	}
	var in, out, failed int64
	recent := map[string][2]int64{}
	read(t, raw, "SELECT q.name, st.began_at, st.data FROM slotq_stats st JOIN slotq_queues q ON q.id = st.queue_id WHERE st.span = 60", func(scan func(...any) error) error {
		var name string
		var began int64
		var data []byte
		if err := scan(&name, &began, &data); err != nil {
			return err
		}
		var c struct{ Enqueued, Completed, Failed, Discarded, Cancelled, Expired int64 }
		err := json.Unmarshal(data, &c)
		in, out, failed = in+c.Enqueued, out+c.Completed+c.Discarded+c.Cancelled, failed+c.Failed+c.Discarded-c.Expired
		if minute := time.Now().Truncate(time.Minute).UnixMicro(); began < minute && began >= minute-5*60_000_000 {
			r := recent[name]
			recent[name] = [2]int64{r[0] + c.Enqueued, r[1] + c.Completed + c.Discarded + c.Cancelled}
		}
		return err
	})
	want.In, want.Out, want.Failed = fmt.Sprint(in), fmt.Sprint(out), fmt.Sprint(failed)
	for name := range maps.Keys(want.Queues) {
		want.Rates[name] = perMinute(recent[name][0]) + " " + perMinute(recent[name][1])
	}
	return want
}

// held says that a token is not the zero one, which is 16 bytes, or a UUID as text.
func held(token []byte) bool { return len(bytes.Trim(token, "0-\x00")) > 0 }

// perMinute is what was counted in five minutes, as it is shown for one.
func perMinute(n int64) string {
	if n == 0 || n >= 50 {
		return fmt.Sprint((n*2 + 5) / 10)
	}
	return fmt.Sprintf("%.1f", float64(n)/5)
}

func oldestWait(t *testing.T, raw rows) time.Duration {
	t.Helper()
	oldest := time.Now()
	read(t, raw, "SELECT token, run_at FROM slotq_jobs", func(scan func(...any) error) error {
		var token []byte
		var runAt int64
		err := scan(&token, &runAt)
		if at := time.UnixMicro(runAt); !held(token) && at.Before(oldest) {
			oldest = at
		}
		return err
	})
	return time.Since(oldest)
}
