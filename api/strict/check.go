// Package strict reads JSON the way the api takes it: checked once from end to end, iteratively, so that no nesting
// harms it, then taken apart in place, so that a payload is the very bytes that were sent. encoding/json does neither:
// it accepts doubled keys, bad UTF-8 and keys in any case. What the members mean is the caller's.
package strict

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may nest.
const MaxDepth = 64

// ErrDepth says that a document nests deeper than MaxDepth.
var ErrDepth = errors.New("nests deeper than 64 levels")

// SyntaxError says that a document is no JSON.
type SyntaxError struct {
	Offset int // bytes before the fault
	Reason string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.Reason) }

// checker walks over a document once.
type checker struct {
	b []byte
	i int
}

// Check says whether b is one JSON value (RFC 8259) in UTF-8 that nests at most maxDepth levels: a *SyntaxError, or
// ErrDepth. It looks no further than the first fault.
func Check(b []byte, maxDepth int) error {
	c := &checker{b: b}
	stack := make([]byte, 0, MaxDepth) // the closing bracket of each open container
	for {
		// A value begins here.
		c.space()
		switch ch := c.peek(); ch {
		case '{', '[':
			if len(stack) == maxDepth {
				return ErrDepth
			}
			c.i++
			c.space()
			if c.peek() == ch+2 { // ']' and '}' follow their partners by two
				c.i++
				break
			}
			stack = append(stack, ch+2)
			if ch == '{' {
				if err := c.key(); err != nil {
					return err
				}
			}
			continue
		case '"':
			if err := c.str(); err != nil {
				return err
			}
		default:
			if err := c.scalar(ch); err != nil {
				return err
			}
		}
		// A value has ended here: close what ends with it.
		for {
			c.space()
			if len(stack) == 0 {
				if c.i < len(b) {
					return c.fault("something follows the value")
				}
				return nil
			}
			end := stack[len(stack)-1]
			ch := c.peek()
			if ch == end {
				c.i++
				stack = stack[:len(stack)-1]
				continue
			}
			if ch != ',' {
				return c.fault("expected a comma or " + string(end))
			}
			c.i++
			if end == '}' {
				c.space()
				if err := c.key(); err != nil {
					return err
				}
			}
			break
		}
	}
}

// peek is the next byte, 0 at the end; no value begins with 0.
func (c *checker) peek() byte {
	if c.i < len(c.b) {
		return c.b[c.i]
	}
	return 0
}

func (c *checker) fault(reason string) error {
	if c.i >= len(c.b) {
		reason = "the document ends too early"
	}
	return &SyntaxError{c.i, reason}
}

func (c *checker) space() {
	for c.i < len(c.b) && (c.b[c.i] == ' ' || c.b[c.i] == '\n' || c.b[c.i] == '\t' || c.b[c.i] == '\r') {
		c.i++
	}
}

// key reads a member's name and its colon.
func (c *checker) key() error {
	if c.peek() != '"' {
		return c.fault("expected a key in double quotes")
	}
	if err := c.str(); err != nil {
		return err
	}
	c.space()
	if c.peek() != ':' {
		return c.fault("expected a colon")
	}
	c.i++
	return nil
}

func (c *checker) str() error {
	c.i++
	for c.i < len(c.b) {
		switch ch := c.b[c.i]; {
		case ch == '"':
			c.i++
			return nil
		case ch == '\\':
			if err := c.escape(); err != nil {
				return err
			}
		case ch < 0x20:
			return c.fault("a control character in a string must be escaped")
		case ch < utf8.RuneSelf:
			c.i++
		default:
			r, n := utf8.DecodeRune(c.b[c.i:])
			if r == utf8.RuneError && n == 1 {
				return c.fault("not UTF-8")
			}
			c.i += n
		}
	}
	return c.fault("")
}

func (c *checker) escape() error {
	c.i++
	switch c.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		c.i++
		return nil
	case 'u':
		c.i++
		for range 4 {
			if _, ok := hex(c.peek()); !ok {
				return c.fault("\\u needs four hexadecimal digits")
			}
			c.i++
		}
		return nil
	}
	return c.fault("unknown escape in a string")
}

func (c *checker) scalar(ch byte) error {
	for _, word := range []string{"true", "false", "null"} {
		if ch == word[0] && len(c.b)-c.i >= len(word) && string(c.b[c.i:c.i+len(word)]) == word {
			c.i += len(word)
			return nil
		}
	}
	if ch != '-' && !digit(ch) {
		return c.fault("expected a value")
	}
	if ch == '-' {
		c.i++
	}
	if c.peek() == '0' {
		c.i++
	} else if err := c.digits(); err != nil {
		return err
	}
	if c.peek() == '.' {
		c.i++
		if err := c.digits(); err != nil {
			return err
		}
	}
	if c.peek()|0x20 == 'e' {
		c.i++
		if c.peek() == '+' || c.peek() == '-' {
			c.i++
		}
		return c.digits()
	}
	return nil
}

func (c *checker) digits() error {
	if !digit(c.peek()) {
		return c.fault("expected a digit")
	}
	for digit(c.peek()) {
		c.i++
	}
	return nil
}

func digit(ch byte) bool { return ch >= '0' && ch <= '9' }

func hex(ch byte) (rune, bool) {
	switch {
	case digit(ch):
		return rune(ch - '0'), true
	case ch|0x20 >= 'a' && ch|0x20 <= 'f':
		return rune(ch|0x20-'a') + 10, true
	}
	return 0, false
}
