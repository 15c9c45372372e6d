package job

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Counts is what happened to the jobs of a queue in a minute or an hour. Every run that ended is counted under one of
// completed, failed, timed_out, snoozed, discarded and cancelled; the last two count jobs that ended so without a run as
// well. Runs given back uncounted (a drain, an outage) and outcomes that were dropped are in none.
type Counts struct {
	Enqueued  int64 `json:"enqueued,omitempty"`
	Completed int64 `json:"completed,omitempty"`
	Failed    int64 `json:"failed,omitempty"`    // and will be tried again
	TimedOut  int64 `json:"timed_out,omitempty"` // and will be tried again
	Snoozed   int64 `json:"snoozed,omitempty"`
	Cancelled int64 `json:"cancelled,omitempty"` // jobs, whether they ran or waited
	Discarded int64 `json:"discarded,omitempty"` // jobs: by their handler, with their attempts or crashes used up, or expired
	Expired   int64 `json:"expired,omitempty"`   // those of the discarded that were not started in time
	Retries   int64 `json:"retries,omitempty"`   // failed runs after which the job waits for its next attempt
	Crashes   int64 `json:"crashes,omitempty"`   // runs that ended with the death of their worker

	Wait Histogram `json:"wait,omitzero"` // from the time a job was due, or enqueued if later, to its claim
	Run  Histogram `json:"run,omitzero"`  // how long handlers ran
}

// Add counts what o has counted.
func (c *Counts) Add(o *Counts) {
	c.Enqueued += o.Enqueued
	c.Completed += o.Completed
	c.Failed += o.Failed
	c.TimedOut += o.TimedOut
	c.Snoozed += o.Snoozed
	c.Cancelled += o.Cancelled
	c.Discarded += o.Discarded
	c.Expired += o.Expired
	c.Retries += o.Retries
	c.Crashes += o.Crashes
	c.Wait.Add(&o.Wait)
	c.Run.Add(&o.Run)
}

// Span is how long a count goes on, in seconds.
type Span int

// The spans, and how many of each are kept of a queue, the one under way included.
const (
	Minute Span = 60
	Hour   Span = 3600

	KeepMinutes = 60
	KeepHours   = 7 * 24
)

// Begin is when the span began that a time lies in.
func (s Span) Begin(t Time) Time { return t - t%s.micros() }

// Oldest is when the first span began that is kept now.
func (s Span) Oldest(now Time) Time {
	keep := Time(KeepMinutes)
	if s == Hour {
		keep = KeepHours
	}
	return s.Begin(now) - (keep-1)*s.micros()
}

func (s Span) micros() Time { return Time(s) * 1_000_000 }

// StatsKey names a minute or an hour of a queue.
type StatsKey struct {
	QueueID int32 `json:"queue_id"`
	Span    Span  `json:"span"`
	At      Time  `json:"at"` // when it began
}

// Stats is what was counted of a queue in a minute or an hour.
type Stats struct {
	StatsKey
	Counts
}

// StatsReport is what a process has counted and no manager has taken yet. A process reports under a number that grows; what
// it sends goes in parts, since a manager may have taken a part while its answer was lost.
type StatsReport struct {
	Process WorkerID // drawn by the process for its counting
	Taken   int64    // the last number that the process knows to be taken
	Parts   []StatsPart
	Now     Time
}

// StatsPart is what was counted up to a number and is in no part before it.
type StatsPart struct {
	Seq   int64
	Stats []Stats
}

// StatsGood is how long a report may be on its way: what was counted before that is dropped rather than added. A process
// that was cut off for longer cannot be told any more what was taken of it.
const StatsGood = 24 * time.Hour

// StatsTable adds counts up by minute and hour.
type StatsTable map[StatsKey]*Counts

// Of is the counts of a key.
func (t StatsTable) Of(k StatsKey) *Counts {
	c := t[k]
	if c == nil {
		c = new(Counts)
		t[k] = c
	}
	return c
}

// Add adds stats to what is there.
func (t StatsTable) Add(list []Stats) {
	for i := range list {
		t.Of(list[i].StatsKey).Add(&list[i].Counts)
	}
}

// List is the table in the order of queue, span and time.
func (t StatsTable) List() []Stats {
	list := make([]Stats, 0, len(t))
	for _, k := range slices.SortedFunc(maps.Keys(t), compareStats) {
		list = append(list, Stats{k, *t[k]})
	}
	return list
}

func compareStats(a, b StatsKey) int {
	return cmp.Or(cmp.Compare(a.QueueID, b.QueueID), cmp.Compare(a.Span, b.Span), cmp.Compare(a.At, b.At))
}

// Fold is what reported stats add to the rows that are kept: each minute to its own and to its hour's. What is too old, or
// lies ahead because a clock was wrong, is left out.
func (t StatsTable) Fold(now Time) StatsTable {
	out := StatsTable{}
	for k, c := range t {
		if k.At < Hour.Begin(now.Add(-StatsGood)) || k.At > now.Add(time.Hour) {
			continue
		}
		if k.Span == Minute && k.At >= Minute.Oldest(now) {
			out.Of(k).Add(c)
		}
		k.Span, k.At = Hour, Hour.Begin(k.At)
		out.Of(k).Add(c)
	}
	return out
}

// Shrink bounds what a process keeps while no manager takes it: minutes that are over become part of their hours, then the
// oldest hours are dropped.
func (t StatsTable) Shrink(most int, now Time) StatsTable {
	if len(t) <= most {
		return t
	}
	out := StatsTable{}
	for k, c := range t {
		if k.Span == Minute && k.At < Minute.Begin(now) {
			k.Span, k.At = Hour, Hour.Begin(k.At)
		}
		out.Of(k).Add(c)
	}
	keys := slices.SortedFunc(maps.Keys(out), func(a, b StatsKey) int { return cmp.Or(cmp.Compare(b.At, a.At), compareStats(a, b)) })
	for _, k := range keys[min(most, len(keys)):] {
		delete(out, k)
	}
	return out
}
