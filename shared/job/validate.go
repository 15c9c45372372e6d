package job

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of the contract.
const (
	MaxName        = 128
	MaxKey         = 255
	MaxSlots       = 1024
	MaxQueues      = 1000
	MaxTags        = 32
	MaxMetadata    = 16 << 10 // bytes
	MaxConcurrency = 1000     // of a concurrency_limit: a key's places are counted under the fence
	MaxTries       = 1000     // of max_attempts and max_crashes
	MaxTimeout     = 7 * 24 * time.Hour
	MaxListBackoff = 100
)

// The years that a time may lie in.
var (
	MinTime = TimeOf(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	MaxTime = TimeOf(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
)

// CheckName says what is wrong with the name of a queue or kind; "" = nothing.
func CheckName(s string) string {
	if len(s) < 1 || len(s) > MaxName {
		return "must have 1 to 128 characters"
	}
	if s == "." || s == ".." {
		return "must not be . or .., which no address can name"
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._:-", c) >= 0) {
			return "may only have letters, digits and . _ : -"
		}
	}
	return ""
}

// CheckKey says what is wrong with a tag or a key; "" = nothing.
func CheckKey(s string) string {
	switch {
	case len(s) < 1 || len(s) > MaxKey:
		return "must have 1 to 255 bytes"
	case !utf8.ValidString(s):
		return "must be UTF-8"
	case strings.IndexByte(s, 0) >= 0:
		return "must not have a NUL character"
	}
	return ""
}

// Check returns what is wrong with the spec, nothing = valid. Payload and Metadata are taken to be JSON already.
func (s *Spec) Check(maxPayload int) Invalid {
	var bad Invalid
	add := func(pointer, detail string) {
		if detail != "" {
			bad = append(bad, Problem{pointer, detail})
		}
	}
	optional := func(pointer, v string, check func(string) string) {
		if v != "" {
			add(pointer, check(v))
		}
	}
	add("/kind", CheckName(s.Kind))
	optional("/queue", s.Queue, CheckName)
	optional("/unique_key", s.UniqueKey, CheckKey)
	optional("/concurrency_key", s.ConcurrencyKey, CheckKey)
	if s.ID != nil && *s.ID == (ID{}) {
		add("/id", "must not be the nil UUID")
	}
	if maxPayload > 0 && len(s.Payload) > maxPayload {
		add("/payload", fmt.Sprintf("has %d bytes, the limit is %d (SLOTQ_MAX_PAYLOAD)", len(s.Payload), maxPayload))
	}
	add("/priority", between(s.Priority, 1, 4))
	add("/max_attempts", between(s.MaxAttempts, 1, MaxTries))
	add("/max_crashes", between(s.MaxCrashes, 1, MaxTries))
	add("/concurrency_limit", between(s.ConcurrencyLimit, 1, MaxConcurrency))
	if s.ConcurrencyLimit != nil && s.ConcurrencyKey == "" {
		add("/concurrency_limit", "needs a concurrency_key")
	}
	if s.Timeout != nil && (*s.Timeout < time.Millisecond || *s.Timeout > MaxTimeout) {
		add("/timeout_seconds", "must be between 0.001 and 604800")
	}
	if s.Backoff != nil {
		add("/backoff", s.Backoff.Check())
	}
	if s.RunAt != 0 && s.Delay != 0 {
		add("/delay_seconds", "cannot be given together with run_at")
	}
	if s.Delay < 0 || s.Delay > 100*365*24*time.Hour {
		add("/delay_seconds", "must be between 0 and 3153600000")
	}
	add("/run_at", CheckTime(s.RunAt))
	add("/expires_at", CheckTime(s.ExpiresAt))
	if len(s.Tags) > MaxTags {
		add("/tags", fmt.Sprintf("has %d tags, the limit is %d", len(s.Tags), MaxTags))
	} else {
		for i, t := range s.Tags {
			add(fmt.Sprintf("/tags/%d", i), CheckKey(t))
		}
	}
	if len(s.Metadata) > MaxMetadata {
		add("/metadata", fmt.Sprintf("has %d bytes, the limit is %d", len(s.Metadata), MaxMetadata))
	}
	return bad
}

// CheckTime says what is wrong with a time that is set.
func CheckTime(t Time) string {
	if t != 0 && (t < MinTime || t >= MaxTime) {
		return "must be between 2000 and 2100"
	}
	return ""
}

// Check says what is wrong with a backoff.
func (b *Backoff) Check() string {
	switch b.Kind {
	case "", BackoffPolynomial:
		if b.Base != 0 || b.Cap != 0 || b.List != nil {
			return "polynomial takes no parameters"
		}
	case BackoffExponential:
		if b.Base < time.Millisecond || b.Base > MaxBackoff {
			return "exponential needs base_seconds between 0.001 and 2592000"
		}
		if b.Cap != 0 && (b.Cap < b.Base || b.Cap > MaxBackoff) {
			return "cap_seconds must be between base_seconds and 2592000"
		}
	case BackoffList:
		if len(b.List) < 1 || len(b.List) > MaxListBackoff {
			return "list needs 1 to 100 waits in seconds"
		}
		for _, s := range b.List {
			if !(s >= 0 && s <= MaxBackoff.Seconds()) {
				return "a wait must be between 0 and 2592000 seconds"
			}
		}
	default:
		return "kind must be polynomial, exponential or list"
	}
	return ""
}

// Check returns what is wrong with a queue's settings.
func (q *Queue) Check() Invalid {
	var bad Invalid
	add := func(pointer, detail string) {
		if detail != "" {
			bad = append(bad, Problem{pointer, detail})
		}
	}
	add("/name", CheckName(q.Name))
	add("/slots", between(&q.Slots, 1, MaxSlots))
	add("/priority", between(&q.Priority, 1, 4))
	add("/max_attempts", between(&q.MaxAttempts, 1, MaxTries))
	add("/max_crashes", between(&q.MaxCrashes, 1, MaxTries))
	if q.Timeout < time.Millisecond || q.Timeout > MaxTimeout {
		add("/timeout_seconds", "must be between 0.001 and 604800")
	}
	add("/backoff", q.Backoff.Check())
	for pointer, keep := range map[string]time.Duration{"completed": q.KeepCompleted, "discarded": q.KeepDiscarded, "cancelled": q.KeepCancelled} {
		if keep < 0 || keep > 10*365*24*time.Hour {
			add("/keep_"+pointer+"_seconds", "must be between 0 and 315360000")
		}
	}
	return bad
}

func between(p *int, low, high int) string {
	if p != nil && (*p < low || *p > high) {
		return fmt.Sprintf("must be between %d and %d", low, high)
	}
	return ""
}

// MarshalTags writes tags as a JSON array; none = empty.
func MarshalTags(tags []string) []byte {
	if len(tags) == 0 {
		return nil
	}
	b, err := json.Marshal(tags)
	if err != nil {
		panic(err) // strings always marshal
	}
	return b
}

// UnmarshalTags is the inverse of MarshalTags; what it cannot read is no tag.
func UnmarshalTags(b []byte) (tags []string) {
	if len(b) > 0 {
		_ = json.Unmarshal(b, &tags)
	}
	return tags
}
