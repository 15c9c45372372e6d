package main

import (
	"context"
	"fmt"
	"os"

	"github.com/slotq/slotq/test/bench/bare"
)

// store commits with one INSERT what has come while the one before it was committed, as an api does.
type store struct {
	statements bare.Statements
	queue      int32
	slots      int
	waiting    chan entry
}

type entry struct {
	payload []byte
	done    chan<- error
}

// mostRows bounds what one INSERT stores.
const mostRows = 1000

func open(ctx context.Context, rawURL string, queue int32, slots int) (*store, error) {
	statements, err := bare.On(ctx, rawURL)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	s := &store{statements: statements, queue: queue, slots: slots, waiting: make(chan entry, mostRows)}
	go s.run(ctx)
	return s, nil
}

// put returns when the job is committed.
func (s *store) put(payload []byte) error {
	done := make(chan error, 1)
	s.waiting <- entry{payload, done}
	return <-done
}

func (s *store) run(ctx context.Context) {
	for first := range s.waiting {
		entries := []entry{first}
		for len(s.waiting) > 0 && len(entries) < mostRows {
			entries = append(entries, <-s.waiting)
		}
		payloads := make([][]byte, len(entries))
		for i, e := range entries {
			payloads[i] = e.payload
		}
		err := s.statements.Enqueue(ctx, s.queue, s.slots, payloads)
		for _, e := range entries {
			e.done <- err
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bare:", err)
		}
	}
}
