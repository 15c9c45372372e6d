package job

import (
	"fmt"
	"slices"
	"time"
)

// Verb is what an action does to each job that it chooses, as the call of that name does it to one.
type Verb string

// The verbs.
const (
	VerbRetry  Verb = "retry"
	VerbCancel Verb = "cancel"
	VerbRun    Verb = "run"
	VerbDelete Verb = "delete"
)

// Verbs lists all verbs.
var Verbs = []Verb{VerbRetry, VerbCancel, VerbRun, VerbDelete}

// BulkAction does one thing to all jobs that a choice chooses, in small steps: a manager does them, and any other goes on
// where it stopped. Jobs that were made, or that ended, after the action was are not touched, so that nothing is done twice
// to a job that comes by again.
type BulkAction struct {
	ID     ID
	Verb   Verb
	Choice Choice
	DryRun bool   // count, change nothing
	Digest []byte // 16 bytes of hash over the request

	CreatedAt  Time
	FinishedAt Time // 0 = under way

	Matched int64 // jobs chosen so far
	Done    int64 // of them changed; a running one that is being stopped counts
	Failed  int64 // of them left as they are, since their unique_key was taken

	Step   int64 // steps so far: the next one is a compare-and-set on it
	Source State // the table, or the state of history, that is being read; 0 = unfinished jobs
	After  ID    // read down to this id
}

// Choice says which jobs an action is for.
type Choice struct {
	Filter        // its States are never empty in an action that is ready
	IDs           []ID
	CreatedAfter  Time // made at this time or later; 0 = whenever
	CreatedBefore Time // made before this time
}

// Limits of actions.
const (
	MaxActionIDs   = 1000
	MaxOpenActions = 100            // unfinished at once
	KeepActions    = 24 * time.Hour // after its end an action can be read, and its Idempotency-Key is known, so long
)

// States are those that the verb can change.
func (v Verb) States() []State {
	switch v {
	case VerbRetry:
		return []State{Retryable, Completed, Discarded, Cancelled}
	case VerbCancel:
		return []State{Scheduled, Available, Running, Retryable}
	case VerbRun:
		return []State{Scheduled, Retryable}
	default:
		return []State{Scheduled, Available, Retryable, Completed, Discarded, Cancelled}
	}
}

// usual are the states that an action is for which names none. A retry means what has failed: to run all completed jobs
// again is asked for by name.
func (v Verb) usual() []State {
	if v == VerbRetry {
		return []State{Retryable, Discarded}
	}
	return v.States()
}

// Ready checks what somebody asks for and fills in what goes without saying. all allows a choice that leaves nothing out.
func (a *BulkAction) Ready(all bool) (bad Invalid) {
	c := &a.Choice
	if !slices.Contains(Verbs, a.Verb) {
		return Invalid{{"/action", "must be retry, cancel, run or delete"}}
	}
	if c.everything() && !all {
		bad = append(bad, Problem{"/filter", `chooses all jobs: say what you mean, or say "all": true`})
	}
	if len(c.IDs) > MaxActionIDs {
		bad = append(bad, Problem{"/filter/ids", "must have at most 1000 ids"})
	}
	if c.CreatedBefore != 0 && c.CreatedBefore <= c.CreatedAfter {
		bad = append(bad, Problem{"/filter/created_before", "must be later than created_after"})
	}
	for _, s := range c.States {
		if !slices.Contains(a.Verb.States(), s) {
			bad = append(bad, Problem{"/filter/state", fmt.Sprintf("has a state that %s does not apply to: it may name %v", a.Verb, a.Verb.States())})
			break
		}
	}
	if len(c.States) == 0 {
		c.States = a.Verb.usual()
	}
	slices.Sort(c.States) // unfinished jobs are read first: what leaves them meanwhile ends after the action was made
	c.States = slices.Compact(c.States)
	slices.SortFunc(c.IDs, func(a, b ID) int { return b.Compare(a) })
	c.IDs = slices.Compact(c.IDs)
	a.After = ID{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if a.Source = c.States[0]; !a.Source.Finished() {
		a.Source = 0
	}
	return bad
}

// everything says that nothing but states is asked for: those alone choose jobs of all queues.
func (c *Choice) everything() bool {
	return c.Queue == "" && c.Kind == "" && c.Tag == "" && c.ConcurrencyKey == "" && c.UniqueKey == "" && c.Slot == 0 &&
		len(c.IDs) == 0 && c.CreatedAfter == 0 && c.CreatedBefore == 0
}

// Chooses says that the action is for the job as it stands now.
func (a *BulkAction) Chooses(j *Job) bool {
	c := &a.Choice
	return j.CreatedAt <= a.CreatedAt && j.FinishedAt <= a.CreatedAt && j.CreatedAt >= c.CreatedAfter &&
		(c.CreatedBefore == 0 || j.CreatedAt < c.CreatedBefore) && c.Matches(j)
}
