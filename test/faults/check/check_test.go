package check

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/test/faults/history"
)

const second = int64(time.Second)

// wall is when the sound record's run_at is, in microseconds.
const wall = 1_700_000_000_000_000

// sound is a record that keeps every rule and gives each something to judge: a was sent twice, its worker was killed,
// it ran again and was looked at twice; b failed until its attempts were used up; c has a key and a run_at; d kills its
// workers, the second time with g beside it; e was refused; f ran to its end on a frozen worker, after it ran elsewhere.
func sound() *Record {
	a := &history.Sent{Hash: "ha", Key: "ka", Kind: "x", MaxAttempts: 3, MaxCrashes: 3}
	b := &history.Sent{Hash: "hb", ID: "b", Kind: "x", MaxAttempts: 2, MaxCrashes: 3, Fails: true}
	c := &history.Sent{Hash: "hc", Kind: "g", RunAt: wall, MaxAttempts: 3, MaxCrashes: 3}
	d := &history.Sent{Hash: "hd", Kind: "x", MaxAttempts: 3, MaxCrashes: 2, Kills: true}
	e := &history.Sent{Hash: "he", Key: "ka", Kind: "x", Conflict: true}
	f := &history.Sent{Hash: "hf", Kind: "g", MaxAttempts: 3, MaxCrashes: 3}
	g := &history.Sent{Hash: "hg", Kind: "x", MaxAttempts: 3, MaxCrashes: 3}
	enqueue := func(at, op int64, s *history.Sent, end, job string) []history.Event {
		return []history.Event{
			{At: at, Type: history.Invoke, Call: history.Enqueue, Op: op, Sent: s},
			{At: at + 1, Type: end, Call: history.Enqueue, Op: op, Sent: s, Job: job},
		}
	}
	finalA := history.Final{ID: "a", State: "completed", Attempt: 1, MaxAttempts: 3, Run: 2, Crashes: 1, MaxCrashes: 3, Finished: "t", Whole: true, Hash: "ha", OutputRun: 2}
	look := func(at, op int64) []history.Event {
		seen := finalA
		return []history.Event{
			{At: at, Type: history.Invoke, Call: history.Get, Op: op, Job: "a"},
			{At: at + 1, Type: history.OK, Call: history.Get, Op: op, Job: "a", Seen: &seen},
		}
	}
	exec := func(at int64, what, job, hash string, run, attempt, worker int) history.Note {
		return history.Note{At: at, Wall: wall, What: what, Via: history.Exec, Job: job, Run: run, Attempt: attempt, Worker: worker, Hash: hash}
	}
	failed := exec(4*second, history.End, "b", "hb", 1, 1, 7)
	failed.Failed = true
	failedAgain := exec(6*second, history.End, "b", "hb", 2, 2, 7)
	failedAgain.Failed = true
	keyed := history.Note{At: 3 * second, Wall: wall, What: history.Start, Via: history.Go, Job: "c", Run: 1, Attempt: 1, Worker: 8, Hash: "hc", Key: "k"}
	frozen := history.Note{At: 3 * second, Wall: wall, What: history.Start, Via: history.Go, Job: "f", Run: 1, Attempt: 1, Worker: 11, Hash: "hf"}
	frozenEnd, other, otherEnd := frozen, frozen, frozen
	frozenEnd.What, frozenEnd.At = history.End, 30*second
	other.Run, other.Worker, other.At = 2, 6, 10*second
	otherEnd.What, otherEnd.Run, otherEnd.Worker, otherEnd.At = history.End, 2, 6, 11*second
	keyedEnd := keyed
	keyedEnd.What, keyedEnd.At = history.End, 4*second
	return &Record{
		Events: slices.Concat(
			enqueue(1, 1, a, history.Unknown, ""), enqueue(10, 2, a, history.OK, "a"), enqueue(20, 3, b, history.OK, "b"),
			enqueue(30, 4, c, history.OK, "c"), enqueue(40, 5, d, history.OK, "d"), enqueue(50, 6, e, history.Fail, ""),
			enqueue(60, 9, f, history.OK, "f"), enqueue(70, 10, g, history.OK, "g"),
			[]history.Event{{At: 2 * second, Type: history.Fault, Call: history.KillWorker, Pid: 5}},
			look(20*second, 7), look(21*second, 8),
		),
		Notes: []history.Note{
			exec(1*second, history.Start, "a", "ha", 1, 1, 5), exec(7*second, history.Start, "a", "ha", 2, 1, 6), exec(8*second, history.End, "a", "ha", 2, 1, 6),
			exec(3*second, history.Start, "b", "hb", 1, 1, 7), failed, exec(5*second, history.Start, "b", "hb", 2, 2, 7), failedAgain,
			keyed, keyedEnd,
			exec(3*second, history.Start, "d", "hd", 1, 1, 9), exec(9*second, history.Start, "d", "hd", 2, 1, 10),
			frozen, other, otherEnd, frozenEnd,
			exec(8*second, history.Start, "g", "hg", 1, 1, 10), exec(15*second, history.Start, "g", "hg", 2, 1, 6), exec(16*second, history.End, "g", "hg", 2, 1, 6),
		},
		Finals: []history.Final{
			finalA,
			{ID: "b", State: "discarded", Reason: "max_attempts", Attempt: 2, MaxAttempts: 2, Run: 2, MaxCrashes: 3},
			{ID: "c", State: "completed", Attempt: 1, MaxAttempts: 3, Run: 1, MaxCrashes: 3},
			{ID: "d", State: "discarded", Reason: "max_crashes", Attempt: 1, MaxAttempts: 3, Run: 2, Crashes: 2, MaxCrashes: 2},
			{ID: "f", State: "completed", Attempt: 1, MaxAttempts: 3, Run: 2, Crashes: 1, MaxCrashes: 3},
			{ID: "g", State: "completed", Attempt: 1, MaxAttempts: 3, Run: 2, MaxCrashes: 3},
		},
		Commits: []history.Commit{
			{Job: "a", Run: 1, Outcome: "completed", Ends: true, Refused: true},
			{Job: "a", Run: 2, Outcome: "completed", Ends: true},
			{Job: "b", Run: 1, Outcome: "failed"}, {Job: "b", Run: 2, Outcome: "failed", Ends: true},
			{Job: "c", Run: 1, Outcome: "completed", Ends: true},
			{Job: "f", Run: 2, Outcome: "completed", Ends: true}, {Job: "f", Run: 1, Outcome: "completed", Refused: true},
			{Job: "g", Run: 2, Outcome: "completed", Ends: true},
		},
		Drained: true, Counts: map[string]int{"kill worker": 1}, Floors: map[string]int{"kill worker": 1, "acknowledged": 6, "refused": 1, "ambiguous": 1},
		Needs: Rules, RecoveryLimit: 6 * time.Second, ClockError: time.Millisecond,
	}
}

