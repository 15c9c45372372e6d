package server

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/slotq/slotq/api/strict"
	"github.com/slotq/slotq/shared/wire"
)

// smallBody is the size up to which a body is not counted against the memory for large ones: the number of connections
// bounds these.
const smallBody = 64 << 10

// body reads a JSON body. The bytes of the value stay as they came; release must be called when the request is over.
func (s *Server) body(w http.ResponseWriter, r *http.Request, kinds ...string) (v strict.Value, release func(), err error) {
	release = func() {}
	if err := contentType(r, append(kinds, "application/json")); err != nil {
		return nil, release, err
	}
	size := r.ContentLength
	if size > s.MaxBody {
		// Said without reading: the client may be sending gigabytes.
		w.Header().Set("Connection", "close")
		return nil, release, s.tooLarge()
	}
	if size < 0 {
		size = s.MaxBody
	}
	if size > smallBody {
		if !s.bodies.TryAcquire(size) {
			w.Header().Set("Connection", "close")
			return nil, release, wire.NewProblem(wire.CodeUnavailable, "The server is reading as many large bodies as it has memory for. Nothing was stored: send it again.")
		}
		release = func() { s.bodies.Release(size) }
	}
	reader := http.MaxBytesReader(w, r.Body, s.MaxBody)
	var b []byte
	if r.ContentLength >= 0 {
		b = make([]byte, size)
		_, err = io.ReadFull(reader, b)
	} else {
		b, err = io.ReadAll(reader)
	}
	if err != nil {
		return nil, release, s.unread(err)
	}
	v, err = strict.Parse(b)
	if err != nil {
		return nil, release, unparsed(err)
	}
	return v, release, nil
}

func contentType(r *http.Request, kinds []string) error {
	sent := r.Header.Get("Content-Type")
	if slices.Contains(kinds, sent) { // as nearly all send it
		return nil
	}
	kind, parameters, err := mime.ParseMediaType(sent)
	charset := strings.ToLower(parameters["charset"])
	if err == nil && slices.Contains(kinds, kind) && (charset == "" || charset == "utf-8") {
		return nil
	}
	return wire.NewProblem(wire.CodeMediaType, "Send "+strings.Join(kinds, " or ")+" in UTF-8: with curl, `curl --json '{…}'` does.")
}

func (s *Server) tooLarge() error {
	return wire.NewProblem(wire.CodeTooLarge, fmt.Sprintf("A body may have at most %d bytes (SLOTQ_MAX_BODY); send several smaller batches.", s.MaxBody))
}

func (s *Server) unread(err error) error {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return s.tooLarge()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return wire.NewProblem(wire.CodeSlow, "The whole body must come within 15 seconds.")
	}
	return wire.NewProblem(wire.CodeMalformed, "The body ended before its end.")
}

func unparsed(err error) error {
	if syntax := (*strict.SyntaxError)(nil); errors.As(err, &syntax) {
		return wire.NewProblem(wire.CodeMalformed, "The body is not JSON "+syntax.Error()+".")
	}
	return wire.NewProblem(wire.CodeInvalid, "", wire.FieldError{Pointer: "#", Detail: err.Error()})
}

// noBody refuses a body where none is read: what somebody sends has a meaning to them. An empty object is what many
// clients send for none.
func (s *Server) noBody(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength == 0 || r.Body == http.NoBody {
		return nil
	}
	if r.ContentLength < 0 {
		var one [1]byte
		if n, err := r.Body.Read(one[:]); n == 0 && err == io.EOF {
			return nil
		}
		return wire.NewProblem(wire.CodeInvalid, "This request takes no body.", wire.FieldError{Pointer: "#", Detail: "must be empty"})
	}
	v, release, err := s.body(w, r)
	defer release()
	if err != nil {
		return err
	}
	for range v.Members() {
		return wire.NewProblem(wire.CodeInvalid, "This request takes no body.", wire.FieldError{Pointer: "#", Detail: "must be empty"})
	}
	if v.Is() != '{' {
		return wire.NewProblem(wire.CodeInvalid, "This request takes no body.", wire.FieldError{Pointer: "#", Detail: "must be empty"})
	}
	return nil
}
