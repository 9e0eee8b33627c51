package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"github.com/parley-go/parley/internal/jsonvalue"
	"github.com/parley-go/parley/wire"
)

// codec is JSON with binary values beside it. What is a []byte in Go, or of a
// type with that underneath which does not write itself, becomes a placeholder
// for an attachment, at any depth of structs, maps, slices, pointers and any.
// Where an attachment comes in, it goes into such a type, an array of bytes or
// an any; into a type that reads JSON by itself, such as json.RawMessage, it
// goes in base64. All else is as [wire.JSON] has it.
type codec struct {
	most int // attachments of the values that are written together; zero means maxAttachments
}

// plain writes what has no bytes in it.
var plain = wire.JSON.(wire.Appender)

// style remembers the types in which there may be bytes.
var style = jsonvalue.Style{Bytes: true}

// Name implements [wire.Codec].
func (codec) Name() string { return "json with attachments" }

// Marshal implements [wire.Codec].
func (c codec) Marshal(values ...any) (wire.Args, error) {
	if len(values) == 0 {
		return wire.Args{}, nil
	}
	const usual = 64
	buf := make([]byte, 0, usual)
	ends := make([]int, 0, 8) // on the stack: the buffer may move as it grows
	var beside *attachments   // nil until there are some
	for _, v := range values {
		var err error
		if buf, err = c.AppendValue(buf, v); err == wire.ErrAttachments {
			if beside == nil {
				beside = &attachments{}
			}
			buf, err = style.Append(buf, v, beside.add)
		}
		if err != nil {
			return wire.Args{}, err
		}
		ends = append(ends, len(buf))
	}
	a := cut(buf, ends)
	if beside == nil {
		return a, nil
	}
	if most := c.limit(); len(beside.list) > most {
		return wire.Args{}, fmt.Errorf("socketio: %d binary attachments, and clients take at most %d in one event", len(beside.list), most)
	}
	a.Attachments = beside.list
	return a, nil
}

// cut makes values of what lies between the ends.
func cut(buf []byte, ends []int) wire.Args {
	a := wire.Args{Values: make([][]byte, len(ends))}
	start := 0
	for i, end := range ends {
		a.Values[i] = buf[start:end:end]
		start = end
	}
	return a
}

func (c codec) limit() int {
	if c.most == 0 {
		return maxAttachments
	}
	return c.most
}

// alike tells whether there can be no bytes in v.
func alike(v any) bool {
	switch v.(type) {
	case nil, bool, int, int64, string:
		return true
	}
	return style.Alike(reflect.TypeOf(v))
}

// AppendValue implements [wire.Appender].
func (codec) AppendValue(dst []byte, v any) ([]byte, error) {
	if alike(v) {
		return plain.AppendValue(dst, v)
	}
	return style.Append(dst, v, onlyBeside)
}

func onlyBeside(dst, _ []byte) ([]byte, error) { return dst, wire.ErrAttachments }

// attachments are the binary values found so far, in copies.
type attachments struct{ list [][]byte }

// add is a [jsonvalue.Bytes].
func (a *attachments) add(dst, b []byte) ([]byte, error) {
	dst = append(dst, `{"`+placeholderMark+`":true,"`+placeholderNum+`":`...)
	dst = strconv.AppendInt(dst, int64(len(a.list)), 10)
	a.list = append(a.list, append(make([]byte, 0, len(b)), b...)) // an empty one is no nil
	return append(dst, '}'), nil
}

// Unmarshal implements [wire.Codec]. A placeholder for a variable that cannot
// take bytes is a *json.UnmarshalTypeError.
func (codec) Unmarshal(a wire.Args, i int, into any) error {
	if len(a.Attachments) == 0 || !mayStandFor(a.Values[i]) {
		return wire.JSON.Unmarshal(a, i, into)
	}
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return &json.InvalidUnmarshalError{Type: reflect.TypeOf(into)}
	}
	r := reader{attachments: a.Attachments}
	return r.value(a.Values[i], v.Elem(), 0)
}

// mayStandFor tells whether there may be a placeholder in data: written as it
// is everywhere, or with escapes.
func mayStandFor(data []byte) bool {
	if len(data) == 0 || data[0] != '{' && data[0] != '[' {
		return false
	}
	return bytes.Contains(data, []byte(placeholderMark)) || bytes.IndexByte(data, '\\') >= 0
}
