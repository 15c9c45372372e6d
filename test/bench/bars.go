package main

import (
	"fmt"
	"strings"
)

// bar is what a figure must reach, as a multiple of another.
type bar struct {
	what   string
	figure []string // ids; the best of them counts
	base   []string // ids; the best of them counts; none = the figure itself is judged
	floor  []string // ids; what the bare statements of the protocol reach, where a bar asks for more than they do
	least  float64
	atMost bool    // the ratio must be at most that
	or     float64 // or the figure itself must be, where a commit takes next to nothing
}

const (
	inDrain   = "Drain: no-op jobs/"
	inPost    = "Enqueue one by one/"
	inBatch   = "Enqueue in batches/"
	inBacklog = "Growth: backlog/"
	inIdle    = "Idle: nothing to do/"
	inBeside  = "Growth: beside what fills the tables/"
)

// bars are the marks that slotq is to keep. Figures of different databases are compared as medians of the same run.
func (r *report) bars() []bar {
	slotq := func(db string) []string {
		return []string{inDrain + db + "/slotq, 1 worker", inDrain + db + "/slotq, 2 workers"}
	}
	floor := func(db string) []string { return []string{inDrain + db + "/floor: bare statements"} }
	river := []string{inDrain + "postgres/River, tuned"}
	stored := []string{inPost + "mariadb/handler with bare statements, 64 clients"}
	bars := []bar{
		{what: "drain on PostgreSQL, of the floor", figure: slotq("postgres"), base: floor("postgres"), least: 0.8},
		{what: "drain on PostgreSQL, of River tuned", figure: slotq("postgres"), base: river, floor: floor("postgres"), least: 2.5},
		{what: "drain on MariaDB, of the floor", figure: slotq("mariadb"), base: floor("mariadb"), least: 0.8},
		{what: "drain on MariaDB, of River tuned on PostgreSQL", figure: slotq("mariadb"), base: river, floor: floor("mariadb"), least: 1.4},
		{what: "drain on SQLite, of the floor", figure: slotq("sqlite"), base: floor("sqlite"), least: 0.6},
		{what: "drain on SQLite, of River tuned on PostgreSQL", figure: slotq("sqlite"), base: river, floor: floor("sqlite"), least: 2},
		{what: "drain on SQLite, of goqite", figure: slotq("sqlite"), base: []string{inDrain + "sqlite/goqite"}, least: 3},
		{what: "POST by 64 clients on MariaDB, of River's Insert from 64", figure: []string{inPost + "mariadb/slotq, POST, 64 clients"},
			base: []string{inPost + "postgres/River: Insert from 64 at once"}, floor: stored, least: 6},
		{what: "POST by 64 clients on MariaDB, of a handler without a database", figure: []string{inPost + "mariadb/slotq, POST, 64 clients"},
			base: []string{inPost + "mariadb/handler without a database, 64 clients"}, floor: stored, least: 0.4},
	}
	for _, db := range []string{"sqlite", "mariadb", "postgres"} {
		batches := []string{inBatch + db + "/slotq, POST of 1,000, 1 client", inBatch + db + "/slotq, POST of 1,000, 4 clients"}
		bars = append(bars,
			bar{what: "batches of 1,000 on " + db + ", of River's InsertManyFast", figure: batches, base: []string{inBatch + "postgres/River: InsertManyFast, batches of 1,000"}, floor: []string{inBatch + db + "/bare statements, 1,000 jobs each, from 4 at once"}, least: 1.5},
			bar{what: "latency p50 at 300/s on " + db + ", in commits", figure: []string{r.latency(db) + "slotq, p50"}, base: []string{r.latency(db) + "one commit of the database, p50"}, floor: []string{r.latency(db) + "one claim by bare statements, p50"}, least: 3, atMost: true},
			bar{what: "latency p99 at 300/s on " + db + ", in commits (or 10 ms)", figure: []string{r.latency(db) + "slotq, p99"}, base: []string{r.latency(db) + "one commit of the database, p50"}, least: 12, atMost: true, or: 10},
			bar{what: "latency p50 at 300/s on " + db + ", of River default", figure: []string{r.latency(db) + "slotq, p50"}, base: []string{r.latency("postgres") + "River, default, p50"}, least: 1, atMost: true},
			bar{what: "latency p99 at 300/s on " + db + ", of River default", figure: []string{r.latency(db) + "slotq, p99"}, base: []string{r.latency("postgres") + "River, default, p99"}, least: 1, atMost: true},
			bar{what: "latency p99 at 300/s on " + db + ", of River tuned", figure: []string{r.latency(db) + "slotq, p99"}, base: []string{r.latency("postgres") + "River, tuned, p99"}, least: 1, atMost: true},
			bar{what: "claim rate at a backlog of 1,000,000 on " + db, figure: []string{inBacklog + db + "/1,000,000 waiting, claimed and finished"}, base: []string{inBacklog + db + "/10,000 waiting, claimed and finished"}, least: 0.9},
			bar{what: "claim rate at a backlog of 10,000,000 on " + db, figure: []string{inBacklog + db + "/10,000,000 waiting, claimed and finished"}, base: []string{inBacklog + db + "/10,000 waiting, claimed and finished"}, least: 0.9},
			bar{what: "claim rate beside 1,000,000 scheduled on " + db, figure: []string{inBeside + db + "/beside 1,000,000 scheduled for tomorrow"}, base: []string{inBeside + db + "/beside nothing"}, least: 0.95},
			bar{what: "subprocesses on " + db + ", of xargs", figure: []string{"Real jobs: the subprocess true/" + db + "/slotq, 1 worker"}, base: []string{"Real jobs: the subprocess true/" + db + "/xargs -n 1 -P 24 true"}, least: 0.6},
		)
		for _, program := range []string{"api", "worker", "manager"} {
			bars = append(bars, bar{what: "idle " + program + " on " + db + ", MiB", figure: []string{inIdle + db + "/" + program + ", memory"}, least: 30, atMost: true})
		}
		bars = append(bars, bar{what: "idle worker on " + db + ", queries a second", figure: []string{inIdle + db + "/worker, statements", inIdle + db + "/worker, transactions"}, least: 2, atMost: true})
		for _, f := range r.figures() {
			if strings.HasPrefix(f.part, "Blocked fronts") && f.database == db && f.base != nil && f.base != f {
				bars = append(bars, bar{what: "claim rate on " + db + ", " + f.name, figure: []string{f.id()}, base: []string{f.base.id()}, least: 0.8})
			}
		}
	}
	return bars
}

