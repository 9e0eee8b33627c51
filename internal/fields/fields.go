// Package fields tells which fields of a struct travel, and under which name,
// as encoding/json has taught everybody to expect: by their tags, with the
// fields of embedded structs among the others unless a nearer one hides them.
package fields

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// Field is one field that travels.
type Field struct {
	Name   string       // as the tag says, or as declared
	Tagged bool         // the tag says so
	Type   reflect.Type // of the field itself
	Quoted bool         // the tag has the option string, and the type is one it applies to

	index     []int
	omitEmpty bool
	omitZero  bool
	isZero    func(reflect.Value) bool // nil: reflect's own
}

// Of lists the fields of a struct type in their order. The first of the tags
// that a field has counts, such as "msgpack" and then "json".
func Of(t reflect.Type, tags ...string) []Field {
	var found []Field
	level := []embedded{{typ: t}}
	seen := map[reflect.Type]bool{t: true}
	for len(level) > 0 {
		var next []embedded
		for _, s := range level {
			found, next = s.collect(found, next, tags)
		}
		level = next[:0]
		for _, s := range next { // one type reached twice on a level hides its own fields: see dominant
			if !seen[s.typ] {
				level = append(level, s)
			}
		}
		for _, s := range level {
			seen[s.typ] = true
		}
	}
	return visible(found)
}

// embedded is a struct on the way to its fields.
type embedded struct {
	typ   reflect.Type
	index []int
}

func (s embedded) collect(found []Field, next []embedded, tags []string) ([]Field, []embedded) {
	for i := range s.typ.NumField() {
		sf := s.typ.Field(i)
		inner := sf.Type
		if sf.Anonymous && inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if !sf.IsExported() && (!sf.Anonymous || inner.Kind() != reflect.Struct) {
			continue
		}
		name, options, skip := readTag(&sf, tags)
		if skip {
			continue
		}
		index := append(slices.Clip(slices.Clone(s.index)), i)
		if sf.Anonymous && name == "" && inner.Kind() == reflect.Struct {
			next = append(next, embedded{inner, index})
			continue
		}
		found = append(found, newField(&sf, name, options, index))
	}
	return found, next
}

// readTag takes a tag apart. A name that encoding/json would not take is none.
func readTag(sf *reflect.StructField, tags []string) (name, options string, skip bool) {
	for _, key := range tags {
		tag, ok := sf.Tag.Lookup(key)
		if !ok {
			continue
		}
		if tag == "-" {
			return "", "", true
		}
		name, options, _ = strings.Cut(tag, ",")
		if strings.ContainsFunc(name, notInName) {
			name = ""
		}
		return name, options, false
	}
	return "", "", false
}

func notInName(r rune) bool {
	return !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

func newField(sf *reflect.StructField, name, options string, index []int) Field {
	f := Field{Name: name, Tagged: name != "", Type: sf.Type, index: index}
	if name == "" {
		f.Name = sf.Name
	}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitempty":
			f.omitEmpty = true
		case "omitzero":
			f.omitZero, f.isZero = true, zeroMethod(sf.Type)
		case "string":
			f.Quoted = quotable(sf.Type)
		}
	}
	return f
}

func quotable(t reflect.Type) bool {
	if t.Name() == "" && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() >= reflect.Bool && t.Kind() <= reflect.Float64 || t.Kind() == reflect.String
}

type isZeroer interface{ IsZero() bool }

// zeroMethod is the type's own idea of its zero value; nil when it has none.
func zeroMethod(t reflect.Type) func(reflect.Value) bool {
	method := reflect.TypeFor[isZeroer]()
	nilable := t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer
	switch {
	case t.Implements(method):
		return func(v reflect.Value) bool { return nilable && v.IsNil() || v.Interface().(isZeroer).IsZero() }
	case reflect.PointerTo(t).Implements(method):
		return func(v reflect.Value) bool {
			if !v.CanAddr() {
				p := reflect.New(t)
				p.Elem().Set(v)
				v = p.Elem()
			}
			return v.Addr().Interface().(isZeroer).IsZero()
		}
	}
	return nil
}

// visible leaves of the fields with one name the one that dominates: the least
// deep, and of these the tagged one; none when that leaves several.
func visible(all []Field) []Field {
	slices.SortStableFunc(all, func(a, b Field) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.rank(&b))
	})
	var kept []Field
	for i := 0; i < len(all); {
		end := i + 1
		for end < len(all) && all[end].Name == all[i].Name {
			end++
		}
		if end == i+1 || all[i].rank(&all[i+1]) != 0 {
			kept = append(kept, all[i])
		}
		i = end
	}
	slices.SortFunc(kept, func(a, b Field) int { return slices.Compare(a.index, b.index) })
	return kept
}

// rank is negative when f hides g, of the same name.
func (f *Field) rank(g *Field) int {
	if f.Tagged != g.Tagged && len(f.index) == len(g.index) {
		if f.Tagged {
			return -1
		}
		return 1
	}
	return cmp.Compare(len(f.index), len(g.index))
}

// Get finds the field in the struct v; false when it lies in an embedded
// struct that is not there, or its tag omits the value it has.
func (f *Field) Get(v reflect.Value) (field reflect.Value, ok bool) {
	for _, i := range f.index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return reflect.Value{}, false
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, !(f.omitEmpty && isEmpty(v) || f.omitZero && f.zero(v))
}

func (f *Field) zero(v reflect.Value) bool {
	if f.isZero != nil {
		return f.isZero(v)
	}
	return v.IsZero()
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// Reach finds the field in v, a struct that can be set, and makes the embedded
// structs it lies in.
func (f *Field) Reach(v reflect.Value) (field reflect.Value, err error) {
	for _, i := range f.index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() && !v.CanSet() {
				return reflect.Value{}, fmt.Errorf("cannot set embedded pointer to unexported struct: %v", v.Type().Elem())
			}
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v, nil
}
