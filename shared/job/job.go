package job

import (
	"strings"
	"time"
)

// Job is one job with all that is known of it. Which fields are filled depends on where it comes from: lists leave out
// Payload and Output, a claim leaves out what a handler does not need.
type Job struct {
	ID    ID
	Queue string
	Kind  string

	QueueID  int32
	Slot     int
	Priority int // 1 first .. 4 last; holds within a slot

	State  State  // derived when read
	Reason string // why it ended so, or ReasonBlocked

	Payload []byte // the bytes of the JSON value as sent
	Output  []byte

	Attempt     int // failures so far + 1
	MaxAttempts int
	Run         int // starts so far; (ID, Run) is unique
	Crashes     int // starts that ended with the death of the worker
	MaxCrashes  int
	Snoozes     int

	Timeout      time.Duration // the job's own limit; 0 = the handler's, else QueueTimeout
	QueueTimeout time.Duration // what the queue had in force when the job was enqueued
	Backoff      Backoff       // in force when it was enqueued

	RunAt     Time // not started before
	ExpiresAt Time // not started after; 0 = never expires

	UniqueKey        string // "" = none
	ConcurrencyKey   string // "" = none
	ConcurrencyLimit int
	KeyHeld          bool // it holds or waits in a place of its concurrency key
	Blocked          bool // waits for its concurrency key

	Tags     []byte // a JSON array of strings, or empty
	Metadata []byte // a JSON object, or empty
	Errors   []RunError

	CreatedAt  Time
	StartedAt  Time // the last start
	FinishedAt Time
	CancelAt   Time // when somebody asked to cancel it while it ran

	Token    Token    // who holds it, or which claim finished it
	InRow    bool     // its claim had passed over no job before it in its priority: those of the claim stand side by side
	Location Location // where its row lay when it was claimed; a hint that leads to it and decides nothing

	Direct bool // stored by somebody's own INSERT, with nonce 0, not by Enqueue; known to claims alone

	// What follows matters to those alone who enqueue.

	QueueSlots     int    // how many slots its queue has
	Given          bool   // the id was given by the client and may have been sent before
	IdempotencyKey string // "" = none
	Digest         []byte // 16 bytes of hash over the request, with Given or IdempotencyKey; else empty
}

// RunError is what went wrong in one run.
type RunError struct {
	Attempt int      `json:"attempt"`
	Run     int      `json:"run"`
	At      Time     `json:"at"`
	Worker  WorkerID `json:"worker_id"`
	Type    string   `json:"type"`
	Message string   `json:"message"`
	// Answer is how the answer of an http handler's target began. It is a part of the output and as private; a message is
	// seen by everybody who may see the job.
	Answer string `json:"answer,omitempty"`
}

// What a job remembers of its errors: enough to see how it began to fail in the newest entries, bounded so that a row
// stays small. A message is cut to MaxErrorMessage bytes, keeping its beginning, which says what happened to the run,
// and its end, where programs put the cause.
const (
	MaxErrors       = 10
	MaxErrorMessage = 4096
	MaxErrorAnswer  = 1024
)

const (
	messageHead = 512
	messageGap  = "\n…\n"
)

// WithError returns the job's errors and one more, the oldest forgotten beyond MaxErrors.
func (j *Job) WithError(e RunError) []RunError {
	if len(e.Message) > MaxErrorMessage {
		head, tail := e.Message[:messageHead], e.Message[len(e.Message)-(MaxErrorMessage-messageHead-len(messageGap)):]
		e.Message = strings.ToValidUTF8(head, "") + messageGap + strings.ToValidUTF8(tail, "") // no half of a character
	}
	e.Answer = strings.ToValidUTF8(e.Answer[:min(len(e.Answer), MaxErrorAnswer)], "")
	errs := append(append([]RunError(nil), j.Errors...), e)
	if len(errs) > MaxErrors {
		errs = errs[len(errs)-MaxErrors:]
	}
	return errs
}

// Suspect says that a worker has died while it ran this job: a worker runs one suspect at a time, so that a job that
// kills its worker is told from its neighbours.
func (j *Job) Suspect() bool { return j.Crashes > 0 }
