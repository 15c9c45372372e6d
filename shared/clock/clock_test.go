package clock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/job"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestItFollowsTheDatabaseAndRunsOnMonotonically(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hour := job.TimeOf(time.Now().Add(time.Hour))
		c := New(func(context.Context) (job.Time, error) { return hour, nil })
		if got := c.Now(); got != job.TimeOf(time.Now()) {
			t.Errorf("before the first reading %d, want this machine's time %d", got, job.TimeOf(time.Now()))
		}
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if got, want := c.Now(), hour.Add(3*time.Second); got != want {
			t.Errorf("3 s later %d, want %d", got, want)
		}
	})
}

func TestADatabaseClockThatJumpsAnHourIsFollowedBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(nil)
		for _, jump := range []time.Duration{time.Hour, -time.Hour} {
			want := job.TimeOf(time.Now().Add(jump))
			c.Adjust(want, time.Now(), time.Now())
			if got := c.Now(); got != want {
				t.Errorf("after a jump of %s: %d, want %d", jump, got, want)
			}
		}
	})
}

func TestItIsNeverAheadOfTheDatabaseAndBehindByOneTripAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(nil) // this machine's clock is 3 ms ahead of the database's
		ahead := 3 * time.Millisecond
		for _, trip := range []struct{ there, back time.Duration }{
			{0, 100 * time.Millisecond}, {100 * time.Millisecond, 0}, {20 * time.Millisecond, 5 * time.Millisecond}, {50 * time.Millisecond, 50 * time.Millisecond},
		} {
			sent := time.Now()
			reading := job.TimeOf(sent.Add(trip.there - ahead))
			received := sent.Add(trip.there + trip.back)
			c.Adjust(reading, sent, received)
			behind := job.TimeOf(time.Now().Add(-ahead)).Sub(c.Now())
			if behind < 0 || behind > trip.there+trip.back+time.Microsecond {
				t.Errorf("after a trip of %s there and %s back it is %s behind the database", trip.there, trip.back, behind)
			}
		}
	})
}

func TestItIsBehindByTheFastestOfAFewAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := []time.Duration{5 * time.Millisecond, 2 * time.Millisecond, time.Millisecond, 4 * time.Millisecond, time.Hour}
		c := New(func(context.Context) (job.Time, error) {
			now := job.TimeOf(time.Now())
			time.Sleep(back[0])
			back = back[1:]
			return now, nil
		})
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if behind := job.TimeOf(time.Now()).Sub(c.Now()); behind != time.Millisecond {
			t.Errorf("it is %s behind, want 1 ms", behind)
		}
	})
}

func TestAReadingThatAgreesMovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(nil)
		c.Adjust(job.TimeOf(time.Now()), time.Now(), time.Now())
		before := c.Now()
		sent := time.Now()
		c.Adjust(job.TimeOf(sent.Add(90*time.Millisecond)), sent, sent.Add(100*time.Millisecond))
		if got := c.Now(); got != before {
			t.Errorf("a reading within its own error moved the clock by %d µs", got-before)
		}
	})
}

func TestFollowAsksUntilItsContextEndsAndReportsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("away")
		var asked, failures int
		c := New(func(context.Context) (job.Time, error) {
			asked++
			if asked == 2 {
				return 0, away
			}
			return job.TimeOf(time.Now().Add(time.Minute)), nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
		defer cancel()
		c.Follow(ctx, 10*time.Second, func(err error) {
			if !errors.Is(err, away) {
				t.Errorf("reported %v, want %v", err, away)
			}
			failures++
		})
		if asked != 3 || failures != 1 {
			t.Errorf("asked %d times with %d failures, want 3 and 1", asked, failures)
		}
		if got, want := c.Now(), job.TimeOf(time.Now().Add(time.Minute)); got != want {
			t.Errorf("now %d, want the database's %d", got, want)
		}
	})
}
