package service

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes, written as 256KiB, 16MiB, 1GiB or a plain number; KB, MB and GB are powers of ten.
type Bytes int64

var units = []struct {
	name string
	size int64
}{
	// Longest first: every name but the last ends in the last.
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// UnmarshalText reads a size. It refuses negative sizes, fractions, unknown units and what exceeds an int64.
func (b *Bytes) UnmarshalText(text []byte) error {
	number, size := strings.TrimSpace(string(text)), int64(1)
	for _, unit := range units {
		if rest, ok := strings.CutSuffix(number, unit.name); ok {
			number, size = strings.TrimSpace(rest), unit.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is no size in bytes: write it as 256KiB, 16MiB, 1GiB or 65536", text)
	}
	if n > math.MaxInt64/size {
		return fmt.Errorf("%q is more bytes than can be counted", text)
	}
	*b = Bytes(n * size)
	return nil
}

// String writes the size with the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, unit := range []int{2, 1, 0} {
		if size := Bytes(units[unit].size); b >= size && b%size == 0 {
			return strconv.FormatInt(int64(b/size), 10) + units[unit].name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText writes the size as String does.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }
