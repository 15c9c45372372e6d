// Package check judges a fault run from its record alone. It is pure: it reads no clock, no file and no database, and it
// imports nothing of what it judges, so that a misunderstanding of slotq's code about itself cannot hide here.
//
// Each rule counts what it could judge (its hits) and what breaks it (findings). No findings with no hits is no proof:
// a run is then INVALID, as it is when fewer faults really happened than its row asks for.
package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/slotq/slotq/test/faults/history"
)

// Rule is one property of a record.
type Rule string

// The rules. Each serves one promise.
const (
	AckedNotLost   Rule = "P1"  // every acknowledged enqueue ended, and what completed has run to its end
	NoPhantom      Rule = "P2"  // every run was enqueued, and got the payload's bytes
	OneJobPerKey   Rule = "P3"  // one id or Idempotency-Key makes at most one job
	OneCommitter   Rule = "P4a" // one run ends a job: the last one that was granted
	NoOverlap      Rule = "P4b" // subprocess runs of a job never live at once
	Limits         Rule = "P5"  // no more than max_attempts failures and max_crashes crashes, and no crash that was none
	TerminalStays  Rule = "P6"  // what was seen finished is seen so for ever
	Recovery       Rule = "P7"  // jobs of a killed worker start again in time; in the end nothing waits
	NoEarlyStart   Rule = "P8"  // nothing starts before run_at
	KeyLimit       Rule = "P10" // no more runs of a concurrency key at once than its limit
	HistoryIsSound Rule = "H"   // the record contradicts itself: the harness is broken
)

// Rules in the order of the promises that they serve, 1 to 10.
var Rules = []Rule{AckedNotLost, NoPhantom, OneJobPerKey, OneCommitter, NoOverlap, Limits, TerminalStays, Recovery, NoEarlyStart, KeyLimit}

// Record is all there is to know of a run, after heal and drain.
type Record struct {
	Events  []history.Event
	Notes   []history.Note
	Finals  []history.Final // all jobs that the api lists in the end
	Commits []history.Commit
	Drained bool // all jobs had ended before the limit for that

	Counts map[string]int // faults and other things that really happened
	Floors map[string]int // the least of each, below which the run proves nothing
	Needs  []Rule         // rules that must have hits

	RecoveryLimit time.Duration // for the 99th percentile of restarts after a kill; 0 = it is only reported
	ClockError    time.Duration // how far the services' idea of the database's time may be from the witness's clock
	NoRefusal     bool          // no outcome may be refused: no worker was cut off, frozen or without its database
	NoCrash       bool          // no crash may be counted at all: the database was away for less than a lease
}

// Finding is one breach of a rule.
type Finding struct {
	Rule Rule
	Text string
}

func (f Finding) String() string { return string(f.Rule) + ": " + f.Text }

// Verdict is the judgement of a run.
type Verdict struct {
	Findings []Finding
	Invalid  []string // why the run proves nothing
	Hits     map[Rule]int
	Counts   map[string]int // the record's, and Ambiguous, Refused, Crashes

	Acknowledged   int
	Lost           int
	Phantom        int
	Duplicated     int // ids or keys that made more than one job
	SecondCommits  int
	Overwritten    int // terminal states
	Early          int
	OverlapExec    int // subprocess: must be 0
	OverlapOther   int // Go and HTTP: reported
	OverAttempts   int
	OverCrashes    int
	OverKey        int
	Refused        int // outcomes of runs that came to their end and had lost their job
	Dropped        int // those, and what was given back or stopped too late
	Ambiguous      int // enqueues whose outcome was unknown
	Restarts       int // starts after a kill of the worker
	Recovery99     time.Duration
	LongestRestart time.Duration
	Slowest        Wait  // the last of these starts
	Waits          Waits // of these starts
	Unended        int   // jobs that had not ended when the limit for draining was over
}

// Wait is how a killed worker's job waited for its next run.
type Wait struct {
	Job        string
	Kind       string
	Run        int   // the first of both
	Began, End int64 // the starts of both runs, microseconds since 1970
	Worker     int   // the process of the second
}

// Waits are times in order.
type Waits []time.Duration

// Percentile is the time that so many in a hundred do not exceed; 0 = there are none.
func (w Waits) Percentile(n int) time.Duration {
	if len(w) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(w))
	return sorted[(len(sorted)*n-1)/100]
}

// Passed says that the run is valid and breaks no rule.
func (v *Verdict) Passed() bool { return len(v.Findings) == 0 && len(v.Invalid) == 0 }

