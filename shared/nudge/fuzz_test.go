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
