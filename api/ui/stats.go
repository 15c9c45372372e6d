package ui

import (
	"strconv"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// patience is how long a page waits for new figures while there are older ones.
const patience = 100 * time.Millisecond

// figure is a number with an hour of it.
type figure struct {
	ID, Name string
	Value    string
	Means    string // what is counted
	Link     string
	From     int64  // the first minute of the hour, in seconds
	Points   string // one for each minute, with commas between
	Seconds  bool   // points are seconds
}

// figures are the four of the overview. The last minute is under way.
func figures(stats []wire.QueueStats, b busy, now time.Time) *[4]figure {
	first := job.Minute.Oldest(job.TimeOf(now)).Time()
	var in, out, failed [job.KeepMinutes]int64
	var wait [job.KeepMinutes]float64
	for _, q := range stats {
		for _, m := range q.Minutes {
			i := int(m.BeganAt.Sub(first) / time.Minute)
			if i < 0 || i >= job.KeepMinutes {
				continue
			}
			in[i] += m.Enqueued
			out[i] += outOf(m)
			failed[i] += m.Failed + m.TimedOut + m.Discarded - m.Expired
			if m.Wait != nil {
				wait[i] = max(wait[i], m.Wait.P99)
			}
		}
	}
	var oldest time.Time
	for i := range b.census.Queues {
		sum, _ := b.census.Queues[i].Sum()
		if t := sum.OldestAvailable.Time(); sum.OldestAvailable != 0 && (oldest.IsZero() || t.Before(oldest)) {
			oldest = t
		}
	}
	if !oldest.IsZero() {
		wait[job.KeepMinutes-1] = max(wait[job.KeepMinutes-1], now.Sub(oldest).Seconds())
	}
	for i := job.KeepMinutes - 2; i >= 0; i-- {
		// What has waited for ten minutes now had waited for nine a minute ago.
		wait[i] = max(wait[i], wait[i+1]-time.Minute.Seconds())
	}
	from := first.Unix()
	return &[4]figure{
		{"in", "In", num(sumOf(in[:])), "jobs enqueued in the last hour", jobsLink(), from, points(in[:]), false},
		{"out", "Out", num(sumOf(out[:])), "jobs that ended in the last hour", jobsLink("state", "completed,discarded,cancelled"), from, points(out[:]), false},
		{"failed", "Failed attempts", num(sumOf(failed[:])), "runs that failed in the last hour", jobsLink("state", "retryable,discarded"), from, points(failed[:]), false},
		{"oldest", "Oldest wait", age(oldest, now), "of the jobs that are available", jobsLink("state", "available"), from, points(wait[:]), true},
	}
}

// outOf is how many jobs ended.
func outOf(m wire.Stats) int64 { return m.Completed + m.Discarded + m.Cancelled }

func sumOf(list []int64) (sum int64) {
	for _, n := range list {
		sum += n
	}
	return sum
}

func points[N int64 | float64](list []N) string {
	parts := make([]string, len(list))
	for i, n := range list {
		parts[i] = strconv.FormatFloat(float64(n), 'f', -1, 64)
	}
	return strings.Join(parts, ",")
}

// rateMinutes is over how many of the last whole minutes a rate is taken.
const rateMinutes = 5

// rates are the jobs a minute that came and ended.
func rates(q wire.QueueStats, now time.Time) (in, out float64) {
	end := now.Truncate(time.Minute)
	for _, m := range q.Minutes {
		if m.BeganAt.Before(end) && !m.BeganAt.Before(end.Add(-rateMinutes*time.Minute)) {
			in += float64(m.Enqueued) / rateMinutes
			out += float64(outOf(m)) / rateMinutes
		}
	}
	return in, out
}

// perMinute writes a rate to two digits or so.
func perMinute(rate float64) string {
	if rate > 0 && rate < 10 {
		return strconv.FormatFloat(rate, 'f', 1, 64)
	}
	return num(int64(rate + .5))
}
