package msgpack

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-go/parley/wire"
	"github.com/tinylib/msgp/msgp"
)

// reader reads values that Skip has found whole.
type reader struct {
	b        []byte
	notepack bool
}

// next takes the first value as it lies.
func (r *reader) next() []byte {
	rest, err := Skip(r.b, MaxDepth)
	if err != nil { // it was whole
		rest = nil
	}
	value := r.b[:len(r.b)-len(rest)]
	r.b = rest
	return value
}

// text takes a string or bin as bytes; ok is false for anything else.
func (r *reader) text() (s []byte, ok bool) {
	var rest []byte
	var err error
	switch {
	case r.kindOf() != msgp.BinType:
		s, rest, err = msgp.ReadStringZC(r.b)
	case msgp.NextType(r.b) == msgp.BinType:
		s, rest, err = msgp.ReadBytesZC(r.b)
	default:
		s, rest = r.arrayBuffer()
	}
	if err != nil {
		return nil, false
	}
	r.b = rest
	return s, true
}

// String reads a string; what is not UTF-8 is mended. It copies, and wants a
// whole value. ok is false when b is none.
func String(b []byte) (s string, ok bool) {
	raw, _, err := msgp.ReadStringZC(b)
	if err != nil {
		return "", false
	}
	return mended(raw), true
}

func mended(raw []byte) string {
	if utf8.Valid(raw) {
		return string(raw)
	}
	return strings.ToValidUTF8(string(raw), "\ufffd")
}

// Read reads one whole value. Its error is a *json.UnmarshalTypeError where the
// value does not fit the variable.
func (c Codec) Read(b []byte, into any) error {
	rest, err := Skip(b, MaxDepth)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return errTrailing
	}
	r := reader{b, c.Notepack}
	if done := r.common(into); done {
		return nil
	}
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return &json.InvalidUnmarshalError{Type: reflect.TypeOf(into)}
	}
	return r.value(v.Elem())
}

// common reads into the most common variables without reflection, what fits
// them exactly; it takes nothing when it is not done.
func (r *reader) common(into any) (done bool) {
	switch into := into.(type) {
	case *string:
		if s, ok := String(r.b); ok && into != nil {
			*into = s
			return true
		}
	case *int:
		if n, _, err := msgp.ReadIntBytes(r.b); err == nil && into != nil {
			*into = n
			return true
		}
	case *bool:
		if v, _, err := msgp.ReadBoolBytes(r.b); err == nil && into != nil {
			*into = v
			return true
		}
	case *float64:
		if f, _, err := msgp.ReadFloat64Bytes(r.b); err == nil && into != nil {
			*into = f
			return true
		}
	}
	return false
}

func (r *reader) value(v reflect.Value) error {
	tr := traitsOf(v.Type())
	if tr.read == rawJSON {
		return r.json(v)
	}
	if r.kindOf() == msgp.NilType {
		r.next()
		if k := v.Kind(); k == reflect.Pointer || k == reflect.Interface || k == reflect.Map || k == reflect.Slice {
			v.SetZero()
		}
		return nil
	}
	if tr.read != plain {
		return r.special(v, tr)
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return r.value(v.Elem())
	case reflect.Interface:
		return r.intoInterface(v)
	}
	return r.kind(v, tr)
}

func (r *reader) intoInterface(v reflect.Value) error {
	if held := v.Elem(); held.Kind() == reflect.Pointer && !held.IsNil() {
		return r.value(held.Elem())
	}
	if v.NumMethod() > 0 {
		return r.wrong(v.Type())
	}
	x, err := r.any()
	if err == nil && x != nil {
		v.Set(reflect.ValueOf(x))
	}
	return err
}

func (r *reader) kind(v reflect.Value, tr *traits) error {
	switch r.kindOf() {
	case msgp.BoolType:
		if v.Kind() == reflect.Bool {
			var b bool
			b, r.b, _ = msgp.ReadBoolBytes(r.b)
			v.SetBool(b)
			return nil
		}
	case msgp.IntType, msgp.UintType, msgp.Float32Type, msgp.Float64Type:
		if n, rest := readNum(r.b); n.set(v) {
			r.b = rest
			return nil
		}
	case msgp.StrType:
		if v.Kind() == reflect.String {
			s, _ := r.text()
			v.SetString(mended(s))
			return nil
		}
		return r.bytes(v)
	case msgp.BinType:
		return r.bytes(v)
	case msgp.ArrayType:
		return r.list(v)
	case msgp.MapType:
		return r.mapping(v, tr)
	}
	return r.wrong(v.Type())
}

// bytes reads bin, or the str of those who know no bin.
func (r *reader) bytes(v reflect.Value) error {
	if k := v.Kind(); k != reflect.Slice && k != reflect.Array || v.Type().Elem().Kind() != reflect.Uint8 {
		return r.wrong(v.Type())
	}
	s, _ := r.text()
	if v.Kind() == reflect.Slice {
		v.SetBytes(slices.Clone(s))
		return nil
	}
	v.SetZero()
	copy(v.Bytes(), s)
	return nil
}

