package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/slotq/slotq/test/e2e/system"
)

// binDir is where the binaries are built; TestMain makes and removes it.
var binDir string

// build builds all binaries once.
var build = sync.OnceValue(func() error {
	for _, b := range []struct{ out, module, pkg string }{
		{"slotq-api", "api", "."}, {"slotq-worker", "worker", "."}, {"slotq-manager", "manager", "."},
		{"demo-thumbnail", "worker", "./cmd/demo-thumbnail"},
	} {
		cmd := exec.Command("go", "build", "-C", filepath.Join("..", "..", b.module), "-o", filepath.Join(binDir, b.out), b.pkg)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return err
		}
	}
	return nil
})

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if binDir, err = os.MkdirTemp("", "slotq-deploy-"); err == nil {
		err = os.Chmod(binDir, 0o755) // workers run as somebody else
	}
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(binDir)
	return system.Cleaning{Tests: m}.Run()
}

// binary returns the path of a binary.
func binary(t *testing.T, name string) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal("build the binaries: ", err)
	}
	return filepath.Join(binDir, name)
}
