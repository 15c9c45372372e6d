package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/slotq/slotq/test/faults/check"
	"github.com/slotq/slotq/test/faults/history"
)

// promises of the design, in order, and the rule that judges each.
var promises = []struct {
	text string
	rule check.Rule
}{
	{"an enqueue answered 2xx is never lost", check.AckedNotLost},
	{"nothing runs that nobody enqueued; payloads arrive byte for byte", check.NoPhantom},
	{"one id or Idempotency-Key makes at most one job", check.OneJobPerKey},
	{"at most one run of a job commits its outcome; late ones change nothing", check.OneCommitter},
	{"subprocess runs of one job never overlap", check.NoOverlap},
	{"max_attempts and max_crashes hold, and count only what happened", check.Limits},
	{"a finished job changes no more", check.TerminalStays},
	{"jobs of a dead worker start again in time; nothing waits for ever", check.Recovery},
	{"nothing starts before run_at", check.NoEarlyStart},
	{"the limit of a concurrency key holds", check.KeyLimit},
}

// unproven lists the promises that nothing of these results could have broken.
func unproven(results []result) (texts []string) {
	for i, p := range promises {
		if !slices.ContainsFunc(results, func(r result) bool { return r.verdict.Hits[p.rule] > 0 }) {
			texts = append(texts, fmt.Sprintf("promise %d (%s): no row gave rule %s anything to judge", i+1, p.text, p.rule))
		}
	}
	return texts
}

// totals adds up results.
func totals(results []result) (acked, kills, refused, ambiguous int, longest time.Duration) {
	for _, r := range results {
		v := r.verdict
		acked += v.Acknowledged
		refused += v.Refused
		ambiguous += v.Ambiguous
		longest = max(longest, v.LongestRestart)
		for _, name := range []string{history.KillAPI, history.KillWorker, history.KillManager, history.KillDatabase} {
			kills += v.Counts[name]
		}
	}
	return acked, kills, refused, ambiguous, longest
}

// whole is all that a report tells of.
type whole struct {
	began   time.Time
	commit  string // that was checked out then
	results []result
	defects []discovery
	suites  []*suite
}

// What a whole run must have seen to be worth its report.
const (
	wholeAcked   = 200_000
	wholeKills   = 300
	wholeRefused = 20
)

// short says what of that is missing.
func (w *whole) short() (texts []string) {
	acked, kills, _, _, _ := totals(w.results)
	refused := 0
	var waits check.Waits
	for _, r := range w.results {
		if r.verdict.Counts[history.Freeze] > 0 && r.verdict.Counts[history.KillWorker] == 0 {
			refused += r.verdict.Refused
		}
		if r.row.recovery > 0 {
			waits = append(waits, r.verdict.Waits...)
		}
	}
	if p99 := waits.Percentile(99); p99 > restart {
		texts = append(texts, fmt.Sprintf("1 in 100 of %d jobs of killed workers started again after more than %s, promised are %s", len(waits), p99, restart))
	}
	for _, bar := range []struct {
		what    string
		n, want int
	}{{"acknowledged jobs", acked, wholeAcked}, {"kills", kills, wholeKills}, {"refused outcomes of frozen workers", refused, wholeRefused}} {
		if bar.n < bar.want {
			texts = append(texts, fmt.Sprintf("%d %s, the whole needs %d", bar.n, bar.what, bar.want))
		}
	}
	return append(texts, unproven(w.results)...)
}

// write writes the report as far as things have come.
func (w *whole) write(path string) error {
	var b strings.Builder
	acked, kills, refused, ambiguous, longest := totals(w.results)
	fmt.Fprintf(&b, "# Faults\n\nWritten by `make faults`; not to be edited. %s, commit %s, %s/%s, %d cores, %s, %s.\n\n",
		w.began.UTC().Format("2006-01-02 15:04 UTC"), w.commit, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), kernel(),
		time.Since(w.began).Round(time.Minute))
	fmt.Fprintf(&b, "%d acknowledged jobs, %d kills, %d refused outcomes of runs that had lost their job, %d requests of unknown outcome, longest restart after a kill %s. "+
		"What was seen 0 times has, with 95 %% confidence, a probability of at most %.1e a job and %.1e a kill (3/n).\n",
		acked, kills, refused, ambiguous, longest.Round(time.Millisecond), check.Bound(acked), check.Bound(kills))
	for _, text := range w.short() {
		fmt.Fprintf(&b, "\n**INVALID: %s**\n", text)
	}
	w.promises(&b)
	w.rows(&b)
	w.found(&b)
	w.others(&b)
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// promises is the table promise → rule → rows.
func (w *whole) promises(b *strings.Builder) {
	fmt.Fprintln(b, "\n## Promises\n\nWhat each rule could judge, and in which rows.\n\n| promise | rule | judged | rows |\n|---|---|---|---|")
	for i, p := range promises {
		hits, names := 0, []string{}
		for _, r := range w.results {
			if n := r.verdict.Hits[p.rule]; n > 0 {
				hits += n
				if !slices.Contains(names, r.row.name) {
					names = append(names, r.row.name)
				}
			}
		}
		where := strings.Join(names, ", ")
		if hits == 0 {
			where = "**INVALID: none**"
		}
		fmt.Fprintf(b, "| %d: %s | %s | %d | %s |\n", i+1, p.text, p.rule, hits, where)
	}
}

