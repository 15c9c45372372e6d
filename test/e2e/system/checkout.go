package system

import (
	"os"
	"path/filepath"
)

// Checkout copies what a clone of the repository has into a directory of the test's own, for programs that write into the
// directory that they run in.
func Checkout(t TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{"api", "manager", "shared", "worker", "test", "deploy", "docs"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(top(), part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"go.work", "go.work.sum", "Makefile", "README.md", "LICENSE"} {
		content, err := os.ReadFile(filepath.Join(top(), file))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), content, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
