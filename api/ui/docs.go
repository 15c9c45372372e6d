package ui

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// docs is the page of the calls. It is made once: the document does not change while the process runs.
type docs struct {
	page docsView
}

var docsPage = parse("docs.html")

type docsView struct {
	Title, Version, Description string
	Tags                        []docsTag
	Schemas                     []docsSchema
}

type docsTag struct {
	Name  string
	Calls []docsCall
}

type docsCall struct {
	Method, Path, Summary, Description string
	Parameters                         []docsField
	Body                               string
	Answers                            []docsAnswer
}

type docsAnswer struct{ Status, Text, Schema string }

type docsSchema struct {
	Name   string
	Fields []docsField
}

type docsField struct{ Name, Type, Text, Link string }

// document is what the page reads of an OpenAPI document.
type document struct {
	Info  struct{ Title, Version, Description string }
	Paths map[string]map[string]struct {
		Summary, Description string
		Tags                 []string
		Parameters           []struct {
			Name, In, Description string
			Schema                schema
		}
		RequestBody struct {
			Content map[string]struct{ Schema schema }
		}
		Responses map[string]struct {
			Description string
			Content     map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Ref         string `json:"$ref"`
	Type        any    // a name; an array of them stands for any value
	Format      string
	Description string
	Enum        []string
	Default     any
	Minimum     json.Number
	Maximum     json.Number
	Required    []string
	Items       *schema
	AnyOf       []schema
	Properties  map[string]schema
}

func newDocs(source []byte) (*docs, error) {
	var d document
	if err := json.Unmarshal(source, &d); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	v := docsView{Title: d.Info.Title, Version: d.Info.Version, Description: d.Info.Description}
	for _, path := range sortedKeys(d.Paths) {
		for _, method := range sortedKeys(d.Paths[path]) {
			o := d.Paths[path][method]
			c := docsCall{Method: strings.ToUpper(method), Path: path, Summary: o.Summary, Description: o.Description}
			for _, p := range o.Parameters {
				kind, link := p.Schema.text()
				c.Parameters = append(c.Parameters, docsField{p.Name, p.In + ", " + kind, p.Description, link})
			}
			c.Body = strings.TrimPrefix(o.RequestBody.Content["application/json"].Schema.Ref, schemaPrefix)
			for _, status := range sortedKeys(o.Responses) {
				a := docsAnswer{Status: status, Text: o.Responses[status].Description}
				for _, content := range o.Responses[status].Content {
					a.Schema = strings.TrimPrefix(content.Schema.Ref, schemaPrefix)
				}
				c.Answers = append(c.Answers, a)
			}
			v.add(o.Tags[0], c)
		}
	}
	for _, name := range sortedKeys(d.Components.Schemas) {
		s := d.Components.Schemas[name]
		shown := docsSchema{Name: name}
		for _, field := range sortedKeys(s.Properties) {
			kind, link := s.Properties[field].text()
			if slices.Contains(s.Required, field) {
				kind += ", always there"
			}
			shown.Fields = append(shown.Fields, docsField{field, kind, s.Properties[field].Description, link})
		}
		v.Schemas = append(v.Schemas, shown)
	}
	return &docs{v}, nil
}

func (v *docsView) add(tag string, c docsCall) {
	i := slices.IndexFunc(v.Tags, func(t docsTag) bool { return t.Name == tag })
	if i < 0 {
		i = len(v.Tags)
		v.Tags = append(v.Tags, docsTag{Name: tag})
	}
	v.Tags[i].Calls = append(v.Tags[i].Calls, c)
}

const schemaPrefix = "#/components/schemas/"

// text is a type in words, and the name of the schema that it refers to.
func (s schema) text() (kind, link string) {
	switch {
	case s.AnyOf != nil:
		kind, link = s.AnyOf[0].text()
		return kind + ", or null", link
	case s.Ref != "":
		link = strings.TrimPrefix(s.Ref, schemaPrefix)
		return link, link
	case s.Items != nil:
		kind, link = s.Items.text()
		return "array of " + kind, link
	}
	kind, ok := s.Type.(string)
	if !ok {
		kind = "any JSON value"
	}
	if s.Format != "" {
		kind += ", " + s.Format
	}
	if s.Enum != nil {
		kind += ": " + strings.Join(s.Enum, ", ")
	}
	if s.Minimum != "" && s.Maximum != "" {
		kind += fmt.Sprintf(" from %s to %s", s.Minimum, s.Maximum)
	}
	if s.Default != nil {
		kind += fmt.Sprintf(", default %v", s.Default)
	}
	return kind, ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (d *docs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := frame{Root: root(r), Title: "API", Page: d.page}
	_ = render(w, docsPage, f, http.StatusOK) // rendered once in a test; the data never changes
}
