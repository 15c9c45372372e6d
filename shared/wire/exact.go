package wire

import (
	"bytes"
	"encoding/json"
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

// appendObject appends the object v and then the raw members that are set. The values must be valid JSON.
func appendObject(dst []byte, v any, members ...raw) ([]byte, error) {
	b, err := marshal(v)
	if err != nil {
		return dst, err
	}
	dst = append(dst, b[:len(b)-1]...)
	empty := len(b) == len("{}")
	for _, m := range members {
		if len(m.value) == 0 {
			continue
		}
		if !empty {
			dst = append(dst, ',')
		}
		empty = false
		dst = append(append(dst, '"'), m.name...)
		dst = append(append(dst, `":`...), m.value...)
	}
	return append(dst, '}'), nil
}
