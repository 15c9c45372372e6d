package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Store is a store.Store on an Engine.
type Store struct {
	db    Engine
	beats Engine // heartbeats own a connection: a full pool must not look like a dead worker
	watch Observer
}

// New makes a store; beats may be db itself.
func New(db, beats Engine) *Store {
	s := &Store{db: plant(db)}
	s.beats = s.db
	if beats != db {
		s.beats = plant(beats)
	}
	return s
}

// Observe sets who is told of operations and retries; call it before use.
func (s *Store) Observe(o Observer) { s.watch = o }

// Wrap puts something between the protocol and its engine, for tests that look at every statement; call it before use.
func (s *Store) Wrap(wrap func(Engine) Engine) {
	db, beats := s.db, s.beats
	s.db = wrap(db)
	if s.beats = s.db; beats != db {
		s.beats = wrap(beats)
	}
}

// Limits of one operation. A caller's context may end it sooner, never in the middle of a COMMIT.
const (
	operationLimit = 10 * time.Second // with all its retries
	commitLimit    = 5 * time.Second  // a COMMIT that takes longer has an unknown outcome
	maxTries       = 10
)

// Errors that end a transaction without being its failure.
var (
	errNothing = errors.New("nothing to do")   // roll back; the operation has its answer
	errMoved   = errors.New("a row has moved") // roll back and begin again: somebody changed what was read
)

// write runs fn in a transaction and commits it; it is the one place where transactions are tried again. fn may run
// several times and must set its results anew each time; again tells it that an earlier COMMIT had an unknown outcome,
// so that what it does may be there already. Two things are never retried blindly: a COMMIT whose answer was lost
// (fn looks, under the fence or by id), and a single statement of a transaction that the engine has rolled back.
func (s *Store) write(ctx context.Context, operation string, fn func(ctx context.Context, tx Tx, again bool) error) error {
	return s.try(ctx, s.db, operation, func(ctx context.Context, again bool) (bool, error) {
		return attempt(ctx, s.db, again, fn)
	})
}

// try repeats once while the engine says that another try may succeed.
func (s *Store) try(ctx context.Context, e Engine, operation string, once func(ctx context.Context, again bool) (unknown bool, err error)) error {
	defer s.done(operation, time.Now())
	ctx, cancel := context.WithTimeout(ctx, operationLimit)
	defer cancel()
	again := false
	for try := 1; ; try++ {
		unknown, err := once(ctx, again)
		if err == nil || errors.Is(err, errNothing) {
			return nil
		}
		again = again || unknown
		class := Retry
		if !errors.Is(err, errMoved) {
			class = e.Class(err)
		}
		if unknown {
			class = Unavailable
		}
		// A duplicate is somebody who did the same a moment ago (two who end one job meet in history); what was read before
		// did not show it, the next try will.
		tryAgain := class == Retry || class == Busy || class == Unavailable || class == Duplicate
		if !tryAgain || try == maxTries || ctx.Err() != nil {
			return s.fail(operation, class, err)
		}
		s.retried(class, unknown)
		if !pause(ctx, try) {
			return s.fail(operation, class, err)
		}
	}
}

// attempt is one transaction; unknown = it may have been committed although err is set.
func attempt(ctx context.Context, e Engine, again bool, fn func(ctx context.Context, tx Tx, again bool) error) (unknown bool, err error) {
	tx, err := e.Begin(ctx)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	if err := fn(ctx, tx, again); err != nil {
		return false, err
	}
	if err := tx.Flush(ctx); err != nil {
		return false, err
	}
	// The caller's context must not cut a COMMIT off in the middle.
	commit, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit)
	defer cancel()
	if err := tx.Commit(commit); err != nil {
		// Of all errors on COMMIT only a refused one (deadlock, certification, serialization) says: not committed.
		return e.Class(err) != Retry, err
	}
	return false, nil
}

