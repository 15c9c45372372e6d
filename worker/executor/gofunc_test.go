package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestReturnOfAGoHandlerDecidesTheOutcome(t *testing.T) {
	for _, tc := range []struct {
		name      string
		output    any
		err       error
		outcome   Outcome
		errorType string
		text      string
		wait      time.Duration
	}{
		{"nothing", nil, nil, Completed, "", "", 0},
		{"bytes", []byte("raw <>"), nil, Completed, "", "raw <>", 0},
		{"raw JSON", json.RawMessage("{ }"), nil, Completed, "", "{ }", 0},
		{"a value", map[string]int{"a": 1}, nil, Completed, "", `{"a":1}`, 0},
		{"a string", "x", nil, Completed, "", `"x"`, 0},
		{"a value that is no JSON", make(chan int), nil, Discarded, TypeError, "", 0},
		{"an error", []byte("so far"), errors.New("broke"), Failed, TypeError, "so far", 0},
		{"a snooze", nil, fmt.Errorf("busy: %w", Snooze(time.Minute)), Snoozed, TypeSnooze, "", time.Minute},
		{"a snooze without delay", nil, Snooze(0), Snoozed, TypeSnooze, "", 0},
		{"a discard", nil, fmt.Errorf("no use: %w", Discard(errors.New("gone"))), Discarded, TypeError, "", 0},
		{"a discard without reason", nil, Discard(nil), Discarded, TypeError, "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := NewFunc(func(context.Context, Task) (any, error) { return tc.output, tc.err }, time.Second).Execute(t.Context(), task())
			wantOutcome(t, r, tc.outcome, tc.errorType)
			if string(r.Output) != tc.text || r.RetryAfter != tc.wait {
				t.Errorf("output %q, wait %v", r.Output, r.RetryAfter)
			}
			if tc.err != nil && r.Message != tc.err.Error() {
				t.Errorf("message %q", r.Message)
			}
		})
	}
}

func TestPanicIsAFailureWithABoundedStack(t *testing.T) {
	var deep func(n int)
	deep = func(n int) {
		if n == 0 {
			panic(strings.Repeat("boom", 5000))
		}
		deep(n - 1)
	}
	r := NewFunc(func(context.Context, Task) (any, error) { deep(1000); return nil, nil }, 0).Execute(t.Context(), task())
	wantOutcome(t, r, Failed, TypePanic)
	if len(r.Message) > MessageLimit || !strings.HasPrefix(r.Message, "panic: boom") || !strings.Contains(r.Message, "goroutine") {
		t.Errorf("%d bytes: %.100s", len(r.Message), r.Message)
	}
}

func TestHandlerThatEndsItsGoroutineFails(t *testing.T) {
	r := NewFunc(func(context.Context, Task) (any, error) { runtime.Goexit(); return nil, nil }, 0).Execute(t.Context(), task())
	wantOutcome(t, r, Failed, TypePanic)
}

func TestHandlerThatHeedsItsContextTimesOut(t *testing.T) {
	tk := task()
	tk.Timeout = 20 * time.Millisecond
	f := NewFunc(func(ctx context.Context, _ Task) (any, error) { <-ctx.Done(); return []byte("part"), ctx.Err() }, time.Minute)
	r := f.Execute(t.Context(), tk)
	wantOutcome(t, r, TimedOut, TypeTimeout)
	if !strings.Contains(r.Message, "20ms") || string(r.Output) != "part" {
		t.Errorf("%s %q", r.Message, r.Output)
	}
}

func TestHandlerThatFinishesWithinTheGraceHasCompleted(t *testing.T) {
	tk := task()
	tk.Timeout = 20 * time.Millisecond
	f := NewFunc(func(ctx context.Context, _ Task) (any, error) { <-ctx.Done(); return nil, nil }, time.Minute)
	wantOutcome(t, f.Execute(t.Context(), tk), Completed, "")
}

func TestHandlerThatIgnoresItsContextIsAbandonedAndCounted(t *testing.T) {
	release := make(chan struct{})
	f := NewFunc(func(context.Context, Task) (any, error) { <-release; return nil, nil }, 20*time.Millisecond)
	tk := task()
	tk.Timeout = 20 * time.Millisecond
	r := f.Execute(t.Context(), tk)
	wantOutcome(t, r, TimedOut, TypeTimeout)
	if f.Abandoned() != 1 || !strings.Contains(r.Message, "abandoned") {
		t.Errorf("%d abandoned: %s", f.Abandoned(), r.Message)
	}
	close(release)
	eventually(t, 5*time.Second, "the abandoned call has returned", func() bool { return f.Abandoned() == 0 })
}

func TestLostLeaseDoesNotWaitForAGoHandler(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	started := make(chan struct{})
	f := NewFunc(func(context.Context, Task) (any, error) { close(started); <-release; return nil, nil }, time.Hour)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-started; cancel(ErrLeaseLost) }()
	wantOutcome(t, f.Execute(ctx, task()), Released, TypeLeaseLost)
}

func TestCancelledContextOfAGoHandlerTellsWhy(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	var seen error
	f := NewFunc(func(ctx context.Context, _ Task) (any, error) {
		cancel(ErrCancelled)
		<-ctx.Done()
		seen = context.Cause(ctx)
		return nil, seen
	}, time.Minute)
	wantOutcome(t, f.Execute(ctx, task()), Cancelled, TypeCancelled)
	if !errors.Is(seen, ErrCancelled) {
		t.Error(seen)
	}
}

func TestMessageIsBoundedCleanText(t *testing.T) {
	for _, detail := range []string{"", "short", strings.Repeat("é", MessageLimit), strings.Repeat("\xff", 3*MessageLimit), "a\x00b", strings.Repeat("\x00", MessageLimit)} {
		for _, what := range []string{"exit status 1", strings.Repeat("ü", MessageLimit), "\xff\x00"} {
			m := message(what, detail)
			if len(m) > MessageLimit || !utf8.ValidString(m) || strings.Contains(m, "\x00") {
				t.Errorf("%.20q %.20q: %d bytes", what, detail, len(m))
			}
		}
	}
	if got := message("exit status 1", " it broke\n"); got != "exit status 1: it broke" {
		t.Error(got)
	}
}

func TestCaptureKeepsHeadAndTailHoweverItIsWritten(t *testing.T) {
	for _, total := range []int{0, 1, headLimit, OutputLimit - 1, OutputLimit, OutputLimit + 1, 3*OutputLimit + 17} {
		for _, chunk := range []int{1, 1000, 4096, headLimit, OutputLimit, 1 << 20} {
			all := make([]byte, total)
			for i := range all {
				all[i] = byte('a' + i%23)
			}
			var c capture
			for rest := all; len(rest) > 0; {
				n, err := c.Write(rest[:min(chunk, len(rest))])
				if err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			got := string(c.bytes())
			if total <= OutputLimit {
				if got != string(all) {
					t.Fatalf("%d bytes by %d are not exact", total, chunk)
				}
				continue
			}
			head, rest, ok := strings.Cut(got, "\n[... ")
			number, tail, ok2 := strings.Cut(rest, " bytes left out ...]\n")
			if !ok || !ok2 || len(got) > OutputLimit || head != string(all[:headLimit]) || !strings.HasSuffix(string(all), tail) ||
				number != fmt.Sprint(total-len(head)-len(tail)) || len(tail) < headLimit-100 {
				t.Fatalf("%d bytes by %d: %d kept, %s left out, tail of %d", total, chunk, len(got), number, len(tail))
			}
		}
	}
}
