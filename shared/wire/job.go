// Package wire owns what passes between the api and its clients: the JSON types of every call, the codes of errors, and
// the Go client. Server and client use the same types, and the OpenAPI document is made from them, so the three cannot
// disagree. It knows the domain and no database; how a request is checked and carried out is the api's.
//
// The tags doc, minimum, maximum, minLength, maxLength, maxItems, pattern, enum, format, default and nullable of the
// fields are for the document.
package wire

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/slotq/slotq/shared/job"
)

// NewJob is a job to enqueue. Only Kind is needed; a zero field takes the queue's setting.
type NewJob struct {
	ID               job.ID          `json:"id,omitzero" doc:"Made by slotq when it is not given. Sent again it makes no second job." format:"uuid"`
	Queue            string          `json:"queue,omitempty" doc:"The queue; it exists from its first job on." default:"default" minLength:"1" maxLength:"128" pattern:"^[A-Za-z0-9._:-]+$"`
	Kind             string          `json:"kind" doc:"Names the handler." minLength:"1" maxLength:"128" pattern:"^[A-Za-z0-9._:-]+$"`
	Payload          json.RawMessage `json:"payload,omitempty" doc:"Any JSON value; its bytes reach the handler exactly as sent."`
	Priority         int             `json:"priority,omitempty" doc:"1 first .. 4 last, within a slot." minimum:"1" maximum:"4"`
	MaxAttempts      int             `json:"max_attempts,omitempty" doc:"Discarded after so many failures." minimum:"1" maximum:"1000"`
	MaxCrashes       int             `json:"max_crashes,omitempty" doc:"Discarded after so many deaths of its worker." minimum:"1" maximum:"1000"`
	TimeoutSeconds   float64         `json:"timeout_seconds,omitempty" doc:"Time limit of one run; else the handler's, else the queue's." minimum:"0.001" maximum:"604800"`
	Backoff          *Backoff        `json:"backoff,omitempty" doc:"Waits between attempts."`
	RunAt            time.Time       `json:"run_at,omitzero" doc:"Not started before; between 2000 and 2100."`
	DelaySeconds     float64         `json:"delay_seconds,omitempty" doc:"Not started before so many seconds from now; instead of run_at." minimum:"0" maximum:"3153600000"`
	ExpiresAt        time.Time       `json:"expires_at,omitzero" doc:"Not started later: then it ends discarded, state_reason expired."`
	UniqueKey        string          `json:"unique_key,omitempty" doc:"No second job while one of the queue with this key is unfinished." minLength:"1" maxLength:"255"`
	ConcurrencyKey   string          `json:"concurrency_key,omitempty" doc:"Limits how many jobs of the queue with this key run at once." minLength:"1" maxLength:"255"`
	ConcurrencyLimit int             `json:"concurrency_limit,omitempty" doc:"That number, 1 unless given." minimum:"1" maximum:"1000"`
	Tags             []string        `json:"tags,omitempty" doc:"Words to find the job by." maxItems:"32" items.minLength:"1" items.maxLength:"255"`
	Metadata         json.RawMessage `json:"metadata,omitempty" doc:"A JSON object of at most 16 KiB that is kept and shown, for people and programs around slotq." type:"object"`

	IdempotencyKey string `json:"-"` // sent as a header; a safe re-POST within 24 h and as long as the job lives
}

// AppendJSON appends the job as JSON, payload and metadata byte for byte: json.Marshal would compact them.
func (n *NewJob) AppendJSON(dst []byte) ([]byte, error) {
	plain := *n
	plain.Payload, plain.Metadata = nil, nil
	b, err := marshal(plain)
	if err != nil {
		return dst, err
	}
	o := object{bytes: append(dst, bytes.TrimSuffix(b, []byte("}"))...)}
	o.raw(raw{"metadata", n.Metadata})
	o.raw(raw{"payload", n.Payload})
	return append(o.bytes, '}'), nil
}

