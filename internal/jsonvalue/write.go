package jsonvalue

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-go/parley/internal/rawjson"
)

// writer appends values.
type writer struct {
	style *Style
	bytes Bytes
	b     []byte
	depth int
	seen  map[any]bool // what is being written, when that has become suspiciously deep
}

// any writes a value; the most common types without reflection.
func (w *writer) any(v any) error {
	switch v := v.(type) {
	case nil:
		w.b = append(w.b, "null"...)
	case string:
		w.b = rawjson.AppendString(w.b, v)
	case int:
		w.b = strconv.AppendInt(w.b, int64(v), 10)
	case bool:
		w.b = strconv.AppendBool(w.b, v)
	case float64:
		return w.float(v, 64)
	case []byte:
		return w.slice(v)
	default:
		return w.value(reflect.ValueOf(v))
	}
	return nil
}

// slice writes a slice of bytes.
func (w *writer) slice(v []byte) (err error) {
	switch {
	case v == nil:
		w.b = append(w.b, "null"...)
	case w.style.Bytes:
		w.b, err = w.bytes(w.b, v)
	default:
		w.b = append(base64.StdEncoding.AppendEncode(append(w.b, '"'), v), '"')
	}
	return err
}

func (w *writer) float(f float64, bits int) error {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return &json.UnsupportedValueError{Value: reflect.ValueOf(f), Str: strconv.FormatFloat(f, 'g', -1, bits)}
	}
	w.b = rawjson.AppendFloat(w.b, f, bits)
	return nil
}

func (w *writer) value(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			w.b = append(w.b, "null"...)
			return nil
		}
		return w.any(v.Elem().Interface())
	case reflect.Pointer:
		return w.inside(v, v.UnsafePointer(), func() error { return w.value(v.Elem()) })
	}
	p := w.style.planOf(v.Type())
	if p.whole || p.marshals && (!p.onPointer || v.CanAddr()) {
		return w.declared(v)
	}
	return w.kind(v, p)
}

// declared writes a value as encoding/json does.
func (w *writer) declared(v reflect.Value) error {
	if v.CanAddr() { // its methods may want that
		v = v.Addr()
	}
	buf := bytes.NewBuffer(w.b)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v.Interface()); err != nil {
		return err
	}
	w.b = bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	return nil
}

// manyLevels is where the search for cycles begins.
const manyLevels = 1000

// inside writes what is in something that can be nil and can contain itself.
func (w *writer) inside(v reflect.Value, key any, write func() error) error {
	if v.IsNil() {
		w.b = append(w.b, "null"...)
		return nil
	}
	w.depth++
	defer func() { w.depth-- }()
	if w.depth <= manyLevels {
		return write()
	}
	if w.seen[key] {
		return &json.UnsupportedValueError{Value: v, Str: fmt.Sprintf("encountered a cycle via %s", v.Type())}
	}
	if w.seen == nil {
		w.seen = make(map[any]bool)
	}
	w.seen[key] = true
	defer delete(w.seen, key)
	return write()
}

func (w *writer) kind(v reflect.Value, p *plan) error {
	switch k := v.Kind(); {
	case k == reflect.Bool:
		w.b = strconv.AppendBool(w.b, v.Bool())
	case v.CanInt():
		w.b = strconv.AppendInt(w.b, v.Int(), 10)
	case v.CanUint():
		w.b = strconv.AppendUint(w.b, v.Uint(), 10)
	case v.CanFloat():
		return w.float(v.Float(), v.Type().Bits())
	case k == reflect.String:
		w.b = rawjson.AppendString(w.b, v.String())
	case k == reflect.Struct:
		return w.object(v, p)
	case k == reflect.Map:
		return w.inside(v, v.UnsafePointer(), func() error { return w.mapping(v) })
	case k == reflect.Slice && p.bytes && !v.IsNil():
		return w.slice(v.Bytes())
	case k == reflect.Slice:
		type span struct{ at, n any } // one array may hold many slices
		return w.inside(v, span{v.UnsafePointer(), v.Len()}, func() error { return w.list(v) })
	case k == reflect.Array:
		return w.list(v)
	default:
		return &json.UnsupportedTypeError{Type: v.Type()}
	}
	return nil
}

func (w *writer) list(v reflect.Value) error {
	w.b = append(w.b, '[')
	for i := range v.Len() {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		if err := w.value(v.Index(i)); err != nil {
			return err
		}
	}
	w.b = append(w.b, ']')
	return nil
}

func (w *writer) object(v reflect.Value, p *plan) error {
	open := byte('{')
	for i := range p.fields {
		f := &p.fields[i]
		value, ok := f.Get(v)
		if !ok {
			continue
		}
		w.b = append(append(w.b, open), f.key...)
		open = ','
		start := len(w.b)
		if err := w.value(value); err != nil {
			return err
		}
		if f.Quoted {
			w.quote(start, value)
		}
	}
	if open == '{' {
		w.b = append(w.b, open)
	}
	w.b = append(w.b, '}')
	return nil
}

// quote puts what was written from start into a string, as the option string
// of a tag wants it.
func (w *writer) quote(start int, v reflect.Value) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if own, _ := marshals(v.Type()); v.Kind() == reflect.Pointer || own && v.Type() != reflect.TypeFor[json.Number]() {
		return // null, and what writes itself
	}
	w.b = append(w.b[:start], rawjson.AppendString(nil, string(w.b[start:]))...)
}

type entry struct {
	key   string
	value reflect.Value
}

func (w *writer) mapping(v reflect.Value) error {
	entries := make([]entry, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		key, err := keyText(it.Key())
		if err != nil {
			return err
		}
		entries = append(entries, entry{key, it.Value()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	w.b = append(w.b, '{')
	for i, e := range entries {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(rawjson.AppendString(w.b, e.key), ':')
		if err := w.value(e.value); err != nil {
			return err
		}
	}
	w.b = append(w.b, '}')
	return nil
}

func keyText(key reflect.Value) (string, error) {
	if key.Kind() == reflect.String {
		return key.String(), nil
	}
	if t, ok := key.Interface().(encoding.TextMarshaler); ok {
		if key.Kind() == reflect.Pointer && key.IsNil() {
			return "", nil
		}
		text, err := t.MarshalText()
		return string(text), err
	}
	switch {
	case key.CanInt():
		return strconv.FormatInt(key.Int(), 10), nil
	case key.CanUint():
		return strconv.FormatUint(key.Uint(), 10), nil
	}
	return "", &json.UnsupportedTypeError{Type: key.Type()}
}
