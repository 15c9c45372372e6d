package wire

import (
	"time"

	"github.com/slotq/slotq/shared/job"
)

// Backoff says how long a failed job waits before its next attempt.
type Backoff struct {
	Kind        string    `json:"kind" enum:"polynomial,exponential,list" doc:"polynomial: attempt⁴ + 15 s. exponential: base_seconds, doubled each time. list: the waits themselves."`
	BaseSeconds float64   `json:"base_seconds,omitempty" minimum:"0.001" maximum:"2592000"`
	CapSeconds  float64   `json:"cap_seconds,omitempty" minimum:"0.001" maximum:"2592000" doc:"exponential: the longest wait."`
	List        []float64 `json:"list,omitempty" minItems:"1" maxItems:"100" items.minimum:"0" items.maximum:"2592000" doc:"Seconds; the last one repeats."`
}

// backoffOf leaves the default out.
func backoffOf(b job.Backoff) *Backoff {
	if b.Kind == "" || b.Kind == job.BackoffPolynomial {
		return nil
	}
	return &Backoff{b.Kind, b.Base.Seconds(), b.Cap.Seconds(), b.List}
}

// Domain converts to the domain's type; what does not fit is for its Check to refuse.
func (b *Backoff) Domain() job.Backoff {
	return job.Backoff{Kind: b.Kind, Base: Duration(b.BaseSeconds), Cap: Duration(b.CapSeconds), List: b.List}
}

// Duration converts seconds; what a Duration cannot hold becomes the longest one, of the same sign.
func Duration(seconds float64) time.Duration {
	const longest = time.Duration(1<<63 - 1)
	switch ns := seconds * float64(time.Second); {
	case ns >= float64(longest):
		return longest
	case ns <= -float64(longest):
		return -longest
	default:
		return time.Duration(ns)
	}
}
