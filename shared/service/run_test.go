package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

func runProgram(program Program, signals <-chan os.Signal, exit func(int)) (code int, stderr string) {
	var out bytes.Buffer
	code = supervise(program, Process{Name: "slotq-test", Stderr: &out}, signals, exit)
	return code, out.String()
}

func TestExitCodeSaysHowAProgramEnded(t *testing.T) {
	for _, test := range []struct {
		err    error
		code   int
		stderr string
	}{
		{nil, 0, ""},
		{ErrShown, 0, ""},
		{errors.New("broken"), 1, "slotq-test: broken\n"},
		{errors.Join(errors.New("one"), errors.New("two")), 1, "slotq-test: one; two\n"},
		{fmt.Errorf("start: %w", &UsageError{errors.New("wrong")}), 2, "slotq-test: start: wrong\n"},
		{context.Canceled, 1, "slotq-test: context canceled\n"}, // nobody sent a signal
	} {
		code, stderr := runProgram(func(context.Context, Process) error { return test.err }, nil, nil)
		if code != test.code || stderr != test.stderr {
			t.Errorf("%v: got %d %q, want %d %q", test.err, code, stderr, test.code, test.stderr)
		}
	}
}

func TestTheFirstSignalDrains(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	code, stderr := runProgram(func(ctx context.Context, _ Process) error {
		<-ctx.Done()
		return nil
	}, signals, func(int) { t.Error("ended at once") })
	if code != 0 || stderr != "" {
		t.Errorf("got %d %q", code, stderr)
	}
}

func TestACommandCutShortExitsWith128PlusTheSignal(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGINT
	code, _ := runProgram(func(ctx context.Context, _ Process) error {
		<-ctx.Done()
		return fmt.Errorf("list jobs: %w", ctx.Err())
	}, signals, nil)
	if code != 130 {
		t.Errorf("got %d, want 130", code)
	}
}

func TestTheSecondSignalEndsAtOnce(t *testing.T) {
	signals := make(chan os.Signal, 2)
	signals <- syscall.SIGTERM
	signals <- syscall.SIGTERM
	release := make(chan struct{})
	ended := make(chan struct{})
	var exited atomic.Int64
	code, stderr := runProgram(func(context.Context, Process) error {
		defer close(ended)
		<-release // a drain that hangs
		return nil
	}, signals, func(code int) { exited.Store(int64(code)) })
	close(release)
	<-ended
	if code != 143 || exited.Load() != 143 || !strings.Contains(stderr, "second signal") {
		t.Errorf("got %d, exit(%d), %q", code, exited.Load(), stderr)
	}
}

func TestMainTurnsARealSignalIntoTheEndOfTheContext(t *testing.T) {
	code := Main(func(ctx context.Context, p Process) error {
		if p.Name == "" || len(p.Environ) == 0 || p.Stdout != os.Stdout || p.Stdin != os.Stdin {
			t.Errorf("the process was not handed on: %+v", p)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
	if code != 0 {
		t.Errorf("got %d", code)
	}
}

// recorder is filled by parts one after the other; the group's waiting is what orders them, and -race checks it.
type recorder struct{ events []string }

func (r *recorder) part(name string, started chan<- string, err error) func(context.Context) error {
	return func(ctx context.Context) error {
		started <- name
		<-ctx.Done()
		r.events = append(r.events, name)
		return err
	}
}

func TestGroupStopsInReverseOrderAndWaitsForEach(t *testing.T) {
	var got recorder
	started := make(chan string, 3)
	ctx, cancel := context.WithCancel(context.Background())
	var g Group
	g.Add("pool", got.part("pool", started, nil))
	g.AddClose("file", func() error { got.events = append(got.events, "file"); return nil })
	g.Add("loop", got.part("loop", started, context.Canceled))
	g.Add("listener", got.part("listener", started, nil))
	go func() {
		for range 3 {
			<-started
		}
		cancel()
	}()
	if err := g.Run(ctx); err != nil {
		t.Errorf("a stop that was asked for gave %v", err)
	}
	if want := []string{"listener", "loop", "file", "pool"}; !reflect.DeepEqual(got.events, want) {
		t.Errorf("stopped %v, want %v", got.events, want)
	}
}

func TestGroupEndsWithThePartThatEndsAndNamesIt(t *testing.T) {
	broken, late := errors.New("broken"), errors.New("late")
	started := make(chan string, 1)
	var got recorder
	var g Group
	g.Add("pool", got.part("pool", started, late))
	g.Add("loop", func(context.Context) error { <-started; return broken })
	err := g.Run(context.Background())
	if !errors.Is(err, broken) || !errors.Is(err, late) || err.Error() != "loop: broken\npool: late" {
		t.Errorf("got %v", err)
	}
}

func TestGroupEndsWhenAPartIsDone(t *testing.T) {
	var g Group
	g.Add("forever", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	g.Add("done", func(context.Context) error { return nil })
	if err := g.Run(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestAnEmptyGroupRunsUntilItsContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := new(Group).Run(ctx); err != nil {
		t.Error(err)
	}
}
