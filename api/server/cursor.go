package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// A cursor is the id that the next page begins below and a hash over it and the filter, so that a cursor of another list,
// or one that somebody made up, is noticed rather than answered with a page that means nothing. It is no secret: whoever
// may list jobs may list them from anywhere.

const cursorHash = 8 // bytes

func cursor(before job.ID, f job.Filter) string {
	return base64.RawURLEncoding.EncodeToString(append(before[:], cursorSum(before, f)...))
}

func parseCursor(s string, f job.Filter) (before job.ID, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(before)+cursorHash {
		return before, false
	}
	copy(before[:], b)
	return before, bytes.Equal(b[len(before):], cursorSum(before, f))
}

func cursorSum(before job.ID, f job.Filter) []byte {
	f.States = slices.Sorted(slices.Values(f.States))
	sum := sha256.Sum256(fmt.Appendf(nil, "slotq cursor 1 %s %q", before, fmt.Sprintf("%+v", f)))
	return sum[:cursorHash]
}
