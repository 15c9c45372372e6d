// Package handlers reads worker.yaml: which kinds a worker serves, and how each is run. It owns the file's format and
// finds every mistake in it at start, each with its line, so that none is left for the first job to meet.
//
// It leaves the running to package executor, and how many jobs run at once to the worker.
package handlers

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/service"
	"github.com/slotq/slotq/worker/executor"
)

// CatchAll is the kind that serves all kinds without a handler of their own.
const CatchAll = "*"

// Handler is how the jobs of one kind are run. Exactly one of Command and HTTP is set.
type Handler struct {
	// Kind is the job's kind, or CatchAll.
	Kind string
	// Line is where it stands in the file, from 1.
	Line int
	// Timeout is for jobs that have none of their own; 0 leaves it to the queue. At most MaxTimeout.
	Timeout time.Duration
	// Concurrency is the most jobs of it that the worker runs at once; 0 leaves it to the worker's own limit.
	Concurrency int

	Command *executor.CommandConfig
	HTTP    *executor.HTTPConfig
}

// Bounds of what a handler may ask for.
const (
	MaxTimeout     = 7 * 24 * time.Hour
	MaxGrace       = 10 * time.Minute
	MaxConcurrency = 10_000
	MaxProcesses   = 100_000
	// A program with its interpreter and libraries does not start in less than MinMemory.
	MinMemory service.Bytes = 1 << 20
	MaxMemory service.Bytes = 1 << 50
)

// Executor makes the handler's executor. subprocesses is the worker's owner of subprocesses; handlers with an HTTP
// target do not use it.
func (h Handler) Executor(subprocesses *executor.Subprocess) (executor.Executor, error) {
	var e executor.Executor
	var err error
	if h.HTTP != nil {
		e, err = executor.NewHTTP(*h.HTTP)
	} else {
		e, err = subprocesses.Command(*h.Command)
	}
	if err != nil {
		return nil, fmt.Errorf("handler %s (line %d): %w", h.Kind, h.Line, err)
	}
	return e, nil
}

// Set is all handlers of a file.
type Set struct{ byKind map[string]Handler }

// Lookup returns the handler for a kind: its own, else the catch-all.
func (s *Set) Lookup(kind string) (Handler, bool) {
	if h, ok := s.byKind[kind]; ok {
		return h, true
	}
	h, ok := s.byKind[CatchAll]
	return h, ok
}

// All returns the handlers by kind, in order; the catch-all is first.
func (s *Set) All() []Handler {
	out := make([]Handler, 0, len(s.byKind))
	for _, h := range s.byKind {
		out = append(out, h)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Kind < out[j].Kind })
	return out
}

// Options says what a file is checked against; the zero value is the process's own surroundings.
type Options struct {
	// Insecure allows commands without user: as root.
	Insecure bool
	// LookupEnv finds PATH and the variables of secret_env; nil means os.LookupEnv.
	LookupEnv func(string) (string, bool)

	euid *int // instead of the process's, for tests
}

// Problem is one mistake in a file.
type Problem struct {
	File   string
	Line   int // from 1; 0 when it is about the file as a whole
	Detail string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Detail
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Detail)
}

// Problems are all mistakes of a file, by line. It is an error; errors.As finds it.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// MaxFile bounds the file in bytes.
const MaxFile = 1 << 20

// Load reads a file. The error is Problems with everything that is wrong in it.
func Load(file string, opts Options) (*Set, error) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, Problems{{File: file, Detail: "there is no such file: write one (see worker.yaml in the README), or name it with --handlers or SLOTQ_HANDLERS"}}
	case err == nil && !info.Mode().IsRegular():
		return nil, Problems{{File: file, Detail: "this is no regular file: name the handlers' YAML file with --handlers or SLOTQ_HANDLERS"}}
	case err == nil && info.Size() > MaxFile:
		return nil, Problems{{File: file, Detail: fmt.Sprintf("the file has more than %d bytes", MaxFile)}}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, Problems{{File: file, Detail: "it cannot be read: " + errors.Unwrap(err).Error()}}
	}
	return Parse(file, data, opts)
}
