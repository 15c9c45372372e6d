// Package sqlstore is the fence protocol, written once in portable SQL: what a store promises, how its transactions
// run, and what happens when one fails. A database comes in through the Engine interface; packages mysql, postgres and
// sqlite are engines. It leaves to them connections and sessions, the few words in which the dialects differ, the
// classes of errors, and the migrations.
//
// The alternative, three stores that each spell out the whole protocol, was given up: its order of statements is what
// keeps the promises, and one text of it can be read, attacked and mended once.
package sqlstore

import (
	"context"
	"errors"

	"github.com/slotq/slotq/shared/job"
)

// Engine is a database under the protocol. Statements reach it in the portable form:
//
//	?            a parameter
//	??           a list of ids, integers or strings: x IN (??)
//	::type       a cast that only PostgreSQL needs
//	{by id}      after a table's name or alias: use the unique index on the job's id
//	{by key}     after a table's name or alias: use the primary key
//	{among ??}   the job j is one of a list of ids, which is not to choose the index; for a Dialect with Stretch, and for
//	             one with Located when they are sorted
//	{held ??}    the job j is one of a list of job.Held; in an UPDATE j.id IN (??) stands beside it, see giveBack
//	{held among ??}  the same of HeldAmong, which is not to choose the index; for a Dialect with Located
//	{output ??}  the output of the job j, which is one of Outputs
//	{location}   where the row of the job j lies; for a Dialect with Located
//	{at ??}      the row of the job j lies at one of a list of locations; for a Dialect with Located
//	{delete j}   DELETE of jobs, alias j
//	{delete c}   DELETE of claims, alias c
//	{with queue} join the queue q of the job j, jobs first
//	{branch}     opens a branch of a UNION that has an ORDER BY of its own; a parenthesis closes it
//	{now}        the database's time in microseconds
type Engine interface {
	// Begin opens a write transaction at READ COMMITTED or stronger.
	Begin(ctx context.Context) (Tx, error)
	// Query reads outside a transaction.
	Query(ctx context.Context, query string, args ...any) (Rows, error)
	// Exec runs one write outside a transaction.
	Exec(ctx context.Context, query string, args ...any) (matched int64, err error)
	// Class says what an error means.
	Class(err error) Class
	Dialect() Dialect
	// Schema returns the version that the database has and the newest migration.
	Schema(ctx context.Context) (have, want int64, err error)
	Migrate(ctx context.Context) error
	// Settings is store.Diagnose's, without the classes of errors.
	Settings(ctx context.Context) (server string, settings []job.Setting, err error)
	Close() error
}

// Tx is a transaction. After an error that is not a Duplicate or Data error in an Insert, only Rollback may follow.
type Tx interface {
	Exec(ctx context.Context, query string, args ...any) (matched int64, err error)
	Query(ctx context.Context, query string, args ...any) (Rows, error)
	// Queue runs a statement before the next one, in the same round trip where the engine can do that. An error of matched,
	// which is told how many rows it matched, or of the statement itself is returned here or by the next statement; nil = any
	// number will do.
	Queue(ctx context.Context, matched func(n int64) error, query string, args ...any) error
	// Locate is Queue for an UPDATE of jobs j; at is told where their rows lie after it, in the order of their updates. Only
	// with a Dialect that says Located.
	Locate(ctx context.Context, matched func(n int64) error, at func(job.Location), query string, args ...any) error
	// Flush runs what is still queued.
	Flush(ctx context.Context) error
	// ExecMany runs one statement for each set of arguments and returns the rows that each matched.
	ExecMany(ctx context.Context, query string, args [][]any) ([]int64, error)
	// Insert adds rows, in as many statements as its size limits ask for (at most 1 MiB each where that matters);
	// quiet leaves rows alone that collide with a unique key. Columns of a job that are left out get their defaults, see naming.
	Insert(ctx context.Context, table string, columns []string, rows [][]any, quiet bool) error
	// Commit sends COMMIT and nothing else: nothing is queued any more. One text of an INSERT and its COMMIT would save a round
	// trip, and could reach a server that hangs when the next try has stored the job and it has ended: it would make the job
	// again. An INSERT that comes so late on its own is rolled back with its connection.
	Commit(ctx context.Context) error
	// Rollback ends the transaction unless it was committed; the connection is clean or closed afterwards.
	Rollback()
}

// Queued is a statement in an engine's own words that waits for the next one; Matched, if any, judges how many rows it matched.
type Queued struct {
	Text    string
	Args    []any
	Matched func(n int64) error
	At      func(job.Location) // is told of each row that it returns; nil = it returns none
}

// ErrQueued is the error of a Commit without the Flush that belongs before it.
var ErrQueued = errors.New("COMMIT with statements that are still queued")

// exactly judges how many rows a queued statement matched: any other number is an error.
func exactly(want int, other error) func(n int64) error {
	return func(n int64) error {
		if n != int64(want) {
			return other
		}
		return nil
	}
}

// HeldAmong is the list of {held among ??}.
type HeldAmong []job.Held

// Rows is a result set.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close()
}

// Dialect is where the engines' SQL differs in shape.
type Dialect struct {
	RowCompare bool // (a, b) > (?, ?) uses an index; else it is spelt out, which the others' planners do not see through
	Stretch    bool // many jobs of one claim are found faster by their part of the primary key than each by its id
	Located    bool // a row is found fastest by where it lies, which statements can tell
	Walk       bool // a walk along the primary key through several priorities keeps its order; else each priority is read by itself
	Lateral    bool // a derived table may refer to what stands before it
	// Confirm is a statement after which COMMIT waits until all that the transaction has read is as safe as what it has
	// written; "" = nothing can be read that is not.
	Confirm string
}

// Class is what an error means for the transaction it ended.
type Class int

// The classes.
const (
	Other       Class = iota // a defect or a limit: report it
	Retry                    // the engine rolled back: do the whole transaction again (deadlock, serialization, snapshot)
	Busy                     // a lock was not granted in time; nothing was changed
	Unavailable              // connection lost, server down, read-only or full: not committed, unless it came from COMMIT
	Duplicate                // a unique key
	Data                     // the engine refuses a value of this row
)

func (c Class) String() string {
	return [...]string{"other", "retry", "busy", "unavailable", "duplicate", "data"}[c]
}

// unknownOutcome is the reason for another try when nobody knows whether the first was committed.
const unknownOutcome = "unknown"

// RetryReasons are all the words that Observer.Retried is called with.
func RetryReasons() []string {
	return []string{Retry.String(), Busy.String(), Unavailable.String(), Duplicate.String(), unknownOutcome}
}

// Observer is told what the store does; nil fields are not called.
type Observer struct {
	Done    func(operation string, seconds float64)
	Retried func(reason string)
}

var zeroToken job.Token
