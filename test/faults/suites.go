package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// suite is a package of fault tests that judge themselves, run by go test as part of the whole.
type suite struct {
	name    string
	args    []string // of go test
	environ []string
	quiet   bool // only when nothing else wants the machine

	passed bool
	took   time.Duration
	tests  []test
	said   string // what was printed when no test is to blame
	done   chan struct{}
}

// test is one of a suite's.
type test struct {
	name, verdict string
	took          time.Duration
	last          string // the last line that it logged: its figures
}

var (
	simulated = suite{
		name: "Simulation", quiet: true, environ: []string{"SLOTQ_SIM_SEEDS=100000"},
		args: []string{"-timeout", "6h", "-run", "TestPromisesHold", "./test/simulation"},
	}
	hostile  = suite{name: "Hostile jobs, targets and clients", args: []string{"-timeout", "1h", "./test/faults/hostile"}}
	clusters = suite{name: "Galera cluster and promoted standby", args: []string{"-timeout", "1h", "-tags", "ledger", "./test/faults/cluster"}}
)

// start runs a suite beside what the caller does until wait.
func start(ctx context.Context, s suite) *suite {
	s.done = make(chan struct{})
	args := append([]string{"go", "test", "-json", "-count", "1"}, s.args...)
	if s.quiet {
		args = append([]string{"chrt", "--idle", "0"}, args...) // nice -n 19 made jobs of the rows beside it late
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) } // go test passes on no signal
	cmd.WaitDelay = time.Minute
	cmd.Env = append(os.Environ(), s.environ...)
	go func() {
		defer close(s.done)
		began := time.Now()
		output, err := cmd.CombinedOutput()
		s.passed, s.took = err == nil, time.Since(began)
		s.read(output)
	}()
	return &s
}

// wait returns when the suite has ended, and says how.
func (s *suite) wait() *suite {
	<-s.done
	fmt.Printf("%-8s %s, %d tests, %.0f s\n", s.word(), s.name, len(s.tests), s.took.Seconds())
	for _, t := range s.tests {
		fmt.Printf("         %s %s: %s\n", t.verdict, t.name, t.last)
	}
	if !s.passed {
		fmt.Println(s.said)
	}
	return s
}

func (s *suite) title() string { return "\n## " + s.name + "\n" }

func (s *suite) chapter(b *strings.Builder) {
	fmt.Fprintf(b, "%s\n`go test %s`: %s in %s.\n\n| test | verdict | seconds | figures |\n|---|---|---|---|\n", s.title(),
		strings.Join(s.args, " "), s.word(), s.took.Round(time.Second))
	for _, t := range s.tests {
		fmt.Fprintf(b, "| %s | %s | %.0f | %s |\n", t.name, t.verdict, t.took.Seconds(), strings.ReplaceAll(t.last, "|", "\\|"))
	}
}

func (s *suite) word() string {
	if s.passed {
		return "passed"
	}
	return "FAILED"
}

// read takes the tests out of what go test -json has printed.
func (s *suite) read(output []byte) {
	last, said := map[string]string{}, &strings.Builder{}
	for line := range bytes.Lines(output) {
		var e struct {
			Action, Test, Output string
			Elapsed              float64
		}
		if json.Unmarshal(line, &e) != nil {
			said.Write(line) // of the build
			continue
		}
		said.WriteString(e.Output)
		name, _, _ := strings.Cut(e.Test, "/")
		switch e.Action {
		case "output":
			if text := strings.TrimSpace(e.Output); strings.Contains(text, "_test.go:") {
				_, last[name], _ = strings.Cut(text, ": ")
			}
		case "pass", "fail", "skip":
			if e.Test != "" && e.Test == name {
				s.tests = append(s.tests, test{name, e.Action, time.Duration(e.Elapsed * float64(time.Second)), last[name]})
			}
		}
	}
	const most = 4000
	text := said.String()
	s.said = text[max(0, len(text)-most):]
}
