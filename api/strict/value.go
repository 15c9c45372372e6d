package strict

import (
	"iter"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Value is a JSON value that Check has accepted, without space around it: its own bytes.
type Value []byte

// Parse checks a document and returns its value.
func Parse(doc []byte) (Value, error) {
	if err := Check(doc, MaxDepth); err != nil {
		return nil, err
	}
	c := &checker{b: doc}
	c.space()
	start := c.i
	c.skip()
	return doc[start:c.i:c.i], nil
}

// Is tells the type of the value by its first byte: one of { [ " t f n, or 0 for a number.
func (v Value) Is() byte {
	if ch := v[0]; ch != '-' && !digit(ch) {
		return ch
	}
	return 0
}

// Members goes through the members of an object in order, doubled keys included. A key that is not Unicode, because
// it has half of a surrogate pair, comes as "\xff", which no field is called.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		c := &checker{b: v, i: 1}
		for {
			c.space()
			if c.peek() != '"' {
				return
			}
			start := c.i
			c.skip()
			key, ok := Value(v[start:c.i]).Text()
			if !ok {
				key = "\xff"
			}
			c.space()
			c.i++ // the colon
			if !yield(key, c.value()) {
				return
			}
			c.space()
			c.i++ // the comma, or the end
		}
	}
}

// Elements goes through the elements of an array.
func (v Value) Elements() iter.Seq2[int, Value] {
	return func(yield func(int, Value) bool) {
		c := &checker{b: v, i: 1}
		for i := 0; ; i++ {
			c.space()
			if c.i >= len(c.b) || c.peek() == ']' {
				return
			}
			if !yield(i, c.value()) {
				return
			}
			c.space()
			c.i++
		}
	}
}

// value skips a value and returns it.
func (c *checker) value() Value {
	c.space()
	start := c.i
	c.skip()
	return c.b[start:c.i:c.i]
}

// skip passes over a value that is known to be valid.
func (c *checker) skip() {
	depth := 0
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case '"':
			for c.i++; c.b[c.i] != '"'; c.i++ {
				if c.b[c.i] == '\\' {
					c.i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return // the end of what holds a number or a word
			}
		case ',', ' ', '\n', '\t', '\r', ':':
			if depth == 0 {
				return
			}
			c.i++
			continue
		default:
			c.i++
			continue // in a number or a word, which ends with one of the above
		}
		c.i++
		if depth == 0 {
			return
		}
	}
}

// Text is the value of a string; false = it is none, or has half of a surrogate pair, which is no character.
func (v Value) Text() (string, bool) {
	if v.Is() != '"' {
		return "", false
	}
	in := v[1 : len(v)-1]
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); i++ {
		if in[i] != '\\' {
			out = append(out, in[i])
			continue
		}
		i++
		switch in[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := unit(in[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				if len(in)-i < 7 || in[i+1] != '\\' || in[i+2] != 'u' {
					return "", false
				}
				if r = utf16.DecodeRune(r, unit(in[i+3:])); r == utf8.RuneError {
					return "", false
				}
				i += 6
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, in[i])
		}
	}
	return string(out), true
}

func unit(b []byte) (r rune) {
	for _, ch := range b[:4] {
		d, _ := hex(ch)
		r = r<<4 | d
	}
	return r
}

// Int is the value of a number without fraction and exponent; false = it is none, or does not fit.
func (v Value) Int() (int, bool) {
	n, err := strconv.Atoi(string(v[:min(len(v), 20)]))
	return n, err == nil && len(v) <= 20
}

// Float is the value of a number; false = it is none, or is too large for one.
func (v Value) Float() (float64, bool) {
	if v.Is() != 0 {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(v), 64)
	return f, err == nil
}
