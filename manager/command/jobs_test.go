package command

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func TestJobsAreListedByFilterAndPage(t *testing.T) {
	b := newBench(t)
	var ids []string
	for i := range 5 {
		j := b.enqueue("mail", []string{"send", "bounce"}[i%2], func(s *job.Spec) { s.Tags = []string{"tag"} })
		ids = append([]string{j.ID.String()}, ids...)
	}
	b.enqueue("other", "send", nil)
	list := func(args ...string) (got []string, next string) {
		t.Helper()
		page := parse[wire.JobPage](t, b.ok(append([]string{"jobs", "--json"}, args...)...))
		for _, j := range page.Jobs {
			got = append(got, j.ID.String())
		}
		return got, page.NextCursor
	}
	if got, _ := list("--queue=mail"); !slices.Equal(got, ids) {
		t.Errorf("the queue's jobs %v, want the newest first: %v", got, ids)
	}
	if got, _ := list("--queue=mail", "--kind=bounce"); !slices.Equal(got, []string{ids[1], ids[3]}) {
		t.Errorf("the kind's jobs %v", got)
	}
	if got, _ := list("--state=available,running", "--tag=tag"); len(got) != 5 {
		t.Errorf("%d jobs with the tag, want 5", len(got))
	}
	first, next := list("--queue=mail", "--limit=2")
	second, _ := list("--queue=mail", "--limit=9", "--before="+next)
	if !slices.Equal(append(first, second...), ids) {
		t.Errorf("pages %v and %v, want %v in all", first, second, ids)
	}
	if out := b.ok("jobs", "list", "--kind=bounce"); !strings.Contains(out, ids[1]) || strings.Contains(out, ids[0]) {
		t.Errorf("table:\n%s", out)
	}
	b.fails(2, []string{"--state", "unknown state"}, "jobs", "--state=done")
	b.fails(2, []string{"--before"}, "jobs", "--before=7")
	b.fails(2, []string{"--limit"}, "jobs", "--limit=0")
}

func TestJobsAreChangedEachOnItsOwn(t *testing.T) {
	b := newBench(t)
	a, c := b.enqueue("q", "k", nil), b.enqueue("q", "k", func(s *job.Spec) { s.Delay = time.Hour })
	unknown := job.NewID(b.now)
	b.fails(2, []string{"no job's id"}, "jobs", "cancel", a.ID.String(), "abc")
	if b.state(a.ID) != job.Available {
		t.Error("cancelled a job of a list that was refused")
	}
	b.fails(1, []string{unknown.String(), "no job"}, "jobs", "cancel", unknown.String(), a.ID.String())
	if b.state(a.ID) != job.Cancelled {
		t.Error("a job was not cancelled because another is unknown")
	}
	b.ok("jobs", "run", c.ID.String())
	if b.state(c.ID) != job.Available {
		t.Error("a scheduled job was not made due")
	}
	b.ok("jobs", "retry", a.ID.String())
	if b.state(a.ID) != job.Available {
		t.Error("a cancelled job was not put back")
	}
	b.fails(1, []string{"state"}, "jobs", "retry", a.ID.String())
	b.ok("jobs", "delete", a.ID.String(), c.ID.String())
	b.fails(1, []string{"no job"}, "jobs", "show", a.ID.String())
}

func TestShowHasEverythingAndNothingThatMovesTheCursor(t *testing.T) {
	b := newBench(t)
	j := b.enqueue("q", "k", func(s *job.Spec) {
		s.Payload = []byte(`{"n": 9007199254740993,  "s": "<&>"}`)
		s.Tags, s.Metadata = []string{"red"}, []byte(`{"by": "me"}`)
	})
	w := b.worker("host-1", "k")
	claimed := b.claim(w, j)
	failed := claimed.Failed(b.now, job.RunError{Worker: w.ID, Type: "exit", Message: "\x1b[2Jgone\nsecond line", Answer: "\x1b[2Jbecause"}, 0)
	if _, err := b.store.Finish(t.Context(), w.ID, []job.Outcome{failed}, []job.Token{claimed.Token}, b.now); err != nil {
		t.Fatal(err)
	}
	out := b.ok("jobs", "show", j.ID.String())
	for _, want := range []string{j.ID.String(), "retryable", "red", `{"by": "me"}`, `{"n": 9007199254740993,  "s": "<&>"}`, "second line", "because", w.ID.String()} {
		if !strings.Contains(out, want) {
			t.Errorf("does not show %q:\n%s", want, out)
		}
	}
	if strings.ContainsRune(out, '\x1b') {
		t.Error("an escape sequence of the job reaches the terminal")
	}
	if out := b.ok("jobs"); strings.ContainsRune(out, '\x1b') || strings.Count(out, "\n") != 2 {
		t.Errorf("the message breaks the table:\n%q", out)
	}
	if out := b.ok("jobs", "show", j.ID.String(), "--json"); !strings.Contains(out, `"payload":{"n": 9007199254740993,  "s": "<&>"}`) {
		t.Errorf("the payload's bytes are not those that were sent:\n%s", out)
	}
}
