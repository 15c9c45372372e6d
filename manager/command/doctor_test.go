package command

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/slotq/slotq/manager/doctor"
	"github.com/slotq/slotq/manager/loops"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/service"
)

func TestDoctorFindsNothingWhereAManagerAndAWorkerRun(t *testing.T) {
	b := newBench(t)
	b.worker("host-1", "k")
	b.enqueue("mail", "k", nil)
	startManager(t, b.url, "--sweep=20ms")
	waitFor(t, "the manager's loops to have run", func() bool {
		turns, err := b.store.Turns(t.Context())
		return err == nil && len(turns) == len(loops.Names())
	})
	if r := parse[doctor.Report](t, b.ok("doctor", "--json", "--sweep=20ms")); !r.Healthy || len(r.Findings) > 0 || len(r.Checks) == 0 {
		t.Errorf("%+v", r)
	}
	if out := b.ok("doctor", "--sweep=20ms"); !strings.Contains(out, "SQLite 3.") || strings.Contains(out, "wrong:") {
		t.Errorf("table:\n%s", out)
	}
}

func TestDoctorTellsFindingsFromWhatItCouldNotSeeByItsExitCode(t *testing.T) {
	b := newBench(t)
	b.enqueue("mail", "k", nil)
	b.fails(1, []string{"2 findings"}, "doctor", "--sweep=20ms")
	r := call1(t.Context(), b.url, "", "doctor", "--sweep=20ms")
	for _, word := range []string{"\nno-manager", "\nno-worker", "wrong:", "why:", "do:", "systemctl start slotq-manager"} {
		if !strings.Contains(r.out, word) {
			t.Errorf("the table does not say %q:\n%s", word, r.out)
		}
	}
	b.fails(2, nil, "doctor", "--no-such-flag")

	const away = "mysql://slotq:secretword@127.0.0.1:1/slotq"
	r = call1(t.Context(), away, "", "doctor", "--json")
	if got := parse[doctor.Report](t, r.out); r.code() != 2 || got.Healthy || len(got.Findings) != 1 || got.Findings[0].Name != "database-unreachable" {
		t.Errorf("code %d, %s; want 2 and database-unreachable", r.code(), r.out)
	}
	if text := r.out + r.failure.Error(); strings.Contains(text, "secretword") || !strings.Contains(text, "127.0.0.1:1") {
		t.Errorf("it names the password, or not the server:\n%s", text)
	}
}

func TestDoctorSaysItsExitCodesInItsHelp(t *testing.T) {
	var out bytes.Buffer
	err := Main(t.Context(), service.Process{Name: "manager", Args: []string{"doctor", "--help"}, Stdout: &out, Stderr: &out})
	if !errors.Is(err, service.ErrShown) || !strings.Contains(out.String(), "0 healthy, 1 findings, 2 it could not look") {
		t.Errorf("%v\n%s", err, &out)
	}
}

// sound makes the bench a system in which nothing is wrong but what a test plants.
func (b *bench) sound() {
	b.t.Helper()
	b.worker("host-1", "*")
	for _, loop := range loops.Names() {
		if _, err := b.store.Turn(b.t.Context(), loop, job.WorkerID(1), time.Minute, b.now); err != nil {
			b.t.Fatal(err)
		}
	}
}