// list reads an array. As in encoding/json, a Go array takes what fits.
func (r *reader) list(v reflect.Value) error {
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array {
		return r.wrong(v.Type())
	}
	n, rest, _ := Count(r.b)
	r.b = rest
	if v.Kind() == reflect.Slice {
		const first = 64 // of elements that may be larger than what stands for them: the rest when they come
		v.Set(reflect.MakeSlice(v.Type(), min(n, first), min(n, first)))
	} else {
		v.SetZero()
	}
	for i := range n {
		if i >= v.Len() && v.Kind() == reflect.Array {
			r.next()
			continue
		}
		if i >= v.Len() {
			v.Grow(1)
			v.SetLen(i + 1)
		}
		if err := r.value(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) mapping(v reflect.Value, tr *traits) error {
	switch v.Kind() {
	case reflect.Struct:
		return r.object(v, tr)
	case reflect.Map:
		return r.intoMap(v)
	}
	return r.wrong(v.Type())
}

func (r *reader) object(v reflect.Value, tr *traits) error {
	n, rest, _ := CountPairs(r.b)
	r.b = rest
	for range n {
		name, ok := r.text()
		if !ok {
			r.next()
		}
		f := tr.find(name)
		if f == nil || !ok {
			r.next()
			continue
		}
		field, err := f.Reach(v)
		if err == nil {
			err = r.value(field)
		}
		if err != nil {
			return inField(err, v.Type(), f.Name)
		}
	}
	return nil
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

func (r *reader) intoMap(v reflect.Value) error {
	t := v.Type()
	n, rest, _ := CountPairs(r.b)
	r.b = rest
	if v.IsNil() {
		v.Set(reflect.MakeMap(t))
	}
	for range n {
		key := reflect.New(t.Key()).Elem()
		if err := r.key(key); err != nil {
			return err
		}
		value := reflect.New(t.Elem()).Elem()
		if err := r.value(value); err != nil {
			return err
		}
		v.SetMapIndex(key, value)
	}
	return nil
}

// key reads a key of a map: those that JavaScript writes are always strings,
// those of .NET have the type of the key.
func (r *reader) key(v reflect.Value) error {
	whole := *r
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		s, ok := r.text()
		if !ok {
			return whole.wrong(v.Type())
		}
		return t.UnmarshalText(s)
	}
	s, err := r.keyText()
	if err != nil {
		return err
	}
	switch k := v.Kind(); {
	case k == reflect.String:
		v.SetString(s)
		return nil
	case v.CanInt():
		n, err := strconv.ParseInt(s, 10, 64)
		if err == nil && !v.OverflowInt(n) {
			v.SetInt(n)
			return nil
		}
	case v.CanUint():
		n, err := strconv.ParseUint(s, 10, 64)
		if err == nil && !v.OverflowUint(n) {
			v.SetUint(n)
			return nil
		}
	}
	return whole.wrong(v.Type())
}

// keyText reads a key of any simple type as text.
func (r *reader) keyText() (string, error) {
	if s, ok := r.text(); ok {
		return mended(s), nil
	}
	x, err := r.any()
	if err != nil {
		return "", err
	}
	switch x := x.(type) {
	case int64, uint64, float64, bool, nil:
		return fmt.Sprint(x), nil
	}
	return "", fmt.Errorf("msgpack: a map's key cannot be a %T", x)
}

// special reads a value into a type that has its own idea of that.
func (r *reader) special(v reflect.Value, tr *traits) error {
	whole := *r
	raw := r.next()
	switch into := v.Addr().Interface().(type) {
	case *time.Time:
		return whole.time(into)
	case *json.Number:
		n, _ := readNum(raw)
		s, ok := n.text()
		if !ok {
			return whole.wrong(v.Type())
		}
		*into = json.Number(s)
	case msgp.Unmarshaler:
		_, err := into.UnmarshalMsg(raw)
		return err
	case json.Unmarshaler:
		text, err := r.toJSON(raw)
		if err != nil {
			return err
		}
		return into.UnmarshalJSON(text)
	case encoding.TextUnmarshaler:
		s, ok := whole.text()
		if !ok {
			return whole.wrong(v.Type())
		}
		return into.UnmarshalText(s)
	}
	return nil
}

func (r *reader) json(v reflect.Value) error {
	text, err := r.toJSON(r.next())
	if err == nil {
		v.SetBytes(text)
	}
	return err
}

// toJSON writes a value as JSON.
func (r *reader) toJSON(raw []byte) ([]byte, error) {
	inner := reader{raw, r.notepack}
	x, err := inner.any()
	if err != nil {
		return nil, err
	}
	a, err := wire.JSON.Marshal(x)
	if err != nil {
		return nil, err
	}
	return a.Values[0], nil
}

func (r *reader) time(into *time.Time) (err error) {
	if msgp.NextType(r.b) == msgp.StrType {
		s, _ := r.text()
		return into.UnmarshalText(s)
	}
	if t, ok := r.timestamp(); ok {
		*into = t
		return nil
	}
	return r.wrong(reflect.TypeFor[time.Time]())
}

func (r *reader) timestamp() (t time.Time, ok bool) {
	if t, ok = r.date(); ok {
		return t, true
	}
	t, rest, err := msgp.ReadTimeUTCBytes(r.b)
	if err != nil {
		return t, false
	}
	r.b = rest
	return t, true
}

// wrong says that the next value is none of type t.
func (r *reader) wrong(t reflect.Type) error {
	names := map[msgp.Type]string{
		msgp.BoolType: "bool", msgp.IntType: "number", msgp.UintType: "number", msgp.Float32Type: "number", msgp.Float64Type: "number",
		msgp.StrType: "string", msgp.BinType: "binary", msgp.ArrayType: "array", msgp.MapType: "object", msgp.NilType: "null",
	}
	name, ok := names[r.kindOf()]
	if !ok {
		name = "extension"
	}
	return &json.UnmarshalTypeError{Value: name, Type: t}
}

// any reads a value as the type that suits it.
func (r *reader) any() (any, error) {
	switch r.kindOf() {
	case msgp.NilType:
		r.next()
		return nil, nil
	case msgp.BoolType:
		v, rest, err := msgp.ReadBoolBytes(r.b)
		r.b = rest
		return v, err
	case msgp.IntType, msgp.UintType, msgp.Float32Type, msgp.Float64Type:
		n, rest := readNum(r.b)
		r.b = rest
		return n.any(), nil
	case msgp.StrType:
		s, _ := r.text()
		return mended(s), nil
	case msgp.BinType:
		s, _ := r.text()
		return slices.Clone(s), nil
	case msgp.ArrayType:
		return r.anyList()
	case msgp.MapType:
		return r.anyMap()
	}
	if t, ok := r.timestamp(); ok {
		return t, nil
	}
	return nil, r.wrong(reflect.TypeFor[any]())
}

func (r *reader) anyList() (any, error) {
	n, rest, _ := Count(r.b)
	r.b = rest
	const first = 1024
	list := make([]any, 0, min(n, first))
	for range n {
		x, err := r.any()
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return list, nil
}

func (r *reader) anyMap() (any, error) {
	n, rest, _ := CountPairs(r.b)
	r.b = rest
	m := make(map[string]any)
	for range n {
		key, err := r.keyText()
		if err != nil {
			return nil, err
		}
		if m[key], err = r.any(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// num is a number as it lies: an integer or a float.
type num struct {
	kind byte // 'i', 'u' for what is greater than an int64, 'f', or 0 for none
	i    int64
	u    uint64
	f    float64
}

func readNum(b []byte) (n num, rest []byte) {
	var err error
	switch msgp.NextType(b) {
	case msgp.IntType, msgp.UintType:
		n.kind = 'i'
		if n.i, rest, err = msgp.ReadInt64Bytes(b); err != nil {
			n.kind = 'u'
			n.u, rest, err = msgp.ReadUint64Bytes(b)
		}
	case msgp.Float32Type, msgp.Float64Type:
		n.kind = 'f'
		n.f, rest, err = msgp.ReadFloat64Bytes(b)
	}
	if err != nil {
		return num{}, nil
	}
	return n, rest
}

func (n num) any() any {
	switch n.kind {
	case 'i':
		return n.i
	case 'u':
		return n.u
	}
	return n.f
}

func (n num) text() (s string, ok bool) {
	switch n.kind {
	case 'i':
		return strconv.FormatInt(n.i, 10), true
	case 'u':
		return strconv.FormatUint(n.u, 10), true
	}
	return strconv.FormatFloat(n.f, 'g', -1, 64), n.kind == 'f' && !math.IsInf(n.f, 0) && !math.IsNaN(n.f)
}

// set puts the number into v, if v can hold it.
func (n num) set(v reflect.Value) bool {
	switch {
	case n.kind == 0:
		return false
	case v.CanInt():
		i, ok := n.int()
		if ok = ok && !v.OverflowInt(i); ok {
			v.SetInt(i)
		}
		return ok
	case v.CanUint():
		u, ok := n.uint()
		if ok = ok && !v.OverflowUint(u); ok {
			v.SetUint(u)
		}
		return ok
	case v.CanFloat():
		f := n.float()
		ok := math.IsInf(f, 0) || !v.OverflowFloat(f)
		if ok {
			v.SetFloat(f)
		}
		return ok
	}
	return false
}

func (n num) int() (int64, bool) {
	if n.kind == 'f' {
		whole := n.f == math.Trunc(n.f) && n.f >= -1<<63 && n.f < 1<<63
		if !whole {
			return 0, false
		}
		return int64(n.f), true
	}
	return n.i, n.kind == 'i'
}

func (n num) uint() (uint64, bool) {
	switch {
	case n.kind == 'u':
		return n.u, true
	case n.kind == 'f' && n.f == math.Trunc(n.f) && n.f >= 0 && n.f < 1<<64:
		return uint64(n.f), true
	}
	return uint64(n.i), n.kind == 'i' && n.i >= 0
}

func (n num) float() float64 {
	switch n.kind {
	case 'i':
		return float64(n.i)
	case 'u':
		return float64(n.u)
	}
	return n.f
}
