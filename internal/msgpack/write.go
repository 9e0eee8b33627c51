package msgpack

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

// maxWritten bounds the nesting of what is written: a cycle, or as good as one.
const maxWritten = 1000

var errCycle = fmt.Errorf("msgpack: a value that nests more than %d levels deep, or contains itself", maxWritten)

// writer appends values.
type writer struct {
	b        []byte
	depth    int
	notepack bool
}

// any writes a value; the most common types without reflection.
func (w *writer) any(v any) error {
	switch v := v.(type) {
	case nil:
		w.b = msgp.AppendNil(w.b)
	case string:
		w.text(v)
	case int:
		w.b = msgp.AppendInt(w.b, v)
	case int64:
		w.b = msgp.AppendInt64(w.b, v)
	case bool:
		w.b = msgp.AppendBool(w.b, v)
	case float64:
		w.b = msgp.AppendFloat64(w.b, v)
	case []byte:
		w.bin(v)
	case time.Time:
		w.time(v)
	default:
		return w.value(reflect.ValueOf(v))
	}
	return nil
}

// text writes a string; what is not UTF-8 is mended, as in JSON.
func (w *writer) text(s string) {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	w.b = msgp.AppendString(w.b, s)
}

func (w *writer) bin(v []byte) {
	if v == nil {
		w.b = msgp.AppendNil(w.b)
		return
	}
	w.b = msgp.AppendBytes(w.b, v)
}

func (w *writer) time(t time.Time) {
	if !w.notepack {
		w.b = msgp.AppendTimeExt(w.b, t)
		return
	}
	w.b = binary.BigEndian.AppendUint64(append(w.b, fixext8, notepackType), uint64(t.UnixMilli()))
}

func (w *writer) value(v reflect.Value) error {
	if w.depth++; w.depth > maxWritten {
		return errCycle
	}
	err := w.nested(v)
	w.depth--
	return err
}

func (w *writer) nested(v reflect.Value) error {
	if k := v.Kind(); k == reflect.Interface || k == reflect.Pointer {
		if v.IsNil() {
			w.b = msgp.AppendNil(w.b)
			return nil
		}
		if k == reflect.Interface {
			return w.any(v.Elem().Interface())
		}
		return w.value(v.Elem())
	}
	tr := traitsOf(v.Type())
	if tr.write == plain || tr.onPointer && !v.CanAddr() {
		return w.kind(v, tr)
	}
	return w.special(v, tr)
}

