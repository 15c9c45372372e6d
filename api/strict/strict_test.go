package strict

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestJSONIsTakenAndOnlyJSON(t *testing.T) {
	good := []string{
		`null`, ` true `, "\t[\r\n]", `{}`, `{"a":{}}`, `[[],{},"",0]`, `-0.5e+10`, `1E400`, `9007199254740993`, `0`,
		`"\u0000\ud800\"\\\/\b\f\n\r\t"`, `"ü€😀"`, `{"a":1,"a":2}`, `{"":[1,2,{"b":null}]}`, strings.Repeat("[", 64) + strings.Repeat("]", 64),
	}
	for _, doc := range good {
		if err := Check([]byte(doc), MaxDepth); err != nil {
			t.Errorf("%.40s: %v", doc, err)
		}
	}
	bad := []string{
		``, ` `, `{`, `[`, `"`, `"\`, `"\u12`, `"\u12g4"`, `"\x"`, "\"\n\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", `nul`, `nulll`, `True`,
		`01`, `-`, `1.`, `.5`, `1e`, `1e+`, `+1`, `0x10`, `NaN`, `[1,]`, `[,1]`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{'a':1}`, `[1}`, `{"a":1]`,
		`1 2`, `{}{}`, "\ufeff{}", `[1] x`, "[1]\x00", `]`, `,`, `{"a" 1}`, `// x`, "\u00a01",
	}
	for _, doc := range bad {
		var syntax *SyntaxError
		if err := Check([]byte(doc), MaxDepth); !errors.As(err, &syntax) {
			t.Errorf("%q: %v, want a syntax error", doc, err)
		}
	}
}

func TestNestingIsRefusedAtTheLimitHoweverDeepItGoes(t *testing.T) {
	for _, doc := range []string{
		strings.Repeat("[", 65) + strings.Repeat("]", 65), strings.Repeat("[", 10_000), strings.Repeat(`{"a":`, 10_000), strings.Repeat(`[{"a":`, 5_000_000),
	} {
		if err := Check([]byte(doc), MaxDepth); !errors.Is(err, ErrDepth) {
			t.Errorf("%d bytes: %v, want ErrDepth", len(doc), err)
		}
	}
}

func TestMembersAndElementsAreTheBytesAsSent(t *testing.T) {
	doc := ` { "a" : [1 , {"x":"]}"}] ,"b":"\"," , "c":1e400,"a\u0062":  { "<" : 2 }  ,"a":null} `
	v, err := Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for k, m := range v.Members() {
		got = append(got, k+"="+string(m))
	}
	want := []string{`a=[1 , {"x":"]}"}]`, `b="\","`, `c=1e400`, `ab={ "<" : 2 }`, `a=null`}
	if !slices.Equal(got, want) {
		t.Errorf("members %q, want %q", got, want)
	}
	v, err = Parse([]byte("[ 1,[2,3] , \"a,b\"\n,{\"c\":[]},null]"))
	if err != nil {
		t.Fatal(err)
	}
	got = nil
	for _, e := range v.Elements() {
		got = append(got, string(e))
	}
	if want := []string{`1`, `[2,3]`, `"a,b"`, `{"c":[]}`, `null`}; !slices.Equal(got, want) {
		t.Errorf("elements %q, want %q", got, want)
	}
	for range Value("{}").Members() {
		t.Error("an empty object has a member")
	}
	for range Value("[ ]").Elements() {
		t.Error("an empty array has an element")
	}
}

func TestTextIsWhatTheStringMeans(t *testing.T) {
	for in, want := range map[string]string{
		`""`: "", `"abc"`: "abc", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t", `"\u0041\u00e9\uD83D\ude00z"`: "Aé😀z", `"\u0000"`: "\x00", `"\ufffd"`: "\ufffd",
	} {
		if got, ok := Value(in).Text(); !ok || got != want {
			t.Errorf("%s: %q %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{`"\ud800"`, `"\ud800x12345678"`, `"\udc00\ud800"`, `"\ud800\u0041"`, `"\ud83d\ude"`[:8] + `"`, `1`, `null`, `["a"]`} {
		if got, ok := Value(in).Text(); ok {
			t.Errorf("%s: %q, want none", in, got)
		}
	}
}

func TestNumbersAreTakenExactlyOrNot(t *testing.T) {
	for in, want := range map[string]int{`0`: 0, `-5`: -5, `9223372036854775807`: 1<<63 - 1} {
		if got, ok := Value(in).Int(); !ok || got != want {
			t.Errorf("%s: %d %v", in, got, ok)
		}
	}
	for _, in := range []string{`1.0`, `1e2`, `9223372036854775808`, `"1"`, `null`, `true`, strings.Repeat("1", 50)} {
		if got, ok := Value(in).Int(); ok {
			t.Errorf("%s: %d, want none", in, got)
		}
	}
	for _, in := range []string{`1e400`, `-1e400`, `"1"`, `null`} {
		if got, ok := Value(in).Float(); ok {
			t.Errorf("%s: %g, want none", in, got)
		}
	}
	if got, ok := Value(`-1.5e1`).Float(); !ok || got != -15 {
		t.Errorf("-1.5e1: %g %v", got, ok)
	}
}

// FuzzCheck compares with encoding/json, which reads the same language but for bad UTF-8 and depth, and looks whether
// taking apart loses or changes anything.
func FuzzCheck(f *testing.F) {
	for _, doc := range []string{`{"kind":"a","payload":[1,{"b":null}],"x":"\ud83d\ude00"}`, `[1.5e-3,"\\",true]`, `{"a":{"a":{}}} `, "\"\xff\"", `[[[[]]]]`, `-`} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		err := Check(doc, 1_000_000)
		if want := json.Valid(doc) && utf8.Valid(doc); (err == nil) != want && len(doc) < 10_000 {
			t.Fatalf("%q: %v, want valid %v", doc, err, want)
		}
		if err != nil {
			return
		}
		v, err := Parse(doc)
		if errors.Is(err, ErrDepth) {
			return
		}
		if want := strings.Trim(string(doc), " \t\r\n"); string(v) != want {
			t.Fatalf("value %q, want %q", v, want)
		}
		switch v.Is() {
		case '{':
			n := 0
			for _, m := range v.Members() {
				n++
				if !json.Valid(m) {
					t.Fatalf("member %q of %q", m, doc)
				}
			}
			if (n == 0) != (strings.Trim(string(v[1:len(v)-1]), " \t\r\n") == "") {
				t.Fatalf("%d members of %q", n, doc)
			}
		case '[':
			var want []json.RawMessage
			if err := json.Unmarshal(v, &want); err != nil {
				t.Fatal(err)
			}
			n := 0
			for i, e := range v.Elements() {
				if n++; string(want[i]) != string(e) {
					t.Fatalf("element %d of %q: %q, want %q", i, doc, e, want[i])
				}
			}
			if n != len(want) {
				t.Fatalf("%d elements of %q, want %d", n, doc, len(want))
			}
		case '"':
			var want string
			if err := json.Unmarshal(v, &want); err != nil {
				t.Fatal(err)
			}
			if got, ok := v.Text(); ok && got != want {
				t.Fatalf("text %q, want %q", got, want)
			}
		}
	})
}
