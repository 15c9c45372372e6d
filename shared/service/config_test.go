package service

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

type testFlags struct {
	Common
	Listen  string `default:"127.0.0.1:8080" help:"Address."`
	MaxBody Bytes  `default:"16MiB" help:"Largest body."`
}

const testURL = "SLOTQ_DATABASE_URL=sqlite:x.db"

func parse(t *testing.T, environ []string, args ...string) (*testFlags, error) {
	t.Helper()
	flags := &testFlags{}
	_, err := Parse(args, environ, io.Discard, About{Name: "slotq-test"}, flags)
	return flags, err
}

func wantUsage(t *testing.T, err error, parts ...string) {
	t.Helper()
	var usage *UsageError
	if !errors.As(err, &usage) || usage.ExitCode() != 2 {
		t.Fatalf("got %v, want a usage error with exit code 2", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestDefaultsAreThoseOfTheContract(t *testing.T) {
	got, err := parse(t, []string{testURL})
	if err != nil {
		t.Fatal(err)
	}
	want := &testFlags{Listen: "127.0.0.1:8080", MaxBody: 16 << 20, Common: Common{
		DatabaseURL: "sqlite:x.db", DatabaseConnections: 20, LogLevel: "info", LogFormat: "auto",
		Heartbeat: 5 * time.Second, Lease: 20 * time.Second, Sweep: time.Second,
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestFlagGoesBeforeEnvironmentBeforeDefault(t *testing.T) {
	environ := []string{testURL, "SLOTQ_LEASE=1m", "SLOTQ_MAX_BODY=1MiB", "SLOTQ_HOSTS=a.example,b.example",
		"SLOTQ_MIGRATE=true", "SLOTQ_OPS_LISTEN=", "SLOTQ_SWEEP=", "NOEQUALS"}
	got, err := parse(t, environ, "--lease=30s", "--database-url", "mysql://u:p@h/d")
	if err != nil {
		t.Fatal(err)
	}
	if got.Lease != 30*time.Second || got.DatabaseURL.Reveal() != "mysql://u:p@h/d" {
		t.Errorf("the environment went before the flag: %s %s", got.Lease, got.DatabaseURL)
	}
	if got.MaxBody != 1<<20 || !reflect.DeepEqual(got.Hosts, []string{"a.example", "b.example"}) || !got.Migrate {
		t.Errorf("the environment was not read: %+v", got)
	}
	if got.Sweep != time.Second {
		t.Errorf("an empty variable replaced the default: sweep %s", got.Sweep)
	}
}

func TestWithoutDatabaseURLParseSaysSoWithAnExample(t *testing.T) {
	_, err := parse(t, nil)
	wantUsage(t, err, "no database", "--database-url", "SLOTQ_DATABASE_URL=sqlite:")
}

func TestWrongValuesAreUsageErrors(t *testing.T) {
	for name, args := range map[string][]string{
		"lease":                  {"--lease=14s"},
		"--heartbeat is 0s":      {"--heartbeat=0s"},
		"--sweep is -1s":         {"--sweep=-1s"},
		"--database-connections": {"--database-connections=0"},
		"--log-level":            {"--log-level=loud"},
		"--log-format":           {"--log-format=xml"},
		"--max-body":             {"--max-body=1.5MiB"},
		"unknown flag":           {"--no-such-flag"},
		"unexpected argument":    {"what"},
	} {
		_, err := parse(t, []string{testURL}, args...)
		wantUsage(t, err, name)
	}
	_, err := parse(t, []string{testURL, "SLOTQ_LOG_LEVEL=loud"})
	wantUsage(t, err, "--log-level")
}

func TestALeaseOfThreeHeartbeatsIsEnough(t *testing.T) {
	if _, err := parse(t, []string{testURL}, "--lease=15s"); err != nil {
		t.Error(err)
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	_, err := parse(t, nil, "--sweep=0s", "--lease=1s")
	wantUsage(t, err, "no database", "--sweep", "--lease")
}

func TestHelpListsEveryFlagWithItsVariableAndDefault(t *testing.T) {
	var out bytes.Buffer
	_, err := Parse([]string{"--help"}, nil, &out, About{Name: "slotq-test", Description: "It tests."}, &testFlags{})
	if !errors.Is(err, ErrShown) {
		t.Fatalf("got %v, want ErrShown", err)
	}
	for _, want := range []string{"It tests.", "--database-url", "SLOTQ_DATABASE_URL", "--database-password-file",
		"SLOTQ_MAX_BODY", "16MiB", "--lease=20s", "--database-connections=20", "--ops-listen", "--hosts", "--log-level",
		"--log-format", "--heartbeat", "--sweep", "--migrate", "--version"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help does not name %s:\n%s", want, &out)
		}
	}
}

func TestVersionFlagPrintsTheVersionOnly(t *testing.T) {
	var out bytes.Buffer
	_, err := Parse([]string{"--version"}, nil, &out, About{Name: "slotq-test"}, &testFlags{})
	if want := "slotq-test " + Version() + "\n"; !errors.Is(err, ErrShown) || out.String() != want {
		t.Errorf("got %q, %v, want %q", &out, err, want)
	}
	if _, err := parse(t, []string{testURL, "SLOTQ_VERSION=1"}); err != nil {
		t.Errorf("SLOTQ_VERSION changed what the service does: %v", err)
	}
}

func TestPasswordFileReplacesThePassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	for content, password := range map[string]string{"p@ss/w:rd ": "p@ss/w:rd ", "plain\n": "plain", "two\n\n": "two\n", "dos\r\n": "dos"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := parse(t, []string{"SLOTQ_DATABASE_URL=mysql://u:old@h:3306/d", "SLOTQ_DATABASE_PASSWORD_FILE=" + file})
		if err != nil {
			t.Fatal(err)
		}
		want, err := DatabaseURL("mysql://u@h:3306/d").WithPassword(password)
		if err != nil || got.DatabaseURL != want || strings.Contains(got.DatabaseURL.Reveal(), "old") {
			t.Errorf("%q gave %s", content, got.DatabaseURL.Reveal())
		}
	}
	_, err := parse(t, []string{testURL}, "--database-password-file="+file)
	wantUsage(t, err, "sqlite:x.db", "no server")
	_, err = parse(t, []string{"SLOTQ_DATABASE_URL=mysql://h/d"}, "--database-password-file="+file+".missing")
	wantUsage(t, err, "--database-password-file", "no such file")
	if err := os.WriteFile(file, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = parse(t, []string{"SLOTQ_DATABASE_URL=mysql://h/d"}, "--database-password-file="+file)
	wantUsage(t, err, "empty")
}

func TestUsageErrorsNeverNameThePassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("new-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--database-url=mysql://u:hunter2/x@h/d", "--database-password-file=" + file},
		{"--database-url=mysql://u:hunter2@h/d", "--database-password-file=" + file + ".missing"},
		{"--database-url=mysql://u:hunter2@h/d", "--lease=x"},
		{"--database-url", "mysql://u:hunter2@h/d", "--nope"},
	} {
		_, err := parse(t, nil, args...)
		wantUsage(t, err)
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "new-secret") {
			t.Errorf("the error names a password: %v", err)
		}
	}
}
