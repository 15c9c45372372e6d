package executor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// places is how many subprocesses the benchmarks run at once.
const places = 24

// BenchmarkSubprocess runs `true` as subprocesses, beside xargs. The CPU time of each job is that of the worker's side
// (worker-µs) and of the shim with its children (tree-µs): a busy machine changes it less than the time on the clock.
func BenchmarkSubprocess(b *testing.B) {
	path, err := exec.LookPath("true")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("xargs", func(b *testing.B) {
		cmd := exec.Command("xargs", "-n", "1", "-P", fmt.Sprint(places), "true")
		cmd.Stdin = strings.NewReader(strings.Repeat("x\n", b.N))
		before := cpu(syscall.RUSAGE_CHILDREN)
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64((cpu(syscall.RUSAGE_CHILDREN)-before).Microseconds())/float64(b.N), "tree-µs/op")
	})
	b.Run("executor", func(b *testing.B) {
		sub, err := NewSubprocess(SubprocessOptions{Insecure: true})
		if err != nil {
			b.Fatal(err)
		}
		defer sub.Close()
		sub.ExtendLease(BootTime() + int64(time.Hour))
		cmd, err := sub.Command(CommandConfig{Path: path, Argv: []string{"true"}})
		if err != nil {
			b.Fatal(err)
		}
		self, tree := cpu(syscall.RUSAGE_SELF), cpu(syscall.RUSAGE_CHILDREN)
		var g errgroup.Group
		g.SetLimit(places)
		for i := range b.N {
			g.Go(func() error {
				t := task()
				t.ID = fmt.Sprintf("0197a3c0-0000-7000-8000-%012d", i)
				if r := cmd.Execute(context.Background(), t); r.Outcome != Completed {
					return fmt.Errorf("%v: %s", r.Outcome, r.Message)
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64((cpu(syscall.RUSAGE_SELF)-self).Microseconds())/float64(b.N), "worker-µs/op")
		sub.Close() // so that the shim's time is known
		b.ReportMetric(float64((cpu(syscall.RUSAGE_CHILDREN)-tree).Microseconds())/float64(b.N), "tree-µs/op")
	})
}

// cpu is the processor time that this process, or its children that it has waited for, have used.
func cpu(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
