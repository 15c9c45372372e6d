package executor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestExitStatusDecidesTheOutcome(t *testing.T) {
	for _, tc := range []struct {
		script    string
		outcome   Outcome
		errorType string
		message   string
	}{
		{"exit 0", Completed, "", ""},
		{"exit 75", Snoozed, TypeSnooze, "75"},
		{"exit 100", Discarded, TypeExit, "100"},
		{"echo it broke >&2; exit 7", Failed, TypeExit, "exit status 7: it broke"},
		{"kill -SEGV $$", Failed, TypeSignal, "killed by signal 11"},
	} {
		t.Run(tc.script, func(t *testing.T) {
			r, _ := sh(t, tc.script)
			wantOutcome(t, r, tc.outcome, tc.errorType)
			if !strings.Contains(r.Message, tc.message) || tc.message == "" && r.Message != "" {
				t.Errorf("message %q, want %q in it", r.Message, tc.message)
			}
		})
	}
}

func TestPayloadArrivesByteForByte(t *testing.T) {
	payload := []byte("{ \"b\": 1e400,\n\"a\": 9007199254740993, \"c\": \"<\x7f\" }  ")
	r, _ := sh(t, "cat", func(tk *Task) { tk.Payload = payload })
	wantOutcome(t, r, Completed, "")
	if !bytes.Equal(r.Output, payload) {
		t.Errorf("got %q", r.Output)
	}
}

func TestOutputOfAFailedJobIsKept(t *testing.T) {
	r, _ := sh(t, "echo so far; exit 1")
	wantOutcome(t, r, Failed, TypeExit)
	if string(r.Output) != "so far\n" {
		t.Errorf("output %q", r.Output)
	}
}

func TestJobThatNeverReadsStdinDoesNotBlock(t *testing.T) {
	r, _ := sh(t, "exec 0<&-; echo done", func(tk *Task) { tk.Payload = bytes.Repeat([]byte("x"), 1<<20) })
	wantOutcome(t, r, Completed, "")
	r, _ = sh(t, "echo done", func(tk *Task) { tk.Payload = bytes.Repeat([]byte("x"), 1<<20) })
	wantOutcome(t, r, Completed, "")
}

func TestOutputIsBoundedToHeadAndTail(t *testing.T) {
	r, _ := sh(t, `echo first; yes | head -c 5000000; echo last; echo first-error >&2; yes | head -c 5000000 >&2; echo last-error >&2; exit 3`)
	wantOutcome(t, r, Failed, TypeExit)
	if len(r.Output) > OutputLimit || !bytes.HasPrefix(r.Output, []byte("first\n")) || !bytes.HasSuffix(r.Output, []byte("last\n")) {
		t.Errorf("output of %d bytes: %.20q", len(r.Output), r.Output)
	}
	if !bytes.Contains(r.Output, []byte("bytes left out")) {
		t.Error("no marker where bytes were left out")
	}
	if len(r.Message) > MessageLimit || !strings.HasSuffix(r.Message, "last-error") {
		t.Errorf("message of %d bytes", len(r.Message))
	}
}

func TestOutputWithinTheLimitIsByteExact(t *testing.T) {
	r, _ := sh(t, fmt.Sprintf("head -c %d /dev/zero", OutputLimit))
	wantOutcome(t, r, Completed, "")
	if !bytes.Equal(r.Output, make([]byte, OutputLimit)) {
		t.Errorf("%d bytes", len(r.Output))
	}
}

func TestEndlessOutputIsDrainedUntilTheTimeout(t *testing.T) {
	r, _ := sh(t, "yes", func(tk *Task) { tk.Timeout = 300 * time.Millisecond })
	wantOutcome(t, r, TimedOut, TypeTimeout)
	if len(r.Output) > OutputLimit {
		t.Errorf("%d bytes", len(r.Output))
	}
}

