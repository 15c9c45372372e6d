package job_test

import (
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

func ptr[T any](v T) *T { return &v }

func TestNamesAndKeysAreCheckedByteForByte(t *testing.T) {
	for name, ok := range map[string]bool{
		"mail.send": true, "a": true, "A:b-c_d.9": true, strings.Repeat("a", 128): true,
		"": false, strings.Repeat("a", 129): false, "a b": false, "ä": false, "a/b": false, "a\x00": false, ".": false, "..": false,
	} {
		if got := job.CheckName(name) == ""; got != ok {
			t.Errorf("CheckName(%q): %v", name, got)
		}
	}
	for key, ok := range map[string]bool{
		"a": true, "schöner Schlüssel": true, strings.Repeat("k", 255): true,
		"": false, strings.Repeat("k", 256): false, "a\x00b": false, "\xff": false,
	} {
		if got := job.CheckKey(key) == ""; got != ok {
			t.Errorf("CheckKey(%q): %v", key, got)
		}
	}
}

func TestEveryWrongValueIsNamedByItsPointer(t *testing.T) {
	for pointer, spec := range map[string]job.Spec{
		"/kind":              {Kind: "a b"},
		"/queue":             {Kind: "k", Queue: "a b"},
		"/id":                {Kind: "k", ID: &job.ID{}},
		"/payload":           {Kind: "k", Payload: make([]byte, 101)},
		"/priority":          {Kind: "k", Priority: ptr(5)},
		"/max_attempts":      {Kind: "k", MaxAttempts: ptr(0)},
		"/max_crashes":       {Kind: "k", MaxCrashes: ptr(-1)},
		"/timeout_seconds":   {Kind: "k", Timeout: ptr(time.Duration(0))},
		"/backoff":           {Kind: "k", Backoff: &job.Backoff{Kind: "x"}},
		"/run_at":            {Kind: "k", RunAt: job.TimeOf(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))},
		"/delay_seconds":     {Kind: "k", Delay: -time.Second},
		"/expires_at":        {Kind: "k", ExpiresAt: 1},
		"/unique_key":        {Kind: "k", UniqueKey: "a\x00"},
		"/concurrency_key":   {Kind: "k", ConcurrencyKey: strings.Repeat("k", 256)},
		"/concurrency_limit": {Kind: "k", ConcurrencyLimit: ptr(2)},
		"/tags/1":            {Kind: "k", Tags: []string{"ok", ""}},
		"/tags":              {Kind: "k", Tags: make([]string, 33)},
		"/metadata":          {Kind: "k", Metadata: make([]byte, job.MaxMetadata+1)},
	} {
		bad := spec.Check(100)
		if len(bad) != 1 || bad[0].Pointer != pointer {
			t.Errorf("%s: %v", pointer, bad)
		}
	}
	if bad := (&job.Spec{Kind: "k"}).Check(100); bad != nil {
		t.Errorf("only the kind is needed: %v", bad)
	}
}

func TestAJobStoresWhatIsInForceWhenItIsMade(t *testing.T) {
	q := job.NewQueue("mail")
	q.ID, q.Priority, q.MaxAttempts, q.Timeout = 7, 3, 9, time.Minute
	j := (&job.Spec{Kind: "k", Delay: time.Hour}).Make(q, noon)
	if j.QueueID != 7 || j.Priority != 3 || j.MaxAttempts != 9 || j.MaxCrashes != job.DefaultMaxCrashes || j.QueueTimeout != time.Minute || j.Timeout != 0 {
		t.Errorf("%+v", j)
	}
	if j.RunAt != noon.Add(time.Hour) || j.State != job.Scheduled || string(j.Payload) != "null" || j.Given {
		t.Errorf("%+v", j)
	}
	seen := map[int]bool{}
	for range 2000 {
		j := (&job.Spec{Kind: "k"}).Make(q, noon)
		if j.Slot < 1 || j.Slot > q.Slots {
			t.Fatalf("slot %d of %d", j.Slot, q.Slots)
		}
		seen[j.Slot] = true
	}
	if len(seen) != q.Slots {
		t.Errorf("2,000 jobs met %d of %d slots", len(seen), q.Slots)
	}
}

func TestAResizeMovesNoConcurrencyKey(t *testing.T) {
	q := job.NewQueue("mail")
	spec := &job.Spec{Kind: "k", ConcurrencyKey: "customer 5"}
	before := spec.Make(q, noon).Slot
	q.Slots = 3
	if after := spec.Make(q, noon).Slot; after != before {
		t.Errorf("the key moved from slot %d to %d", before, after)
	}
}

