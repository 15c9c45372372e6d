// Package hostile sends real binaries what only an enemy or a bad bug would: jobs that eat the machine, HTTP targets that
// never end, clients that hold connections. Each is done with within its limit, and good neighbours do not suffer.
// What is malformed rather than hostile is tested in package e2e.
package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(system.Cleaning{Tests: m}) }

// noise is what two busy cores may add to any time here.
const noise = 3 * time.Second

// onSQLite starts a whole system; what is hostile here never reaches the database.
func onSQLite(t *testing.T, handlers string) (s *system.System, api, worker *system.Process) {
	t.Helper()
	s = system.New(t, system.Database{Name: "sqlite", URL: "sqlite:" + filepath.Join(t.TempDir(), "slotq.db")}, system.Short, handlers)
	api = s.StartAPI()
	s.StartManager()
	return s, api, s.StartWorker()
}

func post(t testing.TB, s *system.System, n wire.NewJob) job.ID {
	t.Helper()
	stored, err := s.Client.Enqueue(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return stored.ID
}

// inState waits until a job is in one of the states.
func inState(t testing.TB, s *system.System, id job.ID, limit time.Duration, states ...job.State) (j wire.Job) {
	t.Helper()
	err := system.Await(t.Context(), limit, func() (err error) {
		if j, err = s.Client.Get(t.Context(), id); err == nil && !slices.Contains(states, j.State) {
			err = fmt.Errorf("it is %v, run %d, errors %+v", j.State, j.Run, j.Errors)
		}
		return err
	})
	if err != nil {
		t.Fatalf("job %s is not %v within %s: %v", id, states, limit, err)
	}
	return j
}

// descriptors counts a process's open files.
func descriptors(t testing.TB, p *system.Process) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// resident is a process's memory in bytes.
func resident(t testing.TB, p *system.Process) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// goroutines is a process's number of goroutines, by its metrics.
func goroutines(t testing.TB, s *system.System, p *system.Process) int {
	t.Helper()
	_, page, err := s.Read(p.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(page, "\ngo_goroutines ")
	n, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]))
	if !ok || err != nil {
		t.Fatalf("no go_goroutines at %s: %v", p.URL, err)
	}
	return n
}
