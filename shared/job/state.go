package job

import "fmt"

// State is where a job stands. Only the finished states are stored; the others are derived from the job's row, so
// nothing has to promote a job when its time comes.
type State int

// The states, and who brings a job there.
const (
	Scheduled State = iota + 1 // enqueued with a run_at in the future
	Available                  // may be claimed now; also a job blocked by its concurrency key
	Running                    // a claim's token stands in its row
	Retryable                  // put back after a failure, a crash or a snooze, with a run_at in the future
	Completed                  // its handler succeeded
	Discarded                  // gave up: attempts or crashes used up, handler said so, or expired
	Cancelled                  // stopped by somebody, or purged
)

var stateNames = [...]string{"", "scheduled", "available", "running", "retryable", "completed", "discarded", "cancelled"}

// States lists all states in the order of a job's life.
var States = []State{Scheduled, Available, Running, Retryable, Completed, Discarded, Cancelled}

// String is the name in JSON, metrics and logs.
func (s State) String() string {
	if s < Scheduled || s > Cancelled {
		return fmt.Sprintf("state(%d)", int(s))
	}
	return stateNames[s]
}

// ParseState is the inverse of String.
func ParseState(name string) (State, error) {
	for s := Scheduled; s <= Cancelled; s++ {
		if stateNames[s] == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("unknown state %q: one of %v", name, stateNames[1:])
}

// MarshalText makes a State its name in JSON.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (s *State) UnmarshalText(b []byte) (err error) { *s, err = ParseState(string(b)); return err }

// Finished says that the job is history: it changes only by an operator's retry or delete.
func (s State) Finished() bool { return s >= Completed }

// WaitingState derives the state of an unfinished job from its row.
func WaitingState(token Token, runAt Time, run int, now Time) State {
	switch {
	case !token.IsZero():
		return Running
	case runAt > now && run == 0:
		return Scheduled
	case runAt > now:
		return Retryable
	default:
		return Available
	}
}

// Reasons why a job ended as it did, shown as state_reason.
const (
	ReasonMaxAttempts = "max_attempts"
	ReasonMaxCrashes  = "max_crashes"
	ReasonMaxSnoozes  = "max_snoozes"
	ReasonHandler     = "handler" // the handler asked for it (exit 100, HTTP 410, runner.Discard)
	ReasonExpired     = "expired"
	ReasonCancelled   = "cancelled"
	ReasonPurged      = "purged"
	ReasonBlocked     = "blocked" // not finished: waits for its concurrency key
)