func TestARecordThatKeepsEveryRulePassesAndGivesEachSomethingToJudge(t *testing.T) {
	v := Check(sound())
	if !v.Passed() {
		t.Errorf("findings %v, invalid %v", v.Findings, v.Invalid)
	}
	if v.Acknowledged != 6 || v.Refused != 1 || v.Dropped != 2 || v.Ambiguous != 1 || v.Restarts != 1 || v.LongestRestart != 5*time.Second {
		t.Errorf("counts: %+v", v)
	}
}

func TestAJobThatWasStillRunningWhenItWasReadIsJudgedByWhatWasRead(t *testing.T) {
	r := sound()
	for i := range r.Finals {
		if r.Finals[i].ID == "c" {
			r.Finals[i].State, r.Finals[i].Run = "available", 0
		}
	}
	r.Drained = false
	for _, f := range Check(r).Findings {
		if f.Rule == Limits {
			t.Errorf("%v: it ran and ended after it was read", f)
		}
	}
}

// A run may have come to its end and died with its worker before that was committed: it counts as a crash that the witness
// does not show, and the next crash is the second one, after which a job waits for a lease or more on purpose.
func TestACrashThatMayNotBeTheJobsFirstIsNotJudgedByHowSoonItRunsAgain(t *testing.T) {
	r := sound()
	again := r.Notes[1] // run 2 of a
	end := r.Notes[0]
	end.What, end.At = history.End, 3*second/2 // run 1 has ended before its worker was killed
	again.Run, again.At, again.Worker = 3, 20*second, 7
	r.Notes = slices.Delete(append(r.Notes, end, again), 2, 3) // run 2 has not
	r.Events = append(r.Events, history.Event{At: 15 * second / 2, Type: history.Fault, Call: history.KillWorker, Pid: 6})
	v := Check(r)
	for _, w := range v.Waits {
		if w > 6*time.Second {
			t.Errorf("judged is a wait of %s", w)
		}
	}
	r.Commits = append(r.Commits, history.Commit{Job: "a", Run: 1, Outcome: "failed"})
	if v := Check(r); v.LongestRestart != 12500*time.Millisecond {
		t.Errorf("run 1 was committed, so that the crash of run 2 is the first: the longest wait is %s", v.LongestRestart)
	}
}

