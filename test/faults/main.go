// Command faults shows that slotq keeps its promises while its parts and its database are killed, frozen, cut off and
// misused: it runs the real programs on real databases, records from outside what clients were told and what jobs did,
// and has package check judge the record. `go run ./test/faults` from the repository's top runs the rows of the table in
// rows.go; --self-test shows that defects planted into slotq are found; --report runs all there is and writes FAULTS.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/test/faults/check"
)

type settings struct {
	rows      *regexp.Regexp
	named     bool // rows were chosen by name
	databases []string
	ci        bool
}

func main() {
	rows := flag.String("rows", "", "run the rows whose name matches this regular expression")
	databases := flag.String("databases", strings.Join(everywhere, ","), "on which databases")
	ci := flag.Bool("ci", false, "run the rows that every change must pass, in about two minutes")
	path := flag.String("report", "", "run everything, for about two hours, and write it down in this file, such as FAULTS.md")
	self := flag.Bool("self-test", false, "plant defects and fail unless each is found; with --report write that chapter anew in a report that is there")
	cluster := flag.Bool("clusters", false, "run the clusters alone, about ten minutes; with --report write that chapter anew in a report that is there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	expression, err := regexp.Compile(*rows)
	ok := false
	if err == nil {
		s := settings{rows: expression, named: *rows != "", databases: strings.Split(*databases, ","), ci: *ci}
		switch {
		case *cluster:
			ok, err = clustersAgain(ctx, *path)
		case *path != "" && *self:
			ok, err = defectsAgain(ctx, s, *path)
		case *path != "":
			ok, err = everything(ctx, s, *path)
		case *self:
			_, ok, err = selfTest(ctx, s)
		default:
			_, ok, err = runAll(ctx, s)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
	}
	if err != nil || !ok {
		stop()
		os.Exit(1)
	}
}

// clustersAgain runs the clusters and writes their chapter anew.
func clustersAgain(ctx context.Context, path string) (ok bool, err error) {
	w := &whole{began: time.Now(), commit: commit(ctx)}
	s := start(ctx, clusters).wait()
	if path != "" {
		err = w.replace(path, s.title(), s.chapter)
	}
	return s.passed, err
}

// defectsAgain plants the defects and writes their chapter anew.
func defectsAgain(ctx context.Context, s settings, path string) (ok bool, err error) {
	w := &whole{began: time.Now(), commit: commit(ctx)}
	if w.defects, ok, err = selfTest(ctx, s); err != nil {
		return false, err
	}
	return ok, w.replace(path, foundTitle, w.found)
}

// everything runs all there is and writes the report anew after each part: what was not reached is missing in it, and
// said to be.
func everything(ctx context.Context, s settings, path string) (ok bool, err error) {
	w := &whole{began: time.Now(), commit: commit(ctx)}
	seeds := start(ctx, simulated) // it counts no real time and has the lowest priority: rows run beside it
	defer func() { seeds.wait() }()
	var fine bool
	if w.results, ok, err = runAll(ctx, s); err != nil {
		return false, err
	}
	if w.defects, fine, err = selfTest(ctx, s); err != nil {
		return false, errors.Join(err, w.write(path))
	}
	ok = ok && fine
	w.suites = append(w.suites, start(ctx, hostile).wait())
	if err := w.write(path); err != nil {
		return false, err
	}
	long, fine, err := runAll(ctx, settings{rows: regexp.MustCompile("^soak$"), named: true, databases: s.databases})
	w.results = append(w.results, long...)
	w.suites = append(w.suites, seeds.wait())
	if err = errors.Join(err, w.write(path)); err != nil {
		return false, err
	}
	ok = ok && fine
	w.suites = append(w.suites, start(ctx, clusters).wait())
	for _, suite := range w.suites {
		ok = ok && suite.passed
	}
	for _, text := range w.short() {
		fmt.Println("INVALID ", text)
		ok = false
	}
	return ok, w.write(path)
}

// ciSlack is what every promise in seconds is given where nobody knows what else the machine does: a change must not fail
// for that. The report is made without it.
const ciSlack = 5 * time.Second

// runAll runs rows one after the other: they would disturb each other's times. Those that every change must pass are given more time,
// and run side by side on their databases, as one that takes long does.
func runAll(ctx context.Context, s settings) (results []result, ok bool, err error) {
	dir, err := os.MkdirTemp("", "slotq-faults-bin-")
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	bin, err := build(ctx, dir, "")
	if err != nil {
		return nil, false, err
	}
	syscall.Sync() // what the compiler has written is not the first row's to wait for
	l := &lab{servers: map[string]*dbserver.Server{}}
	if s.ci {
		l.slack = ciSlack
	}
	defer func() { err = errors.Join(err, l.close()) }()
	results = s.chosen()
	runOn := func(database string) {
		for i := range results {
			if database == "" || results[i].database == database {
				l.runInto(ctx, &results[i], bin)
			}
		}
	}
	if s.ci || !slices.ContainsFunc(results, func(r result) bool { return !r.row.byName }) {
		var beside errgroup.Group
		if s.ci {
			beside.SetLimit(2) // with three a small machine is too busy for some rows to see as many faults as they need
		}
		for _, database := range slices.Backward(s.databases) {
			beside.Go(func() error { runOn(database); return nil })
		}
		_ = beside.Wait() // each result has its own error
	} else {
		runOn("")
	}
	ok = !slices.ContainsFunc(results, func(r result) bool { return !r.passed() })
	if ctx.Err() != nil {
		return results, false, ctx.Err()
	}
	if len(results) == 0 {
		return nil, false, errors.New("no row has that name")
	}
	acked, kills, refused, ambiguous, longest := totals(results)
	fmt.Printf("%d rows: %d acknowledged, %d kills, %d refused, %d unknown, longest restart %s; 0 seen is at most %.1e a job\n",
		len(results), acked, kills, refused, ambiguous, longest.Round(time.Millisecond), check.Bound(acked))
	if !s.named && len(s.databases) == len(everywhere) { // a part of the rows need not prove everything
		for _, text := range unproven(results) {
			fmt.Println("INVALID ", text)
			ok = false
		}
	}
	return results, ok, nil
}

// chosen are the rows to run, each on each of its databases, with what is to be said of them until they have run.
func (s settings) chosen() (chosen []result) {
	for i := range rows {
		r := &rows[i]
		if !s.rows.MatchString(r.name) || r.byName && !s.named {
			continue
		}
		for _, name := range r.databases {
			if slices.Contains(s.databases, name) && (!s.ci || slices.Contains(r.ci, name)) {
				chosen = append(chosen, result{row: r, database: name, verdict: &check.Verdict{}, err: context.Canceled})
			}
		}
	}
	return chosen
}

// runInto runs a row on a database.
func (l *lab) runInto(ctx context.Context, r *result, bin binaries) {
	if ctx.Err() != nil {
		return
	}
	*r = l.run(ctx, r.row, r.database, bin)
	if r.invalid() && ctx.Err() == nil && !r.row.byName {
		// Fewer faults happened than the row needs, on a machine that was slow: it has proved nothing, so once more.
		fmt.Println(r.summary())
		*r = l.run(ctx, r.row, r.database, bin)
	}
	if ctx.Err() == nil {
		fmt.Println(r.summary())
	}
}
