// Package job is the domain of slotq: jobs, queues, slots, workers and claims, the rules by which a job changes its
// state, and the errors that the layers above ask about. It does no I/O and imports the standard library alone, so
// every other package may depend on it.
package job

import (
	"crypto/rand"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// ID names a job for ever: a UUID, by default version 7, so that ids sort by the time they were made.
type ID [16]byte

// Token is a claim's proof of ownership. Its first 8 bytes are the worker's id, the rest is random: who holds a job
// can be read from the job's row without a column of its own. The zero token means: nobody holds the job.
type Token [16]byte

// WorkerID names one registration of a worker process: a random 63-bit number, never used again.
type WorkerID int64

// Held is a job as one claim holds it. Writers match the pair, never the id alone: a worker that lost a job and claimed
// it again must not end it with the old outcome.
type Held struct {
	ID    ID
	Token Token
}

// lastMilli and lastCount make the ids of one process grow even within a millisecond, so that jobs posted one after
// the other keep their order in a slot.
var (
	idMu      sync.Mutex
	lastMilli int64
	lastCount uint32
)

// NewID returns a UUIDv7 (RFC 9562) whose time is now; ids of one process grow strictly.
func NewID(now Time) ID {
	var id ID
	if _, err := rand.Read(id[:]); err != nil {
		panic(err) // crypto/rand never fails on a supported system; without it no id is safe
	}
	idMu.Lock()
	ms := int64(now) / 1000
	switch {
	case ms > lastMilli:
		lastMilli, lastCount = ms, uint32(id[6])<<4 // a random start leaves room for at least 2^18-2^12 ids
	case lastCount >= 1<<18-1:
		lastMilli, lastCount = lastMilli+1, 0
	default:
		lastCount++
	}
	ms, count := lastMilli, lastCount
	idMu.Unlock()
	binary.BigEndian.PutUint16(id[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(ms))
	id[6] = 0x70 | byte(count>>14)
	id[7] = byte(count >> 6)
	id[8] = 0x80 | byte(count&0x3f)
	return id
}

// ParseID reads the canonical form of a UUID, upper or lower case.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, errors.New("not a UUID")
	}
	if _, err := hex.Decode(id[:], []byte(strings.ReplaceAll(s, "-", ""))); err != nil {
		return id, errors.New("not a UUID")
	}
	return id, nil
}

// String is the canonical lower-case form.
func (id ID) String() string {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:36], id[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}

// MarshalText makes an ID a string in JSON.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (id *ID) UnmarshalText(b []byte) (err error) { *id, err = ParseID(string(b)); return err }

// Compare orders ids by their bytes, as every engine does.
func (id ID) Compare(other ID) int { return strings.Compare(string(id[:]), string(other[:])) }

// Value and Scan store an ID as its 16 bytes.
func (id ID) Value() (driver.Value, error) { return id[:], nil }

// Scan reads 16 bytes.
func (id *ID) Scan(src any) error { return scan16(id[:], src) }

// NewToken makes the token of one claim of worker w.
func NewToken(w WorkerID) Token {
	var t Token
	binary.BigEndian.PutUint64(t[:8], uint64(w))
	if _, err := rand.Read(t[8:]); err != nil {
		panic(err) // see NewID
	}
	return t
}

// Worker is the worker that made the token.
func (t Token) Worker() WorkerID { return WorkerID(binary.BigEndian.Uint64(t[:8])) }

// IsZero says that nobody holds the job.
func (t Token) IsZero() bool { return t == Token{} }

// Value and Scan store a Token as its 16 bytes.
func (t Token) Value() (driver.Value, error) { return t[:], nil }

// Scan reads 16 bytes.
func (t *Token) Scan(src any) error { return scan16(t[:], src) }

// NewWorkerID draws a worker id; it is never 0.
func NewWorkerID() WorkerID {
	for {
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			panic(err) // see NewID
		}
		if w := WorkerID(binary.BigEndian.Uint64(b[:]) >> 1); w != 0 {
			return w
		}
	}
}

// String is 16 hexadecimal digits.
func (w WorkerID) String() string { return fmt.Sprintf("%016x", uint64(w)) }

// ParseWorkerID reads what String prints.
func ParseWorkerID(s string) (WorkerID, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 8 || b[0] > 0x7f {
		return 0, errors.New("not a worker id")
	}
	return WorkerID(binary.BigEndian.Uint64(b)), nil
}

// MarshalText makes a WorkerID a string in JSON: it does not fit a JavaScript number.
func (w WorkerID) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (w *WorkerID) UnmarshalText(b []byte) (err error) {
	*w, err = ParseWorkerID(string(b))
	return err
}

func scan16(dst []byte, src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != 16 {
		return fmt.Errorf("want 16 bytes, got %T of length %d", src, len(b))
	}
	copy(dst, b)
	return nil
}

// Location is where a database keeps a row, in its own terms; 0 = unknown.
type Location uint64

// Time is microseconds since 1970 UTC; 0 means: not set. Every time in the database, in parameters and between the
// layers is one, so that engines, time zones and drivers cannot disagree.
type Time int64

// TimeOf converts; the zero time becomes 0.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMicro())
}

// Time converts to UTC; 0 becomes the zero time.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(t)).UTC()
}

// Add moves t by d, to the microsecond.
func (t Time) Add(d time.Duration) Time { return t + Time(d.Microseconds()) }

// Sub is the time from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Microsecond }
