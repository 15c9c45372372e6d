package system

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Log is where jobs' runs write down what they do, outside the database, so that it can be held against what the
// database says. Each line is one append to a file; a lock that the kernel frees with the process tells of every
// moment at which two runs of a job, or more runs of a key than its limit, were alive.
type Log struct {
	t   TB
	dir string
}

// What a run notes.
const (
	Started    = "start"
	Ended      = "end"
	Overlapped = "overlap"    // another run of this job was alive when it began
	Exceeded   = "over_limit" // as many runs of its key as its limit were alive when it began
)

// Note is one line.
type Note struct {
	What    string
	Job     job.ID
	Run     int
	Attempt int
	Pid     int
	Worker  int // the process id of the worker
	At      time.Time
	Key     string
}

func newLog(t TB, dir string) *Log {
	if err := os.MkdirAll(filepath.Join(dir, "locks"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &Log{t, dir}
}

// Notes returns all lines so far.
func (l *Log) Notes() (notes []Note) {
	l.t.Helper()
	content, err := os.ReadFile(filepath.Join(l.dir, "notes"))
	if err != nil && !os.IsNotExist(err) {
		l.t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if !strings.HasSuffix(line, "\n") {
			break // it is being written
		}
		var n Note
		var id string
		var at int64
		if _, err := fmt.Sscanf(line, "%s %s %d %d %d %d %d %q\n", &n.What, &id, &n.Run, &n.Attempt, &n.Pid, &n.Worker, &at, &n.Key); err != nil {
			l.t.Fatalf("a line of the witness: %q: %v", line, err)
		}
		if n.Job, err = job.ParseID(id); err != nil {
			l.t.Fatalf("a line of the witness: %q: %v", line, err)
		}
		n.At = time.Unix(0, at)
		notes = append(notes, n)
	}
	return notes
}

// Of returns the lines of one kind about one job.
func (l *Log) Of(what string, id job.ID) (notes []Note) {
	for _, n := range l.Notes() {
		if n.What == what && n.Job == id {
			notes = append(notes, n)
		}
	}
	return notes
}

// withWitness replaces {witness} with the command.
func withWitness(handlers, program, dir string) string {
	return strings.ReplaceAll(handlers, "{witness}", program+", "+dir)
}
