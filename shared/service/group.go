package service

import (
	"context"
	"errors"
	"fmt"
)

// Group runs the parts of a process that live and die together, such as a pool of connections, a loop that uses it
// and a listener. Parts start in the order of Add and stop in reverse, each one waited for before the next is told:
// errgroup would tell all at once, and the loop would lose its connections while it drains.
//
// The zero value is an empty group. It is not for use by several goroutines.
type Group struct{ parts []part }

type part struct {
	name string
	run  func(context.Context) error
}

// Add adds a part. run works until its context ends and then returns nil; its context is ended only after every part
// added later has returned. How long it may take to stop is its own business.
func (g *Group) Add(name string, run func(context.Context) error) {
	g.parts = append(g.parts, part{name, run})
}

// AddClose adds something that only needs closing, at its place in the order of stopping.
func (g *Group) AddClose(name string, closing func() error) {
	g.Add(name, func(ctx context.Context) error {
		<-ctx.Done()
		return closing()
	})
}

// Run starts all parts and returns when all have returned. They are stopped when ctx ends or when any of them returns,
// with an error or without: no part is meant to be done before the others. It returns the errors of all parts by
// name, the one that ended the group first; a part that was stopped and says so with context.Canceled has no error.
func (g *Group) Run(ctx context.Context) error {
	type running struct {
		stop context.CancelFunc
		done chan struct{}
		err  error
	}
	parts := make([]*running, len(g.parts))
	first := make(chan int, len(g.parts))
	for i, p := range g.parts {
		// Values, but not the end, come from ctx: the order of stopping is the group's to decide.
		partCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		r := &running{stop: stop, done: make(chan struct{})}
		parts[i] = r
		go func() {
			defer close(r.done)
			if err := p.run(partCtx); err != nil && !(partCtx.Err() != nil && err == context.Canceled) {
				r.err = fmt.Errorf("%s: %w", p.name, err)
			}
			first <- i
		}()
	}
	if len(parts) == 0 {
		<-ctx.Done()
		return nil
	}
	ender := -1
	select {
	case ender = <-first:
	case <-ctx.Done():
	}
	errs := make([]error, 1, len(parts)+1)
	for i := len(parts) - 1; i >= 0; i-- {
		parts[i].stop()
		<-parts[i].done
		if i == ender {
			errs[0] = parts[i].err
		} else {
			errs = append(errs, parts[i].err)
		}
	}
	return errors.Join(errs...)
}
