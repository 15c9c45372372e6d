// Command bench measures slotq on this machine and prints one table: what the protocol's bare statements can do on each
// database, and beside it, in the same run, what the real programs do and what other queues do through their own libraries.
// Durability is full everywhere. Figures of different machines or different runs do not compare; the ratios do.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// settings are the command line.
type settings struct {
	pairs             int
	jobs              int
	posts             int
	front             int
	seconds           float64
	both              float64
	idle              int
	growth            int
	execs             int
	alone             bool
	ratios            bool // print nothing else: short runs measure nothing by themselves
	databases, chosen string
	to                string
	profile           string
}

// part is a chapter of the table.
type part struct {
	name string
	run  func(context.Context, *bench, database) error
	all  bool // on Redis, too, where slotq is not
}

var parts = []part{
	{"drain", drains, true}, {"enqueue", enqueues, true}, {"latency", latencies, true}, {"both", both, false}, {"backlog", backlogs, false},
	{"beside", beside, false}, {"spread", spreads, false}, {"fronts", fronts, false}, {"real", reals, false}, {"cost", costs, false},
	{"idle", idle, false},
}

func main() {
	var s settings
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	quick := flag.Bool("quick", false, "a short run of some parts that prints ratios only, for comparing two trees; flags that are given go before its numbers")
	flag.IntVar(&s.pairs, "pairs", 5, "how often each figure is measured; the table shows median, minimum and maximum")
	flag.IntVar(&s.jobs, "jobs", 200_000, "jobs of a drain")
	flag.IntVar(&s.posts, "posts", 20_000, "single POSTs of a run")
	flag.IntVar(&s.front, "front", 100_000, "jobs in a blocked front")
	flag.Float64Var(&s.seconds, "latency-seconds", 20, "how long a latency run takes")
	flag.Float64Var(&s.both, "both-seconds", 60, "how long the rate must hold when jobs are enqueued and run at once")
	flag.IntVar(&s.idle, "idle-seconds", 20, "how long the idle system is watched")
	flag.IntVar(&s.growth, "growth", 1_000_000, "jobs of the largest backlog, scheduled for tomorrow, and in history; a backlog of 10,000,000 takes some minutes to fill on each database")
	flag.IntVar(&s.execs, "execs", 4000, "subprocesses, and pushes over HTTP, of a run")
	flag.BoolVar(&s.alone, "alone", false, "leave out the other queues")
	flag.StringVar(&s.databases, "databases", allDatabases, "which databases")
	flag.StringVar(&s.chosen, "parts", strings.Join(names, ","), "which parts")
	flag.StringVar(&s.to, "report", "", "write the table to this file, as Markdown, and figures and charts to docs/benchmarks beside it; parts that are not measured now stay as they were")
	flag.StringVar(&s.profile, "cpuprofile", "", "write a CPU profile of the last single worker to this file")
	flag.Parse()
	if *quick {
		shorten()
		s.ratios = true
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// allDatabases are in the order of the table.
const allDatabases = "sqlite,mariadb,postgres,redis"

// shorten gives every flag that was not given the value of a quick run.
func shorten() {
	short := map[string]string{
		"pairs": "1", "jobs": "10000", "posts": "2000", "front": "10000", "latency-seconds": "2", "both-seconds": "4",
		"idle-seconds": "3", "growth": "50000", "execs": "1000", "parts": "drain,enqueue,fronts,real",
	}
	flag.Visit(func(f *flag.Flag) { delete(short, f.Name) })
	for name, value := range short {
		_ = flag.Set(name, value) // these names and values are right
	}
}

// bench is one run of the benchmarks.
type bench struct {
	settings
	dir      string // programs and data, removed at the end
	slotq    string // what is measured, as git describes it
	report   *report
	graphile func() (string, error) // where Graphile Worker is installed
}

// programs are built into bench.dir.
var programs = map[string]string{
	"api": "api", "worker": "worker", "manager": "manager", "peers": "peers",
	"noop": "test/bench/cmd/noop", "load": "test/bench/cmd/load", "bare": "test/bench/cmd/bare",
}

func run(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp("", "slotq-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{settings: s, dir: dir, slotq: described(ctx), report: &report{out: os.Stdout, ratios: s.ratios}}
	if b.to != "" {
		if err := b.report.load(b.figures()); err != nil {
			return fmt.Errorf("what was measured before: %w", err)
		}
	}
	b.graphile = sync.OnceValues(b.installGraphile)
	for name, path := range programs {
		build := exec.CommandContext(ctx, "go", "build", "-C", path, "-trimpath", "-o", filepath.Join(dir, name), ".")
		if name == "peers" {
			build.Env = append(os.Environ(), "GOWORK=off") // a module apart
		}
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	chosen := strings.Split(s.chosen, ",")
	for _, name := range chosen {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return fmt.Errorf("no part %q", name)
		}
	}
	for name := range strings.SplitSeq(s.databases, ",") {
		if err := b.measure(ctx, name, chosen); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	b.report.printBars()
	return nil
}

// measure runs the chosen parts on one server.
func (b *bench) measure(ctx context.Context, name string, chosen []string) error {
	db, stop, err := startDatabase(ctx, name)
	if err != nil {
		return err
	}
	defer stop()
	v, err := db.version(ctx)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if !slices.Contains(chosen, p.name) || name == "redis" && !p.all {
			continue
		}
		b.report.begin(b.begun(p, db))
		b.report.version(v)
		if err := p.run(ctx, b, db); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		for _, library := range b.librariesOf(ctx) {
			b.report.version(library)
		}
		if err := b.write(); err != nil { // each time: hours may be lost
			return err
		}
	}
	return nil
}

// begun is the run of a part that is about to be measured.
func (b *bench) begun(p part, db database) *measurement {
	return &measurement{
		Chapter: p.name, Database: db.name, Date: time.Now().UTC().Format(time.DateOnly), Slotq: b.slotq,
		Command: strings.Join(append([]string{"go run ./test/bench"}, os.Args[1:]...), " "), Machine: machine(),
	}
}
