// Command gohandler is a worker as a program of its own, whose handlers are Go functions.
package main

import (
	"context"
	"errors"

	"github.com/slotq/slotq/worker/runner"
)

func main() {
	runner.Handle("go.echo", func(_ context.Context, j *runner.Job) (any, error) { return j.Payload, nil })
	runner.Handle("go.fail", func(context.Context, *runner.Job) (any, error) { return nil, errors.New("no luck") })
	runner.Handle("go.discard", func(context.Context, *runner.Job) (any, error) {
		return nil, runner.Discard(errors.New("no use"))
	})
	runner.Handle("go.panic", func(context.Context, *runner.Job) (any, error) { panic("oh no") })
	runner.Main()
}
