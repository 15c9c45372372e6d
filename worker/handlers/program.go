package handlers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// program finds the program that a handler names, as the system would when it starts it: a name without a slash on the
// worker's PATH, any other relative to the handler's directory.
func (p *parser) program(name, dir string) (string, error) {
	if strings.Contains(name, "/") {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		return path, checkProgram(path)
	}
	search, _ := p.opts.LookupEnv("PATH")
	var unusable error
	for _, in := range filepath.SplitList(search) {
		if !filepath.IsAbs(in) {
			continue // what runs must not depend on the directory that the worker was started in
		}
		path := filepath.Join(in, name)
		err := checkProgram(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			unusable = err
		}
	}
	if unusable != nil {
		return "", unusable
	}
	return "", fmt.Errorf("the program %s is not on PATH (%s): install it, or write its whole path", name, search)
}

func checkProgram(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the program %s does not exist%w", path, hidden{err})
	case err != nil:
		return fmt.Errorf("the program %s: %w", path, errors.Unwrap(err))
	case info.IsDir():
		return fmt.Errorf("%s is a directory and no program", path)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("the program %s is not executable: chmod +x it, or name its interpreter first", path)
	}
	return nil
}

// hidden keeps an error's kind without its text.
type hidden struct{ error }

func (hidden) Error() string   { return "" }
func (h hidden) Unwrap() error { return h.error }

func checkDir(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the directory %s does not exist", path)
	case err != nil:
		return fmt.Errorf("the directory %s: %w", path, errors.Unwrap(err))
	case !info.IsDir():
		return fmt.Errorf("%s is no directory", path)
	}
	return nil
}
