// Command noter is a worker whose Go handler notes the start and the end of every run in a file outside the database, in
// the form of the command witness. Its other handlers come from worker.yaml.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/slotq/slotq/worker/runner"
)

func main() {
	notes, err := os.OpenFile(filepath.Join(os.Getenv("NOTES"), "notes"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, "noter:", err)
		os.Exit(70)
	}
	note := func(what string, j *runner.Job) error {
		// One append in one write, which no other process's can get into.
		_, err := fmt.Fprintf(notes, "%s %s %d %d %d %d %d %q\n", what, j.ID, j.Run, j.Attempt, os.Getpid(), os.Getpid(), time.Now().UnixNano(), "")
		return err
	}
	runner.Handle("note.go", func(ctx context.Context, j *runner.Job) (any, error) {
		var o struct {
			Milliseconds int `json:"ms"`
		}
		if err := json.Unmarshal(j.Payload, &o); err != nil {
			return nil, runner.Discard(err)
		}
		if err := note("start", j); err != nil {
			return nil, err
		}
		work := time.NewTimer(time.Duration(o.Milliseconds) * time.Millisecond)
		defer work.Stop()
		select {
		case <-work.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		return nil, note("end", j)
	})
	runner.Main()
}
