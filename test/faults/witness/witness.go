// Package witness is what every job of a fault run does, whichever way it is run: it notes its start outside the
// database, behaves as its payload says, and notes its end. The kernel frees its locks with its process, so a run that
// finds one taken knows that another run is alive at that moment.
package witness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/slotq/slotq/test/faults/history"
)

// Orders are a payload; whatever else is in it is left alone.
type Orders struct {
	Nonce        string `json:"n"`                    // makes the payload, and so its hash, the only one
	Milliseconds int    `json:"ms,omitempty"`         // to work
	Later        int    `json:"later_ms,omitempty"`   // to work instead from the second attempt on
	FailUntil    int    `json:"fail_until,omitempty"` // fails while the attempt is below
	Deaf         bool   `json:"deaf,omitempty"`       // goes on when it is told to stop
	Kills        bool   `json:"kills,omitempty"`      // kill -9 of its worker
	Key          string `json:"key,omitempty"`        // its concurrency key
	Limit        int    `json:"limit,omitempty"`      // and that key's limit
	Bulk         bool   `json:"bulk,omitempty"`       // no locks: one of very many
}

// Hash names a payload.
func Hash(payload []byte) string {
	sum := sha256.Sum256(payload)
	return hex.EncodeToString(sum[:12])
}

// Run is one start of one job.
type Run struct {
	Via     string
	Job     string
	Run     int
	Attempt int
	Worker  int // the worker's process id
}

// Output is what a run that completes gives back; Run tells whose outcome was committed.
type Output struct {
	Run int `json:"run"`
}

// ErrFailed is the failure that a payload asks for.
var ErrFailed = errors.New("told to fail")

// Witness is the file of the notes and the directory of the locks.
type Witness struct {
	dir   string
	notes *history.File
}

// NotesIn is the file of the notes in a directory.
func NotesIn(dir string) string { return filepath.Join(dir, "notes.jsonl") }

// Open opens the witness of a directory.
func Open(dir string) (*Witness, error) {
	if err := os.MkdirAll(filepath.Join(dir, "locks"), 0o700); err != nil {
		return nil, err
	}
	notes, err := history.Open(NotesIn(dir))
	if err != nil {
		return nil, err
	}
	return &Witness{dir, notes}, nil
}

// Close closes the file.
func (w *Witness) Close() error { return w.notes.Close() }

// Do is the run: it returns what completes the job, or an error that fails it, or ctx's.
func (w *Witness) Do(ctx context.Context, r Run, payload []byte) (Output, error) {
	var o Orders
	_ = json.Unmarshal(payload, &o) // a payload that was changed on its way is found by its hash
	n := history.Note{
		What: history.Start, Via: r.Via, Job: r.Job, Run: r.Run, Attempt: r.Attempt, Worker: r.Worker,
		Hash: Hash(payload), Key: o.Key,
	}
	if !o.Bulk {
		unlock, free := w.lock("job-" + r.Job)
		defer unlock()
		n.Overlap = !free
	}
	if o.Key != "" {
		unlock, free := w.place(o)
		defer unlock()
		n.Over = !free
	}
	if err := w.note(n); err != nil {
		return Output{}, err
	}
	if o.Kills {
		_ = syscall.Kill(r.Worker, syscall.SIGKILL)
		<-ctx.Done() // the worker's death ends this
	}
	if o.Later > 0 && r.Attempt > 1 {
		o.Milliseconds = o.Later
	}
	if err := work(ctx, time.Duration(o.Milliseconds)*time.Millisecond, o.Deaf); err != nil {
		return Output{}, err
	}
	n.What, n.Failed = history.End, r.Attempt < o.FailUntil
	if err := w.note(n); err != nil {
		return Output{}, err
	}
	if n.Failed {
		return Output{}, ErrFailed
	}
	return Output{Run: r.Run}, nil
}

func work(ctx context.Context, d time.Duration, deaf bool) error {
	if d <= 0 {
		return nil
	}
	done := time.NewTimer(d)
	defer done.Stop()
	stop := ctx.Done()
	if deaf {
		stop = nil
	}
	select {
	case <-done.C:
		return nil
	case <-stop:
		return context.Cause(ctx)
	}
}

func (w *Witness) note(n history.Note) error {
	n.At, n.Wall = history.Monotonic(), time.Now().UnixMicro()
	return history.Append(w.notes, n)
}

// lock takes a lock until unlock or the end of this process; free = nobody had it.
func (w *Witness) lock(name string) (unlock func(), free bool) {
	fd, err := syscall.Open(filepath.Join(w.dir, "locks", name), syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		panic(fmt.Errorf("the witness cannot lock: %w", err)) // a run that cannot testify must not look like a good one
	}
	free = syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) == nil
	return func() { _ = syscall.Close(fd) }, free
}

// place takes one of the key's places.
func (w *Witness) place(o Orders) (unlock func(), free bool) {
	for i := range max(o.Limit, 1) {
		if unlock, free = w.lock(fmt.Sprintf("key-%s-%d", o.Key, i)); free {
			return unlock, true
		}
		unlock()
	}
	return func() {}, false
}
