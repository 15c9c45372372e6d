package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

// patience is how long a test waits for what should happen soon: long, since a machine may be busy with other tests,
// and only a failure waits to its end.
const patience = 30 * time.Second

// orders make a payload for the witness.
type orders map[string]any

func (o orders) payload() json.RawMessage {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return b
}

// post enqueues a job.
func post(t testing.TB, s *system.System, n wire.NewJob) job.ID {
	t.Helper()
	return must(s.Client.Enqueue(t.Context(), n))(t).ID
}

// postAll enqueues many jobs at once.
func postAll(t testing.TB, s *system.System, jobs []wire.NewJob) (ids []job.ID) {
	t.Helper()
	for part := range slices.Chunk(jobs, 1000) {
		result := must(s.Client.EnqueueBatch(t.Context(), wire.Batch{Jobs: part}, ""))(t)
		if result.Created != len(part) {
			t.Fatalf("%d of %d jobs created: %+v", result.Created, len(part), result)
		}
		for _, r := range result.Results {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// inState waits until a job is in one of the states.
func inState(t testing.TB, s *system.System, id job.ID, limit time.Duration, states ...job.State) (j wire.Job) {
	t.Helper()
	eventually(t, limit, fmt.Sprintf("job %s becomes %v", id, states), func() (err error) {
		if j, err = s.Client.Get(t.Context(), id); err != nil {
			return err
		}
		if !slices.Contains(states, j.State) {
			return fmt.Errorf("it is %v (%s), run %d, crashes %d, errors %+v", j.State, j.StateReason, j.Run, j.Crashes, j.Errors)
		}
		return nil
	})
	return j
}

// ended waits until a job has ended.
func ended(t testing.TB, s *system.System, id job.ID) wire.Job {
	t.Helper()
	return inState(t, s, id, patience, job.Completed, job.Discarded, job.Cancelled)
}

// ran posts a job and waits for its end.
func ran(t testing.TB, s *system.System, n wire.NewJob) wire.Job {
	t.Helper()
	return ended(t, s, post(t, s, n))
}

// started waits until a job has begun for the nth time, and returns the note of it. Its run may be a higher one: a busy
// worker gives jobs back that it has not started.
func started(t testing.TB, s *system.System, id job.ID, n int) (note system.Note) {
	t.Helper()
	eventually(t, patience, fmt.Sprintf("start %d of job %s", n, id), func() error {
		notes := s.Runs.Of(system.Started, id)
		if len(notes) < n {
			return fmt.Errorf("there were %d", len(notes))
		}
		note = notes[n-1]
		return nil
	})
	return note
}

// isolated fails the test when two runs of a job, or too many of a key, were alive at once.
func isolated(t testing.TB, s *system.System) {
	t.Helper()
	for _, n := range s.Runs.Notes() {
		if n.What == system.Overlapped || n.What == system.Exceeded {
			t.Errorf("%s: job %s, run %d, key %q", n.What, n.Job, n.Run, n.Key)
		}
	}
}

// wants fails the test unless a job is in the state, for the reason.
func wants(t testing.TB, j wire.Job, state job.State, reason string) {
	t.Helper()
	if j.State != state || j.StateReason != reason {
		t.Fatalf("job %s is %v (%s), want %v (%s); errors: %+v", j.ID, j.State, j.StateReason, state, reason, j.Errors)
	}
}

// quick is a backoff for tests.
func quick(seconds ...float64) *wire.Backoff {
	return &wire.Backoff{Kind: job.BackoffList, List: seconds}
}
