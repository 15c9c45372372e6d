package openapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/slotq/slotq/shared/job"
)

// generator makes schemas of Go types; those of structs are named and kept.
type generator struct {
	schemas map[string]any
}

// of is the schema of v's type. Requests are closed: what they do not name is refused. Answers are open, so that a later
// version may add to them.
func (g *generator) of(v any, request bool) map[string]any {
	return g.schema(reflect.TypeOf(v), request)
}

func (g *generator) schema(t reflect.Type, request bool) map[string]any {
	switch t {
	case reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[job.ID]():
		return map[string]any{"type": "string", "format": "uuid"}
	case reflect.TypeFor[job.WorkerID]():
		return map[string]any{"type": "string", "pattern": "^[0-9a-f]{16}$"}
	case reflect.TypeFor[job.State]():
		return map[string]any{"type": "string"}
	case reflect.TypeFor[json.RawMessage]():
		return map[string]any{"type": []string{"null", "boolean", "number", "string", "array", "object"}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.schema(t.Elem(), request)
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": g.schema(t.Elem(), request)}
	case reflect.Struct:
		return g.object(t, request)
	}
	panic(fmt.Sprintf("openapi: no schema for %s", t)) // a fault of the program: the types are constants
}

func (g *generator) object(t reflect.Type, request bool) map[string]any {
	ref := map[string]any{"$ref": "#/components/schemas/" + t.Name()}
	if g.schemas[t.Name()] != nil {
		return ref
	}
	properties := map[string]any{}
	out := map[string]any{"type": "object", "properties": properties}
	g.schemas[t.Name()] = out
	var required []string
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "-" || name == "" {
			continue
		}
		s := g.schema(f.Type, request)
		limits(s, f.Tag, "")
		if items, ok := s["items"].(map[string]any); ok {
			limits(items, f.Tag, "items.")
		}
		if f.Tag.Get("nullable") != "" {
			s = map[string]any{"anyOf": []any{s, map[string]any{"type": "null"}}}
		}
		if doc := f.Tag.Get("doc"); doc != "" {
			s["description"] = doc
		}
		properties[name] = s
		if options == "" {
			required = append(required, name)
		}
	}
	if required != nil {
		out["required"] = required
	}
	if request {
		out["additionalProperties"] = false
	}
	return ref
}

// limits copies what a field's tags say of its values.
func limits(s map[string]any, tag reflect.StructTag, prefix string) {
	for _, name := range []string{"type", "format", "pattern"} {
		if v := tag.Get(prefix + name); v != "" {
			s[name] = v
		}
	}
	for _, name := range []string{"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"} {
		if v := tag.Get(prefix + name); v != "" {
			s[name] = json.Number(v)
		}
	}
	if v := tag.Get(prefix + "enum"); v != "" {
		s["enum"] = strings.Split(v, ",")
	}
	if v := tag.Get(prefix + "default"); v != "" {
		s["default"] = v
		if _, err := strconv.ParseFloat(v, 64); err == nil {
			s["default"] = json.Number(v)
		} else if b, err := strconv.ParseBool(v); err == nil {
			s["default"] = b
		}
	}
}
