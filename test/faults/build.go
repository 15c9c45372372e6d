package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Programs of a run, by the directory of each, seen from the repository's top.
const (
	api      = "api"
	manager  = "manager"
	worker   = "worker"
	goworker = "test/faults/cmd/goworker"
	job      = "test/faults/cmd/witness"
)

// binaries is a directory with the programs of one build.
type binaries string

// build builds all programs into dir; tags "mutant" builds them with planted defects.
func build(ctx context.Context, dir, tags string) (binaries, error) {
	for _, program := range []string{api, manager, worker, goworker, job} {
		// Module by module, so that it also works without the workspace.
		cmd := exec.CommandContext(ctx, "go", "build", "-C", program, "-tags", tags, "-o", filepath.Join(dir, filepath.Base(program)), ".")
		if output, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s (run this from the repository's top): %w\n%s", program, err, output)
		}
	}
	return binaries(dir), nil
}

func (b binaries) path(program string) string {
	return filepath.Join(string(b), filepath.Base(program))
}