func TestEnvironmentIsOnlyTheListed(t *testing.T) {
	set := map[string]string{"PATH": "/bin:/usr/bin", "HOME": "/h", "LANG": "C", "TMPDIR": "/tmp", "SMTP_HOST": "mx",
		"SLOTQ_DATABASE_URL": "sqlite:secret", "SECRET": "x"}
	sub := owner(t, SubprocessOptions{LookupEnv: func(n string) (string, bool) { v, ok := set[n]; return v, ok }})
	cmd, err := sub.Command(CommandConfig{Path: "/usr/bin/env", Argv: []string{"env"}, Env: []string{"SMTP_HOST", "NOT_SET", "PATH"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SLOTQ_DATABASE_PASSWORD_FILE", "/secret")
	r := cmd.Execute(t.Context(), task())
	wantOutcome(t, r, Completed, "")
	got := strings.Split(strings.TrimSpace(string(r.Output)), "\n")
	want := []string{"SLOTQ_JOB_ID=" + task().ID, "SLOTQ_RUN=3", "SLOTQ_KIND=mail.send", "SLOTQ_QUEUE=mail", "SLOTQ_SLOT=7", "SLOTQ_ATTEMPT=2",
		"SLOTQ_MAX_ATTEMPTS=25", "SLOTQ_DEADLINE=2026-01-02T03:04:05Z", "PATH=/bin:/usr/bin", "HOME=/h", "LANG=C", "TMPDIR=/tmp", "SMTP_HOST=mx"}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestJobInheritsNoDescriptorOfTheWorker(t *testing.T) {
	r, _ := sh(t, "ls /proc/self/fd | sort -n | tr '\\n' ' '")
	wantOutcome(t, r, Completed, "")
	// 3 is the directory that ls itself has open.
	if string(r.Output) != "0 1 2 3 " {
		t.Errorf("descriptors %q", r.Output)
	}
}

func TestJobInheritsNoIgnoredSignal(t *testing.T) {
	r, _ := sh(t, "grep -E 'SigIgn|SigBlk' /proc/self/status")
	wantOutcome(t, r, Completed, "")
	for line := range strings.Lines(string(r.Output)) {
		mask, err := strconv.ParseUint(strings.Fields(line)[1], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		// 1 to 31: those above are the C library's own, and come as whoever started the tests left them.
		if mask&(1<<31-1) != 0 {
			t.Error(strings.TrimSpace(line))
		}
	}
}

func TestUserIsTakenWithItsOwnGroupsOnly(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user; the unprivileged half is in TestOnlyRootCanNameAnotherUser")
	}
	nobody, err := LookupUser("nobody")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Groups = []uint32{4242}
	sub := owner(t, SubprocessOptions{})
	cmd, err := sub.Command(CommandConfig{Path: "/bin/sh", Argv: []string{"sh", "-c", `grep -E '^(Uid|Gid|Groups)' /proc/self/status; echo $HOME`}, User: nobody, Dir: "/"})
	if err != nil {
		t.Fatal(err)
	}
	r := cmd.Execute(t.Context(), task())
	wantOutcome(t, r, Completed, "")
	want := fmt.Sprintf("Uid: %[1]d %[1]d %[1]d %[1]d Gid: %[2]d %[2]d %[2]d %[2]d Groups: 4242 %[3]s", nobody.UID, nobody.GID, nobody.Home)
	if got := strings.Join(strings.Fields(string(r.Output)), " "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOnlyRootCanNameAnotherUser(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	u, err := LookupUser(me.Username)
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Reachable(); err != nil {
		t.Errorf("myself: %v", err)
	}
	other := &User{UID: u.UID + 1}
	if err := other.Reachable(); (err != nil) != (os.Geteuid() != 0) {
		t.Errorf("another: %v", err)
	}
	if _, err := LookupUser("no-such-user-here"); err == nil {
		t.Error("an unknown user was found")
	}
	if u, err := LookupUser("12:34"); err != nil || u.UID != 12 || u.GID != 34 || u.Groups != nil {
		t.Errorf("12:34: %+v %v", u, err)
	}
}

func TestRootWithoutUserIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	sub, err := NewSubprocess(SubprocessOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sub.Command(CommandConfig{Path: "/bin/true", Argv: []string{"true"}}); err == nil {
		t.Error("accepted")
	}
}

func TestMissingProgramFailsTheJob(t *testing.T) {
	sub := owner(t, SubprocessOptions{})
	cmd, err := sub.Command(CommandConfig{Path: "/no/such/program", Argv: []string{"program"}})
	if err != nil {
		t.Fatal(err)
	}
	r := cmd.Execute(t.Context(), task())
	wantOutcome(t, r, Failed, TypeStart)
	if !strings.Contains(r.Message, "/no/such/program") {
		t.Error(r.Message)
	}
}

func TestTimeoutNamesTheLimit(t *testing.T) {
	r, _ := sh(t, "echo begun; exec sleep 100", func(tk *Task) { tk.Timeout = 2 * time.Second })
	wantOutcome(t, r, TimedOut, TypeTimeout)
	if !strings.Contains(r.Message, "2s (set by the handler)") || string(r.Output) != "begun\n" {
		t.Errorf("%q %q", r.Message, r.Output)
	}
}

func TestJobThatIgnoresTermIsKilledAfterTheGrace(t *testing.T) {
	start := time.Now()
	r, _ := sh(t, `trap "" TERM; while :; do sleep 1; done`, func(tk *Task) { tk.Timeout = 2 * time.Second })
	wantOutcome(t, r, TimedOut, TypeTimeout)
	if d := time.Since(start); d < 2300*time.Millisecond || d > 10*time.Second {
		t.Errorf("ended after %v, want timeout + grace = 2.3s", d)
	}
}

func TestTermReachesTheWholeGroupAndGivesTimeToEnd(t *testing.T) {
	r, _ := sh(t, `trap 'echo bye; exit 0' TERM; sleep 100 & wait`, func(tk *Task) { tk.Timeout = 2 * time.Second })
	wantOutcome(t, r, TimedOut, TypeTimeout) // a program that tidies up and exits 0 on TERM has not done its job
	if string(r.Output) != "bye\n" {
		t.Errorf("output %q", r.Output)
	}
}

func TestCauseOfTheContextDecidesTheOutcome(t *testing.T) {
	for _, tc := range []struct {
		cause     error
		outcome   Outcome
		errorType string
	}{
		{ErrCancelled, Cancelled, TypeCancelled},
		{ErrDrained, Released, TypeDrained},
		{ErrLeaseLost, Released, TypeLeaseLost},
		{fmt.Errorf("for a reason: %w", ErrCancelled), Cancelled, TypeCancelled},
		{nil, Released, TypeDrained},
	} {
		t.Run(fmt.Sprint(tc.cause), func(t *testing.T) {
			dir := t.TempDir()
			sub := owner(t, SubprocessOptions{LookupEnv: lookupWith("DIR", dir)})
			cmd := shell(t, sub, `echo $$ > $DIR/pid; exec sleep 100`)
			ctx, cancel := context.WithCancelCause(t.Context())
			result := make(chan Result)
			go func() { result <- cmd.Execute(ctx, task()) }()
			pid := pidIn(t, dir, "pid")
			cancel(tc.cause)
			wantOutcome(t, <-result, tc.outcome, tc.errorType)
			if alive(pid) {
				t.Error("still runs")
			}
			wantOutcome(t, cmd.Execute(ctx, task()), tc.outcome, tc.errorType)
		})
	}
}

func TestLostLeaseLeavesNoGrace(t *testing.T) {
	dir := t.TempDir()
	sub := owner(t, SubprocessOptions{LookupEnv: lookupWith("DIR", dir)})
	cmd := shell(t, sub, `trap 'echo term >> $DIR/term' TERM; echo $$ > $DIR/pid; while :; do sleep 0.01; done`)
	cmd.cfg.Grace = time.Hour
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan Result)
	go func() { result <- cmd.Execute(ctx, task()) }()
	pidIn(t, dir, "pid")
	cancel(ErrLeaseLost)
	wantOutcome(t, <-result, Released, TypeLeaseLost)
	if _, err := os.Stat(dir + "/term"); err == nil {
		t.Error("got TERM")
	}
}

func TestManyJobsAtOnceKeepTheirOwnOutput(t *testing.T) {
	sub := owner(t, SubprocessOptions{})
	cmd := shell(t, sub, `cat; (setsid sleep 100 &); echo $SLOTQ_RUN`)
	const jobs = 40
	results := make(chan error, jobs)
	for i := range jobs {
		go func() {
			tk := task()
			tk.Run, tk.Payload = i+1, fmt.Appendf(nil, "%d ", i)
			r := cmd.Execute(t.Context(), tk)
			if want := fmt.Sprintf("%d %d\n", i, i+1); r.Outcome != Completed || string(r.Output) != want {
				results <- fmt.Errorf("job %d: %v %s %q", i, r.Outcome, r.Message, r.Output)
				return
			}
			results <- nil
		}()
	}
	for range jobs {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
