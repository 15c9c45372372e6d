package wire

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Stats is what happened to the jobs of a queue in a minute or an hour.
type Stats struct {
	BeganAt   time.Time  `json:"began_at" doc:"The minute or hour; the last one may be under way."`
	Enqueued  int64      `json:"enqueued" doc:"Jobs stored; one stored by an INSERT of somebody's own counts when it is claimed first."`
	Completed int64      `json:"completed" doc:"Runs."`
	Failed    int64      `json:"failed" doc:"Runs whose job is tried again."`
	TimedOut  int64      `json:"timed_out" doc:"Runs over their limit whose job is tried again."`
	Snoozed   int64      `json:"snoozed" doc:"Runs."`
	Cancelled int64      `json:"cancelled" doc:"Jobs, whether they ran or waited."`
	Discarded int64      `json:"discarded" doc:"Jobs: by their handler, with their attempts or crashes used up, or expired."`
	Expired   int64      `json:"expired" doc:"Those of the discarded that were not started in time."`
	Retries   int64      `json:"retries" doc:"Failed runs after which the job waits for its next attempt."`
	Crashes   int64      `json:"crashes" doc:"Runs that ended with the death of their worker."`
	Wait      *Quantiles `json:"wait_seconds,omitempty" doc:"From the time jobs were due, or enqueued if later, to their claim; absent when none was claimed."`
	Run       *Quantiles `json:"run_seconds,omitempty" doc:"How long handlers ran; absent when no run ended."`
}

// Quantiles is a summary of durations, in seconds. Each is within 12 % of the true one, from 1 ms (which stands for all
// below) to 7.4 h (for all above).
type Quantiles struct {
	Count int64   `json:"count" doc:"Of how many."`
	P50   float64 `json:"p50" doc:"Half took no longer, within 12 %; 0.001 = at most a millisecond."`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
}

// QueueStats is a queue's last hour by minutes and last week by hours, oldest first. What is not in a list is not known, or
// nothing was counted in it: no zeros are made up.
type QueueStats struct {
	Queue   string  `json:"queue"`
	Minutes []Stats `json:"minutes" doc:"The last hour. A minute in which nothing was counted is absent."`
	Hours   []Stats `json:"hours" doc:"The last 7 days. An hour in which nothing was counted is absent."`
}

// StatsPage is a page of queues, by name.
type StatsPage struct {
	Queues     []QueueStats `json:"queues"`
	NextCursor string       `json:"next_cursor,omitempty" doc:"Absent at the end."`
}

// StatsOf converts counts of the domain.
func StatsOf(at job.Time, c *job.Counts) Stats {
	return Stats{
		BeganAt: at.Time(), Enqueued: c.Enqueued, Completed: c.Completed, Failed: c.Failed, TimedOut: c.TimedOut, Snoozed: c.Snoozed,
		Cancelled: c.Cancelled, Discarded: c.Discarded, Expired: c.Expired, Retries: c.Retries, Crashes: c.Crashes,
		Wait: quantilesOf(&c.Wait), Run: quantilesOf(&c.Run),
	}
}

func quantilesOf(h *job.Histogram) *Quantiles {
	n := h.Count()
	if n == 0 {
		return nil
	}
	return &Quantiles{Count: n, P50: h.Quantile(.5).Seconds(), P95: h.Quantile(.95).Seconds(), P99: h.Quantile(.99).Seconds()}
}

// QueueStatsOf sorts what is kept under the queues that it is of.
func QueueStatsOf(queues []job.Queue, list []job.Stats) []QueueStats {
	out := make([]QueueStats, len(queues))
	of := map[int32]*QueueStats{}
	for i, q := range queues {
		out[i] = QueueStats{Queue: q.Name, Minutes: []Stats{}, Hours: []Stats{}}
		of[q.ID] = &out[i]
	}
	for i := range list {
		st := &list[i]
		if q := of[st.QueueID]; q != nil && st.Span == job.Minute {
			q.Minutes = append(q.Minutes, StatsOf(st.At, &st.Counts))
		} else if q != nil {
			q.Hours = append(q.Hours, StatsOf(st.At, &st.Counts))
		}
	}
	return out
}