// Job is a job as it stands. Lists and enqueues leave Payload and Output out.
type Job struct {
	ID                job.ID          `json:"id" format:"uuid"`
	Queue             string          `json:"queue"`
	Kind              string          `json:"kind"`
	Slot              int             `json:"slot,omitempty" doc:"The lane of the queue that it was drawn into."`
	State             job.State       `json:"state,omitzero" doc:"Where it stands." enum:"scheduled,available,running,retryable,completed,discarded,cancelled"`
	StateReason       string          `json:"state_reason,omitempty" doc:"Why it ended so, or blocked: it waits for its concurrency_key."`
	Priority          int             `json:"priority,omitempty"`
	Attempt           int             `json:"attempt" doc:"Failures so far + 1."`
	MaxAttempts       int             `json:"max_attempts"`
	Run               int             `json:"run" doc:"Starts so far; (id, run) is unique."`
	Crashes           int             `json:"crashes" doc:"Starts that ended with the death of the worker."`
	MaxCrashes        int             `json:"max_crashes"`
	TimeoutSeconds    float64         `json:"timeout_seconds,omitempty" doc:"The job's own limit; absent = the handler's, else the queue's."`
	Backoff           *Backoff        `json:"backoff,omitempty"`
	RunAt             time.Time       `json:"run_at,omitzero"`
	ExpiresAt         time.Time       `json:"expires_at,omitzero"`
	UniqueKey         string          `json:"unique_key,omitempty"`
	ConcurrencyKey    string          `json:"concurrency_key,omitempty"`
	ConcurrencyLimit  int             `json:"concurrency_limit,omitempty"`
	Tags              []string        `json:"tags,omitempty"`
	CreatedAt         time.Time       `json:"created_at,omitzero"`
	StartedAt         time.Time       `json:"started_at,omitzero" doc:"The last start."`
	FinishedAt        time.Time       `json:"finished_at,omitzero"`
	CancelRequestedAt time.Time       `json:"cancel_requested_at,omitzero" doc:"Somebody asked to cancel it while it ran."`
	WorkerID          job.WorkerID    `json:"worker_id,omitzero" doc:"Who runs it, or ran it last when it ended."`
	Errors            []RunError      `json:"errors,omitempty" doc:"The newest 10."`
	Metadata          json.RawMessage `json:"metadata,omitempty" type:"object"`
	Payload           json.RawMessage `json:"payload,omitempty" doc:"The bytes of the value as sent."`
	Output            json.RawMessage `json:"output,omitempty" doc:"What the run gave back: as it is when it is JSON, else as a string."`
}

// RunError is what went wrong in one run.
type RunError struct {
	Attempt  int          `json:"attempt"`
	Run      int          `json:"run"`
	At       time.Time    `json:"at"`
	WorkerID job.WorkerID `json:"worker_id,omitzero"`
	Type     string       `json:"type"`
	Message  string       `json:"message"`
	Answer   string       `json:"answer,omitempty" doc:"How the answer of an http handler's target began. Seen with payloads alone."`
}

// JobOf converts a job of the domain.
func JobOf(j *job.Job) Job {
	w := Job{
		ID: j.ID, Queue: j.Queue, Kind: j.Kind, Slot: j.Slot, State: j.State, StateReason: j.Reason, Priority: j.Priority,
		Attempt: j.Attempt, MaxAttempts: j.MaxAttempts, Run: j.Run, Crashes: j.Crashes, MaxCrashes: j.MaxCrashes,
		TimeoutSeconds: j.Timeout.Seconds(), Backoff: backoffOf(j.Backoff),
		RunAt: j.RunAt.Time(), ExpiresAt: j.ExpiresAt.Time(),
		UniqueKey: j.UniqueKey, ConcurrencyKey: j.ConcurrencyKey, ConcurrencyLimit: j.ConcurrencyLimit,
		Tags:      job.UnmarshalTags(j.Tags),
		CreatedAt: j.CreatedAt.Time(), StartedAt: j.StartedAt.Time(), FinishedAt: j.FinishedAt.Time(), CancelRequestedAt: j.CancelAt.Time(),
		Metadata: j.Metadata, Payload: j.Payload, Output: output(j.Output),
	}
	if !j.Token.IsZero() {
		w.WorkerID = j.Token.Worker()
	}
	if w.State == job.Available && j.Blocked {
		w.StateReason = job.ReasonBlocked
	}
	for _, e := range j.Errors {
		w.Errors = append(w.Errors, RunError{e.Attempt, e.Run, e.At.Time(), e.Worker, e.Type, e.Message, e.Answer})
	}
	return w
}

// Conceal takes out what is seen with the scope read-payload alone, and never in lists.
func (j *Job) Conceal() {
	j.Payload, j.Output = nil, nil
	for i := range j.Errors {
		j.Errors[i].Answer = ""
	}
}

// output is what a run gave back as a JSON value.
func output(b []byte) json.RawMessage {
	if len(b) == 0 {
		return nil
	}
	if trimmed := bytes.TrimSpace(b); utf8.Valid(b) && json.Valid(trimmed) {
		return trimmed
	}
	s, err := marshal(string(b))
	if err != nil {
		panic(err) // strings always marshal
	}
	return s
}

// JobPage is a page of a list.
type JobPage struct {
	Jobs       []Job  `json:"jobs"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Where the next page begins; absent = this was the last. A page may be short or even empty before that."`
}

// AppendJSON appends the page as JSON.
func (p *JobPage) AppendJSON(dst []byte) (_ []byte, err error) {
	dst = append(dst, `{"jobs":[`...)
	for i := range p.Jobs {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = p.Jobs[i].AppendJSON(dst); err != nil {
			return dst, err
		}
	}
	dst = append(dst, ']')
	if p.NextCursor != "" {
		dst = append(dst, `,"next_cursor":"`+p.NextCursor+`"`...)
	}
	return append(dst, '}'), nil
}
