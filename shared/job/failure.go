package job

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Failure is what a number of jobs of one kind failed with last: the same but for numbers, ids and quoted values.
type Failure struct {
	Kind    string
	Type    string // of the error, such as timeout
	Message string // as FailureMessage makes it

	Retryable int64 // jobs that will be tried again
	Discarded int64 // jobs that gave up
	Example   ID    // the one that failed last
	FirstAt   Time  // the earliest such error that was seen
	LastAt    Time
}

// FailureList is an answer to Failures.
type FailureList struct {
	Failures []Failure
	Rows     int  // rows that were read
	Capped   bool // there is more than was read: the figures are lower bounds
	More     bool // there are more groups than were asked for
}

// FailureGroups gathers failures. The zero value is ready.
type FailureGroups struct {
	groups map[failureKey]*Failure
}

type failureKey struct{ kind, typ, message string }

// Add counts a job with its last error; one without an error, such as an expired one, is no failure. discarded: it gave up.
func (g *FailureGroups) Add(id ID, kind string, errs []RunError, discarded bool) {
	if len(errs) == 0 {
		return
	}
	last := errs[len(errs)-1]
	key := failureKey{kind, last.Type, FailureMessage(last.Message)}
	f := g.groups[key]
	if f == nil {
		if g.groups == nil {
			g.groups = map[failureKey]*Failure{}
		}
		f = &Failure{Kind: kind, Type: last.Type, Message: key.message, FirstAt: last.At}
		g.groups[key] = f
	}
	if discarded {
		f.Discarded++
	} else {
		f.Retryable++
	}
	if last.At >= f.LastAt {
		f.LastAt, f.Example = last.At, id
	}
	for _, e := range errs {
		// By the very text: to bring all ten messages of a job into their general form costs ten times as much.
		if e.At < f.FirstAt && e.Type == last.Type && e.Message == last.Message {
			f.FirstAt = e.At
		}
	}
	f.FirstAt = min(f.FirstAt, last.At)
}

// Newest returns up to limit groups, those that failed last first; more = there are others.
func (g *FailureGroups) Newest(limit int) (list []Failure, more bool) {
	list = []Failure{}
	for _, f := range g.groups {
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.LastAt, a.LastAt), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Message, b.Message))
	})
	return list[:min(len(list), limit)], len(list) > limit
}

// MaxFailureMessage is the most bytes of a FailureMessage.
const MaxFailureMessage = 300

// variable is what differs between errors that are the same: uuids, quoted text, hexadecimal and other numbers.
var variable = regexp.MustCompile(`[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}` +
	`|"[^"\n]*"|` + "`[^`\n]*`" + `|\B'[^'\n]*'` +
	`|\b0[xX][0-9a-fA-F]+|[0-9]+(?:[.:,][0-9]+)+|\b[0-9a-fA-F]{8,}\b|[0-9]+`)

// FailureMessage is the general form of an error's message: what is variable is replaced, space is made single, and of a
// long one the beginning and the end are kept, where programs put the cause.
func FailureMessage(message string) string {
	text := variable.ReplaceAllStringFunc(message, func(v string) string {
		switch {
		case len(v) == 36 && v[8] == '-':
			return "<uuid>"
		case strings.ContainsRune("\"'`", rune(v[0])):
			return "<text>"
		case strings.ContainsAny(v, "xX"), !isNumber(v) && strings.ContainsAny(v, "0123456789"):
			return "<hex>"
		case isNumber(v):
			return "<n>"
		}
		return v // a long word of the letters a to f
	})
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if len(text) <= MaxFailureMessage {
		return text
	}
	const gap = " … "
	head, tail := MaxFailureMessage*2/3, len(text)-(MaxFailureMessage/3-len(gap))
	for !utf8.RuneStart(text[head]) {
		head--
	}
	for !utf8.RuneStart(text[tail]) {
		tail++
	}
	return text[:head] + gap + text[tail:]
}

func isNumber(v string) bool { return strings.Trim(v, "0123456789.:,") == "" }
