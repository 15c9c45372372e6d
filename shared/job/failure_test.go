package job

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMessagesThatDifferInValuesAreOne(t *testing.T) {
	for message, want := range map[string]string{
		"": "",
		"dial tcp 10.0.0.17:5432: connection refused":              "dial tcp <n>: connection refused",
		"row 0198a0b3-1111-7abc-8def-0123456789AB is gone":         "row <uuid> is gone",
		`no user "ann@example.org" in 'people', see ` + "`help 3`": "no user <text> in <text>, see <text>",
		"can't open it, won't wait":                                "can't open it, won't wait",
		"commit deadbeef12 of 0x7f3a and accede decade effaced":    "commit <hex> of <hex> and accede decade effaced",
		"took 1,204.5 ms\n\tat line 33   of x":                     "took <n> ms at line <n> of x",
		"20301231 is no date":                                      "<n> is no date",
		"\xff broken":                                              "\uFFFD broken",
	} {
		if got := FailureMessage(message); got != want {
			t.Errorf("%q: %q, want %q", message, got, want)
		}
	}
}

func TestALongMessageKeepsItsBeginningAndItsEnd(t *testing.T) {
	for _, fill := range []string{"x", "é", "語", "😀"} {
		for n := range 8 {
			message := "exit status: " + strings.Repeat("y", n) + strings.Repeat(fill, 2000) + " the cause"
			got := FailureMessage(message)
			if len(got) > MaxFailureMessage || len(got) < MaxFailureMessage-12 || !utf8.ValidString(got) ||
				!strings.HasPrefix(got, "exit status:") || !strings.HasSuffix(got, "the cause") || !strings.Contains(got, " … ") {
				t.Errorf("%d bytes: %q", len(got), got)
			}
		}
	}
}
