// Command faults shows that slotq keeps its promises while its parts and its database are killed, frozen, cut off and
// misused: it runs the real programs on real databases, records from outside what clients were told and what jobs did,
// and has package check judge the record. `go run ./test/faults` from the repository's top runs every row of the table
// in rows.go; --self-test shows that defects planted into slotq are found.
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
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
	"github.com/slotq/slotq/test/faults/check"
)

type settings struct {
	rows      *regexp.Regexp
	named     bool // rows were chosen by name
	databases []string
	ci        bool
	report    string
}

func main() {
	rows := flag.String("rows", "", "run the rows whose name matches this regular expression")
	databases := flag.String("databases", strings.Join(everywhere, ","), "on which databases")
	ci := flag.Bool("ci", false, "run the rows that every change must pass, in about five minutes")
	report := flag.String("report", "", "write the tables of all rows to this file, such as FAULTS.md")
	self := flag.Bool("self-test", false, "plant defects and fail unless each is found")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	expression, err := regexp.Compile(*rows)
	ok := false
	if err == nil {
		s := settings{rows: expression, named: *rows != "", databases: strings.Split(*databases, ","), ci: *ci, report: *report}
		if *self {
			ok, err = selfTest(ctx, s)
		} else {
			ok, err = runAll(ctx, s)
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

// runAll runs rows one after the other: they would disturb each other's times.
func runAll(ctx context.Context, s settings) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "slotq-faults-bin-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	bin, err := build(ctx, dir, "")
	if err != nil {
		return false, err
	}
	l := &lab{servers: map[string]*dbserver.Server{}}
	defer func() { err = errors.Join(err, l.close()) }()
	ok = true
	var results []result
	for i := range rows {
		r := &rows[i]
		if !s.rows.MatchString(r.name) || r.byName && !s.named {
			continue
		}
		for _, name := range r.databases {
			if !slices.Contains(s.databases, name) || s.ci && !slices.Contains(r.ci, name) {
				continue
			}
			result := l.run(ctx, r, name, bin)
			if result.invalid() && ctx.Err() == nil {
				// Fewer faults happened than the row needs, on a machine that was slow: it has proved nothing, so once more.
				fmt.Println(result.summary())
				result = l.run(ctx, r, name, bin)
			}
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			fmt.Println(result.summary())
			ok = ok && result.passed()
			results = append(results, result)
		}
	}
	if len(results) == 0 {
		return false, errors.New("no row has that name")
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
	if s.report != "" {
		return ok, report(s.report, results)
	}
	return ok, nil
}
