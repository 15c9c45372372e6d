package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// common are the columns that a job has in jobs and in history alike, in the order of scanJob.
var common = []string{
	"id", "queue_id", "slot", "priority", "run_at", "token", "cancel_at", "kind", "payload", "attempt", "max_attempts",
	"run", "crashes", "max_crashes", "snoozes", "timeout_us", "queue_timeout_us", "backoff", "expires_at", "unique_key",
	"concurrency_key", "concurrency_limit", "tags", "metadata", "errors", "created_at", "started_at", "digest",
}

var (
	// jobColumns are in the order of jobRow: those that every job names, those that a job names which somebody may send again or which
	// has a unique_key, those that a job with other limits names, and the rest.
	jobColumns = []string{
		"id", "queue_id", "slot", "run_at", "kind", "payload", "created_at", "nonce",
		"digest", "unique_key",
		"priority", "max_attempts", "max_crashes", "timeout_us", "queue_timeout_us", "tags", "metadata", "errors",
		"token", "cancel_at", "attempt", "run", "crashes", "snoozes", "backoff", "expires_at", "concurrency_key",
		"concurrency_limit", "started_at", "blocked", "key_held",
	}

	// waitingJob and finishedJob select the same shape from the two tables; the digest fills a place whose type must fit.
	waitingJob  = "0 AS state, " + list("j.") + ", j.blocked, j.key_held, 0 AS finished_at, '' AS state_reason, j.digest AS output, q.name"
	finishedJob = "j.state, " + list("j.") + ", 0 AS blocked, 0 AS key_held, j.finished_at, j.state_reason, j.output, q.name"
	// Lists leave payload and output out; the digest stands in for them, since a column of the right type must.
	listedWaiting  = strings.Replace(waitingJob, "j.payload", "j.digest AS payload", 1)
	listedFinished = strings.Replace(strings.Replace(finishedJob, "j.payload", "j.digest AS payload", 1), "j.output", "j.digest AS output", 1)
	// foundJob is what a claim reads of a job that it has found by its id.
	foundJob = strings.Replace(waitingJob, "j.run, ", runOrDirect+", ", 1)
)

// runOrDirect is a job's runs, or -1 less its runs when somebody's own INSERT stored it: a claim tells so at no column more.
const runOrDirect = "CASE WHEN j.nonce = 0 THEN -1 - j.run ELSE j.run END AS run"

func setRun(j *job.Job) {
	if j.Run < 0 {
		j.Direct, j.Run = true, -1-j.Run
	}
}

// freeJob is what a claim reads of a job that is free and due: what it does not know already. Reading and scanning a row is
// the second largest cost of a no-op job, and a column of it costs both sides as much as a small payload.
const freeJob = "j.id, j.priority, j.run_at, j.kind, j.payload, j.attempt, j.max_attempts, " + runOrDirect + ", j.crashes, j.max_crashes, j.snoozes, " +
	"j.timeout_us, j.queue_timeout_us, j.backoff, j.expires_at, j.unique_key, j.concurrency_key, j.concurrency_limit, j.key_held, " +
	"j.tags, j.metadata, j.errors, j.created_at"

// locatedJob is freeJob for a Dialect with Located.
const locatedJob = freeJob + ", {location}"

// scanFree reads the shape of freeJob, or of locatedJob, of a job in the slot that was asked for; with slotted its slot follows.
func scanFree(r Rows, asked job.ClaimRequest, located, slotted bool) (*job.Job, error) {
	j := &job.Job{Queue: asked.Queue, QueueID: asked.Slot.QueueID, Slot: asked.Slot.Slot, State: job.Available}
	var held int
	var timeout, queueTimeout int64
	var backoff, errs []byte
	dest := []any{
		&j.ID, &j.Priority, &j.RunAt, &j.Kind, &j.Payload, &j.Attempt, &j.MaxAttempts, &j.Run, &j.Crashes, &j.MaxCrashes, &j.Snoozes,
		&timeout, &queueTimeout, &backoff, &j.ExpiresAt, &j.UniqueKey, &j.ConcurrencyKey, &j.ConcurrencyLimit, &held,
		&j.Tags, &j.Metadata, &errs, &j.CreatedAt,
	}
	if located {
		dest = append(dest, &j.Location)
	}
	if slotted {
		dest = append(dest, &j.Slot)
	}
	if err := r.Scan(dest...); err != nil {
		return nil, err
	}
	j.Timeout, j.QueueTimeout = time.Duration(timeout)*time.Microsecond, time.Duration(queueTimeout)*time.Microsecond
	j.KeyHeld = held != 0
	setRun(j)
	return j, decode(j, backoff, errs)
}

// list joins the common columns.
func list(prefix string) string {
	return prefix + strings.Join(common, ", "+prefix)
}

// jobRow is a job as a row of jobs.
func jobRow(j *job.Job, nonce int64) ([]any, error) {
	backoff, errs, err := encode(j)
	if err != nil {
		return nil, err
	}
	return []any{
		j.ID, j.QueueID, j.Slot, j.RunAt, j.Kind, blob(j.Payload), j.CreatedAt, nonce,
		blob(j.Digest), j.UniqueKey,
		j.Priority, j.MaxAttempts, j.MaxCrashes, j.Timeout.Microseconds(), j.QueueTimeout.Microseconds(), blob(j.Tags), blob(j.Metadata), errs,
		j.Token, j.CancelAt, j.Attempt, j.Run, j.Crashes, j.Snoozes, backoff, j.ExpiresAt, j.ConcurrencyKey,
		j.ConcurrencyLimit, j.StartedAt, flag(j.Blocked), flag(j.KeyHeld),
	}, nil
}

