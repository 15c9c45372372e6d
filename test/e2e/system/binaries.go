package system

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// Programs under test and their helpers, by the directory, seen from the repository's top, that holds each.
const (
	API       = "api"
	Worker    = "worker"
	Manager   = "manager"
	Witness   = "test/e2e/cmd/witness"
	GoHandler = "test/e2e/cmd/gohandler"
)

var (
	dir   string // of the built programs
	build = sync.OnceValue(buildAll)
)

func buildAll() (err error) {
	if dir, err = os.MkdirTemp("", "slotq-e2e-"); err != nil {
		return err
	}
	for _, program := range []string{API, Worker, Manager, Witness, GoHandler} {
		// Module by module, so that it also works without the workspace.
		cmd := exec.Command("go", "build", "-C", filepath.Join(top(), program), "-o", filepath.Join(dir, filepath.Base(program)), ".")
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", program, err, output)
		}
	}
	return nil
}

// Program returns the path of a program, built once for all tests of this process. Not with the race detector, even
// when the tests are: SQLite in pure Go is several times slower with it, and all times here are short.
func Program(t TB, program string) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, filepath.Base(program))
}

// Cleaning runs a package's tests and then removes what Program has built. It is for goleak.VerifyTestMain, which ends the
// process when they have run.
type Cleaning struct{ Tests interface{ Run() int } }

// Run implements goleak.TestingM.
func (c Cleaning) Run() int {
	defer func() {
		if dir != "" {
			_ = os.RemoveAll(dir)
		}
	}()
	return c.Tests.Run()
}

// top finds the repository's top from the directory of a test.
func top() string {
	for dir, _ := os.Getwd(); dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
	}
	return "." // the build says what is missing
}