// Bound is the 95 % upper bound of the probability of what was seen 0 times in n.
func Bound(n int) float64 {
	if n == 0 {
		return 1
	}
	return min(1, 3/float64(n))
}

// maxFindings is how many findings of one rule are spelt out; the counts are whole.
const maxFindings = 10

// judge is the work in progress: the record, put in order.
type judge struct {
	*Record
	v *Verdict

	sent    map[string]*history.Sent   // by hash
	final   map[string]*history.Final  // by id
	starts  map[string][]*history.Note // by id, in order of time
	ends    map[run]*history.Note
	commits map[string][]*history.Commit // by id
	deaths  map[int][]int64              // of worker processes, by id
}

type run struct {
	job string
	run int
}

// Check judges a record.
func Check(r *Record) *Verdict {
	j := &judge{
		Record: r, v: &Verdict{Hits: map[Rule]int{}, Counts: map[string]int{}},
		sent: map[string]*history.Sent{}, final: map[string]*history.Final{}, starts: map[string][]*history.Note{},
		ends: map[run]*history.Note{}, commits: map[string][]*history.Commit{}, deaths: map[int][]int64{},
	}
	j.index()
	j.acked()
	j.phantoms()
	j.keys()
	j.committers()
	j.overlaps()
	j.limits()
	j.terminal()
	j.recovery()
	j.early()
	j.keyLimits()
	j.floors()
	return j.v
}

func (j *judge) index() {
	unknown := map[int64]bool{}
	for i := range j.Events {
		e := &j.Events[i]
		switch {
		case e.Type == history.Invoke && e.Call == history.Enqueue:
			if old := j.sent[e.Sent.Hash]; old == nil {
				j.sent[e.Sent.Hash] = e.Sent
			} else if *old != *e.Sent {
				j.find(HistoryIsSound, "two different jobs have the payload %s", e.Sent.Hash)
			}
		case e.Type == history.Unknown && e.Call == history.Enqueue:
			if !unknown[e.Op] {
				unknown[e.Op] = true
				j.v.Ambiguous++
			}
		case e.Type == history.Fault && e.Call == history.KillWorker:
			j.deaths[e.Pid] = append(j.deaths[e.Pid], e.At)
		}
	}
	for i := range j.Finals {
		j.final[j.Finals[i].ID] = &j.Finals[i]
	}
	for i := range j.Notes {
		switch n := &j.Notes[i]; n.What {
		case history.Start:
			j.starts[n.Job] = append(j.starts[n.Job], n)
		case history.End:
			j.ends[run{n.Job, n.Run}] = n
		}
	}
	for _, starts := range j.starts {
		slices.SortFunc(starts, func(a, b *history.Note) int { return int(a.At - b.At) })
	}
	for i := range j.Commits {
		c := &j.Commits[i]
		if c.Refused {
			j.v.Dropped++
			if j.ends[run{c.Job, c.Run}] != nil && c.Outcome != "released" {
				j.v.Refused++
			}
			continue
		}
		j.commits[c.Job] = append(j.commits[c.Job], c)
	}
}

// floors says whether the run proves anything.
func (j *judge) floors() {
	for name, n := range j.Counts {
		j.v.Counts[name] = n
	}
	j.v.Counts["acknowledged"] = j.v.Acknowledged
	j.v.Counts["ambiguous"] = j.v.Ambiguous
	j.v.Counts["refused"] = j.v.Refused
	j.v.Counts["restarts"] = j.v.Restarts
	for _, f := range j.final {
		if starts := j.starts[f.ID]; f.Reason == "max_crashes" && len(starts) > 0 && j.kills(starts[0]) {
			j.v.Counts["discarded by crashes"]++
		}
	}
	for name, least := range j.Floors {
		if n := j.v.Counts[name]; n < least {
			j.v.Invalid = append(j.v.Invalid, fmt.Sprintf("%s: %d, the row needs %d", name, n, least))
		}
	}
	for _, r := range j.Needs {
		if j.v.Hits[r] == 0 {
			j.v.Invalid = append(j.v.Invalid, fmt.Sprintf("nothing that rule %s could have judged", r))
		}
	}
	slices.Sort(j.v.Invalid)
}

// find notes a breach.
func (j *judge) find(r Rule, format string, args ...any) {
	n := 0
	for _, f := range j.v.Findings {
		if f.Rule == r {
			n++
		}
	}
	if n < maxFindings {
		j.v.Findings = append(j.v.Findings, Finding{r, fmt.Sprintf(format, args...)})
	}
}

// hit notes something that a rule can judge.
func (j *judge) hit(r Rule) { j.v.Hits[r]++ }
