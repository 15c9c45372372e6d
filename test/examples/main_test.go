// Package examples runs what docs/examples shows, as a reader would: each client, handler and receiver by the interpreter of
// its language, and the SQL on each database, against the real api, worker and manager.
package examples

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/slotq/slotq/shared/wire"
	"github.com/slotq/slotq/test/e2e/system"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(system.Cleaning{Tests: m}) }

// patience bounds what happens within a second or two on a machine that is not busy with other tests.
const patience = 60 * time.Second

// top is the directory that the examples' paths are relative to.
var top, _ = filepath.Abs("../..")

// start runs an api, a manager and a worker with these handlers. The worker finds docs/examples where the handlers look for
// it. Whoever talks to the api needs a token: its client here has one for everything.
func start(t *testing.T, db system.Database, handlers string, environ ...string) *system.System {
	t.Helper()
	s := system.New(t, db, system.Short, handlers, environ...)
	if err := os.Symlink(filepath.Join(top, "docs"), filepath.Join(s.Dir, "docs")); err != nil {
		t.Fatal(err)
	}
	s.StartAPI()
	s.Client = s.Client.WithToken(token(t, s, "admin"))
	s.StartManager()
	s.StartWorker()
	return s
}

// token makes a token as an operator does.
func token(t *testing.T, s *system.System, scopes string) string {
	t.Helper()
	cmd := exec.Command(system.Program(t, system.Manager), "tokens", "create", "example", "--scope="+scopes, "--json", "--database-url="+s.DB.URL)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("make a token: %v", err)
	}
	var made wire.NewAPIToken
	if err := json.Unmarshal(out, &made); err != nil {
		t.Fatalf("make a token: %v in %s", err, out)
	}
	return made.Secret
}

// interpreter finds the program that runs a language's examples.
func interpreter(t *testing.T, name string) (path string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		system.Absent(t, name+" is not installed: run the tests by `SLOTQ_TEST_INSTALL=1 make test`, which installs it")
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// replaced is strings.Replace where the text must be there.
func replaced(t *testing.T, text, old, with string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("%q is not in\n%s", old, text)
	}
	return strings.ReplaceAll(text, old, with)
}
