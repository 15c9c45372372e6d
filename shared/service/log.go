package service

import (
	"io"
	"log/slog"
	"os"
)

// NewLogger returns a logger that writes to w. level is debug, info, warn or error, and anything else is info; format
// is text or json, and anything else is text when w is a terminal and json when it is not. Times are UTC, as all of
// slotq's are.
func NewLogger(w io.Writer, level, format string) *slog.Logger {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		least = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: least, ReplaceAttr: utc}
	if format == "text" || format != "json" && IsTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func utc(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	return a
}

// IsTerminal takes every character device for a terminal: /dev/null is the only other one that logs go to, and there
// the format is all the same.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
