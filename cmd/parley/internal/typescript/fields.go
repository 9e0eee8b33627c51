package typescript

import (
	"cmp"
	"go/types"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// field is one field of a struct that travels as JSON.
type field struct {
	name     string // in JSON
	tagged   bool   // the tag says so
	v        *types.Var
	index    []int
	omits    bool // the tag omits empty or zero values
	optional bool // it may be missing
	quoted   bool // it travels as a string
}

// fieldsOf lists the fields of a struct as encoding/json sees them: by their
// tags, with those of embedded structs among the others unless a nearer one
// hides them.
func fieldsOf(s *types.Struct) []field {
	var found []field
	level := []embedded{{typ: s}}
	seen := make(map[string]bool)
	for len(level) > 0 {
		var next []embedded
		for _, e := range level {
			found, next = e.collect(found, next)
		}
		level = slices.DeleteFunc(next, func(e embedded) bool { return seen[e.key] })
		for _, e := range level {
			seen[e.key] = true
		}
	}
	return visible(found)
}

// embedded is a struct on the way to its fields.
type embedded struct {
	typ     *types.Struct
	key     string // the name of the type
	index   []int
	pointer bool // it may be nil
}

func (e embedded) collect(found []field, next []embedded) ([]field, []embedded) {
	for i := range e.typ.NumFields() {
		v := e.typ.Field(i)
		inner, pointer := types.Unalias(v.Type()), false
		if p, ok := inner.(*types.Pointer); ok && v.Embedded() {
			inner, pointer = types.Unalias(p.Elem()), true
		}
		deeper, isStruct := inner.Underlying().(*types.Struct)
		if !v.Exported() && !(v.Embedded() && isStruct) {
			continue
		}
		tag := reflect.StructTag(e.typ.Tag(i)).Get("json")
		if tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if strings.ContainsFunc(name, notInName) {
			name = ""
		}
		index := append(slices.Clone(e.index), i)
		if v.Embedded() && isStruct && name == "" {
			next = append(next, embedded{deeper, types.TypeString(inner, nil), index, e.pointer || pointer})
			continue
		}
		if v.Exported() || name != "" {
			found = append(found, newField(v, name, options, index, e.pointer))
		}
	}
	return found, next
}

func notInName(r rune) bool {
	return !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}

func newField(v *types.Var, name, options string, index []int, mayMiss bool) field {
	f := field{name: name, tagged: name != "", v: v, index: index}
	if name == "" {
		f.name = v.Name()
	}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitempty":
			f.omits = f.omits || canBeEmpty(v.Type())
		case "omitzero":
			f.omits = true
		case "string":
			f.quoted = quotable(v.Type())
		}
	}
	f.optional = f.omits || mayMiss
	return f
}

// canBeEmpty tells whether omitempty ever omits a value of the type.
func canBeEmpty(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Struct:
		return false
	case *types.Array:
		return u.Len() == 0
	}
	return true
}

func quotable(t types.Type) bool {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&(types.IsBoolean|types.IsInteger|types.IsFloat|types.IsString) != 0
}

// visible leaves of the fields with one name the one that dominates: the least
// deep, and of these the tagged one; none when that leaves several.
func visible(all []field) []field {
	slices.SortStableFunc(all, func(a, b field) int { return cmp.Or(strings.Compare(a.name, b.name), a.rank(&b)) })
	var kept []field
	for i := 0; i < len(all); {
		end := i + 1
		for end < len(all) && all[end].name == all[i].name {
			end++
		}
		if end == i+1 || all[i].rank(&all[i+1]) != 0 {
			kept = append(kept, all[i])
		}
		i = end
	}
	slices.SortFunc(kept, func(a, b field) int { return slices.Compare(a.index, b.index) })
	return kept
}

// rank is negative when f hides g, of the same name.
func (f *field) rank(g *field) int {
	if f.tagged != g.tagged && len(f.index) == len(g.index) {
		if f.tagged {
			return -1
		}
		return 1
	}
	return cmp.Compare(len(f.index), len(g.index))
}

// inCamelCase gives the fields the names that SignalR's JSON has for them.
// Where two would get one name, they stay as declared.
func inCamelCase(all []field) []field {
	wanted := func(f *field) string {
		if f.tagged {
			return f.name
		}
		return camelCase(f.name)
	}
	takers := make(map[string]int)
	for i := range all {
		takers[all[i].name]++
		if name := wanted(&all[i]); name != all[i].name {
			takers[name]++
		}
	}
	renamed := slices.Clone(all)
	for i := range renamed {
		if name := wanted(&all[i]); takers[name] == 1 {
			renamed[i].name = name
		}
	}
	return renamed
}

// camelCase is a declared name in camelCase: the capitals it begins with become
// small, but not the one that begins the next word.
func camelCase(declared string) string {
	runes := []rune(declared)
	for i, r := range runes {
		if !unicode.IsUpper(r) || i > 0 && i+1 < len(runes) && !unicode.IsUpper(runes[i+1]) {
			break
		}
		runes[i] = unicode.ToLower(r)
	}
	return string(runes)
}
