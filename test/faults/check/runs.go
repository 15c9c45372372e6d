package check

import (
	"slices"
	"time"

	"github.com/slotq/slotq/test/faults/history"
)

// committers: one outcome ends a job, that of the last run that was granted, and nothing runs after it.
func (j *judge) committers() {
	if j.NoRefusal && j.v.Dropped > 0 {
		j.find(OneCommitter, "%d jobs were taken away from workers that had done nothing wrong", j.v.Dropped)
	}
	for id, f := range j.final {
		if !f.Ended() {
			continue
		}
		starts := j.starts[id]
		if f.Run > 1 && len(j.commits[id]) > 0 {
			j.hit(OneCommitter)
		}
		ends := 0
		for _, c := range j.commits[id] {
			// A run notes its end before it commits, so one that started before that was granted before that.
			if end := j.ends[run{id, c.Run}]; end != nil && slices.ContainsFunc(starts, func(n *history.Note) bool { return n.Run > c.Run && n.At < end.At }) {
				j.v.SecondCommits++
				j.find(OneCommitter, "run %d of job %s was committed (%s) although a later one had been granted", c.Run, id, c.Outcome)
			}
			if !c.Ends {
				continue
			}
			if ends++; ends > 1 {
				j.v.SecondCommits++
				j.find(OneCommitter, "two runs ended job %s, by the workers' own words", id)
			}
			if c.Run != f.Run {
				j.v.SecondCommits++
				j.find(OneCommitter, "run %d ended job %s, but run %d was granted after it", c.Run, id, f.Run)
			}
		}
		if f.Whole && f.State == "completed" && f.OutputRun != f.Run {
			j.v.SecondCommits++
			j.find(OneCommitter, "job %s has the output of run %d, but run %d was granted last", id, f.OutputRun, f.Run)
		}
		seen := map[int]bool{}
		for _, n := range starts {
			if n.Run > f.Run {
				j.v.SecondCommits++
				j.find(OneCommitter, "run %d of job %s started, but only %d were granted", n.Run, id, f.Run)
			}
			if seen[n.Run] && n.Via != history.HTTP { // a network may bring one request twice
				j.v.SecondCommits++
				j.find(OneCommitter, "run %d of job %s started twice", n.Run, id)
			}
			seen[n.Run] = true
		}
	}
}

// overlaps: a subprocess finds no other of its job alive. For Go and HTTP runs, which nobody can kill from outside,
// overlaps are counted by their times.
func (j *judge) overlaps() {
	for id, starts := range j.starts {
		if starts[0].Via == history.Exec && len(starts) > 1 {
			j.hit(NoOverlap)
		}
		for i, n := range starts {
			switch {
			case n.Via == history.Exec && n.Overlap:
				j.v.OverlapExec++
				j.find(NoOverlap, "run %d of job %s began while another was alive", n.Run, id)
			case n.Via != history.Exec && i > 0:
				if end := j.ends[run{id, starts[i-1].Run}]; end != nil && end.At > n.At {
					j.v.OverlapOther++
				}
			}
		}
	}
}

// limits: failures and crashes stop at their limits, a limit that ended a job was reached, and no run that came to a
// committed end counts as a crash.
func (j *judge) limits() {
	beside := j.besideSuspects()
	for id, f := range j.final {
		failures, committed := 0, 0
		for _, c := range j.commits[id] {
			if c.Outcome == "failed" || c.Outcome == "timed_out" {
				failures++
			}
			if c.Run <= f.Run { // a job that was not over when it was read may have run since
				committed++
			}
		}
		if failures > 0 || f.Crashes > 0 {
			j.hit(Limits)
		}
		if f.Attempt > f.MaxAttempts || failures > f.MaxAttempts {
			j.v.OverAttempts++
			j.find(Limits, "job %s failed %d times (attempt %d), allowed are %d", id, failures, f.Attempt, f.MaxAttempts)
		}
		crashes, starts := f.Crashes, len(j.starts[id])
		if starts > 0 && j.kills(j.starts[id][0]) {
			crashes = max(crashes, starts)
		}
		if crashes > f.MaxCrashes {
			j.v.OverCrashes++
			j.find(Limits, "job %s crashed %d times, allowed are %d", id, crashes, f.MaxCrashes)
		}
		switch {
		case f.Reason == "max_crashes" && f.Crashes < f.MaxCrashes:
			j.find(Limits, "job %s was discarded after %d crashes, %d are allowed", id, f.Crashes, f.MaxCrashes)
		case f.Reason == "max_attempts" && (f.Attempt < f.MaxAttempts || starts < f.MaxAttempts):
			j.find(Limits, "job %s was discarded at attempt %d with %d starts, %d are allowed", id, f.Attempt, starts, f.MaxAttempts)
		case f.Crashes > f.Run-committed:
			j.find(Limits, "job %s counts %d crashes, but %d of its %d runs came to a committed end", id, f.Crashes, committed, f.Run)
		case f.Crashes > f.Run-committed-beside[id]:
			j.find(Limits, "job %s counts %d crashes in %d runs, but %d of these ended by the crash of a suspect beside them", id, f.Crashes, f.Run, beside[id])
		}
		if j.NoCrash && f.Crashes > 0 {
			j.find(Limits, "job %s counts %d crashes, though no worker was away for a lease", id, f.Crashes)
		}
	}
}

func (j *judge) kills(n *history.Note) bool {
	s := j.sent[n.Hash]
	return s != nil && s.Kills
}

