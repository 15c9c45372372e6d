package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/slotq/slotq/shared/store/dbserver"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// given has both servers set, so that none is started.
func given(extra ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "SLOTQ_TEST_MYSQL_URL=mysql://given", "SLOTQ_TEST_POSTGRES_URL=postgres://given"}, extra...)
}

func TestExitCodeIsTheCommands(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -KILL $$": 137} {
		if code, err := run([]string{"--fast", "--", "sh", "-c", script}, given(), io.Discard, io.Discard, nil); code != want || err != nil {
			t.Errorf("%s: got %d, %v, want %d", script, code, err, want)
		}
	}
}

func TestServersOfTheEnvironmentAreUsed(t *testing.T) {
	var out bytes.Buffer
	code, err := run([]string{"--", "sh", "-c", "echo $SLOTQ_TEST_MYSQL_URL $SLOTQ_TEST_POSTGRES_URL"}, given(), &out, io.Discard, nil)
	if code != 0 || err != nil || out.String() != "mysql://given postgres://given\n" {
		t.Errorf("got %d, %v, %q", code, err, &out)
	}
}

func TestAWrongCallExits2(t *testing.T) {
	for _, args := range [][]string{{}, {"--"}, {"--nonsense", "--", "true"}} {
		if code, _ := run(args, given(), io.Discard, io.Discard, nil); code != 2 {
			t.Errorf("%q: got %d", args, code)
		}
	}
}

func TestACommandThatIsNotThereExits1(t *testing.T) {
	if code, err := run([]string{"--", "/no/such/command"}, given(), io.Discard, io.Discard, nil); code != 1 || err == nil {
		t.Errorf("got %d, %v", code, err)
	}
}

func TestSignalsAreHandedOn(t *testing.T) {
	signals := make(chan os.Signal, 1)
	reader, writer := io.Pipe()
	go func() { // once the command has said that its trap is set
		_, _ = reader.Read(make([]byte, 1))
		signals <- syscall.SIGTERM
		_, _ = io.Copy(io.Discard, reader)
	}()
	script := `trap 'exit 9' TERM; echo ready; while :; do sleep 1; done`
	code, err := run([]string{"--", "sh", "-c", script}, given(), writer, io.Discard, signals)
	writer.Close()
	if code != 9 || err != nil {
		t.Errorf("got %d, %v, want the command's own 9", code, err)
	}
}

func TestAStartedServerIsGivenToTheCommandAndStopped(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // the user postgres must get in
		t.Fatal(err)
	}
	var out, problems bytes.Buffer
	code, err := run([]string{"--fast", "--postgres", "--", "sh", "-c", "echo $SLOTQ_TEST_POSTGRES_URL; exit 3"},
		[]string{"PATH=" + os.Getenv("PATH")}, &out, &problems, nil)
	if code != 3 || err != nil || !strings.HasPrefix(out.String(), "postgres://") || problems.Len() > 0 {
		t.Errorf("got %d, %v, %q, %q", code, err, &out, &problems)
	}
	if _, _, err := dbserver.Fresh(context.Background(), strings.TrimSpace(out.String())); err == nil {
		t.Error("the server still answers")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestMissingServersAreNamedWithTheCommandThatInstallsThem(t *testing.T) {
	kinds := []kind{{find: func() (string, error) { return "", dbserver.ErrNotInstalled }}}
	err := provide(context.Background(), kinds, nil, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "apt-get install -y --no-install-recommends mariadb-server-core galera-4 postgresql") {
		t.Errorf("got %v", err)
	}
}
