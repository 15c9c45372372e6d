package job

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestAQuantileIsWrongByTwelvePercentAtMost(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var h Histogram
		list := make([]time.Duration, 1+r.IntN(2000))
		first, factor := time.Millisecond+time.Duration(r.Int64N(int64(time.Minute))), 1+r.Float64()*50
		for i := range list {
			list[i] = time.Duration(float64(first) * (1 + r.Float64()*factor))
			h.Observe(list[i])
		}
		slices.Sort(list)
		for _, q := range []float64{.5, .95, .99, 1} {
			rank := max(1, int(q*float64(len(list))+.9999999))
			want, got := float64(list[rank-1]), float64(h.Quantile(q))
			if got > want*1.123 || got < want/1.123 {
				t.Fatalf("the quantile %v of %d durations from %s on is %s, want %s within 12 %%", q, len(list), first, time.Duration(got), time.Duration(want))
			}
		}
	}
}

func TestQuantilesBeyondTheBucketsAreTheirEnds(t *testing.T) {
	var h Histogram
	if got := h.Quantile(.5); got != 0 {
		t.Errorf("an empty histogram says %s", got)
	}
	h.Observe(-time.Second)
	h.Observe(3 * time.Microsecond)
	if got := h.Quantile(.99); got != time.Millisecond {
		t.Errorf("all are under a millisecond, and it says %s", got)
	}
	for range 1000 {
		h.Observe(100 * time.Hour)
	}
	if got := h.Quantile(.99); got < 6*time.Hour || got > 8*time.Hour {
		t.Errorf("nearly all take 100 h, and it says %s", got)
	}
}

func TestHistogramsThatAreAddedAreThatOfAll(t *testing.T) {
	var a, b, all Histogram
	for i := range 1000 {
		d := time.Duration(i*i) * time.Millisecond
		all.Observe(d)
		if i%3 == 0 {
			a.Observe(d)
		} else {
			b.Observe(d)
		}
	}
	a.Add(&b)
	if a != all {
		t.Error("the sum differs")
	}
	text, err := json.Marshal(Stats{Counts: Counts{Run: a}})
	if err != nil {
		t.Fatal(err)
	}
	var back Stats
	if err := json.Unmarshal(text, &back); err != nil || back.Run != all || !back.Wait.IsZero() {
		t.Errorf("%v: %s came back as another", err, text)
	}
}

func TestABucketOfALaterVersionIsTheLastOne(t *testing.T) {
	var h Histogram
	if err := json.Unmarshal([]byte(`[[500, 2], [-1, 1]]`), &h); err != nil || h.Count() != 3 || h.Quantile(.99) < 6*time.Hour {
		t.Errorf("%v: %v", err, h)
	}
}

func TestWhatAProcessKeepsIsBoundedAndLosesMinutesFirst(t *testing.T) {
	now := TimeOf(time.Date(2041, 5, 1, 12, 30, 0, 0, time.UTC))
	table := StatsTable{}
	for m := range 90 {
		table.Of(StatsKey{QueueID: 1, Span: Minute, At: Minute.Begin(now.Add(-time.Duration(m) * time.Minute))}).Enqueued++
	}
	if got := table.Shrink(90, now); len(got) != 90 {
		t.Errorf("%d of 90", len(got))
	}
	got := table.Shrink(20, now)
	sum := int64(0)
	for _, c := range got {
		sum += c.Enqueued
	}
	if len(got) != 3 || sum != 90 { // two hours and the minute under way
		t.Errorf("%d rows with %d jobs", len(got), sum)
	}
	for h := range 30 {
		table.Of(StatsKey{QueueID: 1, Span: Hour, At: Hour.Begin(now) - Time(h)*Hour.micros()}).Enqueued++
	}
	if got = table.Shrink(20, now); len(got) != 20 || got[StatsKey{1, Minute, now}] == nil || got[StatsKey{1, Hour, Hour.Begin(now) - 25*Hour.micros()}] != nil {
		t.Errorf("%d rows: the oldest should go first", len(got))
	}
}

// FuzzHistogram: whatever a row holds, reading it ends in an error or in a histogram that is written back the same.
func FuzzHistogram(f *testing.F) {
	f.Add([]byte(`[[0,1],[75,3]]`))
	f.Add([]byte(`[[-1,1],[500,2],[3]]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h, again Histogram
		if json.Unmarshal(b, &h) != nil {
			return
		}
		text, err := json.Marshal(h)
		if err != nil || json.Unmarshal(text, &again) != nil || again != h {
			t.Fatalf("%s: %v, %s", b, err, text)
		}
		h.Quantile(.99)
	})
}
