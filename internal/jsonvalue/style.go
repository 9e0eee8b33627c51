// Package jsonvalue writes Go values as JSON, as encoding/json does except for
// what a [Style] changes. <, > and & are written as they are.
package jsonvalue

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"sync"

	"github.com/parley-go/parley/internal/fields"
	"github.com/parley-go/parley/internal/rawjson"
)

// Style is what is different. It has to stay where it is, because it remembers
// the types it has met. It is safe for concurrent use.
type Style struct {
	// Name gives the property of a struct that has no name in its json tag
	// another name than the declared one. Where the names of two would become
	// one, they stay as declared. Nil leaves all as they are.
	Name func(declared string) string

	// Bytes leaves slices of bytes, which would be in base64, to the function
	// that Append is given. Those whose type speaks for itself are not meant.
	Bytes bool

	plans sync.Map // reflect.Type to *plan: those of all types met so far; they never change
}

// Bytes appends what stands for a slice of bytes, which is not nil.
type Bytes func(dst, b []byte) ([]byte, error)

// Append appends v as JSON. After an error, dst is as it was.
func (s *Style) Append(dst []byte, v any, bytes Bytes) ([]byte, error) {
	w := writer{style: s, b: dst, bytes: bytes}
	if err := w.any(v); err != nil {
		return dst, err
	}
	return w.b, nil
}

// Alike tells whether every value of type t is written as encoding/json does.
func (s *Style) Alike(t reflect.Type) bool { return s.planOf(t).alike }

// plan is how values of a type are written, found out once.
type plan struct {
	marshals  bool // the type has a method for that: encoding/json knows what to do
	onPointer bool // the method wants an address
	alike     bool // the style changes nothing in it
	whole     bool // it is alike and contains others: encoding/json may write it
	bytes     bool // a slice of bytes
	fields    []field
}

type field struct {
	fields.Field
	key []byte // the name, quoted, and the colon
}

func (s *Style) planOf(t reflect.Type) *plan {
	if found, ok := s.plans.Load(t); ok {
		return found.(*plan)
	}
	p := &plan{alike: !s.changes(t, make(map[reflect.Type]bool)), bytes: isBytes(t)}
	p.marshals, p.onPointer = marshals(t)
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		p.whole = p.alike
	}
	if t.Kind() == reflect.Struct {
		p.fields = s.named(t)
	}
	found, _ := s.plans.LoadOrStore(t, p)
	return found.(*plan)
}

// marshals tells whether a type, or a pointer to it, writes itself.
func marshals(t reflect.Type) (yes, onPointer bool) {
	for _, method := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if t.Implements(method) {
			return true, false
		}
		if reflect.PointerTo(t).Implements(method) {
			return true, true
		}
	}
	return t == reflect.TypeFor[json.Number](), false
}

// isBytes tells whether t is a slice of bytes that do not write themselves.
func isBytes(t reflect.Type) bool {
	if t.Kind() != reflect.Slice || t.Elem().Kind() != reflect.Uint8 {
		return false
	}
	own, _ := marshals(t.Elem())
	return !own
}

// changes tells whether there may be something in a value of type t that the
// style changes. In an interface there may be anything.
func (s *Style) changes(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if own, onPointer := marshals(t); own && !onPointer && t.Kind() != reflect.Interface {
		return false
	}
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Slice:
		return s.Bytes && isBytes(t) || s.changes(t.Elem(), seen)
	case reflect.Pointer, reflect.Array, reflect.Map:
		return s.changes(t.Elem(), seen)
	case reflect.Struct:
		return slices.ContainsFunc(fields.Of(t, "json"), func(f fields.Field) bool {
			return s.name(&f) != f.Name || s.changes(f.Type, seen)
		})
	}
	return false
}

// name is what a field would like to be called.
func (s *Style) name(f *fields.Field) string {
	if s.Name == nil || f.Tagged {
		return f.Name
	}
	return s.Name(f.Name)
}

// named lists the fields of a struct with the names they are written under.
func (s *Style) named(t reflect.Type) []field {
	all := fields.Of(t, "json")
	takers := make(map[string]int) // by name: the fields that want it
	for i := range all {
		takers[all[i].Name]++
		if name := s.name(&all[i]); name != all[i].Name {
			takers[name]++
		}
	}
	list := make([]field, 0, len(all))
	for _, f := range all {
		name := f.Name
		if wanted := s.name(&f); takers[wanted] == 1 {
			name = wanted
		}
		list = append(list, field{f, append(rawjson.AppendString(nil, name), ':')})
	}
	return list
}
