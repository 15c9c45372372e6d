package wire

import (
	"errors"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Code names an error for programs; it never changes its meaning. A Problem's type is "urn:slotq:problem:" + code.
type Code string

// The codes.
const (
	CodeMalformed    Code = "malformed"
	CodeUnauthorized Code = "unauthorized"
	CodeForbidden    Code = "forbidden"
	CodeCrossOrigin  Code = "cross_origin"
	CodeNotFound     Code = "not_found"
	CodeMethod       Code = "method_not_allowed"
	CodeSlow         Code = "request_timeout"
	CodeState        Code = "state"
	CodeNotEmpty     Code = "not_empty"
	CodeTooLarge     Code = "too_large"
	CodeMediaType    Code = "media_type"
	CodeHost         Code = "unknown_host"
	CodeInvalid      Code = "invalid"
	CodeMismatch     Code = "mismatch"
	CodeLimit        Code = "limit"
	CodeRate         Code = "rate_limited"
	CodeInternal     Code = "internal"
	CodeUnavailable  Code = "unavailable"
)

const problemType = "urn:slotq:problem:"

// codes is the one table of errors: the server goes through it from a domain error to a status, the client from a
// problem's type to the domain error.
var codes = []struct {
	code   Code
	status int
	title  string
	err    error // what the client's errors.Is finds; nil = nothing of the domain
}{
	{CodeMalformed, 400, "The request is not well formed", nil},
	{CodeUnauthorized, 401, "A token is needed", nil},
	{CodeForbidden, 403, "The token is not for that", nil},
	{CodeCrossOrigin, 403, "Requests from other sites' pages are refused", nil},
	{CodeNotFound, 404, "There is no such thing", job.ErrNotFound},
	{CodeMethod, 405, "The path does not know this method", nil},
	{CodeSlow, 408, "The body came too slowly", nil},
	{CodeState, 409, "Its state does not allow that", job.ErrState},
	{CodeNotEmpty, 409, "The queue is not empty", job.ErrNotEmpty},
	{CodeTooLarge, 413, "The body is too large", nil},
	{CodeMediaType, 415, "The body must be JSON", nil},
	{CodeHost, 421, "This server does not answer to that host name", nil},
	{CodeMismatch, 422, "Sent before with another body", job.ErrMismatch},
	{CodeLimit, 422, "A limit is reached", job.ErrLimit},
	{CodeInvalid, 422, "A value is wrong", nil},
	{CodeRate, 429, "Too many requests", nil},
	{CodeInternal, 500, "Something went wrong here", nil},
	{CodeUnavailable, 503, "The database does not answer in time", job.ErrUnavailable},
}

// Problem is an error as RFC 9457 has it. As a Go error it answers errors.Is for the domain's errors.
type Problem struct {
	Type       string        `json:"type" doc:"urn:slotq:problem: and the code, stable."`
	Title      string        `json:"title"`
	Status     int           `json:"status"`
	Detail     string        `json:"detail,omitempty" doc:"What is wrong with this request, and what to do."`
	Errors     []FieldError  `json:"errors,omitempty" doc:"Each value that is wrong; at most 100."`
	RetryAfter time.Duration `json:"-"` // with CodeUnavailable and CodeRate
}

// FieldError says where a value is wrong, and why; never the value itself.
type FieldError struct {
	Pointer   string `json:"pointer,omitempty" doc:"JSON pointer into the body, such as #/jobs/3/kind."`
	Parameter string `json:"parameter,omitempty" doc:"Or: a parameter of the query."`
	Header    string `json:"header,omitempty" doc:"Or: a header."`
	Detail    string `json:"detail"`
}

// NewProblem makes the problem of a code.
func NewProblem(code Code, detail string, fields ...FieldError) *Problem {
	for _, c := range codes {
		if c.code == code {
			return &Problem{Type: problemType + string(code), Title: c.title, Status: c.status, Detail: detail, Errors: fields}
		}
	}
	panic("wire: no such code: " + code) // a fault of the program: codes are constants
}

// ProblemOf finds the code of a domain error. CodeInternal stands for what the domain does not know; its text is not
// for clients, so the problem does not have it.
func ProblemOf(err error) *Problem {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p
	}
	if bad := (job.Invalid)(nil); errors.As(err, &bad) {
		return NewProblem(CodeInvalid, "", Fields("#", bad)...)
	}
	for _, c := range codes {
		if c.err != nil && errors.Is(err, c.err) {
			return NewProblem(c.code, "")
		}
	}
	return NewProblem(CodeInternal, "")
}

// Fields converts the domain's problems; prefix is the pointer to what they are about.
func Fields(prefix string, bad job.Invalid) []FieldError {
	out := make([]FieldError, len(bad))
	for i, p := range bad {
		out[i] = FieldError{Pointer: prefix + p.Pointer, Detail: p.Detail}
	}
	return out
}

// Code is the problem's code; it may be one that this version does not know.
func (p *Problem) Code() Code { return Code(strings.TrimPrefix(p.Type, problemType)) }

// Unwrap lets errors.Is find the domain's error.
func (p *Problem) Unwrap() error {
	for _, c := range codes {
		if c.code == p.Code() {
			return c.err
		}
	}
	return nil
}

// Error says all that the server said.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Title)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	for _, f := range p.Errors {
		b.WriteString("; " + f.Pointer + f.Parameter + f.Header + " " + f.Detail)
	}
	return b.String()
}