//house:table
func (w *writer) kind(v reflect.Value, tr *traits) error {
	switch v.Kind() {
	case reflect.Bool:
		w.b = msgp.AppendBool(w.b, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.b = msgp.AppendInt64(w.b, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		w.b = msgp.AppendUint64(w.b, v.Uint())
	case reflect.Float32:
		w.b = msgp.AppendFloat32(w.b, float32(v.Float()))
	case reflect.Float64:
		w.b = msgp.AppendFloat64(w.b, v.Float())
	case reflect.String:
		w.text(v.String())
	case reflect.Struct:
		return w.object(v, tr)
	case reflect.Map:
		return w.mapping(v)
	case reflect.Slice, reflect.Array:
		return w.list(v)
	default:
		return &json.UnsupportedTypeError{Type: v.Type()}
	}
	return nil
}

func (w *writer) object(v reflect.Value, tr *traits) error {
	present := 0
	for i := range tr.fields {
		if _, ok := tr.fields[i].Get(v); ok {
			present++
		}
	}
	w.b = msgp.AppendMapHeader(w.b, uint32(present))
	for i := range tr.fields {
		f := &tr.fields[i]
		value, ok := f.Get(v)
		if !ok {
			continue
		}
		w.b = append(w.b, f.key...)
		if err := w.value(value); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) list(v reflect.Value) error {
	if v.Kind() == reflect.Slice && v.IsNil() {
		w.b = msgp.AppendNil(w.b)
		return nil
	}
	if uint64(v.Len()) > math.MaxUint32 {
		return errors.New("msgpack: a list too long")
	}
	if isBytes(v.Type()) {
		w.b = msgp.AppendBytesHeader(w.b, uint32(v.Len()))
		w.b = append(w.b, bytesOf(v)...)
		return nil
	}
	w.b = msgp.AppendArrayHeader(w.b, uint32(v.Len()))
	for i := range v.Len() {
		if err := w.value(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

// isBytes tells whether a slice or array is one of bytes that do not speak for
// themselves.
func isBytes(t reflect.Type) bool {
	return t.Elem().Kind() == reflect.Uint8 && traitsOf(t.Elem()).write == plain
}

func bytesOf(v reflect.Value) []byte {
	if v.Kind() == reflect.Slice || v.CanAddr() {
		return v.Bytes()
	}
	b := make([]byte, v.Len())
	for i := range b {
		b[i] = byte(v.Index(i).Uint())
	}
	return b
}

type entry struct {
	key   string // as text, which puts the entries in order
	n     int64  // as an integer
	u     uint64
	value reflect.Value
}

func (w *writer) mapping(v reflect.Value) error {
	if v.IsNil() {
		w.b = msgp.AppendNil(w.b)
		return nil
	}
	form, err := keyForm(v.Type())
	if err != nil {
		return err
	}
	entries := make([]entry, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		e := entry{value: it.Value()}
		if err := e.read(it.Key()); err != nil {
			return err
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.n, b.n), cmp.Compare(a.u, b.u), strings.Compare(a.key, b.key))
	})
	w.b = msgp.AppendMapHeader(w.b, uint32(len(entries)))
	for i := range entries {
		w.key(&entries[i], form)
		if err := w.value(entries[i].value); err != nil {
			return err
		}
	}
	return nil
}

// keyForm is the kind that stands for how the keys of a map are written: a
// string, an int or a uint.
func keyForm(t reflect.Type) (reflect.Kind, error) {
	key := t.Key()
	switch k := key.Kind(); {
	case k == reflect.String || key.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return reflect.String, nil
	case k >= reflect.Int && k <= reflect.Int64:
		return reflect.Int, nil
	case k >= reflect.Uint && k <= reflect.Uintptr:
		return reflect.Uint, nil
	}
	return 0, &json.UnsupportedTypeError{Type: t}
}

func (w *writer) key(e *entry, form reflect.Kind) {
	switch form {
	case reflect.String:
		w.text(e.key)
	case reflect.Int:
		w.b = msgp.AppendInt64(w.b, e.n)
	case reflect.Uint:
		w.b = msgp.AppendUint64(w.b, e.u)
	}
}

// read takes a key apart.
func (e *entry) read(key reflect.Value) error {
	if key.Kind() == reflect.String {
		e.key = key.String()
		return nil
	}
	if t, ok := key.Interface().(encoding.TextMarshaler); ok {
		if key.Kind() == reflect.Pointer && key.IsNil() {
			return nil
		}
		text, err := t.MarshalText()
		e.key = string(text)
		return err
	}
	if key.CanInt() {
		e.n = key.Int()
		return nil
	}
	e.u = key.Uint()
	return nil
}

// special writes a value that has its own idea of that.
func (w *writer) special(v reflect.Value, tr *traits) (err error) {
	if tr.write == rawJSON {
		return w.json(v.Bytes())
	}
	if tr.write == number {
		return w.number(v.String())
	}
	if tr.onPointer {
		v = v.Addr()
	}
	switch x := v.Interface().(type) {
	case time.Time:
		w.time(x)
	case msgp.Marshaler:
		return w.own(x)
	case json.Marshaler:
		text, err := x.MarshalJSON()
		if err != nil {
			return &json.MarshalerError{Type: v.Type(), Err: err}
		}
		return w.json(text)
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return &json.MarshalerError{Type: v.Type(), Err: err}
		}
		w.text(string(text))
	}
	return nil
}

func (w *writer) own(m msgp.Marshaler) error {
	b, err := m.MarshalMsg(w.b)
	if err != nil {
		return err
	}
	w.b = b
	return nil
}

// json writes the value that a text of JSON stands for.
func (w *writer) json(text []byte) error {
	if len(text) == 0 { // a nil RawMessage
		w.b = msgp.AppendNil(w.b)
		return nil
	}
	var v any
	if !json.Valid(text) {
		return json.Unmarshal(text, &v) // says what is wrong
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err
	}
	return w.any(v)
}

// number writes a number of JSON: as an integer where it looks like one.
func (w *writer) number(s string) error {
	if s == "" {
		s = "0" // as encoding/json
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		w.b = msgp.AppendInt64(w.b, n)
		return nil
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		w.b = msgp.AppendUint64(w.b, n)
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return fmt.Errorf("msgpack: %q is no number", s)
	}
	w.b = msgp.AppendFloat64(w.b, f)
	return nil
}
