package ui

import (
	"net/url"
	"slices"
	"time"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// jobPage is a job with all that is known of its runs.
type jobPage struct {
	wire.Job
	Runs            []run
	Unknown         int // runs before those, of which nothing is kept: snoozed, given back, or with errors older than the newest
	Marks           map[job.WorkerID]mark
	Workers         map[job.WorkerID]string
	Payload, Output *text // nil = there is none
	Hidden          bool  // payload and output are not for the visitor

	CanCancel, CanRetry, CanRun, CanDelete bool
}

// run is one start of the job.
type run struct {
	Run, Attempt int
	Worker       job.WorkerID
	Started      time.Time // known of the last alone
	Ended        time.Time
	Outcome      string
	Message      string
}

// text is what a job carries, as it came; of a large one the beginning.
type text struct {
	Text string
	Left int // bytes that are not shown
}

const textShown = 32 << 10

func textOf(b []byte) *text {
	if b == nil {
		return nil
	}
	shown := b[:min(len(b), textShown)]
	return &text{string(shown), len(b) - len(shown)}
}

func (s *site) job(l *look) (any, error) {
	id, err := job.ParseID(l.r.PathValue("id"))
	if err != nil {
		return nil, job.ErrNotFound
	}
	j, err := l.client.Get(l.ctx, id)
	if err != nil {
		return nil, err
	}
	workers, err := l.allWorkers()
	if err != nil {
		return nil, err
	}
	_, known, _ := l.API.Census(l.ctx) // for colours alone: a job is shown without them too
	page := jobPage{Job: j, Marks: l.colours.of(known, l.now), Workers: map[job.WorkerID]string{}, Hidden: !l.can.Payload, Payload: textOf(j.Payload), Output: textOf(j.Output)}
	for _, w := range workers {
		page.Workers[w.ID] = w.Name
	}
	page.Runs = runsOf(j)
	page.Unknown = j.Run - len(page.Runs)
	waits := j.State == job.Scheduled || j.State == job.Available || j.State == job.Retryable
	page.CanCancel = waits || j.State == job.Running && j.CancelRequestedAt.IsZero()
	page.CanRetry = j.State.Finished() || j.State == job.Retryable
	page.CanRun = j.State == job.Scheduled
	page.CanDelete = j.State != job.Running
	l.title = j.Kind + " " + short(j.ID)
	return page, nil
}

// runsOf are the runs of which something is known, the newest first: those with an error, and the last.
func runsOf(j wire.Job) (runs []run) {
	for _, e := range j.Errors {
		runs = append(runs, run{Run: e.Run, Attempt: e.Attempt, Worker: e.WorkerID, Ended: e.At, Outcome: e.Type, Message: e.Message})
	}
	last := run{Run: j.Run, Attempt: j.Attempt, Worker: j.WorkerID, Started: j.StartedAt}
	switch {
	case j.Run == 0:
	case len(runs) > 0 && runs[len(runs)-1].Run == j.Run:
		runs[len(runs)-1].Started = j.StartedAt
	case j.State == job.Running:
		last.Outcome = "running"
		runs = append(runs, last)
	case j.State == job.Completed, j.State == job.Cancelled && !j.StartedAt.IsZero() && j.WorkerID != 0:
		last.Ended, last.Outcome = j.FinishedAt, j.State.String()
		runs = append(runs, last)
	}
	slices.Reverse(runs)
	return runs
}

func changeJob(l *look, form url.Values) (to, note string, err error) {
	id, err := job.ParseID(l.r.PathValue("id"))
	if err != nil {
		return "", "", job.ErrNotFound
	}
	to = "jobs/" + id.String()
	switch form.Get("do") {
	case "retry":
		_, err = l.client.Retry(l.ctx, id)
		note = "retried"
	case "run":
		_, err = l.client.Run(l.ctx, id)
		note = "run"
	case "cancel":
		var j wire.Job
		j, err = l.client.Cancel(l.ctx, id)
		if note = "cancelled"; j.State == job.Running {
			note = "stopping"
		}
	case "delete":
		_, err = l.client.Delete(l.ctx, id)
		to, note = "jobs", "deleted"
	default:
		err = errUnknownForm
	}
	return to, note, err
}