// read runs a query and hands each row to fn.
func (s *Store) read(ctx context.Context, operation, query string, args []any, fn func(Rows) error) error {
	defer s.done(operation, time.Now())
	ctx, cancel := context.WithTimeout(ctx, operationLimit)
	defer cancel()
	handed := false
	for try := 1; ; try++ {
		rows, err := s.db.Query(ctx, query, args...)
		err = each(rows, err, func(r Rows) error {
			handed = true
			return fn(r)
		})
		if err == nil {
			return nil
		}
		class := s.db.Class(err)
		// A read is tried again only on a connection that was found dead, before fn has kept a row: it would get it twice.
		// The caller decides about the rest.
		if class != Unavailable || handed || try == 3 || ctx.Err() != nil || !pause(ctx, try) {
			return s.fail(operation, class, err)
		}
		s.retried(class, false)
	}
}

// each hands every row to fn and closes the result.
func each(rows Rows, err error, fn func(Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one is what scan makes of the only row of a result. job.ErrNotFound: there is none.
func one[T any](rows Rows, err error, scan func(Rows) (T, error)) (v T, _ error) {
	return only(scan, func(fn func(Rows) error) error { return each(rows, err, fn) })
}

// readOne is one outside a transaction, as read reads.
func readOne[T any](ctx context.Context, s *Store, operation, query string, args []any, scan func(Rows) (T, error)) (T, error) {
	return only(scan, func(fn func(Rows) error) error { return s.read(ctx, operation, query, args, fn) })
}

func only[T any](scan func(Rows) (T, error), read func(fn func(Rows) error) error) (v T, err error) {
	found := false
	err = read(func(r Rows) (err error) {
		found = true
		v, err = scan(r)
		return err
	})
	if err == nil && !found {
		err = job.ErrNotFound
	}
	return v, err
}

func (s *Store) done(operation string, start time.Time) {
	if s.watch.Done != nil {
		s.watch.Done(operation, time.Since(start).Seconds())
	}
}

func (s *Store) retried(class Class, unknown bool) {
	if s.watch.Retried != nil {
		reason := class.String()
		if unknown {
			reason = unknownOutcome
		}
		s.watch.Retried(reason)
	}
}

func (s *Store) fail(operation string, class Class, err error) error {
	if err == nil || known(err) {
		return err
	}
	if class == Unavailable || class == Busy || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w: %w", operation, job.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", operation, err)
}

// known says that the error is the domain's own answer.
func known(err error) bool {
	for _, e := range []error{job.ErrNotFound, job.ErrState, job.ErrWorkerDead, job.ErrMismatch, job.ErrNotEmpty, job.ErrLimit} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.As(err, &job.Invalid{})
}

// pause waits a little before try+1, longer each time, with jitter so that those who collided part.
func pause(ctx context.Context, try int) bool {
	d := min(time.Millisecond<<try, 250*time.Millisecond)
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Now is the database's time.
func (s *Store) Now(ctx context.Context) (now job.Time, err error) {
	err = s.read(ctx, "now", "SELECT {now}", nil, func(r Rows) error { return r.Scan(&now) })
	return now, err
}

// Schema returns the schema's version and the newest that this binary knows.
func (s *Store) Schema(ctx context.Context) (have, want int64, err error) { return s.db.Schema(ctx) }

// Migrate brings the schema to the newest version.
func (s *Store) Migrate(ctx context.Context) error {
	// Two processes may find the database empty at once, and one then sees the other's half-made tables. Every migration
	// can be run twice, so the loser just tries again; a lock would have to be different on every engine.
	for try := 1; ; try++ {
		have, want, err := s.db.Schema(ctx)
		switch {
		case err == nil && have > want:
			return fmt.Errorf("%w: it has version %d, this binary knows %d", job.ErrNewerSchema, have, want)
		case err == nil && have == want:
			return nil
		case err == nil:
			err = s.db.Migrate(ctx)
		}
		if err == nil {
			return nil
		}
		if try == maxTries || !pause(ctx, try+3) {
			return s.fail("migrate", s.db.Class(err), err)
		}
	}
}

// Close closes the connections.
func (s *Store) Close() error {
	if s.beats != s.db {
		return errors.Join(s.db.Close(), s.beats.Close())
	}
	return s.db.Close()
}
