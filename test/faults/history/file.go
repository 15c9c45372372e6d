package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Monotonic is CLOCK_MONOTONIC in nanoseconds, the same for all processes of a machine.
func Monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // every Linux has it
	}
	return t.Nano()
}

// File appends lines of JSON, each in one write, so that many processes may share it and a killed one leaves no half
// line behind. What a line says is in the file when Append returns.
type File struct {
	mu sync.Mutex
	f  *os.File
}

// Open opens or makes a file.
func Open(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open a history: %w", err)
	}
	return &File{f: f}, nil
}

// Append adds a line for each value.
func Append[T any](f *File, values ...T) error {
	var lines []byte
	for _, v := range values {
		line, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("a line of the history: %w", err)
		}
		lines = append(append(lines, line...), '\n')
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.f.Write(lines); err != nil {
		return fmt.Errorf("append to the history: %w", err)
	}
	return nil
}

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }

// Read returns all lines of a file, none if there is no file.
func Read[T any](path string) (values []T, err error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a history: %w", err)
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return values, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read line %d of %s: %w", n, path, err)
		}
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return nil, fmt.Errorf("line %d of %s: %w", n, path, err)
		}
		values = append(values, v)
	}
}
