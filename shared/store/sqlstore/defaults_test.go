package sqlstore

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/slotq/slotq/shared/job"
)

// A column that is left out without a default fails at the first INSERT; one whose other value nobody looks at would be lost.
func TestAJobThatSaysMoreThanTheDefaultsNamesTheirColumns(t *testing.T) {
	now := job.Time(1)
	fresh := func() *job.Job { return (&job.Spec{Queue: "q", Kind: "a"}).Make(job.NewQueue("q"), now) }
	if n := naming(fresh()); n != named {
		t.Fatalf("a job that says nothing else names %d columns, want %d", n, named)
	}
	for field, set := range map[string]func(*job.Job){
		"priority":          func(j *job.Job) { j.Priority = 1 },
		"max_attempts":      func(j *job.Job) { j.MaxAttempts = 3 },
		"max_crashes":       func(j *job.Job) { j.MaxCrashes = 3 },
		"timeout_us":        func(j *job.Job) { j.Timeout = 1000 },
		"queue_timeout_us":  func(j *job.Job) { j.QueueTimeout = 1000 },
		"tags":              func(j *job.Job) { j.Tags = []byte("[]") },
		"metadata":          func(j *job.Job) { j.Metadata = []byte("{}") },
		"errors":            func(j *job.Job) { j.Errors = []job.RunError{{}} },
		"token":             func(j *job.Job) { j.Token[3] = 1 },
		"cancel_at":         func(j *job.Job) { j.CancelAt = 1 },
		"attempt":           func(j *job.Job) { j.Attempt = 2 },
		"run":               func(j *job.Job) { j.Run = 1 },
		"crashes":           func(j *job.Job) { j.Crashes = 1 },
		"snoozes":           func(j *job.Job) { j.Snoozes = 1 },
		"backoff":           func(j *job.Job) { j.Backoff.Kind = job.BackoffList },
		"expires_at":        func(j *job.Job) { j.ExpiresAt = 1 },
		"unique_key":        func(j *job.Job) { j.UniqueKey = "k" },
		"concurrency_key":   func(j *job.Job) { j.ConcurrencyKey = "k" },
		"concurrency_limit": func(j *job.Job) { j.ConcurrencyLimit = 1 },
		"started_at":        func(j *job.Job) { j.StartedAt = 1 },
		"digest":            func(j *job.Job) { j.Digest = []byte{0} },
		"blocked":           func(j *job.Job) { j.Blocked = true },
		"key_held":          func(j *job.Job) { j.KeyHeld = true },
	} {
		j := fresh()
		before, err := jobRow(j, 7)
		if err != nil {
			t.Fatal(err)
		}
		set(j)
		after, err := jobRow(j, 7)
		if err != nil {
			t.Fatal(err)
		}
		var changed []string
		at := 0
		for i, column := range jobColumns {
			if !reflect.DeepEqual(before[i], after[i]) {
				changed, at = append(changed, column), i
			}
		}
		want := len(jobColumns)
		switch {
		case at < resent:
			want = resent
		case at < limited:
			want = limited
		}
		if n := naming(j); strings.Join(changed, " ") != field || at < named || n != want {
			t.Errorf("with another %s the columns %v change, and it names the first %d, want %d", field, changed, n, want)
		}
	}
}

func TestEveryColumnThatMayBeLeftOutHasADefault(t *testing.T) {
	for _, engine := range []string{"mysql", "postgres"} {
		var migrations string
		for _, file := range []string{"003_defaults.sql", "004_defaults_of_queues.sql"} {
			b, err := os.ReadFile("../" + engine + "/migrations/" + file)
			if err != nil {
				t.Fatal(err)
			}
			migrations += string(b)
		}
		if n := strings.Count(migrations, "SET DEFAULT"); n != len(jobColumns)-named {
			t.Errorf("%s has %d defaults, want %d", engine, n, len(jobColumns)-named)
		}
		for _, column := range jobColumns[named:] {
			if !strings.Contains(migrations, "ALTER COLUMN "+column+" SET DEFAULT ") {
				t.Errorf("%s has no default for %s", engine, column)
			}
		}
	}
}
