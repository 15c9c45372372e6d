package job

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that callers ask about with errors.Is. Everything else that a store returns is the database's own trouble.
var (
	ErrNotFound    = errors.New("not found")
	ErrState       = errors.New("its state does not allow that")
	ErrWorkerDead  = errors.New("the worker was declared dead")
	ErrMismatch    = errors.New("sent before with another body")
	ErrNotEmpty    = errors.New("the queue is not empty")
	ErrLimit       = errors.New("limit reached")
	ErrUnavailable = errors.New("the database is not available")
	ErrNewerSchema = errors.New("the database has a newer schema than this binary knows")
	ErrOldSchema   = errors.New("the database has an older schema: run `manager migrate`")
)

// Problem is one value that is wrong: where, as a JSON pointer, and why. The value is never echoed.
type Problem struct {
	Pointer string // "/kind"
	Detail  string
}

// Invalid is an error made of problems.
type Invalid []Problem

func (e Invalid) Error() string {
	var b strings.Builder
	for i, p := range e {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s %s", p.Pointer, p.Detail)
	}
	return b.String()
}
