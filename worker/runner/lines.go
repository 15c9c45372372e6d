package runner

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// lines writes a line of log for each run that ended, once its outcome is committed. Payload and output are in none,
// and neither is the message of an error, which may quote both: the job has it.
type lines struct {
	log   *slog.Logger
	words bool // the log is for people: the sentence says it all
}

func newLines(log *slog.Logger) lines {
	_, words := log.Handler().(*slog.TextHandler)
	return lines{log: log, words: words}
}

func (l lines) settled(batch []ending, verdicts []job.Verdict) {
	ctx := context.Background()
	if !l.log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	for i := range batch {
		e := &batch[i]
		if e.run == nil {
			continue
		}
		sentence := l.sentence(e, verdicts[i])
		if l.words {
			l.log.LogAttrs(ctx, slog.LevelInfo, sentence)
			continue
		}
		j := e.outcome.Job
		l.log.LogAttrs(ctx, slog.LevelInfo, sentence, slog.String("job", j.ID.String()), slog.String("queue", j.Queue),
			slog.String("kind", j.Kind), slog.Int("slot", j.Slot), slog.Int("run", j.Run), slog.String("outcome", e.label),
			slog.Float64("seconds", e.took.Seconds()))
	}
}

// sentence says what became of a run: completed mail.send 0192… in 84 ms, attempt 1.
func (l lines) sentence(e *ending, verdict job.Verdict) string {
	j := e.outcome.Job
	what, then := e.label, ""
	switch {
	case verdict == job.Lost:
		what, then = "dropped the outcome of", ": the job is no longer this worker's"
	case verdict == job.EndedCancelled:
		what, then = "cancelled", ""
	case e.outcome.Action == job.Release:
		what, then = "gave back", ", uncounted"
	case e.outcome.Action == job.Retry:
		then = fmt.Sprintf(" of %d, %s; again in %s", j.MaxAttempts, e.errorType, inWords(max(e.wait, 0)))
	case e.outcome.Action == job.Snooze:
		then = fmt.Sprintf("; again in %s", inWords(max(e.wait, 0)))
	case e.outcome.Action == job.Discard:
		then = fmt.Sprintf(" of %d, %s; discarded (%s)", j.MaxAttempts, e.errorType, e.outcome.Reason)
	}
	return fmt.Sprintf("%s %s %s in %s, attempt %d%s", strings.ReplaceAll(what, "_", " "), j.Kind, j.ID, inWords(e.took), j.Attempt, then)
}

// inWords writes a duration with as many digits as people read: 840 µs, 84 ms, 8.4 s, 1m24s.
func inWords(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
