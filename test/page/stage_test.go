package page

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

const handlers = `
handlers:
  mail.send:
    exec: [{witness}]
  report.build:
    exec: [{witness}]
`

// times are short, so that a death is seen soon.
var times = system.Times{Heartbeat: 500 * time.Millisecond, Lease: 2 * time.Second, Sweep: 250 * time.Millisecond}

// stage is a running slotq.
type stage struct {
	*system.System
	t       *testing.T
	api     *system.Process
	workers []*system.Process
}

// setUp starts an api, a manager and so many workers on a SQLite file.
func setUp(t *testing.T, workers int, apiArgs ...string) *stage {
	t.Helper()
	return setUpOn(t, system.Database{Name: "sqlite", URL: "sqlite:" + filepath.Join(t.TempDir(), "slotq.db")}, workers, apiArgs...)
}

func setUpOn(t *testing.T, db system.Database, workers int, apiArgs ...string) *stage {
	t.Helper()
	sharedBrowser(t) // before all else, as it may be absent
	s := &stage{System: system.New(t, db, times, handlers), t: t}
	s.api = s.StartAPI(apiArgs...)
	s.StartManager()
	for range workers {
		s.workers = append(s.workers, s.StartWorker())
	}
	return s
}

// orders is what a witness is told to do; see its own.
type orders struct {
	Milliseconds int    `json:"ms,omitempty"`
	Exit         int    `json:"exit,omitempty"`
	ExitUntil    int    `json:"exit_until,omitempty"`
	Stderr       string `json:"stderr,omitempty"`
	Output       string `json:"output,omitempty"`
}

func (s *stage) enqueue(n wire.NewJob, o orders) job.ID {
	s.Helper()
	payload, err := json.Marshal(o)
	if err != nil {
		s.Fatal(err)
	}
	n.Payload = payload
	if n.Kind == "" {
		n.Kind = "mail.send"
	}
	made, err := s.Client.Enqueue(s.t.Context(), n)
	if err != nil {
		s.Fatal(err)
	}
	return made.ID
}

// awaitState waits until a job is in a state.
func (s *stage) awaitState(id job.ID, state job.State) {
	s.Helper()
	err := system.Await(s.t.Context(), limit, func() error {
		j, err := s.Client.Get(s.t.Context(), id)
		if err == nil && j.State != state {
			err = fmt.Errorf("it is %s", j.State)
		}
		return err
	})
	if err != nil {
		s.Fatalf("the job %s is not %s: %v", id, state, err)
	}
}
