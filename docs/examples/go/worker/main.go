// Command worker is a worker with a handler in Go. It takes the flags of the worker binary:
//
//	go run docs/examples/go/worker/main.go --database-url sqlite:data/slotq.db
package main

import (
	"context"
	"errors"

	"github.com/slotq/slotq/worker/runner"
)

type mail struct {
	To string `json:"to"`
}

type receipt struct {
	Sent      string `json:"sent"`
	MessageID string `json:"message_id"`
	Attempt   int    `json:"attempt"`
}

func main() {
	runner.Handle("go.mail", send)
	runner.Main()
}

// send stops when ctx ends: the job was cancelled, its time is over, or the worker stops. The result is the job's output.
func send(ctx context.Context, j *runner.Job) (any, error) {
	var m mail
	if err := j.Decode(&m); err != nil {
		return nil, runner.Discard(err)
	}
	if m.To == "" {
		return nil, runner.Discard(errors.New(`the payload has no address in "to"`)) // no retry can help
	}
	// A worker may die after the mail was sent and before it could say so; the job then runs again. Hand its id on to
	// whatever can tell that it has seen it before.
	return receipt{Sent: m.To, MessageID: j.ID.String(), Attempt: j.Attempt}, ctx.Err()
}
