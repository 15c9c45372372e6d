package ui

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/slotq/slotq/shared/wire"
)

// fields reads a form's numbers. What is none is a problem of its field, as the api would say it: in JSON it could not even be
// sent there.
type fields struct {
	form url.Values
	bad  []wire.FieldError
}

func (f *fields) wrong(name, why string) {
	f.bad = append(f.bad, wire.FieldError{Pointer: name, Detail: why})
}

// number reads a decimal number; nil = there is none.
func (f *fields) number(name string) *float64 {
	text := strings.TrimSpace(f.form.Get(name))
	if text == "" {
		return nil
	}
	n, ok := decimal(text)
	if !ok {
		f.wrong(name, "must be a number")
	}
	return &n
}

// numbers reads several, with commas between.
func (f *fields) numbers(name string) (list []float64) {
	for text := range strings.SplitSeq(f.form.Get(name), ",") {
		n, ok := decimal(strings.TrimSpace(text))
		if !ok {
			f.wrong(name, "must be seconds with commas between")
			break
		}
		list = append(list, n)
	}
	return list
}

// whole reads an integer from 1 on; nil = there is none.
func (f *fields) whole(name string) *int {
	text := strings.TrimSpace(f.form.Get(name))
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		f.wrong(name, "must be an integer from 1 on")
	}
	return &n
}

func (f *fields) err() error {
	if len(f.bad) == 0 {
		return nil
	}
	return wire.NewProblem(wire.CodeInvalid, "", f.bad...)
}

// decimal refuses what Go takes besides: infinities, what is not a number, hexadecimal, and underscores.
func decimal(text string) (float64, bool) {
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil && !strings.ContainsAny(text, "nNxX_")
}

// set sets what was given.
func set[T any](to *T, given *T) {
	if given != nil {
		*to = *given
	}
}
