package command

import (
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

func TestManyJobsAreChangedByAFilterAfterAQuestion(t *testing.T) {
	b := newBench(t)
	var ids []job.ID
	for range 60 {
		ids = append(ids, b.enqueue("mail", "send", nil).ID)
	}
	other := b.enqueue("mail", "bounce", nil)
	if a := parse[wire.Action](t, b.ok("jobs", "cancel", "--queue=mail", "--kind=send", "--dry-run", "--json")); a.Matched != 60 || a.Done != 0 || a.State != wire.ActionFinished {
		t.Errorf("dry run: %+v", a)
	}
	if r := call1(t.Context(), b.url, "n\n", "jobs", "cancel", "--kind=send"); r.code() != 1 || b.state(ids[0]) != job.Available {
		t.Errorf("the answer n cancelled: %v", r.failure)
	}
	b.fails(1, []string{"--yes"}, "jobs", "cancel", "--kind=send")
	if r := call1(t.Context(), b.url, "y\n", "jobs", "cancel", "--kind=send"); r.failure != nil || !strings.Contains(r.out, "60 of 60 jobs are cancelled") {
		t.Errorf("%q, %v", r.out, r.failure)
	}
	if b.state(ids[59]) != job.Cancelled || b.state(other.ID) != job.Available {
		t.Error("other jobs than those chosen were cancelled")
	}
	if out := b.ok("jobs", "retry", "--queue=mail", "--yes"); !strings.Contains(out, "0 of 0 jobs") {
		t.Errorf("a retry without --state took cancelled jobs: %q", out)
	}
	b.ok("jobs", "retry", "--queue=mail", "--state=cancelled", "--yes")
	b.ok("jobs", "delete", "--all", "--yes")
	b.fails(1, []string{"no job"}, "jobs", "show", other.ID.String())
}

func TestAnActionIsNeverForMoreThanWasSaid(t *testing.T) {
	b := newBench(t)
	j := b.enqueue("q", "k", nil)
	b.fails(2, []string{"ids", "filter"}, "jobs", "delete")
	b.fails(2, []string{"ids", "filter"}, "jobs", "delete", "--yes")
	b.fails(2, []string{"--all"}, "jobs", "delete", "--state=available", "--yes")
	b.fails(2, []string{"not both"}, "jobs", "delete", j.ID.String(), "--queue=q")
	b.fails(2, []string{"not both"}, "jobs", "delete", j.ID.String(), "--all")
	b.fails(2, []string{"--state", "does not apply"}, "jobs", "delete", "--queue=q", "--state=running")
	b.fails(2, []string{"--state"}, "jobs", "delete", "--queue=q", "--state=done")
	b.fails(2, []string{"--created-before"}, "jobs", "delete", "--created-after=2030-01-02T00:00:00Z", "--created-before=2030-01-01T00:00:00Z")
	if b.state(j.ID) != job.Available {
		t.Error("something was done")
	}
}

func TestKindsAndFailuresAreShown(t *testing.T) {
	b := newBench(t)
	w := b.worker("host-1", "send")
	b.enqueue("other", "lost", nil)
	j := b.claim(w, b.enqueue("mail", "send", func(s *job.Spec) { s.Delay = 0 }))
	failed := j.Failed(b.now, job.RunError{Worker: w.ID, Type: "exit", Message: "\x1b[2Jno host 17"}, time.Hour)
	if _, err := b.store.Finish(t.Context(), w.ID, []job.Outcome{failed}, []job.Token{j.Token}, b.now); err != nil {
		t.Fatal(err)
	}
	kinds := parse[wire.KindList](t, b.ok("kinds", "--json"))
	if len(kinds.Kinds) != 2 || kinds.Kinds[0].Kind != "lost" || kinds.Kinds[0].Unserved != 1 || kinds.Kinds[1].Failing != 1 || kinds.Kinds[1].Workers != 1 {
		t.Errorf("%+v", kinds)
	}
	if out := b.ok("kinds"); !strings.Contains(out, "send") || strings.Count(out, "\n") != 3 {
		t.Errorf("%q", out)
	}
	failures := parse[wire.FailureList](t, b.ok("failures", "--json", "--queue=mail"))
	if len(failures.Failures) != 1 || failures.Failures[0].ExampleJobID != j.ID || failures.Failures[0].Retryable != 1 {
		t.Errorf("%+v", failures)
	}
	if out := b.ok("failures"); !strings.Contains(out, "no host <n>") || strings.ContainsRune(out, '\x1b') {
		t.Errorf("%q", out)
	}
	b.fails(2, []string{"--limit"}, "failures", "--limit=0")
}