// How many of jobColumns are named by a job that has the defaults in all others, by one that may be sent again or has a unique_key,
// and by one that has other limits than these.
const named, resent, limited = 8, 10, 18

// naming is how many of jobColumns a new job needs: the others have their defaults, see the migrations 003 and 004.
func naming(j *job.Job) int {
	switch {
	case !(j.Token.IsZero() && j.CancelAt == 0 && j.Attempt == 1 && j.Run == 0 && j.Crashes == 0 && j.Snoozes == 0 && j.Backoff.Kind == "" &&
		j.ExpiresAt == 0 && j.ConcurrencyKey == "" && j.ConcurrencyLimit == 0 && j.StartedAt == 0 && !j.Blocked && !j.KeyHeld):
		return len(jobColumns)
	case !(j.Priority == 2 && j.MaxAttempts == 25 && j.MaxCrashes == 5 && j.Timeout == 0 && j.QueueTimeout == time.Minute &&
		len(j.Tags) == 0 && len(j.Metadata) == 0 && len(j.Errors) == 0):
		return limited
	case len(j.Digest) > 0 || j.UniqueKey != "":
		return resent
	}
	return named
}

// insertJobs names the columns with a default only when one of the jobs has something else there: a column of a row costs MySQL
// and MariaDB 1 µs, and a plain job names a quarter of them. In groups, so that there are a few texts and not thousands. With a claim
// the jobs, none of which has been claimed, are held by it.
func insertJobs(ctx context.Context, tx Tx, jobs []*job.Job, nonce int64, claim *job.Claim, quiet bool) error {
	n := 0
	for _, j := range jobs {
		n = max(n, naming(j))
	}
	columns := jobColumns[:n]
	if claim != nil && n < len(jobColumns) {
		columns = slices.Concat(columns, []string{"token", "run", "started_at"})
	}
	rows := make([][]any, len(jobs))
	for i, sent := range jobs {
		j := *sent
		if claim != nil {
			j.Token, j.Run, j.StartedAt = claim.Token, 1, claim.ClaimedAt
		}
		row, err := jobRow(&j, nonce)
		if err != nil {
			return err
		}
		if rows[i] = row[:n]; n < len(columns) {
			rows[i] = append(rows[i], j.Token, j.Run, j.StartedAt)
		}
	}
	return tx.Insert(ctx, "slotq_jobs", columns, rows, quiet)
}

// scanJob reads the shape of waitingJob and finishedJob. now derives the state of an unfinished job; with listed the
// payload and output are left out.
func scanJob(r Rows, now job.Time, listed bool) (*job.Job, error) {
	j := new(job.Job)
	var state, blocked, held int
	var timeout, queueTimeout int64
	var backoff, errs []byte
	err := r.Scan(&state,
		&j.ID, &j.QueueID, &j.Slot, &j.Priority, &j.RunAt, &j.Token, &j.CancelAt, &j.Kind, &j.Payload, &j.Attempt, &j.MaxAttempts,
		&j.Run, &j.Crashes, &j.MaxCrashes, &j.Snoozes, &timeout, &queueTimeout, &backoff, &j.ExpiresAt, &j.UniqueKey,
		&j.ConcurrencyKey, &j.ConcurrencyLimit, &j.Tags, &j.Metadata, &errs, &j.CreatedAt, &j.StartedAt, &j.Digest,
		&blocked, &held, &j.FinishedAt, &j.Reason, &j.Output, &j.Queue)
	if err != nil {
		return nil, err
	}
	j.Timeout, j.QueueTimeout = time.Duration(timeout)*time.Microsecond, time.Duration(queueTimeout)*time.Microsecond
	j.Blocked, j.KeyHeld = blocked != 0, held != 0
	setRun(j)
	if j.State = job.State(state); state == 0 {
		j.Output = nil
		j.State = job.WaitingState(j.Token, j.RunAt, j.Run, now)
		if j.Blocked && j.State == job.Available {
			j.Reason = job.ReasonBlocked
		}
	}
	if listed {
		j.Payload, j.Output = nil, nil
	}
	return j, decode(j, backoff, errs)
}

func encode(j *job.Job) (backoff, errs []byte, err error) {
	if j.Backoff.Kind != "" {
		if backoff, err = json.Marshal(j.Backoff); err != nil {
			return nil, nil, err
		}
	}
	if errs, err = encodeErrors(j.Errors); err != nil {
		return nil, nil, err
	}
	return blob(backoff), errs, nil
}

func encodeErrors(errs []job.RunError) ([]byte, error) {
	if len(errs) == 0 {
		return []byte{}, nil
	}
	return json.Marshal(errs)
}

func decode(j *job.Job, backoff, errs []byte) error {
	if len(backoff) > 0 {
		if err := json.Unmarshal(backoff, &j.Backoff); err != nil {
			return fmt.Errorf("job %s: backoff: %w", j.ID, err)
		}
	}
	if len(errs) > 0 {
		if err := json.Unmarshal(errs, &j.Errors); err != nil {
			return fmt.Errorf("job %s: errors: %w", j.ID, err)
		}
	}
	return nil
}

// blob is never nil: the columns are NOT NULL, empty means none.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
