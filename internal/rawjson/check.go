package rawjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxDepth bounds how deep values may be nested.
const maxDepth = 1000

// Check returns an error, a short sentence, unless data is one JSON value in
// UTF-8 (RFC 8259), nested at most 1,000 deep. All else in this package wants
// data that was checked.
func Check(data []byte) error {
	c := checker{b: data}
	if c.value(0) && c.next() == 0 && c.at == len(data) {
		return nil
	}
	if c.deep {
		return errors.New("the message is nested too deeply")
	}
	if !utf8.Valid(data) {
		return errors.New("the message is not UTF-8")
	}
	var v json.RawMessage
	return fmt.Errorf("the message is not JSON: %w", json.Unmarshal(data, &v))
}

// checker walks over what may not be JSON.
type checker struct {
	b    []byte
	at   int
	deep bool // it is nested too deeply
}

// next skips white space and returns the byte behind it, zero at the end.
func (c *checker) next() byte {
	for ; c.at < len(c.b); c.at++ {
		if b := c.b[c.at]; b > ' ' || b != ' ' && b != '\n' && b != '\t' && b != '\r' {
			return b
		}
	}
	return 0
}

// take steps behind b and tells whether it was there.
func (c *checker) take(b byte) bool {
	if c.next() != b || c.at == len(c.b) {
		return false
	}
	c.at++
	return true
}

func (c *checker) value(depth int) bool {
	if depth > maxDepth {
		c.deep = true
		return false
	}
	switch c.next() {
	case '"':
		return c.text()
	case '{':
		return c.list('}', func() bool { return c.next() == '"' && c.text() && c.take(':') && c.value(depth+1) })
	case '[':
		return c.list(']', func() bool { return c.value(depth + 1) })
	case 't':
		return c.word("true")
	case 'f':
		return c.word("false")
	case 'n':
		return c.word("null")
	}
	return c.number()
}

// list checks what stands between an opening bracket and its end.
func (c *checker) list(end byte, element func() bool) bool {
	c.at++
	if c.take(end) {
		return true
	}
	for element() {
		if !c.take(',') {
			return c.take(end)
		}
	}
	return false
}

func (c *checker) word(w string) bool {
	if len(c.b)-c.at < len(w) || string(c.b[c.at:c.at+len(w)]) != w {
		return false
	}
	c.at += len(w)
	return true
}

// text checks a string (RFC 8259 §7).
func (c *checker) text() bool {
	for i := c.at + 1; i < len(c.b); {
		switch b := c.b[i]; {
		case b == '"':
			c.at = i + 1
			return true
		case b == '\\':
			n := escape(c.b[i:])
			if n == 0 {
				return false
			}
			i += n
		case b < ' ':
			return false
		case b < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRune(c.b[i:])
			if r == utf8.RuneError && size == 1 {
				return false
			}
			i += size
		}
	}
	return false
}

// escape returns the length of the escape that b begins with, or zero.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) >= 6 && isHex(b[2]) && isHex(b[3]) && isHex(b[4]) && isHex(b[5]) {
			return 6
		}
	}
	return 0
}

func isHex(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}

// number checks a number (RFC 8259 §6).
func (c *checker) number() bool {
	if c.has('-') {
		c.at++
	}
	switch {
	case c.has('0'):
		c.at++
	case !c.digits():
		return false
	}
	if c.has('.') {
		c.at++
		if !c.digits() {
			return false
		}
	}
	if c.has('e') || c.has('E') {
		c.at++
		if c.has('+') || c.has('-') {
			c.at++
		}
		return c.digits()
	}
	return true
}

func (c *checker) has(b byte) bool { return c.at < len(c.b) && c.b[c.at] == b }

// digits steps behind one digit or more.
func (c *checker) digits() bool {
	from := c.at
	for c.at < len(c.b) && '0' <= c.b[c.at] && c.b[c.at] <= '9' {
		c.at++
	}
	return c.at > from
}
