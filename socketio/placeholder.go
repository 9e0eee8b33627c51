package socketio

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/parley-go/parley/internal/fields"
	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

// A binary value stands as {"_placeholder":true,"num":i} in the JSON of its
// packet, for the i-th of the attachments behind it (Socket.IO protocol 5,
// "Binary event"). Other properties of that object mean nothing.
const (
	placeholderMark = "_placeholder"
	placeholderNum  = "num"
)

var errPlaceholder = errors.New("socketio: illegal attachments")

// placeholderIndex reads the num of a placeholder, which must be one of n
// attachments.
func placeholderIndex(num string, n int) (i int, ok bool) {
	const digits = 4
	if len(num) == 0 || len(num) > digits {
		return 0, false
	}
	for _, b := range []byte(num) {
		if b < '0' || b > '9' {
			return 0, false
		}
		i = 10*i + int(b-'0')
	}
	return i, i < n
}

// maxTyped bounds how deep in Go's types placeholders are looked for.
const maxTyped = 64

// reader reads JSON with placeholders. Between them, encoding/json does it.
type reader struct {
	attachments [][]byte
	copies      [][]byte // of those that were used: one each, however often it is
}

// bytes is the i-th attachment, in the one copy there is of it.
func (r *reader) bytes(i int) []byte {
	if r.copies == nil {
		r.copies = make([][]byte, len(r.attachments))
	}
	if r.copies[i] == nil {
		r.copies[i] = append(make([]byte, 0, len(r.attachments[i])), r.attachments[i]...)
	}
	return r.copies[i]
}

// value reads raw, whole and valid, into v, which can be set.
func (r *reader) value(raw []byte, v reflect.Value, depth int) error {
	t := v.Type()
	switch {
	case !mayStandFor(raw):
		return json.Unmarshal(raw, v.Addr().Interface())
	case depth > maxTyped:
		return fmt.Errorf("socketio: a binary value more than %d levels deep", maxTyped)
	case t.Kind() == reflect.Pointer:
		return r.pointer(raw, v, depth)
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		return r.inBase64(raw, v)
	case t.Kind() == reflect.Interface:
		return r.intoInterface(raw, v, depth)
	}
	i, stands, err := r.placeholder(raw)
	switch {
	case err != nil:
		return err
	case stands:
		return r.binary(i, v)
	case raw[0] == '{' && t.Kind() == reflect.Struct:
		return r.object(raw, v, depth)
	case raw[0] == '{' && t.Kind() == reflect.Map:
		return r.mapping(raw, v, depth)
	case raw[0] == '[' && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array):
		return r.list(raw, v, depth)
	}
	return json.Unmarshal(raw, v.Addr().Interface()) // says what is wrong
}

func (r *reader) pointer(raw []byte, v reflect.Value, depth int) error {
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return r.value(raw, v.Elem(), depth+1)
}

// placeholder tells whether raw is one, and what it stands for.
func (r *reader) placeholder(raw []byte) (i int, ok bool, err error) {
	var mark, num string
	for name, value := range rawjson.Fields(raw) {
		switch string(name) {
		case placeholderMark:
			mark = string(value)
		case placeholderNum:
			num = string(value)
		}
	}
	if mark != "true" {
		return 0, false, nil
	}
	if i, ok = placeholderIndex(num, len(r.attachments)); !ok {
		return 0, false, errPlaceholder
	}
	return i, true, nil
}

// binary puts the i-th attachment into v: as in encoding/json, an array takes
// what fits.
func (r *reader) binary(i int, v reflect.Value) error {
	t := v.Type()
	isBytes := (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && t.Elem().Kind() == reflect.Uint8
	if !isBytes || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return &json.UnmarshalTypeError{Value: "binary", Type: t}
	}
	if t.Kind() == reflect.Slice {
		v.SetBytes(r.bytes(i))
		return nil
	}
	v.SetZero()
	copy(v.Bytes(), r.attachments[i])
	return nil
}

func (r *reader) intoInterface(raw []byte, v reflect.Value, depth int) error {
	if held := v.Elem(); held.Kind() == reflect.Pointer && !held.IsNil() {
		return r.value(raw, held.Elem(), depth+1)
	}
	if v.NumMethod() > 0 {
		return json.Unmarshal(raw, v.Addr().Interface()) // likewise
	}
	var x any
	if err := json.Unmarshal(raw, &x); err != nil {
		return err
	}
	x, err := r.restore(x, r.bytes)
	if err == nil && x == nil {
		v.SetZero()
	} else if err == nil {
		v.Set(reflect.ValueOf(x))
	}
	return err
}

