package nudge

import (
	"bytes"
	"testing"

	"github.com/slotq/slotq/shared/job"
)

// FuzzDecode: anybody can send a datagram. What is taken for a slot is one, and is the only one that these bytes mean.
func FuzzDecode(f *testing.F) {
	one := encode(job.Slot{QueueID: 1, Slot: job.MaxSlots})
	for _, b := range [][]byte{nil, one[:], one[:7], append(one[:], 0), make([]byte, size), bytes.Repeat([]byte{0xff}, size), make([]byte, 65507)} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, ok := decode(b)
		if !ok {
			return
		}
		if s.Slot < 1 || s.Slot > job.MaxSlots {
			t.Fatalf("% x is taken for slot %d", b, s.Slot)
		}
		if again := encode(s); !bytes.Equal(again[:], b) {
			t.Fatalf("% x is taken for %+v, which is % x", b, s, again)
		}
	})
}

// FuzzDecodeClaim: the same of a claim and of free places.
func FuzzDecodeClaim(f *testing.F) {
	claim := encodeClaim(job.Claim{Worker: 5, Token: job.NewToken(5), IDs: []job.ID{job.NewID(1), job.NewID(2)}})
	places := encodePlaces(5, 6)
	for _, b := range [][]byte{nil, claim, claim[:len(claim)-1], claim[:claimSize], append(claim[:1:1], claim...), places[:], make([]byte, maxSize), make([]byte, maxSize+16)} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, ok := decodeClaim(b); ok {
			if n := len(c.IDs); n < 1 || n > job.MaxEnqueuedClaim {
				t.Fatalf("% x is taken for a claim of %d jobs", b, n)
			}
			if again := encodeClaim(c); !bytes.Equal(again, b) {
				t.Fatalf("% x is taken for %+v, which is % x", b, c, again)
			}
		}
		if w, free, ok := decodePlaces(b); ok {
			if again := encodePlaces(w, free); !bytes.Equal(again[:], b) {
				t.Fatalf("% x is taken for %d places of %d, which is % x", b, free, w, again)
			}
		}
	})
}
