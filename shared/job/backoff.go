package job

import (
	"math"
	"math/rand/v2"
	"time"
)

// Backoff says how long a failed job waits before its next attempt. The zero value is the default: attempt⁴ + 15 s
// (15 s, 31 s, 96 s … about 20 days over 25 attempts), with 10 % jitter.
type Backoff struct {
	Kind string        `json:"kind,omitempty"` // "" or "polynomial", "exponential", "list"
	Base time.Duration `json:"base,omitempty"` // exponential: the first wait; then doubled
	Cap  time.Duration `json:"cap,omitempty"`  // exponential: the longest wait
	List []float64     `json:"list,omitempty"` // list: seconds, the last one repeats; no jitter, a test or a person chose them
}

// Backoff kinds.
const (
	BackoffPolynomial  = "polynomial"
	BackoffExponential = "exponential"
	BackoffList        = "list"
)

// MaxBackoff is the longest wait between two attempts, whatever the policy says.
const MaxBackoff = 30 * 24 * time.Hour

// Wait is the time before the next attempt after failure number n (1 is the first).
func (b Backoff) Wait(n int) time.Duration {
	n = max(n, 1)
	var wait float64 // seconds
	switch b.Kind {
	case BackoffList:
		if len(b.List) == 0 {
			return 0
		}
		return seconds(b.List[min(n, len(b.List))-1])
	case BackoffExponential:
		wait = b.Base.Seconds() * math.Pow(2, float64(n-1))
		if b.Cap > 0 {
			wait = min(wait, b.Cap.Seconds())
		}
	default:
		wait = math.Pow(float64(n), 4) + 15
	}
	return seconds(wait * (0.95 + 0.1*rand.Float64()))
}

// CrashWait is the time before a job runs again after its crash number n: at once after the first, which is most
// often not the job's fault; then the lease, doubled each time and spread by up to half, so that a job that kills
// workers and its neighbours part (protocol review, A13).
func CrashWait(n int, lease time.Duration) time.Duration {
	if n <= 1 {
		return 0
	}
	wait := lease.Seconds() * math.Pow(2, float64(min(n-2, 20)))
	return seconds(wait * (1 + 0.5*rand.Float64()))
}

func seconds(s float64) time.Duration {
	return time.Duration(min(max(s, 0), MaxBackoff.Seconds()) * float64(time.Second))
}
