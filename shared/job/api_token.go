package job

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// APIToken is a client's leave to use the api, as the database knows it: never with the secret.
type APIToken struct {
	ID        ID
	Hash      []byte // of the secret; see APISecret.Hash
	Name      string // for people
	Scopes    []Scope
	Queues    []string // patterns of MatchQueue; none = all queues
	CreatedAt Time
	UsedAt    Time // to a minute or so; 0 = never
	ExpiresAt Time // 0 = never
	RevokedAt Time // 0 = not; a revoked token stays as a tombstone
}

// Scope is what a token may be used for.
type Scope string

// The scopes. Some contain others: who may act on a job sees it, and admin is all of them.
const (
	ScopeEnqueue     Scope = "enqueue"      // add jobs
	ScopeRead        Scope = "read"         // see jobs, queues and workers, without payloads and outputs
	ScopeReadPayload Scope = "read-payload" // see payloads and outputs as well
	ScopeWork        Scope = "work"         // claim jobs and end them, payloads included
	ScopeOperate     Scope = "operate"      // change jobs, pause and purge queues, quiet and stop workers; and read
	ScopeAdmin       Scope = "admin"        // make, set and delete queues; and all the others
)

// Scopes are all scopes, from the weakest on.
var Scopes = []Scope{ScopeEnqueue, ScopeRead, ScopeReadPayload, ScopeWork, ScopeOperate, ScopeAdmin}

// Limits of tokens.
const (
	MaxAPITokens     = 1000 // tombstones included
	MaxTokenPatterns = 100
	KeepTombstones   = 90 * 24 * time.Hour // of tokens that were revoked or have expired, when another is made
	minSecret        = 32
	maxSecret        = 255
)

// Can says whether the token's scopes contain one.
func (t *APIToken) Can(s Scope) bool {
	return slices.ContainsFunc(t.Scopes, func(has Scope) bool {
		switch {
		case has == s, has == ScopeAdmin:
			return true
		case s == ScopeRead:
			return has == ScopeReadPayload || has == ScopeOperate
		}
		return false
	})
}

// Sees says whether the token is for a queue of this name, whether it is there or not.
func (t *APIToken) Sees(queue string) bool { return MatchQueue(t.Queues, queue) }

// Everywhere says that the token is for all queues.
func (t *APIToken) Everywhere() bool { return len(t.Queues) == 0 || slices.Contains(t.Queues, "*") }

// MatchQueue says whether a name is one of the patterns: a name, or the beginning of names and a star. No patterns =
// all. A star in the middle would be read in two ways, so there is none.
func MatchQueue(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		beginning, star := strings.CutSuffix(p, "*")
		return p == name || star && strings.HasPrefix(name, beginning)
	})
}

// Check returns what is wrong with a token to be made.
func (t *APIToken) Check(now Time) Invalid {
	var bad Invalid
	add := func(pointer, detail string) {
		if detail != "" {
			bad = append(bad, Problem{pointer, detail})
		}
	}
	add("/name", CheckKey(t.Name))
	if len(t.Scopes) == 0 {
		add("/scopes", "must name what the token is for: "+scopeNames())
	}
	for _, s := range t.Scopes {
		if !slices.Contains(Scopes, s) {
			add("/scopes", "must be some of "+scopeNames())
		}
	}
	if len(t.Queues) > MaxTokenPatterns {
		add("/queues", fmt.Sprintf("has %d patterns, the limit is %d", len(t.Queues), MaxTokenPatterns))
	}
	for _, p := range t.Queues {
		if wrong := CheckName(strings.TrimSuffix(p, "*")); wrong != "" && p != "*" {
			add("/queues", "must be names of queues, or beginnings with a star such as mail.*: a name "+wrong)
		}
	}
	if t.ExpiresAt != 0 && (t.ExpiresAt <= now || t.ExpiresAt >= MaxTime) {
		add("/expires_at", "must lie ahead and before 2100")
	}
	return bad
}

func scopeNames() string {
	names := make([]string, len(Scopes))
	for i, s := range Scopes {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// APISecret is the secret of a token. However it is printed, logged or marshalled, it does not show; only Reveal gives
// it away.
type APISecret string

const secretPrefix = "slotq_"

// NewAPISecret draws a secret: slotq_, 130 random bits, and a checksum. The prefix lets scanners of repositories find one
// that was leaked, the checksum tells it from what only looks like it, and the api refuses a mistyped one without asking
// the database.
func NewAPISecret() APISecret {
	random := rand.Text()
	return APISecret(secretPrefix + random + checksum(random))
}

func checksum(random string) string {
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(random)))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum)
}

// Check says what keeps a text from being a secret; "" = nothing. Besides those of NewAPISecret it takes any long one,
// since an operator may have made it with another tool, such as `openssl rand -hex 32`, for a bootstrap file.
func (s APISecret) Check() string {
	if len(s) < minSecret || len(s) > maxSecret {
		return "must have 32 to 255 characters"
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~+/=", c) >= 0) {
			return "may only have letters, digits and - . _ ~ + / ="
		}
	}
	if rest, ours := strings.CutPrefix(string(s), secretPrefix); ours {
		if n := len(rest) - len(checksum("")); n < 0 || rest[n:] != checksum(rest[:n]) {
			return "has a checksum that does not fit: a character is wrong, or some are missing"
		}
	}
	return ""
}

// Hash is what the database keeps of a secret: SHA-256. A slow hash such as bcrypt protects what people think up; nobody
// guesses 130 random bits, and on every request it would cost the api more than the request, which is a lever for those
// who send wrong tokens. No salt for the same reason; it would also keep the hash from being looked up.
func (s APISecret) Hash() []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// Reveal returns the secret as it is, to show it once or to send it, and for nothing else.
func (s APISecret) Reveal() string { return string(s) }

// String does not show the secret.
func (APISecret) String() string { return secretPrefix + "***" }

// GoString keeps %#v from showing it.
func (s APISecret) GoString() string { return s.String() }

// LogValue keeps it out of logs.
func (s APISecret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps it out of JSON.
func (s APISecret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
