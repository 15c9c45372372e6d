// Command mutants shows that the promises are tested: it builds the tests with planted defects (build tag mutant), one
// at a time, and expects for each that the named test of its promise fails. It prints a table and exits 1 when a defect
// is not caught, when a test fails without any defect, or when a promise has no defect. The defects themselves are
// where the code is that they break: package sqlstore and package executor.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/slotq/slotq/shared/store/dbserver"
)

func main() {
	only := flag.String("only", "", "run the defects whose name contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := run(ctx, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// testLimit is the longest that one test may take, with its defect or without.
const testLimit = 3 * time.Minute

// lab builds and runs the test binaries.
type lab struct {
	dir      string
	postgres string            // the server's URL, once it is needed
	built    map[string]string // package directory → test binary
	sound    map[string]error  // test → what it says without a defect
}

func run(ctx context.Context, only string) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "slotq-mutants-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	l := &lab{dir: dir, built: map[string]string{}, sound: map[string]error{}, postgres: os.Getenv("SLOTQ_TEST_POSTGRES_URL")}
	if l.postgres == "" {
		server, err := dbserver.StartPostgres(ctx, dbserver.Options{Fast: true})
		if err != nil {
			return false, fmt.Errorf("some defects show only between a store and a server: %w", err)
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		l.postgres = server.URL()
	}
	ok = true
	seen := map[int]bool{}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer table.Flush()
	fmt.Fprintln(table, "promise\tdefect\ttest\tcaught")
	for _, d := range defects {
		if !strings.Contains(d.name, only) {
			continue
		}
		caught := "yes"
		if err := l.try(ctx, d); err != nil {
			caught, ok = "NO: "+err.Error(), false
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		seen[d.promise] = true
		promise := fmt.Sprint(d.promise)
		if d.promise == 0 {
			promise = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", promise, d.name, d.test, caught)
	}
	for p := 1; p <= promises && only == ""; p++ {
		if !seen[p] {
			fmt.Fprintf(table, "%d\tnone\t\tNO: the promise is untested\n", p)
			ok = false
		}
	}
	return ok, nil
}

// try runs the defect's test without it and with it.
func (l *lab) try(ctx context.Context, d defect) error {
	binary, err := l.build(ctx, d.pkg)
	if err != nil {
		return err
	}
	key := d.pkg + " " + d.test
	if _, ok := l.sound[key]; !ok {
		out, err := l.test(ctx, binary, d, "")
		if err == nil && !bytes.Contains(out, []byte("--- PASS: "+d.test+" ")) {
			err = errors.New("there is no such test, or it was skipped")
		}
		if err != nil {
			err = fmt.Errorf("the test does not pass without the defect: %w", err)
		}
		l.sound[key] = err
	}
	if err := l.sound[key]; err != nil {
		return err
	}
	out, err := l.test(ctx, binary, d, d.name)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return errors.New("the test passes")
	case !bytes.Contains(out, []byte("--- FAIL: "+d.test+" ")):
		return fmt.Errorf("something else failed: %s", last(out))
	}
	return nil
}

func (l *lab) build(ctx context.Context, pkg string) (string, error) {
	if b := l.built[pkg]; b != "" {
		return b, nil
	}
	binary := filepath.Join(l.dir, strings.ReplaceAll(pkg, "/", "_")+".test")
	cmd := exec.CommandContext(ctx, "go", "test", "-tags", "mutant", "-c", "-o", binary, "./"+pkg)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the tests of %s: %w\n%s", pkg, err, out)
	}
	l.built[pkg] = binary
	return binary, nil
}

// test runs one test with one defect, "" = none, in its package's directory.
func (l *lab) test(ctx context.Context, binary string, d defect, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.v", "-test.count=1", "-test.run", pattern(d.test))
	cmd.Dir = d.pkg
	cmd.Env = append(os.Environ(), "SLOTQ_MUTANT="+name, "SLOTQ_TEST_POSTGRES_URL="+l.postgres)
	return cmd.CombinedOutput()
}

// pattern chooses exactly one test.
func pattern(test string) string {
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + strings.NewReplacer("(", `\(`, ")", `\)`, ".", `\.`, "+", `\+`).Replace(p) + "$"
	}
	return strings.Join(parts, "/")
}

// last is the end of what a test said.
func last(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(len(lines)-3, 0):], " | ")
}
