package plain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// fields are the raw values of a message that this protocol knows, each as it
// lies in the message; nil where it is missing.
type fields struct {
	typ, id, name, args, value, values, code, message, data, reason, reconnect []byte
}

func (f *fields) is(typ string) bool { return f.typ != nil && unquote(f.typ) == typ }

// read finds the fields of one JSON object. Of a field that is there twice,
// the last counts, as in encoding/json.
func (f *fields) read(data []byte) error {
	if !json.Valid(data) {
		return invalid(data)
	}
	c := cursor{data, 0}
	if c.peek() != '{' {
		return errors.New("the message is not a JSON object")
	}
	c.at++
	for c.peek() != '}' {
		key := c.value()
		c.peek()
		c.at++ // the colon
		value := c.value()
		if into := f.named(unquote(key)); into != nil {
			*into = value
		}
		if c.peek() == ',' {
			c.at++
		}
	}
	return nil
}

// invalid tells what is wrong with data.
func invalid(data []byte) error {
	var v any
	err := json.Unmarshal(data, &v)
	return fmt.Errorf("the message is not valid JSON: %w", err)
}

func (f *fields) named(key string) *[]byte {
	switch key {
	case "type":
		return &f.typ
	case "id":
		return &f.id
	case "name":
		return &f.name
	case "args":
		return &f.args
	case "value":
		return &f.value
	case "values":
		return &f.values
	case "code":
		return &f.code
	case "message":
		return &f.message
	case "data":
		return &f.data
	case "reason":
		return &f.reason
	case "reconnect":
		return &f.reconnect
	}
	return nil
}

// cursor walks over JSON that is known to be valid.
type cursor struct {
	b  []byte
	at int
}

// peek skips white space and returns the byte behind it.
func (c *cursor) peek() byte {
	for {
		switch b := c.b[c.at]; b {
		case ' ', '\t', '\r', '\n':
			c.at++
		default:
			return b
		}
	}
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
		if n := bytes.IndexAny(c.b[c.at:], ",]} \t\r\n"); n >= 0 {
			c.at += n
		} else {
			c.at = len(c.b)
		}
	}
	return c.b[start:c.at:c.at]
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

// unquote reads a valid JSON string.
func unquote(raw []byte) string {
	inside := string(raw[1 : len(raw)-1])
	if strings.IndexByte(inside, '\\') < 0 {
		return inside
	}
	json.Unmarshal(raw, &inside) // valid, as the caller says
	return inside
}
