package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// raw is a member whose value goes out byte for byte.
type raw struct {
	name  string
	value json.RawMessage
}

// Appender is a body that writes itself, because encoding/json would change bytes that must stay as they are.
type Appender interface {
	AppendJSON(dst []byte) ([]byte, error)
}

// Marshal is the JSON of a body, raw values byte for byte and without the escapes of < > & that encoding/json adds.
func Marshal(v any) ([]byte, error) {
	if a, ok := v.(Appender); ok {
		return a.AppendJSON(nil)
	}
	return marshal(v)
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// object is one that has a member already.
type object struct {
	bytes []byte
	err   error
}

func (o *object) key(name string) {
	o.bytes = append(append(append(o.bytes, ',', '"'), name...), '"', ':')
}

func (o *object) number(name string, n int) {
	o.key(name)
	o.bytes = strconv.AppendInt(o.bytes, int64(n), 10)
}

// set leaves out what is not set.
func (o *object) set(name string, n int) {
	if n != 0 {
		o.number(name, n)
	}
}

func (o *object) text(name, s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			o.any(name, s)
			return
		}
	}
	o.key(name)
	o.bytes = append(append(append(o.bytes, '"'), s...), '"')
}

// some leaves out what is empty.
func (o *object) some(name, s string) {
	if s != "" {
		o.text(name, s)
	}
}

// time leaves out what is not set.
func (o *object) time(name string, t time.Time) {
	if !t.IsZero() {
		o.key(name)
		o.bytes = append(t.AppendFormat(append(o.bytes, '"'), time.RFC3339Nano), '"')
	}
}

// raw leaves out what is not set; what is must be valid JSON.
func (o *object) raw(m raw) {
	if len(m.value) > 0 {
		o.key(m.name)
		o.bytes = append(o.bytes, m.value...)
	}
}

// any is for what is seldom there.
func (o *object) any(name string, v any) {
	b, err := marshal(v)
	if err != nil {
		o.err = err
	}
	o.raw(raw{name, json.RawMessage(b)})
}
