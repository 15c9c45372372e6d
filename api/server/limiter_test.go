package server

import (
	"testing"
	"time"
)

func TestALimiterGivesEachKeyItsRateAndNoMoreAtOnceThanTheBurst(t *testing.T) {
	l, now := newLimiter[string](2, 3), time.Unix(1e9, 0)
	for range 3 {
		if wait := l.take("a", now); wait != 0 {
			t.Fatalf("within the burst it waits %s", wait)
		}
	}
	if wait := l.take("a", now); wait != 500*time.Millisecond {
		t.Errorf("after the burst it waits %s", wait)
	}
	if l.take("b", now) != 0 {
		t.Error("one key waits for another")
	}
	if l.take("a", now.Add(499*time.Millisecond)) == 0 || l.take("a", now.Add(500*time.Millisecond)) != 0 {
		t.Error("the next is not given after the wait that was told")
	}
	if l.take("a", now.Add(500*time.Millisecond)) == 0 {
		t.Error("waiting was paid twice")
	}
	l.giveBack("a")
	if l.take("a", now.Add(500*time.Millisecond)) != 0 {
		t.Error("what was given back is gone")
	}
	n := 0
	for range 9 {
		if l.take("a", now.Add(time.Hour)) == 0 {
			n++
		}
	}
	if n != 3 {
		t.Errorf("an hour of rest gives %d at once", n)
	}
}

func TestALimiterForgetsKeysThatRest(t *testing.T) {
	l, now := newLimiter[int](1, 1), time.Unix(1e9, 0)
	for i := range 5 * maxKeys {
		if l.take(i, now) != 0 {
			t.Fatal("a new key waits")
		}
		now = now.Add(time.Millisecond)
	}
	if len(l.keys) > maxKeys {
		t.Errorf("%d keys", len(l.keys))
	}
	if l.take(5*maxKeys-1, now) == 0 {
		t.Error("a key that has not rested was forgotten although others had")
	}
}
