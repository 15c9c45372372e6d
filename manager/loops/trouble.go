package loops

import (
	"errors"
	"log/slog"
	"sync"

	"github.com/slotq/slotq/shared/job"
)

// trouble logs what goes wrong once when it begins and once when it is over: six loops that each say every second that
// the database is away would bury the line that matters. A database that cannot be reached is one trouble, whichever
// loops meet it; any other error is its loop's own.
type trouble struct {
	log *slog.Logger
	mu  sync.Mutex
	of  map[string]string // loop → what troubles it
}

// unavailable names the trouble that all loops share.
const unavailable = "database"

func (t *trouble) begins(loop string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	what := loop
	if errors.Is(err, job.ErrUnavailable) {
		what = unavailable
	}
	if t.of[loop] == what {
		return
	}
	t.over(loop)
	known := t.count(what) > 0
	t.of[loop] = what
	switch {
	case known:
	case what == unavailable:
		t.log.Warn("the database is not available; trying again until it is", "error", err)
	default:
		t.log.Error("a loop of the manager failed; trying again until it works", "loop", loop, "error", err)
	}
}

func (t *trouble) ends(loop string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over(loop)
}

// over says that a loop's trouble is over, when it was the last loop that had it.
func (t *trouble) over(loop string) {
	what, ok := t.of[loop]
	delete(t.of, loop)
	switch {
	case !ok || t.count(what) > 0:
	case what == unavailable:
		t.log.Info("the database answers again")
	default:
		t.log.Info("a loop of the manager works again", "loop", loop)
	}
}

func (t *trouble) count(what string) (n int) {
	for _, w := range t.of {
		if w == what {
			n++
		}
	}
	return n
}
