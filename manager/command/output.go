package command

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// print writes v as JSON when scripts ask for it, else the table that people makes.
func (c *call) print(v any, people func(t *table)) error {
	if c.json {
		b, err := wire.Marshal(v)
		if err != nil {
			return err
		}
		_, err = c.out.Write(append(b, '\n'))
		return err
	}
	t := &table{w: tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)}
	people(t)
	return t.w.Flush()
}

// table lines columns up.
type table struct{ w *tabwriter.Writer }

func (t *table) row(cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			io.WriteString(t.w, "\t")
		}
		io.WriteString(t.w, printable(fmt.Sprint(cell)))
	}
	io.WriteString(t.w, "\n")
}

// line is a sentence.
func (t *table) line(words ...any) {
	text := fmt.Sprintln(words...)
	t.row(strings.TrimSuffix(text, "\n"))
}

// printable shows what would move the cursor, colour the terminal or break the table. Messages of errors come from
// programs that were handed strangers' payloads.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// indented is text of several lines, each printable.
func indented(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i := range lines {
		lines[i] = "    " + printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// ago is how long before now a time was, or how long until it is, to two digits or so.
func (c *call) ago(t job.Time) string {
	switch d := c.now.Sub(t); {
	case t == 0:
		return "-"
	case d < 0:
		return "in " + rough(-d)
	default:
		return rough(d) + " ago"
	}
}

func rough(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0fm", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0fh", d.Hours())
	default:
		return fmt.Sprintf("%.0fd", d.Hours()/24)
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func yes(b bool, word string) string {
	if b {
		return word
	}
	return "-"
}
