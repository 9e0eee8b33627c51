// Package msgpack is how values are written as MessagePack: the mapping of Go
// types, on top of the primitives of tinylib/msgp. What a type says to
// encoding/json counts here too, so that one Go type serves clients of both.
//
//   - A struct is a map of its fields by the name in their tag msgpack or json,
//     else as declared; omitempty, omitzero and embedding work as in
//     encoding/json, the option string does nothing. Names are read exactly or
//     else without regard to case.
//   - A []byte or [n]byte is bin, a time.Time the timestamp extension; a time is
//     also read from a string of RFC 3339, and is in UTC.
//   - A map's keys are strings, integers or what an encoding.TextMarshaler
//     writes, in order. Integers are also read from strings that hold them.
//   - Numbers are read by any target that holds them exactly, floats as
//     integers and integers as floats.
//   - A json.RawMessage, a json.Number, a json.Marshaler and an
//     encoding.TextMarshaler are written as the value, the number, the value
//     and the string that they stand for in JSON, and read alike.
//   - A msgp.Marshaler or msgp.Unmarshaler, such as tinylib's generated code,
//     speaks for itself.
//   - Into an any go nil, bool, int64 (uint64 where that is too small), float64,
//     string, []byte, time.Time, []any and map[string]any.
//
// What comes from the network is not trusted: nesting is bounded, and no length
// is believed before the bytes are there.
package msgpack

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/parley-go/parley/internal/fields"
	"github.com/parley-go/parley/wire"
	"github.com/tinylib/msgp/msgp"
)

// MaxDepth bounds how deep the values that are read may nest.
const MaxDepth = 64

// Codec is the [wire.Codec]. Each value of its Args is one of MessagePack.
type Codec struct {
	// Notepack speaks the dialect of npm's notepack.io 2, which Socket.IO's
	// parser uses: a time is an extension of type 0 with the milliseconds since
	// 1970, and so it is written. An extension of type 0 and one byte is
	// undefined, which is read as nil, and one of a length that is told is an
	// ArrayBuffer, which is read as bin.
	Notepack bool
}

// Name implements [wire.Codec].
func (c Codec) Name() string {
	if c.Notepack {
		return "notepack"
	}
	return "messagepack"
}

// Marshal implements [wire.Codec].
func (c Codec) Marshal(values ...any) (wire.Args, error) {
	if len(values) == 0 {
		return wire.Args{}, nil
	}
	a := wire.Args{Values: make([][]byte, len(values))}
	const usual = 64
	w := writer{b: make([]byte, 0, usual), notepack: c.Notepack}
	ends := make([]int, 0, 8) // on the stack: the buffer may move as it grows
	for _, v := range values {
		if err := w.any(v); err != nil {
			return wire.Args{}, err
		}
		ends = append(ends, len(w.b))
	}
	start := 0
	for i, end := range ends {
		a.Values[i] = w.b[start:end:end]
		start = end
	}
	return a, nil
}

// AppendValue implements [wire.Appender].
func (c Codec) AppendValue(dst []byte, value any) ([]byte, error) {
	w := writer{b: dst, notepack: c.Notepack}
	if err := w.any(value); err != nil {
		return dst, err
	}
	return w.b, nil
}

// Unmarshal implements [wire.Codec]. A value that does not fit is a
// [*json.UnmarshalTypeError].
func (c Codec) Unmarshal(a wire.Args, i int, into any) error {
	return c.Read(a.Values[i], into)
}

// manner is how values of a type are written and read.
type manner uint8

const (
	plain     manner = iota // by kind
	timestamp               // time.Time
	rawJSON                 // json.RawMessage
	number                  // json.Number
	own                     // msgp's interfaces
	viaJSON                 // those of encoding/json
	viaText                 // those of encoding
)

// traits are what there is to know of a type, found out once.
type traits struct {
	write, read manner
	onPointer   bool // write's method wants the address, where there is one
	fields      []field
	byName      map[string]int
	folded      map[string]int // by lower-case name
}

type field struct {
	fields.Field
	key []byte // the name as it is written
}

// known holds the traits of all types met so far; they never change.
var known sync.Map // reflect.Type to *traits

func traitsOf(t reflect.Type) *traits {
	if found, ok := known.Load(t); ok {
		return found.(*traits)
	}
	tr := &traits{}
	tr.write, tr.onPointer = writing(t)
	tr.read = reading(t)
	if t.Kind() == reflect.Struct {
		tr.list(t)
	}
	found, _ := known.LoadOrStore(t, tr)
	return found.(*traits)
}

func (tr *traits) list(t reflect.Type) {
	tr.byName, tr.folded = make(map[string]int), make(map[string]int)
	for i, f := range fields.Of(t, "msgpack", "json") {
		tr.fields = append(tr.fields, field{f, msgp.AppendString(nil, f.Name)})
		tr.byName[f.Name] = i
		if lower := strings.ToLower(f.Name); !has(tr.folded, lower) {
			tr.folded[lower] = i
		}
	}
}

func has(m map[string]int, key string) bool {
	_, ok := m[key]
	return ok
}

// find returns the field of a name.
func (tr *traits) find(name []byte) *fields.Field {
	i, ok := tr.byName[string(name)]
	if !ok {
		i, ok = tr.folded[strings.ToLower(string(name))]
	}
	if !ok {
		return nil
	}
	return &tr.fields[i].Field
}

var ownManner = map[reflect.Type]manner{
	reflect.TypeFor[time.Time]():       timestamp,
	reflect.TypeFor[json.RawMessage](): rawJSON,
	reflect.TypeFor[json.Number]():     number,
}

var writers = []struct {
	method reflect.Type
	manner manner
}{
	{reflect.TypeFor[msgp.Marshaler](), own},
	{reflect.TypeFor[json.Marshaler](), viaJSON},
	{reflect.TypeFor[encoding.TextMarshaler](), viaText},
}

func writing(t reflect.Type) (m manner, onPointer bool) {
	if m, ok := ownManner[t]; ok {
		return m, false
	}
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer { // what is inside has the say
		return plain, false
	}
	for _, w := range writers {
		if t.Implements(w.method) {
			return w.manner, false
		}
		if reflect.PointerTo(t).Implements(w.method) {
			return w.manner, true
		}
	}
	return plain, false
}

func reading(t reflect.Type) manner {
	if m, ok := ownManner[t]; ok {
		return m
	}
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return plain
	}
	p := reflect.PointerTo(t)
	switch {
	case p.Implements(reflect.TypeFor[msgp.Unmarshaler]()):
		return own
	case p.Implements(reflect.TypeFor[json.Unmarshaler]()):
		return viaJSON
	case p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return viaText
	}
	return plain
}
