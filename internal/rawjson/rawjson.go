// Package rawjson walks over JSON without decoding it: protocols find the
// parts of a message where they lie and hand them on as they are.
package rawjson

import (
	"encoding/json"
	"iter"
)

// Fields yields the names and values of an object, in their order; nothing
// when data is no object. A name is without its quotes and escapes, a value as
// it lies in data.
func Fields(data []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		c := cursor{data, 0}
		for c.enter('{'); c.more('}'); {
			name := c.value()
			c.peek()
			c.at++ // the colon
			if !yield(unquote(name), c.value()) {
				return
			}
		}
	}
}

// Elements yields the elements of an array as they lie in data; nothing when
// data is no array.
func Elements(data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		c := cursor{data, 0}
		for c.enter('['); c.more(']'); {
			if !yield(c.value()) {
				return
			}
		}
	}
}

// Kind is the first byte of a value: one of { [ " t f n, or a number's. It is
// zero for none.
func Kind(data []byte) byte {
	c := cursor{data, 0}
	return c.peek()
}

// String reads a string; ok is false when data is none.
func String(data []byte) (s string, ok bool) {
	if len(data) < 2 || data[0] != '"' {
		return "", false
	}
	return string(unquote(data)), true
}

// unquote returns what is inside a string: where it lies when it has no
// escapes.
func unquote(raw []byte) []byte {
	inside := raw[1 : len(raw)-1]
	for _, b := range inside {
		if b != '\\' {
			continue
		}
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return inside
		}
		return []byte(s)
	}
	return inside
}

// cursor walks over JSON that is known to be valid.
type cursor struct {
	b  []byte
	at int
}

// peek skips white space and returns the byte behind it, zero at the end.
func (c *cursor) peek() byte {
	for ; c.at < len(c.b); c.at++ {
		if b := c.b[c.at]; b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			return b
		}
	}
	return 0
}

// enter steps into an object or array, or to the end when there is none.
func (c *cursor) enter(bracket byte) {
	if c.peek() != bracket {
		c.at = len(c.b)
		return
	}
	c.at++
}

// more steps to the next element and tells whether there is one.
func (c *cursor) more(bracket byte) bool {
	if c.peek() == ',' {
		c.at++
	}
	next := c.peek()
	return next != bracket && next != 0
}

// value returns the next value and steps behind it.
func (c *cursor) value() []byte {
	first := c.peek()
	start := c.at
	switch first {
	case '"':
		c.skipString()
	case '{', '[':
		c.skipNested()
	default:
		for c.at < len(c.b) && !ends(c.b[c.at]) {
			c.at++
		}
	}
	return c.b[start:c.at:c.at]
}

// ends tells whether b ends a number or a word.
func ends(b byte) bool {
	return b == ',' || b == ']' || b == '}' || b == ' ' || b == '\t' || b == '\r' || b == '\n'
}

func (c *cursor) skipString() {
	for c.at++; c.b[c.at] != '"'; c.at++ {
		if c.b[c.at] == '\\' {
			c.at++
		}
	}
	c.at++
}

func (c *cursor) skipNested() {
	for depth := 0; ; {
		switch c.b[c.at] {
		case '"':
			c.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		c.at++
		if depth == 0 {
			return
		}
	}
}