func TestEachRuleFindsTheRecordThatBreaksIt(t *testing.T) {
	for _, test := range []struct {
		name  string
		rule  Rule
		spoil func(*Record)
	}{
		{"an acknowledged job is nowhere", AckedNotLost, func(r *Record) { r.Finals = r.Finals[1:] }},
		{"a job completed without a run that came to its end", AckedNotLost, func(r *Record) { r.Notes = slices.Delete(r.Notes, 2, 3) }},
		{"a job is cancelled and nobody asked", AckedNotLost, func(r *Record) { r.Finals[2].State = "cancelled" }},
		{"a job is discarded that never failed", AckedNotLost, func(r *Record) { r.Events[4].Sent.Fails = false }},
		{"a job is discarded for no reason", AckedNotLost, func(r *Record) { r.Finals[2].State = "discarded" }},
		{"a neighbour of a poison job is discarded", AckedNotLost, func(r *Record) {
			r.Finals[5].State, r.Finals[5].Reason, r.Finals[5].Crashes = "discarded", "max_crashes", 3
		}},
		{"an acknowledged job is not found", AckedNotLost, func(r *Record) {
			last := &r.Events[len(r.Events)-1]
			last.Type, last.Status, last.Seen = history.Fail, 404, nil
		}},
		{"a run of what nobody sent", NoPhantom, func(r *Record) { r.Notes[7].Hash = "other" }},
		{"a run with the bytes of another job", NoPhantom, func(r *Record) { r.Notes[3].Job = "z" }},
		{"a row of what nobody sent", NoPhantom, func(r *Record) {
			r.Finals = append(r.Finals, history.Final{ID: "z", State: "completed", Whole: true, Hash: "hz"})
		}},
		{"one key makes two jobs by the answers", OneJobPerKey, func(r *Record) {
			r.Events = append(r.Events, history.Event{At: 90, Type: history.OK, Call: history.Enqueue, Op: 2, Sent: r.Events[0].Sent, Job: "b"})
		}},
		{"one key makes two jobs by the runs", OneJobPerKey, func(r *Record) {
			r.Notes = append(r.Notes, history.Note{At: 9 * second, What: history.Start, Via: history.Go, Job: "y", Run: 1, Hash: "ha"})
		}},
		{"one id is created twice", OneJobPerKey, func(r *Record) {
			again := slices.Clone(r.Events[4:6])
			again[0].Op, again[1].Op, again[1].Status, r.Events[5].Status = 90, 90, 201, 201
			r.Events = append(r.Events, again...)
		}},
		{"a used key with another body is accepted", OneJobPerKey, func(r *Record) { r.Events[11].Type, r.Events[11].Job = history.OK, "y" }},
		{"a request sent again is refused", OneJobPerKey, func(r *Record) { r.Events[3].Type, r.Events[3].Status, r.Events[1].Job = history.Fail, 422, "a" }},
		{"two outcomes end a job", OneCommitter, func(r *Record) { r.Commits[0].Refused = false }},
		{"an earlier run ends a job than was granted last", OneCommitter, func(r *Record) { r.Commits[1].Run = 1 }},
		{"a failure of a run that had lost its job is written", OneCommitter, func(r *Record) { r.Commits[6].Refused, r.Commits[6].Outcome = false, "failed" }},
		{"a job has the output of an earlier run", OneCommitter, func(r *Record) { r.Finals[0].OutputRun = 1 }},
		{"a healthy worker loses a job", OneCommitter, func(r *Record) { r.NoRefusal = true }},
		{"a run that nobody granted", OneCommitter, func(r *Record) { r.Notes[7].Run = 2 }},
		{"a run starts twice", OneCommitter, func(r *Record) { r.Notes = append(r.Notes, r.Notes[7]) }},
		{"subprocesses of a job live at once", NoOverlap, func(r *Record) { r.Notes[1].Overlap = true }},
		{"more failures than attempts", Limits, func(r *Record) {
			r.Commits = append(r.Commits, history.Commit{Job: "b", Run: 2, Outcome: "failed"})
		}},
		{"a job that kills its workers runs too often", Limits, func(r *Record) {
			n := r.Notes[10]
			n.At, n.Run = 12*second, 2
			r.Notes = append(r.Notes, n)
		}},
		{"a discard before the limit of crashes", Limits, func(r *Record) { r.Finals[3].Crashes = 1 }},
		{"a discard before the limit of attempts", Limits, func(r *Record) { r.Finals[1].Attempt = 1 }},
		{"a crash for a run that was committed", Limits, func(r *Record) { r.Finals[2].Crashes = 1 }},
		{"a crash for a run beside a suspect", Limits, func(r *Record) { r.Finals[5].Crashes = 1 }},
		{"a crash where none may be", Limits, func(r *Record) { r.NoCrash = true }},
		{"a finished job changes its state", TerminalStays, func(r *Record) { r.Finals[0].State = "discarded" }},
		{"a finished job is seen waiting", TerminalStays, func(r *Record) { r.Events[len(r.Events)-1].Seen.State = "available" }},
		{"a finished job runs again", TerminalStays, func(r *Record) {
			n := r.Notes[1]
			n.At = 30 * second
			r.Notes = append(r.Notes, n)
		}},
		{"a killed worker's job starts again too late", Recovery, func(r *Record) { r.RecoveryLimit = 4 * time.Second }},
		{"jobs wait in the end", Recovery, func(r *Record) { r.Drained = false }},
		{"a start before run_at", NoEarlyStart, func(r *Record) { r.Notes[7].Wall -= 2000 }},
		{"a key over its limit", KeyLimit, func(r *Record) { r.Notes[7].Over = true }},
		{"one payload for two jobs", HistoryIsSound, func(r *Record) {
			other := *r.Events[0].Sent
			other.Kind = "other"
			r.Events[2].Sent = &other
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := sound()
			test.spoil(r)
			v := Check(r)
			if !slices.ContainsFunc(v.Findings, func(f Finding) bool { return f.Rule == test.rule }) {
				t.Errorf("not found by %s; findings: %v", test.rule, v.Findings)
			}
		})
	}
}

func TestARunThatProvesNothingIsInvalid(t *testing.T) {
	for _, test := range []struct {
		name, says string
		spoil      func(*Record)
	}{
		{"fewer faults than the floor", "kill worker: 1, the row needs 2", func(r *Record) { r.Floors["kill worker"] = 2 }},
		{"no refused outcome of a run that came to its end", "refused: 0", func(r *Record) { r.Commits[6].Outcome = "released" }},
		{"nothing for a rule to judge", string(KeyLimit), func(r *Record) { r.Notes[7].Key = "" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := sound()
			test.spoil(r)
			v := Check(r)
			if v.Passed() || !strings.Contains(strings.Join(v.Invalid, "\n"), test.says) {
				t.Errorf("invalid: %v", v.Invalid)
			}
			if len(v.Findings) > 0 {
				t.Errorf("findings: %v", v.Findings)
			}
		})
	}
}

func TestTheBoundIsThreeByN(t *testing.T) {
	if Bound(0) != 1 || Bound(1) != 1 || Bound(30_000) != 1e-4 {
		t.Errorf("%v %v %v", Bound(0), Bound(1), Bound(30_000))
	}
}