func (w *whole) rows(b *strings.Builder) {
	fmt.Fprintln(b, "\n## Rows\n\n| row | database | verdict | seconds | acknowledged | lost | phantom | duplicated | second commits | overwritten | early | overlap subprocess (Go, HTTP) | over attempts / crashes / key | refused | unknown | restarts: p99, longest | happened |\n|"+strings.Repeat("---|", 17))
	for _, r := range w.results {
		v := r.verdict
		fmt.Fprintf(b, "| %s | %s | %s | %.0f | %d | %d | %d | %d | %d | %d | %d | %d (%d) | %d / %d / %d | %d | %d | %d: %s, %s | %s |\n",
			r.row.name, r.database, r.word(), r.took.Seconds(), v.Acknowledged, v.Lost, v.Phantom, v.Duplicated, v.SecondCommits, v.Overwritten, v.Early,
			v.OverlapExec, v.OverlapOther, v.OverAttempts, v.OverCrashes, v.OverKey, v.Refused, v.Ambiguous,
			v.Restarts, v.Recovery99.Round(10*time.Millisecond), v.LongestRestart.Round(10*time.Millisecond), happened(v))
	}
	fmt.Fprintf(b, "\nLease %s, sweep %s. After each row: every passing table empty, history as long as the list of jobs, no panic in a log. "+
		"After each fault of the database: every service ready within %s. After each kill of a worker: none of its processes alive %s later.\n",
		lease, sweep, readyAgain, orphansEnd)
	for _, r := range w.results {
		if !r.passed() {
			fmt.Fprintf(b, "\n```\n%s\n```\n", r.summary())
		}
	}
}

const foundTitle = "\n## Planted defects\n"

// replace writes a chapter anew in a report that is there, and says of it when that was: the rest is older.
func (w *whole) replace(path, title string, chapter func(*strings.Builder)) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, there := strings.Cut(string(old), title)
	if !there {
		return fmt.Errorf("%s has no chapter%s: make faults writes a whole one", path, strings.ReplaceAll(title, "\n", " "))
	}
	b := strings.Builder{}
	b.WriteString(before)
	chapter(&b)
	fmt.Fprintf(&b, "\nThis chapter was run again: %s, commit %s, %s.\n", w.began.UTC().Format("2006-01-02 15:04 UTC"), w.commit,
		time.Since(w.began).Round(time.Minute))
	if next := strings.Index(rest, "\n## "); next >= 0 {
		b.WriteString(rest[next:])
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// found is what became of the planted defects.
func (w *whole) found(b *strings.Builder) {
	fmt.Fprintf(b, foundTitle+"\nEach must be found within %d runs, and its row must find nothing without it.\n\n| defect | database | found by | in run |\n|---|---|---|---|\n", tries)
	for _, d := range w.defects {
		rule := string(d.rule)
		if rule == "" {
			rule = "**" + d.String() + "**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %d |\n", d.name, d.database, rule, d.run)
	}
	if len(w.defects) < len(defects) {
		fmt.Fprintf(b, "\n**%d of %d planted**\n", len(w.defects), len(defects))
	}
}

// others are the suites.
func (w *whole) others(b *strings.Builder) {
	for _, s := range w.suites {
		s.chapter(b)
	}
	if missing := 3 - len(w.suites); missing > 0 {
		fmt.Fprintf(b, "\n**%d suites not run**\n", missing)
	}
}

// happened lists the faults of a row.
func happened(v *check.Verdict) string {
	var texts []string
	for name, n := range v.Counts {
		if n > 0 && !slices.Contains([]string{"acknowledged", "ambiguous", "refused", "restarts"}, name) {
			texts = append(texts, fmt.Sprintf("%s %d", name, n))
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}

// commit names what is checked out; a tree that git does not know has no name.
func commit(ctx context.Context) string {
	name, _ := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--exclude=*").Output()
	return strings.TrimSpace(string(name))
}

func kernel() string {
	content, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "kernel unknown"
	}
	return "Linux " + strings.TrimSpace(string(content))
}

// word is the verdict in one.
func (r result) word() string {
	v := r.verdict
	switch {
	case r.err != nil:
		return "BROKEN"
	case len(v.Findings) > 0:
		return "FAILED"
	case len(v.Invalid) > 0:
		return "INVALID"
	}
	return "passed"
}
