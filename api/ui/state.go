package ui

import (
	"fmt"
	"strings"

	"github.com/slotq/slotq/shared/census"
	"github.com/slotq/slotq/shared/job"
)

// state is how the whole stands in one sentence, and what else stands still.
type state struct {
	Good bool
	says
	Also []says
}

// says is a sentence with the link to where the matter is mended.
type says struct{ Text, Link, Do string }

// state looks for what stands still; what is worst comes first.
func (l *look) state(b busy) state {
	now := job.TimeOf(l.now)
	var sum job.Count
	more := false
	for i := range b.census.Queues {
		n, least := b.census.Queues[i].Sum()
		sum.Add(n)
		more = more || least
	}
	due := sum.Available + sum.Blocked
	var bad []says
	if len(b.takers) == 0 {
		bad = append(bad, noTakers(b, due, more, l.since(sum.OldestAvailable)))
	}
	for _, s := range b.census.Standstills(b.takers) {
		bad = append(bad, l.standstill(s))
	}
	for _, w := range b.workers {
		if census.Silent(w, now, l.Lease, l.Sweep) {
			bad = append(bad, says{fmt.Sprintf("The worker %s has been silent for %s and nobody has declared it dead: does a manager run?", w.Name, rough(now.Sub(w.BeatAt))), "workers", "See the workers"})
		}
	}
	if len(bad) > 0 {
		return state{says: bad[0], Also: bad[1:]}
	}
	text := fmt.Sprintf("All is well: %s %s, nothing waits.", workersRun(len(b.takers)), count(sum.Running, more))
	if due > 0 {
		text = fmt.Sprintf("All is well: %s %s, %s wait%s.", workersRun(len(b.takers)), count(sum.Running, more), least(due, more), l.since(sum.OldestAvailable))
	}
	return state{Good: true, says: says{Text: text}}
}

func workersRun(n int) string {
	if n == 1 {
		return "1 worker runs"
	}
	return fmt.Sprintf("%d workers run", n)
}

func noTakers(b busy, due int64, more bool, since string) says {
	why := "no worker is alive"
	if b.partial { // others may be
		why = "no worker of your queues is alive"
	}
	for _, w := range b.workers {
		if !w.Dead && !w.Takes() {
			why = "all workers are quiet or stopping"
		}
	}
	if due == 0 {
		return says{"Nothing waits, and nothing will start: " + why + ".", "workers", "See the workers"}
	}
	return says{fmt.Sprintf("Nothing starts: %s waiting%s, %s.", least(due, more), since, why), "workers", "See the workers"}
}

// since says how long the oldest has waited, when one has.
func (l *look) since(oldest job.Time) string {
	if oldest == 0 {
		return ""
	}
	return ", oldest " + age(oldest.Time(), l.now)
}

func (l *look) standstill(s census.Standstill) says {
	queue := "queue?name=" + s.Queue
	waiting := least(s.Jobs.Jobs, s.Jobs.Least) + " waiting" + l.since(s.Oldest)
	switch s.Cause {
	case census.Paused:
		return says{fmt.Sprintf("%s is paused: %s.", s.Queue, waiting), queue, "Resume it"}
	case census.UnservedQueue:
		return says{fmt.Sprintf("%s stands still: %s, no worker serves the queue.", s.Queue, waiting), queue, "See the queue"}
	case census.UnservedKind:
		return says{fmt.Sprintf("%s stands still: %s, no worker serves %s.", s.Queue, waiting, s.Kind),
			jobsLink("queue", s.Queue, "kind", s.Kind, "state", job.Available), "See its jobs"}
	}
	slots := "slot " + census.Spans(s.Slots)
	if strings.ContainsAny(slots, ",-") {
		slots = "slots " + census.Spans(s.Slots)
	}
	return says{fmt.Sprintf("%s stands still in %s: %s, no worker takes jobs there.", s.Queue, slots, waiting), queue, "See its slots"}
}
