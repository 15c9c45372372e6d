package command

import (
	"io"
	"os"
	"strings"
)

// screen is a terminal that is drawn over and over, on its other page, so that what was there comes back at the end. Plain
// sequences that every terminal since the VT100's heirs knows: a library would bring more than the whole command.
type screen struct{ w io.Writer }

const (
	enter   = "\x1b[?1049h\x1b[?25l" // the other page, no cursor
	leave   = "\x1b[?25h\x1b[?1049l"
	home    = "\x1b[H"
	restOf  = "\x1b[K" // erases to the end of the line
	restAll = "\x1b[J" // erases to the end of the screen
)

func newScreen(w io.Writer) *screen {
	_, _ = io.WriteString(w, enter) // a terminal that is gone ends the process by SIGHUP
	return &screen{w}
}

func (s *screen) close() { _, _ = io.WriteString(s.w, leave) }

// size of the terminal; 80 columns of 24 rows where it does not say.
func (s *screen) size() (columns, rows int) {
	if f, ok := s.w.(*os.File); ok {
		columns, rows = windowSize(f)
	}
	if columns < 1 || rows < 1 {
		return 80, 24
	}
	return columns, rows
}

func (s *screen) rows() int {
	_, rows := s.size()
	return rows
}

// draw replaces all lines in one write, each cut to the width: one that is broken in two would push the others down.
func (s *screen) draw(lines []string) {
	columns, rows := s.size()
	var b strings.Builder
	b.WriteString(home)
	for i, line := range lines[:min(len(lines), rows)] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		runes := []rune(line)
		b.WriteString(string(runes[:min(len(runes), columns)]) + restOf)
	}
	b.WriteString(restAll)
	_, _ = io.WriteString(s.w, b.String())
}
