// Package camel writes JSON as encoding/json does, except that the properties
// of structs are named in camelCase, as JavaScript and .NET's web defaults name
// them. Fields with a name in their json tag keep it, as do the keys of maps
// and what types write themselves. Where the names of two fields would become
// one, they stay as declared. <, > and & are written as they are.
package camel

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"sync"
	"unicode"

	"github.com/parley-go/parley/internal/fields"
	"github.com/parley-go/parley/internal/rawjson"
)

// Name is a declared name in camelCase, by the rule of .NET's
// JsonNamingPolicy.CamelCase: the capitals it begins with become small, but not
// the one that begins the next word. URLValue is urlValue, ID is id.
func Name(declared string) string {
	runes := []rune(declared)
	for i, r := range runes {
		if !unicode.IsUpper(r) || i > 0 && i+1 < len(runes) && !unicode.IsUpper(runes[i+1]) {
			break
		}
		runes[i] = unicode.ToLower(r)
	}
	return string(runes)
}

// Append appends v as JSON.
func Append(dst []byte, v any) ([]byte, error) {
	w := writer{b: dst}
	if err := w.any(v); err != nil {
		return dst, err
	}
	return w.b, nil
}

// plan is how values of a type are written, found out once.
type plan struct {
	marshals  bool // the type has a method for that: encoding/json knows what to do
	onPointer bool // the method wants an address
	whole     bool // it contains others, and nothing in it is renamed: encoding/json may write it
	bytes     bool // a slice of bytes
	fields    []field
}

type field struct {
	fields.Field
	key []byte // the name, quoted, and the colon
}

// plans holds those of all types met so far; they never change.
var plans sync.Map // reflect.Type to *plan

func planOf(t reflect.Type) *plan {
	if found, ok := plans.Load(t); ok {
		return found.(*plan)
	}
	p := &plan{}
	p.marshals, p.onPointer = marshals(t)
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		p.whole = !renames(t, make(map[reflect.Type]bool))
	}
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
		own, _ := marshals(t.Elem())
		p.bytes = !own
	}
	if t.Kind() == reflect.Struct {
		p.fields = named(t)
	}
	found, _ := plans.LoadOrStore(t, p)
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

// renames tells whether a value of type t may contain a field that is renamed.
// An interface may contain anything.
func renames(t reflect.Type, seen map[reflect.Type]bool) bool {
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
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return renames(t.Elem(), seen)
	case reflect.Struct:
		return slices.ContainsFunc(fields.Of(t, "json"), func(f fields.Field) bool {
			return !f.Tagged && Name(f.Name) != f.Name || renames(f.Type, seen)
		})
	}
	return false
}

// named lists the fields of a struct with the names they are written under.
func named(t reflect.Type) []field {
	all := fields.Of(t, "json")
	takers := make(map[string]int) // by name: the fields that want it
	for _, f := range all {
		takers[f.Name]++
		if !f.Tagged && Name(f.Name) != f.Name {
			takers[Name(f.Name)]++
		}
	}
	list := make([]field, 0, len(all))
	for _, f := range all {
		name := f.Name
		if camel := Name(name); !f.Tagged && takers[camel] == 1 {
			name = camel
		}
		list = append(list, field{f, append(rawjson.AppendString(nil, name), ':')})
	}
	return list
}
