package server

import (
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/slotq/slotq/api/intake"
	"github.com/slotq/slotq/api/strict"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// specFields are the fields of a job to enqueue; wire.NewJob has the same, which a test checks.
var specFields = fields[job.Spec]{
	"id": func(s *job.Spec, v strict.Value) string {
		t, _ := v.Text()
		id, err := job.ParseID(t)
		if err != nil {
			return "must be a UUID"
		}
		s.ID = &id
		return ""
	},
	"queue":        func(s *job.Spec, v strict.Value) string { return text(&s.Queue, v, job.CheckName) },
	"kind":         func(s *job.Spec, v strict.Value) string { return text(&s.Kind, v, job.CheckName) },
	"payload":      func(s *job.Spec, v strict.Value) string { s.Payload = v; return "" },
	"priority":     func(s *job.Spec, v strict.Value) string { return pointer(&s.Priority, v) },
	"max_attempts": func(s *job.Spec, v strict.Value) string { return pointer(&s.MaxAttempts, v) },
	"max_crashes":  func(s *job.Spec, v strict.Value) string { return pointer(&s.MaxCrashes, v) },
	"timeout_seconds": func(s *job.Spec, v strict.Value) string {
		s.Timeout = new(time.Duration)
		return seconds(s.Timeout, v)
	},
	"backoff": func(s *job.Spec, v strict.Value) string {
		s.Backoff = new(job.Backoff)
		return backoff(s.Backoff, v)
	},
	"run_at":            func(s *job.Spec, v strict.Value) string { return moment(&s.RunAt, v) },
	"delay_seconds":     func(s *job.Spec, v strict.Value) string { return seconds(&s.Delay, v) },
	"expires_at":        func(s *job.Spec, v strict.Value) string { return moment(&s.ExpiresAt, v) },
	"unique_key":        func(s *job.Spec, v strict.Value) string { return text(&s.UniqueKey, v, job.CheckKey) },
	"concurrency_key":   func(s *job.Spec, v strict.Value) string { return text(&s.ConcurrencyKey, v, job.CheckKey) },
	"concurrency_limit": func(s *job.Spec, v strict.Value) string { return pointer(&s.ConcurrencyLimit, v) },
	"tags": func(s *job.Spec, v strict.Value) string {
		const wrong = "must be an array of at most 32 strings of 1 to 255 bytes"
		if v.Is() != '[' {
			return wrong
		}
		for i, e := range v.Elements() {
			var tag string
			if text(&tag, e, job.CheckKey) != "" || i >= job.MaxTags {
				return wrong
			}
			s.Tags = append(s.Tags, tag)
		}
		return ""
	},
	"metadata": func(s *job.Spec, v strict.Value) string {
		if v.Is() != '{' {
			return "must be an object"
		}
		s.Metadata = v
		return ""
	},
}

// spec reads one job to enqueue; at points to it.
func (s *Server) spec(v strict.Value, at string, now job.Time) (*job.Spec, []wire.FieldError) {
	spec := &job.Spec{Queue: job.DefaultQueue}
	bad := decode(v, at, specFields, spec)
	if v.Is() != '{' {
		return spec, bad
	}
	for _, f := range wire.Fields(at, spec.Check(s.MaxPayload)) {
		if spec.Kind == "" && f.Pointer == at+"/kind" {
			f.Detail = "is missing: it names the handler, with 1 to 128 letters, digits and . _ : -"
		}
		// One fault a field: what decode has found comes first.
		if !slices.ContainsFunc(bad, func(b wire.FieldError) bool { return b.Pointer == f.Pointer }) {
			bad = append(bad, f)
		}
	}
	if len(bad) == 0 && now.Add(spec.Delay) >= job.MaxTime {
		bad = append(bad, wire.FieldError{Pointer: at + "/delay_seconds", Detail: "must end before 2100"})
	}
	return spec, bad
}

// digest marks the bytes of a request that may be sent again, so that another body under the same name is noticed.
func digest(v strict.Value) []byte {
	sum := sha256.Sum256(v)
	return sum[:16]
}

// noQueue turns what kept a job from its queue into a problem with the request, where it is one.
func noQueue(err error, at string) error {
	field := wire.FieldError{Pointer: at + "/queue"}
	switch {
	case errors.Is(err, intake.ErrUnknownQueue):
		field.Detail = intake.ErrUnknownQueue.Error()
		return wire.NewProblem(wire.CodeInvalid, "", field)
	case errors.Is(err, job.ErrLimit):
		field.Detail = "would be a new one, and there are 1,000 queues already: delete some, or use tags"
		return wire.NewProblem(wire.CodeLimit, "", field)
	}
	return err
}
