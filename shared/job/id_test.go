package job_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
)

var noon = job.TimeOf(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))

func TestIDsOfOneProcessGrowStrictly(t *testing.T) {
	var ids []job.ID
	for i := range 10_000 {
		ids = append(ids, job.NewID(noon+job.Time(i%7))) // the clock may step back a little
	}
	if !slices.IsSortedFunc(ids, job.ID.Compare) {
		t.Error("ids made one after the other are not in order")
	}
	if len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Error("an id was made twice")
	}
}

func TestIDsMadeAtOnceDiffer(t *testing.T) {
	var mu sync.Mutex
	seen := map[job.ID]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				id := job.NewID(noon)
				mu.Lock()
				if seen[id] {
					t.Errorf("%s was made twice", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestAnIDIsAUUIDOfVersion7AndReadsBack(t *testing.T) {
	id := job.NewID(noon)
	s := id.String()
	if s[14] != '7' || !strings.ContainsRune("89ab", rune(s[19])) {
		t.Errorf("%s is no UUIDv7", s)
	}
	back, err := job.ParseID(s)
	if err != nil || back != id {
		t.Errorf("ParseID(%s) = %s, %v", s, back, err)
	}
	b, err := json.Marshal(id)
	if err != nil || string(b) != `"`+s+`"` {
		t.Errorf("in JSON it is %s, %v", b, err)
	}
	for _, bad := range []string{"", "x", s[:35], s + "0", "0192f0c1b7a07000800000000000000", "zzzzzzzz-b7a0-7000-8000-000000000000", s[:8] + "--" + s[10:]} {
		if _, err := job.ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) took it", bad)
		}
	}
}

func TestATokenNamesItsWorker(t *testing.T) {
	w := job.NewWorkerID()
	a, b := job.NewToken(w), job.NewToken(w)
	if a == b {
		t.Error("two tokens of one worker are the same")
	}
	if a.Worker() != w || a.IsZero() || !(job.Token{}).IsZero() {
		t.Errorf("token %x of worker %s", a, w)
	}
	back, err := job.ParseWorkerID(w.String())
	if err != nil || back != w {
		t.Errorf("ParseWorkerID(%s) = %s, %v", w, back, err)
	}
	for _, bad := range []string{"", "1", "ffffffffffffffff", "zz00000000000000"} {
		if _, err := job.ParseWorkerID(bad); err == nil {
			t.Errorf("ParseWorkerID(%q) took it", bad)
		}
	}
}

func TestScanRefusesWhatIsNot16Bytes(t *testing.T) {
	var id job.ID
	var token job.Token
	for _, bad := range []any{nil, "0123456789abcdef", []byte("short"), 7} {
		if id.Scan(bad) == nil || token.Scan(bad) == nil {
			t.Errorf("Scan(%v) took it", bad)
		}
	}
	want := job.NewID(noon)
	v, err := want.Value()
	if err != nil || id.Scan(v) != nil || id != want {
		t.Errorf("through the database: %s became %s", want, id)
	}
}

func TestTimesKeepTheirMicroseconds(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.FixedZone("", 3600))
	if got := job.TimeOf(at).Time(); !got.Equal(at) || got.Location() != time.UTC {
		t.Errorf("%s became %s", at, got)
	}
	if job.TimeOf(time.Time{}) != 0 || !job.Time(0).Time().IsZero() {
		t.Error("no time must stay no time")
	}
	if d := noon.Add(90 * time.Second).Sub(noon); d != 90*time.Second {
		t.Errorf("Add and Sub differ: %s", d)
	}
}
