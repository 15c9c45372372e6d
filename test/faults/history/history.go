// Package history owns the record of a fault run: what the clients sent and were answered, what the jobs' runs left
// outside the database, which faults happened, what the workers said they committed, and how every job stood in the
// end. It is written while the run goes on and judged afterwards by package check; it knows nothing of slotq itself.
package history

// What became of a request.
const (
	Invoke  = "invoke"  // it is about to be sent
	OK      = "ok"      // it was carried out
	Fail    = "fail"    // it was certainly not carried out
	Unknown = "unknown" // it may have been carried out: a timeout, a reset, a 5xx after it was sent
	Fault   = "fault"   // no request: the harness did Call to process Pid
)

// Calls of the api.
const (
	Enqueue = "enqueue"
	Get     = "get"
	Cancel  = "cancel"
)

// Faults that the checker knows by name; a row may count others.
const (
	KillAPI      = "kill api"
	KillWorker   = "kill worker"
	KillManager  = "kill manager"
	KillDatabase = "kill database"
	Freeze       = "freeze"
)

// Event is one line of the history: a request, its end, or a fault. A request for many jobs is an event for each of them.
type Event struct {
	At     int64  `json:"at"` // CLOCK_MONOTONIC, nanoseconds
	Type   string `json:"type"`
	Call   string `json:"call"`
	Client int    `json:"client"`
	Op     int64  `json:"op,omitempty"`  // joins an invoke and its end
	Pid    int    `json:"pid,omitempty"` // of a fault's process
	Status int    `json:"status,omitempty"`

	Sent *Sent  `json:"sent,omitempty"` // of an enqueue
	Job  string `json:"job,omitempty"`  // the id asked about, or answered
	Seen *Final `json:"seen,omitempty"` // of a get or a cancel: what the answer said
}

// Sent is one job as a client means it. Its hash is unique, so it names the job before an id is known.
type Sent struct {
	Hash        string `json:"hash"`          // of the payload's bytes
	ID          string `json:"id,omitempty"`  // given by the client; "" = slotq makes one
	Key         string `json:"key,omitempty"` // Idempotency-Key, "" = none
	Kind        string `json:"kind"`
	RunAt       int64  `json:"run_at,omitempty"` // microseconds since 1970; 0 = at once
	MaxAttempts int    `json:"max_attempts"`
	MaxCrashes  int    `json:"max_crashes"`
	Kills       bool   `json:"kills,omitempty"`    // every run of it kills its worker
	Fails       bool   `json:"fails,omitempty"`    // every run of it fails
	Conflict    bool   `json:"conflict,omitempty"` // the key or id of another job on purpose: must be refused
}

// Ways of a run.
const (
	Exec = "exec"
	Go   = "go"
	HTTP = "http"
)

// What a run notes.
const (
	Start = "start"
	End   = "end"
)

// Note is one line of the witness file.
type Note struct {
	At      int64  `json:"at"`   // CLOCK_MONOTONIC, nanoseconds
	Wall    int64  `json:"wall"` // microseconds since 1970
	What    string `json:"what"`
	Via     string `json:"via"`
	Job     string `json:"job"`
	Run     int    `json:"run"`
	Attempt int    `json:"attempt"`
	Worker  int    `json:"worker,omitempty"` // its process id; 0 = not known
	Hash    string `json:"hash"`             // of the payload's bytes as they arrived
	Key     string `json:"key,omitempty"`    // concurrency key
	Overlap bool   `json:"overlap,omitempty"`
	Over    bool   `json:"over,omitempty"`   // as many runs of its key as its limit were alive when it began
	Failed  bool   `json:"failed,omitempty"` // at its end: it asks to count as a failure
}

// Final is a job as the api shows it.
type Final struct {
	ID          string `json:"id"`
	State       string `json:"state"`
	Reason      string `json:"reason,omitempty"`
	Kind        string `json:"kind"`
	Attempt     int    `json:"attempt"`
	MaxAttempts int    `json:"max_attempts"`
	Run         int    `json:"run"`
	Crashes     int    `json:"crashes"`
	MaxCrashes  int    `json:"max_crashes"`
	Finished    string `json:"finished,omitempty"`
	Whole       bool   `json:"whole,omitempty"`      // Hash and OutputRun were read
	Hash        string `json:"hash,omitempty"`       // of its payload's bytes
	OutputRun   int    `json:"output_run,omitempty"` // the run whose output it has; 0 = none
}

// Ended says that the job is in a state that only an operator may change.
func (f Final) Ended() bool {
	return f.State == "completed" || f.State == "discarded" || f.State == "cancelled"
}

// Commit is what a worker's log says of one run: the store took its outcome, or refused it.
type Commit struct {
	Job     string `json:"job"`
	Run     int    `json:"run"`
	Outcome string `json:"outcome"`
	Ends    bool   `json:"ends,omitempty"`    // the outcome ended the job
	Refused bool   `json:"refused,omitempty"` // the job was no longer this worker's
}
