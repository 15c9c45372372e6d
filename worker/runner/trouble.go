package runner

import (
	"log/slog"
	"sync"
	"time"
)

// trouble says in the log that the database cannot be worked with, once, and that it can again: a line for every
// failed call would be a flood just when somebody reads it.
type trouble struct {
	log     *slog.Logger
	answers signal // the database can be worked with again
	mu      sync.Mutex
	at      time.Time // when it began; zero = none
	say     time.Time // when to say it again
}

const sayAgain = time.Minute

// met notes a failed call.
func (t *trouble) met(doing string, err error) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at.IsZero() {
		t.at = now
	}
	if now.Before(t.say) {
		t.log.Debug("the database fails again", "doing", doing, "error", err)
		return
	}
	t.say = now.Add(sayAgain)
	t.log.Warn("the database fails: running jobs go on while the lease lasts, nothing that ended is lost, trying again",
		"doing", doing, "for", now.Sub(t.at).Round(time.Millisecond).String(), "error", err)
}

// over notes that the database has answered.
func (t *trouble) over() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at.IsZero() {
		return
	}
	t.log.Info("the database answers again", "after", time.Since(t.at).Round(time.Millisecond).String())
	t.at, t.say = time.Time{}, time.Time{}
	t.answers.send()
}
