package server

import (
	"slices"
	"strings"
	"time"

	"github.com/slotq/slotq/api/strict"
	"github.com/slotq/slotq/shared/job"
	"github.com/slotq/slotq/shared/wire"
)

// fields says how each member of an object goes into a T; the text is what is wrong with the value, "" = nothing. Whether
// a value lies within its limits is the domain's to check.
type fields[T any] map[string]func(into *T, v strict.Value) (wrong string)

// decode takes an object apart; at points to it. Unknown and doubled members are refused: both are mistakes whose
// harm would show much later.
func decode[T any](v strict.Value, at string, f fields[T], into *T) (bad []wire.FieldError) {
	if v.Is() != '{' {
		return []wire.FieldError{{Pointer: at, Detail: "must be an object"}}
	}
	var seen []string
	for key, member := range v.Members() {
		set, known := f[key]
		switch {
		case !known:
			bad = append(bad, wire.FieldError{Pointer: at + pointerTo(key), Detail: "is not a field of this request: /docs lists them"})
		case slices.Contains(seen, key):
			bad = append(bad, wire.FieldError{Pointer: at + "/" + key, Detail: "is given twice"})
		default:
			seen = append(seen, key)
			if wrong := set(into, member); wrong != "" {
				bad = append(bad, wire.FieldError{Pointer: at + "/" + key, Detail: wrong})
			}
		}
		if len(bad) > maxFieldErrors {
			break
		}
	}
	return bad
}

// maxFieldErrors bounds what one answer tells; a body may hold millions of faults.
const maxFieldErrors = 100

// pointerTo names an unknown member when its name looks like one; anything else may be a value that went astray, and
// values are not echoed.
func pointerTo(key string) string {
	if len(key) > 64 || strings.ContainsFunc(key, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
	}) {
		return ""
	}
	return "/" + key
}

// refuse makes the problem of values that are wrong; nil = none are.
func refuse(bad []wire.FieldError) error {
	if len(bad) == 0 {
		return nil
	}
	if len(bad) > maxFieldErrors {
		bad = bad[:maxFieldErrors]
	}
	return wire.NewProblem(wire.CodeInvalid, "", bad...)
}

// text reads a string and checks it: an empty one is a value, not an absent field, and most fields do not take it.
func text(into *string, v strict.Value, check func(string) string) string {
	s, ok := v.Text()
	switch {
	case v.Is() != '"':
		return "must be a string"
	case !ok:
		return "must be Unicode: it has half of a surrogate pair"
	}
	*into = s
	return check(s)
}

func integer(into *int, v strict.Value) string {
	n, ok := v.Int()
	if !ok {
		return "must be an integer"
	}
	*into = n
	return ""
}

// pointer reads an optional integer.
func pointer(into **int, v strict.Value) string {
	*into = new(int)
	return integer(*into, v)
}

func seconds(into *time.Duration, v strict.Value) string {
	f, ok := v.Float()
	if !ok {
		return "must be a number of seconds"
	}
	*into = wire.Duration(f)
	return ""
}

func moment(into *job.Time, v strict.Value) string {
	s, _ := v.Text()
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return "must be a time with zone, such as 2030-01-31T08:00:00Z"
	}
	if *into = job.TimeOf(t); *into < job.MinTime {
		*into = 0 // some of those mean "not set" to the domain
		return "must be between 2000 and 2100"
	}
	return ""
}

func boolean(into *bool, v strict.Value) string {
	switch v.Is() {
	case 't', 'f':
		*into = v.Is() == 't'
		return ""
	}
	return "must be true or false"
}

var backoffFields = fields[wire.Backoff]{
	"kind": func(b *wire.Backoff, v strict.Value) string { return text(&b.Kind, v, accept) },
	"base_seconds": func(b *wire.Backoff, v strict.Value) string {
		return number(&b.BaseSeconds, v)
	},
	"cap_seconds": func(b *wire.Backoff, v strict.Value) string { return number(&b.CapSeconds, v) },
	"list": func(b *wire.Backoff, v strict.Value) string {
		if v.Is() != '[' {
			return "must be an array of seconds"
		}
		b.List = []float64{}
		for i, e := range v.Elements() {
			var f float64
			if wrong := number(&f, e); wrong != "" || i >= job.MaxListBackoff {
				return "must be an array of at most 100 seconds"
			}
			b.List = append(b.List, f)
		}
		return ""
	},
}

func number(into *float64, v strict.Value) string {
	f, ok := v.Float()
	if !ok {
		return "must be a number"
	}
	*into = f
	return ""
}

func accept(string) string { return "" }

// backoff reads a backoff; its faults are told as one, since they make sense only together.
func backoff(into *job.Backoff, v strict.Value) string {
	var b wire.Backoff
	if bad := decode(v, "", backoffFields, &b); len(bad) > 0 {
		return strings.TrimPrefix(bad[0].Pointer, "/") + " " + bad[0].Detail
	}
	*into = b.Domain()
	return into.Check()
}