// latency is the beginning of the ids of the latency at 300 jobs a second, whose part names how many jobs there were.
func (r *report) latency(db string) string {
	for _, f := range r.figures() {
		if strings.HasPrefix(f.part, "Latency: answered to started, 300 jobs/s") {
			return f.part + "/" + db + "/"
		}
	}
	return ""
}

// best is the highest median of the figures with one of the ids: one name may stand for several settings.
func (r *report) best(ids []string) (best *figure) {
	for _, f := range r.figures() {
		for _, id := range ids {
			if f.id() == id && len(f.values) > 0 && (best == nil || f.median() > best.median()) {
				best = f
			}
		}
	}
	return best
}

// judged is a bar with what was measured.
type judged struct {
	bar
	ratio float64
	floor float64 // the ratio of the bar's floor; 0 = it has none
	kept  bool
}

// judge leaves out the bars whose figures were not measured.
func (r *report) judge() (all []judged) {
	for _, b := range r.bars() {
		f, base := r.best(b.figure), r.best(b.base)
		if f == nil || len(b.base) > 0 && (base == nil || base.median() == 0) {
			continue
		}
		j := judged{bar: b, ratio: against(f, base)}
		if floor := r.best(b.floor); floor != nil {
			j.floor = against(floor, base)
		}
		j.kept = j.ratio >= b.least
		if b.atMost {
			j.kept = j.ratio <= b.least || f.median() <= b.or
		}
		all = append(all, j)
	}
	return all
}

// against is a figure as a multiple of another; without one it is the figure itself.
func against(f, base *figure) float64 {
	switch {
	case base == nil:
		return f.median()
	case f.database != base.database:
		return f.median() / base.median() // they are not of the same pairs
	}
	return median(ratios(f.values, base.values))
}

func (j judged) wanted() string {
	if j.atMost {
		return "≤ " + number(j.least)
	}
	return "≥ " + number(j.least)
}

// bare is what the bare statements reach of the bar, or empty.
func (j judged) bare() string {
	if j.floor == 0 {
		return ""
	}
	return number(j.floor)
}

func (j judged) verdict() string {
	if j.kept {
		return "kept"
	}
	return "missed"
}

func (r *report) printBars() {
	all := r.judge()
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(r.out, "\nBars; last, what the bare statements reach where they are the limit")
	for _, j := range all {
		fmt.Fprintf(r.out, "  %-76s  %8s  %8s  %-6s  %s\n", j.what, number(j.ratio), j.wanted(), j.verdict(), j.bare())
	}
}
