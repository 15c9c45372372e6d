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
	if !plain(fresh()) {
		t.Fatal("a job that says nothing else is not plain")
	}
	for field, set := range map[string]func(*job.Job){
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
		for i, column := range jobColumns {
			if !reflect.DeepEqual(before[i], after[i]) {
				changed = append(changed, column)
				if i < named {
					t.Errorf("%s stands among the columns that are always named", column)
				}
			}
		}
		if strings.Join(changed, " ") != field || plain(j) {
			t.Errorf("with another %s the columns %v change, and it is plain: %v", field, changed, plain(j))
		}
	}
	for _, engine := range []string{"mysql", "postgres"} {
		migration, err := os.ReadFile("../" + engine + "/migrations/003_defaults.sql")
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(migration), "SET DEFAULT"); n != len(jobColumns)-named {
			t.Errorf("%s has %d defaults, want %d", engine, n, len(jobColumns)-named)
		}
		for _, column := range jobColumns[named:] {
			if !strings.Contains(string(migration), "ALTER COLUMN "+column+" SET DEFAULT ") {
				t.Errorf("%s has no default for %s", engine, column)
			}
		}
	}
}
