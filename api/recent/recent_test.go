package recent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counter answers with how often it was asked, after a time.
type counter struct {
	n    int
	took time.Duration
	err  error
}

func (c *counter) make() (int, error) {
	time.Sleep(c.took)
	c.n++
	return c.n, c.err
}

func TestAnAnswerServesAllForTwentyTimesAsLongAsItTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Answers[int]
		c := &counter{took: time.Second}
		get := func(key string, patience time.Duration) int {
			t.Helper()
			n, err := a.Get(t.Context(), key, patience, c.make)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if begun := time.Now(); get("", 0) != 1 || time.Since(begun) != time.Second {
			t.Errorf("the first was not waited for: %s", time.Since(begun))
		}
		time.Sleep(20*time.Second - 1)
		if get("", time.Hour) != 1 {
			t.Error("it was asked again too soon")
		}
		time.Sleep(time.Nanosecond)
		begun := time.Now()
		if got := get("", 100*time.Millisecond); got != 1 || time.Since(begun) != 100*time.Millisecond {
			t.Errorf("an old answer came as %d after %s", got, time.Since(begun))
		}
		time.Sleep(time.Second)
		if got := get("", 0); got != 2 {
			t.Errorf("the next answer is %d", got)
		}
		if got := get("other", 0); got != 3 {
			t.Errorf("another key got %d", got)
		}
		time.Sleep(time.Hour)
		if got := get("", 0); got != 4 {
			t.Errorf("an answer of an hour ago was given: %d", got)
		}
	})
}

func TestAFailureIsToldAndNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Answers[int]
		broken := errors.New("broken")
		c := &counter{err: broken}
		if _, err := a.Get(t.Context(), "", 0, c.make); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
		c.err = nil
		if n, err := a.Get(t.Context(), "", 0, c.make); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestWhoGivesUpEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a Answers[int]
		c := &counter{took: time.Minute}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Get(ctx, "", 0, c.make); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if n, err := a.Get(t.Context(), "", 0, c.make); n != 1 || err != nil {
			t.Errorf("the second who asked got %d, %v", n, err)
		}
	})
}
