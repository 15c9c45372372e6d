package command

import (
	"fmt"
	"strings"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// describeJob shows all that is known of a job, what is not set left out.
func (c *call) describeJob(t *table, j *job.Job, w *wire.Job) {
	line := func(name, value string) {
		if value != "" && value != "-" {
			t.row(name, value)
		}
	}
	state := w.State.String()
	if w.StateReason != "" {
		state += " (" + w.StateReason + ")"
	}
	line("id", w.ID.String())
	line("queue", fmt.Sprintf("%s, slot %d", w.Queue, w.Slot))
	line("kind", w.Kind)
	line("state", state)
	line("priority", fmt.Sprint(w.Priority))
	line("attempt", fmt.Sprintf("%d of %d", w.Attempt, w.MaxAttempts))
	line("run", fmt.Sprint(w.Run))
	line("crashes", fmt.Sprintf("%d of %d", w.Crashes, w.MaxCrashes))
	if j.Timeout > 0 {
		line("timeout", j.Timeout.String())
	}
	line("backoff", backoffWords(j.Backoff))
	line("created", c.moment(j.CreatedAt))
	line("due", c.moment(j.RunAt))
	line("expires", c.moment(j.ExpiresAt))
	line("started", c.moment(j.StartedAt))
	line("finished", c.moment(j.FinishedAt))
	line("cancel requested", c.moment(j.CancelAt))
	if w.WorkerID != 0 {
		line("worker", w.WorkerID.String())
	}
	line("unique_key", w.UniqueKey)
	if w.ConcurrencyKey != "" {
		line("concurrency_key", fmt.Sprintf("%s, limit %d", w.ConcurrencyKey, w.ConcurrencyLimit))
	}
	line("tags", strings.Join(w.Tags, ", "))
	t.w.Flush()
	block := func(name, value string) {
		if value != "" {
			fmt.Fprintf(c.out, "%s\n%s\n", name, indented(value))
		}
	}
	block("metadata", string(w.Metadata))
	block("payload", string(w.Payload))
	block("output", string(j.Output))
	for _, e := range j.Errors {
		block(fmt.Sprintf("error of attempt %d, run %d, on worker %s, %s (%s)", e.Attempt, e.Run, e.Worker, c.moment(e.At), e.Type), e.Message)
		block("which was answered with", e.Answer)
	}
}

// moment is a time as it was, and how long ago.
func (c *call) moment(t job.Time) string {
	if t == 0 {
		return ""
	}
	return t.Time().Format("2006-01-02 15:04:05.000Z") + ", " + c.ago(t)
}
