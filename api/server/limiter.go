package server

import (
	"sync"
	"time"
)

// limiter gives each key so many events a second, and so many at once after a rest. golang.org/x/time/rate would be a
// module more, and has neither keys nor a way to give an event back.
type limiter[K comparable] struct {
	rate, burst float64

	mu   sync.Mutex
	keys map[K]level
	full time.Time // when the keys were looked through for those that have rested
}

type level struct {
	left float64
	at   time.Time
}

// maxKeys bounds the memory: addresses are the clients' to choose.
const maxKeys = 10_000

func newLimiter[K comparable](rate, burst float64) *limiter[K] {
	return &limiter[K]{rate: rate, burst: max(burst, 1), keys: map[K]level{}}
}

// take takes one event; otherwise it says how long to wait for the next.
func (l *limiter[K]) take(key K, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.left(key, now)
	if left < 1 {
		return time.Duration((1 - left) / l.rate * float64(time.Second))
	}
	if _, there := l.keys[key]; !there && len(l.keys) >= maxKeys {
		l.forget(now)
	}
	l.keys[key] = level{left - 1, now}
	return 0
}

// giveBack undoes a take.
func (l *limiter[K]) giveBack(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if v, ok := l.keys[key]; ok {
		v.left = min(v.left+1, l.burst)
		l.keys[key] = v
	}
}

func (l *limiter[K]) left(key K, now time.Time) float64 {
	v, ok := l.keys[key]
	if !ok {
		return l.burst
	}
	return min(v.left+now.Sub(v.at).Seconds()*l.rate, l.burst)
}

// forget drops the keys that have rested; when there are none, all: letting some begin anew is better than a map that
// grows with every address that somebody makes up.
func (l *limiter[K]) forget(now time.Time) {
	if now.Sub(l.full) > time.Second { // at most so often: it looks at every key
		l.full = now
		for k := range l.keys {
			if l.left(k, now) >= l.burst {
				delete(l.keys, k)
			}
		}
	}
	if len(l.keys) >= maxKeys {
		clear(l.keys)
	}
}
