// Command goworker is the worker of the fault runs whose jobs are Go functions; FAULTS_WITNESS is the directory of the
// witness.
package main

import (
	"context"
	"os"
	"sync"

	"github.com/slotq/slotq/test/faults/history"
	"github.com/slotq/slotq/test/faults/witness"
	"github.com/slotq/slotq/worker/runner"
)

func main() {
	// With the first job: this program is also run as its own shim, which knows of no witness.
	open := sync.OnceValues(func() (*witness.Witness, error) { return witness.Open(os.Getenv("FAULTS_WITNESS")) })
	runner.Handle("f.go", func(ctx context.Context, j *runner.Job) (any, error) {
		w, err := open()
		if err != nil {
			return nil, err
		}
		return w.Do(ctx, witness.Run{Via: history.Go, Job: j.ID.String(), Run: j.Run, Attempt: j.Attempt, Worker: os.Getpid()}, j.Payload)
	})
	runner.Main()
}
