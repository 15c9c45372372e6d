package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads handlers from data; file is the name that errors show. The error is Problems with everything that is
// wrong in it.
func Parse(file string, data []byte, opts Options) (*Set, error) {
	if opts.LookupEnv == nil {
		opts.LookupEnv = os.LookupEnv
	}
	if opts.euid == nil {
		euid := os.Geteuid()
		opts.euid = &euid
	}
	p := &parser{file: file, opts: opts}
	set := p.document(data)
	if len(p.problems) > 0 {
		sort.SliceStable(p.problems, func(i, j int) bool { return p.problems[i].Line < p.problems[j].Line })
		return nil, p.problems
	}
	return set, nil
}

type parser struct {
	file     string
	opts     Options
	problems Problems
}

func (p *parser) add(line int, format string, args ...any) {
	p.problems = append(p.problems, Problem{p.file, line, fmt.Sprintf(format, args...)})
}

const example = "write for example:\n    handlers:\n      mail.send:\n        exec: [php, send.php]"

func (p *parser) document(data []byte) *Set {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		p.add(0, "the file is empty: %s", example)
		return nil
	case err != nil:
		p.syntax(err)
		return nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		p.add(second.Line, "a second document begins here: write all handlers in one, and take out the line with ---")
	} else if !errors.Is(err, io.EOF) {
		p.syntax(err)
	}
	root := follow(doc.Content[0])
	if root.Kind != yaml.MappingNode {
		p.add(root.Line, "the file must hold a map: %s", example)
		return nil
	}
	set := &Set{byKind: map[string]Handler{}}
	found := false
	for _, e := range p.entries(root, "") {
		if e.name != "handlers" {
			p.add(e.line, "unknown key %q: the only one here is handlers", e.name)
			continue
		}
		found = true
		p.handlers(e, set)
	}
	if !found {
		p.add(root.Line, "the key handlers is missing: %s", example)
	}
	return set
}

var kindPattern = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

func (p *parser) handlers(e entry, set *Set) {
	if e.value.Kind != yaml.MappingNode || len(e.value.Content) == 0 {
		p.add(e.line, "handlers must be a map of kinds: %s", example)
		return
	}
	for _, h := range p.entries(e.value, "handlers") {
		if h.name != CatchAll && !kindPattern.MatchString(h.name) {
			p.add(h.line, "%q is no kind: a kind is 1 to 128 characters of A-Z a-z 0-9 . _ : -, or \"*\" for all others", h.name)
			continue
		}
		if handler, ok := p.handler(h); ok {
			set.byKind[h.name] = handler
		}
	}
}

// entry is one key of a map with its value.
type entry struct {
	name  string
	line  int
	value *yaml.Node // never an alias
}

// entries reads a map. A key that is there twice is a mistake, and only its first value is used.
func (p *parser) entries(node *yaml.Node, where string) []entry {
	var out []entry
	lines := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := follow(node.Content[i]), follow(node.Content[i+1])
		if key.Kind != yaml.ScalarNode {
			p.add(key.Line, "a key must be plain text")
			continue
		}
		if key.Value == "*" && where != "handlers" || key.Tag == "!!merge" {
			p.add(key.Line, "unknown key %q: write the keys out, they are not merged", key.Value)
			continue
		}
		if first, ok := lines[key.Value]; ok {
			p.add(key.Line, "%q is here twice, the first is in line %d: take one out", key.Value, first)
			continue
		}
		lines[key.Value] = key.Line
		out = append(out, entry{key.Value, node.Content[i].Line, value})
	}
	return out
}

// follow resolves an alias (*name). YAML allows no alias of an alias, so once is enough.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

var (
	syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	// grammarError are the errors whose line the YAML reader counts from 0.
	grammarError = regexp.MustCompile(`^did not find expected (key|node content|'|<)`)
)

// syntax reports an error of the YAML reader, which names its line in the text.
func (p *parser) syntax(err error) {
	text := err.Error()
	m := syntaxLine.FindStringSubmatch(text)
	line := 0
	if m != nil {
		line, _ = strconv.Atoi(m[1])
		text = strings.TrimPrefix(text, m[0])
	}
	if grammarError.MatchString(text) {
		line++
	}
	hint := ""
	if strings.Contains(text, "expected alphabetic or numeric") { // an alias or anchor without a name
		hint = `; write the kind * in quotes: "*"`
	}
	p.add(line, "this is no YAML: %s%s", text, hint)
}
