package server

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/slotq/slotq/shared/job"
)

// A cursor of jobs is the id that the next page begins below and a hash over it and the filter, so that a cursor of another list,
// or one that somebody made up, is noticed rather than answered with a page that means nothing. It is no secret: whoever
// may list jobs may list them from anywhere.

const cursorHash = 8 // bytes

func cursor(before job.ID, f job.Filter) string { return seal(before[:], cursorText(before, f)) }

func parseCursor(s string, f job.Filter) (before job.ID, ok bool) {
	data, ok := unseal(s, func(data []byte) string { return cursorText(job.ID(data), f) }, len(before), len(before))
	copy(before[:], data)
	return before, ok
}

func cursorText(before job.ID, f job.Filter) string {
	f.States = slices.Sorted(slices.Values(f.States))
	return fmt.Sprintf("slotq cursor 1 %s %q", before, fmt.Sprintf("%+v", f))
}

// A cursor of the stats is the last queue's name.
func statsCursor(name string) string { return seal([]byte(name), statsCursorText([]byte(name))) }

func parseStatsCursor(s string) (name string, ok bool) {
	data, ok := unseal(s, statsCursorText, 1, job.MaxName)
	return string(data), ok
}

func statsCursorText(name []byte) string { return fmt.Sprintf("slotq stats cursor 1 %q", name) }

// seal writes data and a hash over a text that says whose cursor it is.
func seal(data []byte, text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(append(slices.Clone(data), sum[:cursorHash]...))
}

// unseal reads from least to most bytes of data and compares the hash.
func unseal(s string, text func(data []byte) string, least, most int) (data []byte, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if n := len(b) - cursorHash; err != nil || n < least || n > most {
		return nil, false
	}
	data = b[:len(b)-cursorHash]
	return data, s == seal(data, text(data))
}