// besideSuspects counts each job's runs that a suspect took down with its worker, which must count no crash: a job that
// kills had killed a worker before, and started on the run's worker as its last.
func (j *judge) besideSuspects() map[string]int {
	suspects := map[int]int64{} // when one started, by worker
	for _, starts := range j.starts {
		for i, n := range starts {
			if i > 0 && n.Worker != 0 && j.kills(n) {
				suspects[n.Worker] = n.At
			}
		}
	}
	counts := map[string]int{}
	for id, starts := range j.starts {
		for _, n := range starts {
			if at, ok := suspects[n.Worker]; ok && n.At < at && !j.kills(n) && j.ends[run{id, n.Run}] == nil {
				counts[id]++
			}
		}
	}
	return counts
}

// recovery: a run whose worker was killed is followed by the next one in time. Only a job's first death is judged: later
// crashes wait longer on purpose, as does a job that gave the place of its key away. A run that was granted and never
// started (its worker died in between) is a crash of its own.
func (j *judge) recovery() {
	var waits []time.Duration
	for id, starts := range j.starts {
		for i, n := range starts {
			death := j.death(n)
			if death == 0 && !j.committed(n) {
				break // its worker may have died between its end and the commit: a crash, and the next one is not the first
			}
			if death == 0 {
				continue
			}
			if n.Key == "" && n.Run == i+1 && i+1 < len(starts) && starts[i+1].Run == n.Run+1 {
				waits = append(waits, time.Duration(starts[i+1].At-death))
				if j.hit(Recovery); waits[len(waits)-1] == slices.Max(waits) {
					j.v.Slowest = Wait{Job: id, Kind: n.Via, Run: n.Run, Began: n.Wall, End: starts[i+1].Wall, Worker: starts[i+1].Worker}
				}
			}
			break
		}
	}
	j.v.Restarts = len(waits)
	if len(waits) == 0 {
		return
	}
	j.v.Waits = waits
	j.v.LongestRestart, j.v.Recovery99 = slices.Max(waits), j.v.Waits.Percentile(99)
	if j.RecoveryLimit > 0 && j.v.Recovery99 > j.RecoveryLimit {
		j.find(Recovery, "1 in 100 of %d jobs of killed workers started again only after %s (the last was %s), promised are %s", len(waits), j.v.Recovery99, j.v.Slowest.Job, j.RecoveryLimit)
	}
}

// committed says that a worker knows of the commit of a run's outcome.
func (j *judge) committed(n *history.Note) bool {
	return slices.ContainsFunc(j.commits[n.Job], func(c *history.Commit) bool { return c.Run == n.Run })
}

// death is when a run's worker was killed, before the run came to its end; 0 = it was not.
func (j *judge) death(n *history.Note) int64 {
	end := j.ends[run{n.Job, n.Run}]
	for _, at := range j.deaths[n.Worker] {
		if at >= n.At && (end == nil || end.At > at) {
			return at
		}
	}
	return 0
}

// early: nothing starts before its run_at.
func (j *judge) early() {
	for id, starts := range j.starts {
		for _, n := range starts {
			s := j.sent[n.Hash]
			if s == nil || s.RunAt == 0 {
				continue
			}
			j.hit(NoEarlyStart)
			if n.Wall < s.RunAt-j.ClockError.Microseconds() {
				j.v.Early++
				j.find(NoEarlyStart, "run %d of job %s started %s early", n.Run, id, time.Duration(s.RunAt-n.Wall)*time.Microsecond)
			}
		}
	}
}

// keyLimits: no run finds all places of its key taken.
func (j *judge) keyLimits() {
	for id, starts := range j.starts {
		for _, n := range starts {
			if n.Key == "" {
				continue
			}
			j.hit(KeyLimit)
			if n.Over {
				j.v.OverKey++
				j.find(KeyLimit, "run %d of job %s began while as many of key %s as its limit were alive", n.Run, id, n.Key)
			}
		}
	}
}

// terminal: once a job was seen finished, every look that began later sees the same.
func (j *judge) terminal() {
	type sight struct {
		final history.Final
		at    int64
	}
	begun := map[int64]int64{} // op → when its request was sent
	first := map[string]sight{}
	for i := range j.Events {
		e := &j.Events[i]
		switch {
		case e.Type == history.Invoke:
			begun[e.Op] = e.At
		case e.Type == history.OK && e.Seen != nil && e.Seen.Ended():
			old, ok := first[e.Job]
			if !ok {
				first[e.Job] = sight{*e.Seen, e.At}
			} else if old.at < begun[e.Op] {
				j.same(old.final, *e.Seen)
			}
		case e.Type == history.OK && e.Seen != nil:
			if old, ok := first[e.Job]; ok && old.at < begun[e.Op] {
				j.same(old.final, *e.Seen)
			}
		}
	}
	for id, old := range first {
		if f := j.final[id]; f != nil {
			j.same(old.final, *f)
		}
		for _, n := range j.starts[id] {
			// The last run that was granted may have stood still before it could note its start.
			if n.At > old.at && (n.Run > old.final.Run || n.Via == history.Exec && n.At > old.at+int64(time.Second)) {
				j.v.Overwritten++
				j.find(TerminalStays, "run %d of job %s started after the job was seen %s", n.Run, id, old.final.State)
			}
		}
	}
}

func (j *judge) same(a, b history.Final) {
	j.hit(TerminalStays)
	if a.State != b.State || a.Finished != b.Finished || a.Run != b.Run {
		j.v.Overwritten++
		j.find(TerminalStays, "job %s was %s at %s (run %d), later %s at %s (run %d)", a.ID, a.State, a.Finished, a.Run, b.State, b.Finished, b.Run)
	}
}
