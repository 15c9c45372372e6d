// Package store is the contract between slotq and a SQL database, and the way to open one. The comments of the
// interface are promises: package storetest has a test for each, and every database must pass them all.
//
// The contract speaks of two things. The fence: handing out jobs of a slot begins with a write to the slot's row, which
// orders all claims of the slot. The token: a claim stamps its jobs with a fresh token, and whatever a claim may later
// do to a job says "and the token still stands"; otherwise it changes nothing. The fence is speed, the token is truth.
package store

import (
	"context"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Store is all that slotq asks of a database. It is safe for concurrent use. A call whose COMMIT had an unknown outcome
// is resolved before it returns: by id, by token, or by doing it again where that changes nothing. An error that
// is none of package job's means that the database is in trouble; errors.Is(err, job.ErrUnavailable) says that it
// could not be reached or did not answer in time, and that trying again later is right.
type Store interface {
	Jobs
	Queues
	Work
	Manage
	APITokens
	Diagnose
	Stats

	// Now is the database's time. Clocks follow it, so that a run_at means the same to all.
	Now(ctx context.Context) (job.Time, error)

	// Schema returns the database's schema version and the one this binary brings.
	Schema(ctx context.Context) (have, want int64, err error)

	// Migrate brings the schema to this binary's version. Any number of processes may call it at once.
	// ErrNewerSchema: the database is ahead; a binary of version N−1 runs on schema N, an older one does not.
	Migrate(ctx context.Context) error

	Close() error
}

// Jobs is what clients do with jobs.
type Jobs interface {
	// Enqueue stores jobs and answers for each, in order. When it returns without error, every job without an Err is
	// committed: it is never lost (promise 1), its payload is kept byte for byte (promise 2), and one id or
	// idempotency key has made at most one job (promise 3), however often and however concurrently it is sent.
	// One row that the database refuses gets its own Err and does not harm its neighbours; with atomic, one Err
	// means that nothing was stored. A job with ErrMismatch had its id or key sent before with another body.
	Enqueue(ctx context.Context, jobs []*job.Job, atomic bool) ([]job.Enqueued, error)

	// EnqueueClaimed is Enqueue of jobs that job.MayBeClaimed, and claims them for a worker in the same transaction: they are never
	// free, so no claim has to find them. As any claim it holds the fences of their slots, so a pause is exact, the worker must be
	// alive in the database, and must not be quiet; and no job that is due and free may stand in these slots, since it goes first. When
	// one of these does not hold, somebody holds a fence for half a second, or nobody knows what became of the COMMIT, the answers do not
	// say Claimed: the jobs are stored, and if they are claimed all the same the worker finds the claim by NewClaims. Duplicates are claimed by nobody. IDs and Slot of the claim
	// are the store's to set.
	EnqueueClaimed(ctx context.Context, jobs []*job.Job, c job.Claim) ([]job.Enqueued, error)

	// Get returns a job, whatever became of it, in one statement: a job that moves between the tables is always
	// found. ErrNotFound after its retention.
	Get(ctx context.Context, id job.ID) (*job.Job, error)

	// List returns a page of jobs without payloads and outputs, newest id first. It reads a bounded number of rows,
	// so a page may be short or empty although there is more.
	List(ctx context.Context, f job.Filter, p job.Page) (job.Listed, error)

	// Cancel ends a waiting job at once; a running one is marked, and ends as cancelled however its run ends, unless
	// it completes first. Cancelling a cancelled job changes nothing. ErrState: it completed or was discarded.
	Cancel(ctx context.Context, id job.ID, now job.Time) (*job.Job, error)

	// Retry puts a discarded, cancelled or completed job back with its attempts granted anew and its errors kept, and
	// makes a retryable one due now. ErrState: it runs or waits for its first start; or its unique_key is taken.
	Retry(ctx context.Context, id job.ID, now job.Time) (*job.Job, error)

	// RunNow makes a scheduled or retryable job due now; an available one stays as it is. ErrState: it runs or ended.
	RunNow(ctx context.Context, id job.ID, now job.Time) (*job.Job, error)

	// Delete removes a waiting or finished job without a trace. ErrState: it runs.
	Delete(ctx context.Context, id job.ID) (*job.Job, error)

	// Act stores an action that is ready, for managers to carry out, and returns it as it stands. An id that is there already
	// is the same action sent again: nothing is stored. ErrMismatch: it has another digest. ErrLimit: job.MaxOpenActions
	// are unfinished already.
	Act(ctx context.Context, a job.BulkAction) (job.BulkAction, error)

	// Action returns an action as it stands. ErrNotFound: there was none, or it ended more than job.KeepActions ago.
	Action(ctx context.Context, id job.ID) (job.BulkAction, error)

	// Failures groups what retryable jobs and discarded ones failed with last, newest first, at most limit groups. Only
	// Queue and Kind of the filter count. It reads a bounded number of rows: see job.FailureList.
	Failures(ctx context.Context, f job.Filter, limit int, now job.Time) (job.FailureList, error)
}

// Queues is what operators do with queues.
type Queues interface {
	// ListQueues returns all queues by name, deleted ones left out unless asked for: a worker serves those too.
	ListQueues(ctx context.Context, deleted bool) ([]job.Queue, error)

	// EnsureQueue returns the queue, making it with the given settings when it is not there.
	// ErrLimit: there are job.MaxQueues already.
	EnsureQueue(ctx context.Context, q job.Queue, now job.Time) (job.Queue, error)

	// UpdateQueue changes settings under the queue's row lock. More slots: rows are added. Fewer: new jobs use the
	// lower ones, the others drain; slot rows are never removed, so no job is lost, moved or stranded.
	UpdateQueue(ctx context.Context, name string, change func(*job.Queue) error) (job.Queue, error)

	// PauseQueue stops or resumes handing out jobs. It is exact: when it returns, no claim of the queue commits until
	// it is resumed, since the fence itself tests it.
	PauseQueue(ctx context.Context, name string, paused bool) (job.Queue, error)

	// DeleteQueue hides an empty queue; its history stays. ErrNotEmpty: it has unfinished jobs.
	DeleteQueue(ctx context.Context, name string) error

	// Purge cancels up to limit waiting jobs that were created before a time, into history; more = there may be more.
	Purge(ctx context.Context, name string, before job.Time, limit int, now job.Time) (n int, more bool, err error)

	// Slots returns the slot rows of a queue, in order.
	Slots(ctx context.Context, queueID int32) ([]job.SlotRow, error)

	// Count counts up to CountRows jobs of a slot after a position, by kind; next is nil at the slot's end.
	Count(ctx context.Context, s job.Slot, after job.Position, now job.Time) (counts []job.Count, next *job.Position, err error)
}

// CountRows is the most rows that one Count reads.
const CountRows = 10_000

// Work is what a worker does.
type Work interface {
	// Register makes the worker known with beat 0. Its id must be fresh.
	Register(ctx context.Context, w job.Worker) error

	// Beat renews the worker's lease and brings back what it should know. ErrWorkerDead: a manager has declared it
	// dead, or its row is gone; it must stop all it runs and register under a new id.
	Beat(ctx context.Context, w job.WorkerID, running []job.ID) (job.Beat, error)

	// Leave removes the worker's row when it holds no claim; otherwise the sweep rescues what it left.
	Leave(ctx context.Context, w job.WorkerID) error

	// Poll says which of the slots have a job that is due and free, of whatever kind: one read, no write.
	Poll(ctx context.Context, slots []job.Slot, now job.Time) ([]job.Slot, error)

	// Claim takes up to Max due jobs of a slot, by priority, then run_at (the newest first with LIFO), then id; it
	// stamps them with the token and counts a run of each. No job is ever held by two tokens (promise 4), none
	// starts before its run_at (promise 9), no concurrency key goes over its limit (promise 10), an expired job ends
	// discarded instead. It reads at most job.ScanRows rows past those it may not take. A paused slot, an unknown one
	// and an empty one give no jobs. A worker that is not alive in the database gets nothing and ErrWorkerDead.
	//
	// From the slots Beside it takes too, in the same transaction, when there is nothing to weigh: all that is due in all of
	// these slots is less than Max, without a concurrency key, a suspect, an expires_at and a kind that is not served, and none of
	// the slots is paused, unknown or held by somebody for long. Otherwise it is a claim of its own slot alone. No more than job.MaxBeside.
	Claim(ctx context.Context, r job.ClaimRequest) (job.Claimed, error)

	// Finish writes outcomes in one transaction, each where its token still stands, and removes the claims in done,
	// whose jobs have all ended, none of them lost. It answers with a verdict for each outcome, in order. At most one
	// run of a job commits its outcome (promise 4).
	Finish(ctx context.Context, w job.WorkerID, outcomes []job.Outcome, done []job.Token, now job.Time) ([]job.Verdict, error)

	// Claims returns the worker's claims; of each the ids that still carry its token.
	Claims(ctx context.Context, w job.WorkerID) ([]job.Claim, error)

	// NewClaims returns those of the worker's claims that are not known to it, with all their ids, in one read.
	NewClaims(ctx context.Context, w job.WorkerID, known func(job.Token) bool) ([]job.Claim, error)

	// Fetch returns the jobs among the claim's ids that carry its token: those that EnqueueClaimed has claimed for the worker.
	Fetch(ctx context.Context, c job.Claim, now job.Time) ([]*job.Job, error)

	// GiveBack puts the jobs that a claim still holds back, uncounted, and removes the claim.
	GiveBack(ctx context.Context, c job.Claim, now job.Time) (n int, err error)
}

// Manage is what managers do. Every action is a compare-and-set: any number of managers may do it at once, and one that
// was frozen for an hour changes nothing that has moved on.
type Manage interface {
	// Workers returns all workers that are known, dead ones too while they have claims.
	Workers(ctx context.Context) ([]job.Worker, error)

	// CommandWorker asks a worker to take no more jobs (quiet) or to drain and end (stop). ErrNotFound.
	CommandWorker(ctx context.Context, w job.WorkerID, quiet, stop bool) (job.Worker, error)

	// DeclareDead declares a worker dead when its beat is still the one given; false = it has moved on.
	DeclareDead(ctx context.Context, w job.WorkerID, beat int64) (bool, error)

	// Orphans returns claims of workers that are dead or have no row, those with a suspect last of each worker.
	Orphans(ctx context.Context, limit int) ([]job.Claim, error)

	// Rescue takes a dead worker's claim back: its jobs that still carry the token count a crash and wait for their
	// next start, or are discarded at max_crashes, or end cancelled when that was asked for (promises 6 and 8).
	// counted false: the worker died with a suspect, and this claim held only neighbours. 0 = somebody else did it.
	Rescue(ctx context.Context, c job.Claim, counted bool, lease time.Duration, now job.Time) ([]job.Outcome, error)

	// Expire ends waiting jobs whose expires_at has passed as discarded, at most limit of them, and returns them.
	Expire(ctx context.Context, limit int, now job.Time) ([]*job.Job, error)

	// Prune deletes at most limit rows each of history, idempotency keys, actions and dead workers without claims, whose
	// time is over. An unfinished job is never touched.
	Prune(ctx context.Context, limit int, now job.Time) (int, error)

	// Unblock repairs concurrency keys: places whose job is gone are freed and the next job is let in, for at most
	// limit keys after the cursor; next is nil at the end. Nothing depends on it but recovery from what nobody foresaw.
	Unblock(ctx context.Context, after *job.Key, limit int) (next *job.Key, freed int, err error)

	// OpenActions returns up to limit actions that are under way, the oldest first.
	OpenActions(ctx context.Context, limit int) ([]job.ID, error)

	// StepAction does the next few jobs of an action, each as Retry, Cancel, RunNow or Delete would, and returns it as it
	// stands then; with FinishedAt set nothing is left to do. A step is done as a whole or not at all, and once,
	// whoever else tries it: an action that a manager left in the middle goes on where it stopped. ErrNotFound.
	StepAction(ctx context.Context, id job.ID, now job.Time) (job.BulkAction, error)

	// Turn says whether the holder may run a loop now: one process at a time gets it, once per interval.
	Turn(ctx context.Context, loop string, holder job.WorkerID, interval time.Duration, now job.Time) (bool, error)
}

// APITokens is who may use the api. A store knows hashes of secrets, never a secret.
type APITokens interface {
	// CreateAPIToken stores a token that is checked already, and returns it. When there is one with this hash, it returns
	// that one as it is, revoked or not: two processes that read one secret from a file make one token, and a token that
	// was revoked stays so. It removes tombstones older than job.KeepTombstones, never the last row.
	// ErrLimit: there are job.MaxAPITokens.
	CreateAPIToken(ctx context.Context, t job.APIToken, now job.Time) (job.APIToken, error)

	// ListAPITokens returns all tokens in the order in which they were made, revoked and expired ones too.
	ListAPITokens(ctx context.Context) ([]job.APIToken, error)

	// FindAPIToken returns the token with this hash, revoked, expired or not. ErrNotFound.
	FindAPIToken(ctx context.Context, hash []byte) (job.APIToken, error)

	// AnyAPIToken says whether a token was ever made: once it is true it stays true.
	AnyAPIToken(ctx context.Context) (bool, error)

	// UseAPIToken notes that a token was used; the time only grows.
	UseAPIToken(ctx context.Context, id job.ID, now job.Time) error

	// RevokeAPIToken ends a token for good; its row stays, and revoking it again changes nothing. ErrNotFound.
	RevokeAPIToken(ctx context.Context, id job.ID, now job.Time) (job.APIToken, error)
}
