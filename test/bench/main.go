// Command bench measures slotq on this machine and prints one table: what the protocol's bare statements can do on each
// database, and beside it, in the same run, what the real worker does; how soon a job starts; what an idle system costs.
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
	"runtime/pprof"
	"strings"
	"syscall"

	"github.com/slotq/slotq/shared/store/dbserver"
)

type settings struct {
	jobs      int
	pairs     int
	latency   int
	idle      int
	databases string
	parts     string
	profile   string
}

func main() {
	var s settings
	quick := flag.Bool("quick", false, "small numbers: shows that it works, measures little")
	flag.IntVar(&s.jobs, "jobs", 100_000, "jobs of a drain and in a blocked front")
	flag.IntVar(&s.pairs, "pairs", 3, "runs of each drain; the table shows median, minimum and maximum")
	flag.IntVar(&s.latency, "latency-jobs", 500, "jobs of a latency run")
	flag.IntVar(&s.idle, "idle-seconds", 20, "how long the idle system is watched")
	flag.StringVar(&s.databases, "databases", "sqlite,mariadb,postgres", "which databases")
	flag.StringVar(&s.parts, "parts", "drain,blocked,latency,idle", "which parts")
	flag.StringVar(&s.profile, "cpuprofile", "", "write a CPU profile of this process, in which the worker runs, to this file")
	flag.Parse()
	if *quick {
		s.jobs, s.pairs, s.latency, s.idle = 10_000, 1, 60, 5
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// database is one under measurement.
type database struct {
	name string
	url  string
	pid  int // of the server; 0 = embedded
}

func run(ctx context.Context, s settings) error {
	if s.profile != "" {
		f, err := os.Create(s.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	dir, err := os.MkdirTemp("", "slotq-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if strings.Contains(s.parts, "latency") || strings.Contains(s.parts, "idle") {
		for _, m := range []string{"api", "worker", "manager"} {
			build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, m), "github.com/slotq/slotq/"+m)
			if out, err := build.CombinedOutput(); err != nil {
				return fmt.Errorf("build %s: %w\n%s", m, err, out)
			}
		}
	}
	for name := range strings.SplitSeq(s.databases, ",") {
		if err := measure(ctx, s, name, dir); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// measure runs every part on a server of its own.
func measure(ctx context.Context, s settings, name, dir string) error {
	db := database{name: name, url: "sqlite:" + filepath.Join(dir, "bench.db")}
	if name != "sqlite" {
		start := dbserver.StartMariaDB
		if name == "postgres" {
			start = dbserver.StartPostgres
		}
		server, err := start(ctx, dbserver.Options{})
		if err != nil {
			return err
		}
		defer server.Stop()
		db.url, db.pid = server.URL(), server.Pid()
	}
	for _, part := range []struct {
		name string
		run  func(context.Context, settings, database, string) error
	}{{"drain", drains}, {"blocked", blocked}, {"latency", latencies}, {"idle", idle}} {
		if !strings.Contains(s.parts, part.name) {
			continue
		}
		if err := part.run(ctx, s, db, dir); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// row prints one line of the table.
func row(db database, what, format string, args ...any) {
	fmt.Printf("%-9s %-58s %s\n", db.name, what, fmt.Sprintf(format, args...))
}