func TestTheStateOfAnUnfinishedJobIsDerived(t *testing.T) {
	for _, c := range []struct {
		token job.Token
		runAt job.Time
		run   int
		want  job.State
	}{
		{job.NewToken(1), noon + 5, 1, job.Running},
		{job.Token{}, noon + 1, 0, job.Scheduled},
		{job.Token{}, noon + 1, 1, job.Retryable},
		{job.Token{}, noon, 1, job.Available},
	} {
		if got := job.WaitingState(c.token, c.runAt, c.run, noon); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	for _, s := range job.States {
		if back, err := job.ParseState(s.String()); err != nil || back != s {
			t.Errorf("%s reads back as %s, %v", s, back, err)
		}
	}
}

func TestAMarkIsForgottenSoThatItHidesNothing(t *testing.T) {
	m, slot, id := job.NewMarks(), job.Slot{QueueID: 1, Slot: 2}, job.NewID(noon)
	m.Set(slot, 2, job.Mark{RunAt: noon, ID: id}, noon)
	m.Set(slot, 2, job.Mark{RunAt: noon + 1, ID: id}, noon+job.MarkTTL/2) // moving it on does not make it younger
	if _, ok := m.At(slot, 1, true, noon); ok {
		t.Error("it holds for another priority")
	}
	if at, ok := m.At(slot, 2, true, noon+job.MarkTTL); !ok || at.RunAt != noon+1 {
		t.Errorf("within its time: %v %v", at, ok)
	}
	if _, ok := m.At(slot, 2, true, noon+job.MarkTTL+1); ok {
		t.Error("it holds beyond its time")
	}
	if !m.Front(slot, 2) || m.Front(slot, 1) {
		t.Error("that jobs stood in front is remembered beyond that")
	}
	m.Set(slot, 2, job.Mark{RunAt: noon + 2, ID: id}, noon+job.MarkTTL+1)
	if at, ok := m.At(slot, 2, true, noon+2*job.MarkTTL); !ok || at.RunAt != noon+2 {
		t.Errorf("a mark after the last one's time begins anew: %v %v", at, ok)
	}
	if m.Clear(slot, 2); m.Front(slot, 2) {
		t.Error("a front that is gone is remembered")
	}
	var none *job.Marks
	none.Set(slot, 1, job.Mark{RunAt: noon, ID: id}, noon)
	none.Clear(slot, 1)
	if _, ok := none.At(slot, 1, true, noon); ok || none.Front(slot, 1) {
		t.Error("no marks must mark nothing")
	}
}

func TestAClaimThatLooksForWhatIsNewBeginsWhereEverythingWasSettled(t *testing.T) {
	m, slot, id := job.NewMarks(), job.Slot{QueueID: 1, Slot: 2}, job.NewID(noon)
	now := noon + job.Settling
	m.Set(slot, 2, job.Mark{RunAt: noon, ID: id}, now)
	m.Set(slot, 2, job.Mark{RunAt: noon + 1, ID: id}, now)
	m.Set(slot, 3, job.Mark{RunAt: noon + 1, ID: id}, now)
	m.Set(slot, 2, job.Mark{RunAt: noon + 2, ID: id, Blind: true}, now)
	if at, ok := m.At(slot, 2, true, now); !ok || at.RunAt != noon+1 {
		t.Errorf("a claim that goes on with the scan: %v %v", at, ok)
	}
	m.Unsettle()
	for _, suspects := range []bool{true, false} {
		if at, ok := m.At(slot, 2, suspects, now); !ok || at.RunAt != noon || at.Blind {
			t.Errorf("suspects %v: %v %v", suspects, at, ok)
		}
	}
	if at, ok := m.At(slot, 3, true, now); ok || !m.Front(slot, 3) {
		t.Errorf("nothing was settled there, but jobs stand in front: %v %v", at, ok)
	}
	m.Set(slot, 2, job.Mark{RunAt: noon + 1, ID: id}, now+1)
	m.Unsettle()
	if at, _ := m.At(slot, 2, true, now+1); at.RunAt != noon+1 {
		t.Errorf("what has settled meanwhile is not scanned again: %v", at)
	}
}

func TestAMarkBehindASuspectIsForClaimsThatMayTakeNone(t *testing.T) {
	m, slot, id := job.NewMarks(), job.Slot{QueueID: 1, Slot: 2}, job.NewID(noon)
	m.Set(slot, 2, job.Mark{RunAt: noon, ID: id}, noon)
	m.Set(slot, 2, job.Mark{RunAt: noon + 1, ID: id, Blind: true}, noon+job.MarkTTL/2)
	if at, ok := m.At(slot, 2, false, noon+job.MarkTTL); !ok || at.RunAt != noon+1 {
		t.Errorf("without suspects: %v %v", at, ok)
	}
	if at, ok := m.At(slot, 2, true, noon+job.MarkTTL); !ok || at.RunAt != noon {
		t.Errorf("with suspects: %v %v", at, ok)
	}
	if _, ok := m.At(slot, 2, false, noon+job.MarkTTL+1); ok {
		t.Error("a mark that goes on from another is as old as that one")
	}
}
