package handlers

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// FuzzParse: a file is taken whole or refused with a reason, which never shows a secret; what is taken means the same
// when the YAML is written anew.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "handlers:\n  a: {exec: [sh], timeout: 5s}\n", "handlers: {\"*\": {http: 'https://example.org/', allow: [10.0.0.0/8], discard_on: [404]}}",
		"handlers: &x {a: *x}", "a: &a [*a]", "? {a: b}\n: c", "handlers:\n  <<: {a: {exec: [sh]}}\n", "---\n---\n", "handlers: {a: {exec: [\"\\0\"]}}",
		"handlers:\n  a: {exec: [sh], memory: 64MiB, processes: 10, grace: 0s, env: [A], dir: /}\n", "handlers: {a: {exec: [sh], memory: 9223372036854775808}}",
		"handlers: {a: {exec: [sh], memory: 1e400, processes: 9007199254740993}}", "handlers: {a: {http: 'https://example.org/', secret_env: BAD}}",
		"handlers: {a: {http: 'https://example.org/', secret_env: GOOD}}", "handlers: {a: {exec: [sh]}, a: {exec: [sh]}}", "handlers: {a: {exec: [sh, \xff]}}",
		"handlers: " + strings.Repeat("[", 65) + strings.Repeat("]", 65), "handlers: " + strings.Repeat("{a: ", 10_000),
		"a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nhandlers: {k: {exec: *c}}\n",
	} {
		f.Add([]byte(text))
	}
	const secret = "zQ7canary"
	lookup := env(map[string]string{"GOOD": "text of " + secret, "BAD": "whsec_#" + secret})
	f.Fuzz(func(t *testing.T, data []byte) {
		opts := Options{euid: &notRoot, LookupEnv: lookup}
		set, err := Parse("w.yaml", data, opts)
		if (set == nil) == (err == nil) {
			t.Fatalf("set %v, error %v", set, err)
		}
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("error %v", err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Fatalf("%q: a secret is shown: %v", data, err)
			}
			return
		}
		if len(set.All()) == 0 {
			t.Fatal("accepted without handlers")
		}
		for _, h := range set.All() {
			if (h.Command == nil) == (h.HTTP == nil) || h.Line < 1 || h.Timeout < 0 || h.Concurrency < 0 {
				t.Fatalf("%+v", h)
			}
			if h.Command != nil && (h.Command.Limits.Memory < 0 || h.Command.Limits.Processes < 0 || h.Command.Grace < 0 || h.Command.Path == "") {
				t.Fatalf("%+v", h.Command)
			}
		}
		var node yaml.Node
		if err := yaml.Unmarshal(data, &node); err != nil {
			t.Fatalf("%q was taken, and is no YAML: %v", data, err)
		}
		anew, err := yaml.Marshal(&node)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("w.yaml", anew, opts)
		if err != nil {
			t.Fatalf("%q written anew as %q: %v", data, anew, err)
		}
		if a, b := withoutLines(set), withoutLines(again); !reflect.DeepEqual(a, b) {
			t.Fatalf("%q means %+v, written anew as %q %+v", data, a, anew, b)
		}
	})
}

func withoutLines(s *Set) []Handler {
	all := s.All()
	for i := range all {
		all[i].Line = 0
	}
	return all
}