// restore puts attachments in the place of what stands for them in x.
func (r *reader) restore(x any, bytes func(int) []byte) (_ any, err error) {
	switch x := x.(type) {
	case map[string]any:
		if x[placeholderMark] == true {
			i, ok := placeholderIndex(fmt.Sprint(x[placeholderNum]), len(r.attachments))
			if _, text := x[placeholderNum].(string); !ok || text {
				return nil, errPlaceholder
			}
			return bytes(i), nil
		}
		for name, value := range x {
			if x[name], err = r.restore(value, bytes); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, value := range x {
			if x[i], err = r.restore(value, bytes); err != nil {
				return nil, err
			}
		}
	}
	return x, nil
}

// inBase64 reads a value into a type that reads JSON by itself. So that a few
// bytes cannot become many, each attachment may be used once.
func (r *reader) inBase64(raw []byte, v reflect.Value) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var x any
	if err := d.Decode(&x); err != nil {
		return err
	}
	used := make([]bool, len(r.attachments))
	again := false
	x, err := r.restore(x, func(i int) []byte {
		again, used[i] = again || used[i], true
		return r.attachments[i]
	})
	if err != nil {
		return err
	}
	if again {
		return errors.New("socketio: an attachment used twice in one value")
	}
	a, err := wire.JSON.Marshal(x)
	if err != nil {
		return err
	}
	return json.Unmarshal(a.Values[0], v.Addr().Interface())
}

// split takes the members of an object apart: those in which there may be a
// placeholder are returned, and the others are left to encoding/json.
func split(raw []byte) (special []member, rest []byte) {
	rest = append(rest, '{')
	for name, value := range rawjson.Fields(raw) {
		if mayStandFor(value) {
			special = append(special, member{string(name), value})
			continue
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		rest = append(append(rawjson.AppendString(rest, string(name)), ':'), value...)
	}
	return special, append(rest, '}')
}

// member is a property of an object.
type member struct {
	name  string
	value []byte
}

func (r *reader) object(raw []byte, v reflect.Value, depth int) error {
	special, rest := split(raw)
	if err := json.Unmarshal(rest, v.Addr().Interface()); err != nil {
		return err
	}
	all := fields.Of(v.Type(), "json")
	for _, m := range special {
		f := find(all, m.name)
		if f == nil {
			continue
		}
		field, err := f.Reach(v)
		if err == nil {
			err = r.value(m.value, field, depth+1)
		}
		if err != nil {
			return inField(err, v.Type(), f.Name)
		}
	}
	return nil
}

// find returns the field of a name, which if need be is read without regard to
// case.
func find(all []fields.Field, name string) *fields.Field {
	var like *fields.Field
	for i := range all {
		switch {
		case all[i].Name == name:
			return &all[i]
		case like == nil && strings.EqualFold(all[i].Name, name):
			like = &all[i]
		}
	}
	return like
}

// inField says in which field something does not fit.
func inField(err error, t reflect.Type, name string) error {
	wrong, ok := err.(*json.UnmarshalTypeError)
	if !ok {
		return err
	}
	if wrong.Field != "" {
		name += "." + wrong.Field
	}
	wrong.Struct, wrong.Field = t.Name(), name
	return wrong
}

func (r *reader) mapping(raw []byte, v reflect.Value, depth int) error {
	special, rest := split(raw)
	if err := json.Unmarshal(rest, v.Addr().Interface()); err != nil {
		return err
	}
	t := v.Type()
	for _, m := range special {
		entry := reflect.New(t.Elem()).Elem()
		if err := r.value(m.value, entry, depth+1); err != nil {
			return err
		}
		// encoding/json knows how keys are read.
		one := reflect.New(t)
		if err := json.Unmarshal(append(rawjson.AppendString([]byte{'{'}, m.name), ":null}"...), one.Interface()); err != nil {
			return err
		}
		for _, key := range one.Elem().MapKeys() {
			v.SetMapIndex(key, entry)
		}
	}
	return nil
}

func (r *reader) list(raw []byte, v reflect.Value, depth int) error {
	v.SetZero()
	n := 0
	for element := range rawjson.Elements(raw) {
		if v.Kind() == reflect.Array && n == v.Len() {
			break
		}
		if v.Kind() == reflect.Slice {
			v.Grow(1)
			v.SetLen(n + 1)
		}
		if err := r.value(element, v.Index(n), depth+1); err != nil {
			return err
		}
		n++
	}
	return nil
}
