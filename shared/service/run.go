package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// Process is what a program sees of the outside, so that a test can run a whole binary in its own process.
type Process struct {
	Name    string   // the command, for messages
	Args    []string // without the command
	Environ []string // NAME=value
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
}

// Program is a binary's main. It returns soon after ctx ends: with nil when it has drained, or with what went wrong.
type Program func(ctx context.Context, p Process) error

// Main runs a program and returns the exit code for os.Exit: 0, 1 after an error, 2 after a *UsageError (or what an
// error's ExitCode method says), and 128 + the signal when the program was cut short by one. An error is one line on
// stderr. The first SIGTERM or SIGINT ends the program's context; a second one ends the process at once, which every
// part of slotq must survive anyway.
func Main(program Program) int {
	Headroom()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	return supervise(program, Process{
		Name:    filepath.Base(os.Args[0]),
		Args:    os.Args[1:],
		Environ: os.Environ(),
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
	}, signals, os.Exit)
}

// signalError is the cause of the context's end.
type signalError struct{ signal os.Signal }

func (e signalError) Error() string { return "stopped by " + e.signal.String() }

func (e signalError) exitCode() int {
	number, _ := e.signal.(syscall.Signal)
	return 128 + int(number)
}

func supervise(program Program, p Process, signals <-chan os.Signal, exit func(int)) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() { ended <- program(ctx, p) }()
	for {
		select {
		case err := <-ended:
			return report(ctx, p, err)
		case s := <-signals:
			stop := signalError{s}
			if ctx.Err() != nil {
				fmt.Fprintf(p.Stderr, "%s: second signal, ending at once\n", p.Name)
				exit(stop.exitCode())
				return stop.exitCode()
			}
			cancel(stop)
		}
	}
}

// report prints err and returns the exit code.
func report(ctx context.Context, p Process, err error) int {
	if err == nil || errors.Is(err, ErrShown) {
		return 0
	}
	fmt.Fprintf(p.Stderr, "%s: %s\n", p.Name, strings.ReplaceAll(err.Error(), "\n", "; "))
	var stop signalError
	if errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &stop) {
		return stop.exitCode()
	}
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return 1
}
