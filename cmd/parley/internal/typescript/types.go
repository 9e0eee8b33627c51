package typescript

import (
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// family is one of the clients, which see some types differently.
type family struct {
	name  string // of its namespace
	camel bool   // properties without a tag are in camelCase
	bytes string // what a slice of bytes is
}

// decl is a declared Go type that becomes one in TypeScript.
type decl struct {
	named   *types.Named
	name    string
	bodies  []string // what it is, by family
	refs    []*decl
	values  []*types.Const // of an enumeration
	differs bool           // from family to family
}

// printer turns types into TypeScript. It goes over everything twice: first to
// find the declared types, which then get their names, and then to write.
type printer struct {
	pkg      *Package
	opts     *Options
	families []*family
	decls    map[string]*decl // by the full name of the Go type
	order    []*decl
	bytes    bool    // there are some
	errs     []error // what cannot travel
	told     map[string]bool

	// of the moment
	family *family
	within *decl
	at     token.Pos // of the contract
}

// fail notes that something cannot travel.
func (p *printer) fail(format string, args ...any) string {
	text := p.pkg.at(p.at) + ": " + fmt.Sprintf(format, args...)
	if !p.told[text] {
		p.told[text] = true
		p.errs = append(p.errs, fmt.Errorf("%s", text))
	}
	return "never"
}

// typeOf is a type in TypeScript, of which a value may be null if it may be nil.
func (p *printer) typeOf(t types.Type) string {
	text, nilable := p.bare(t)
	if nilable && text != "unknown" {
		return text + " | null"
	}
	return text
}

// bare is a type in TypeScript, and whether its values may be null besides.
func (p *printer) bare(t types.Type) (text string, nilable bool) {
	t = types.Unalias(t)
	if named, ok := t.(*types.Named); ok {
		if text, known := wellKnown(named); known {
			return text, false
		}
		if isDeclared(named) {
			return p.ref(named).name, false
		}
	}
	return p.literal(t)
}

// wellKnown is what types are that write themselves, or that everybody knows.
func wellKnown(t *types.Named) (text string, ok bool) {
	switch types.TypeString(t, nil) {
	case "encoding/json.Number":
		return "number", true
	case "time.Time":
		return "string", true
	}
	if types.IsInterface(t) {
		return "unknown", true
	}
	if has(types.NewPointer(t), "MarshalJSON") {
		return "unknown", true
	}
	if has(t, "MarshalText") {
		return "string", true
	}
	if has(types.NewPointer(t), "MarshalText") {
		return "unknown", true // encoding/json calls it only where it has an address
	}
	return "", false
}

// has tells whether a type has a method func() ([]byte, error) of that name.
func has(t types.Type, method string) bool {
	found := types.NewMethodSet(t).Lookup(nil, method)
	if found == nil {
		return false
	}
	s, ok := found.Type().(*types.Signature)
	return ok && s.Params().Len() == 0 && s.Results().Len() == 2
}

// isDeclared tells whether a type gets a declaration of its own: it may contain
// itself, and its name says something.
func isDeclared(t *types.Named) bool { return t.Obj().Pkg() != nil && !isBytes(t) && !isDuration(t) }

// isDuration tells whether t is a type whose name says less than number does.
func isDuration(t *types.Named) bool { return types.TypeString(t, nil) == "time.Duration" }

// isBytes tells whether encoding/json writes the type in base64.
func isBytes(t types.Type) bool {
	s, ok := t.Underlying().(*types.Slice)
	if !ok {
		return false
	}
	b, ok := s.Elem().Underlying().(*types.Basic)
	if !ok || b.Kind() != types.Byte {
		return false
	}
	element := types.NewPointer(s.Elem())
	return !has(element, "MarshalJSON") && !has(element, "MarshalText")
}

// literal is a type that has no declaration, or what a declaration says.
func (p *printer) literal(t types.Type) (text string, nilable bool) {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return p.basic(u), false
	case *types.Pointer:
		text, _ = p.bare(u.Elem())
		return text, true
	case *types.Slice:
		if isBytes(t) {
			p.bytes = p.bytes || p.family.bytes == "Bytes"
			return p.family.bytes, true
		}
		return p.list(u.Elem()), true
	case *types.Array:
		return p.list(u.Elem()), false
	case *types.Map:
		return p.dictionary(u), true
	case *types.Struct:
		return p.inline(u), false
	case *types.Interface:
		return "unknown", false
	}
	return p.fail("a value of type %s cannot travel as JSON", p.nameOf(t)), false
}

func (p *printer) basic(b *types.Basic) string {
	switch {
	case b.Info()&types.IsBoolean != 0:
		return "boolean"
	case b.Info()&(types.IsInteger|types.IsFloat) != 0:
		return "number"
	case b.Info()&types.IsString != 0:
		return "string"
	}
	return p.fail("a value of type %s cannot travel as JSON", b)
}

func (p *printer) list(element types.Type) string {
	text := p.typeOf(element)
	if strings.Contains(text, " | ") && !strings.HasPrefix(text, "{") || strings.HasSuffix(text, " | null") {
		text = "(" + text + ")"
	}
	return text + "[]"
}

// dictionary is a map. Its keys are strings in JSON, whatever they are in Go.
func (p *printer) dictionary(m *types.Map) string {
	value := p.typeOf(m.Elem())
	key := types.Unalias(m.Key())
	if named, ok := key.(*types.Named); ok {
		if has(named, "MarshalText") {
			return "{ [key: string]: " + value + " }"
		}
		if isDeclared(named) && isString(key) {
			if d := p.ref(named); len(d.values) > 0 {
				return "{ [key in " + d.name + "]?: " + value + " }"
			}
		}
	}
	b, ok := key.Underlying().(*types.Basic)
	if !ok || b.Info()&(types.IsString|types.IsInteger) == 0 {
		return p.fail("a map by %s cannot travel as JSON", p.nameOf(key))
	}
	return "{ [key: string]: " + value + " }"
}

func isString(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsString != 0
}

// inline is a struct without a declaration.
func (p *printer) inline(s *types.Struct) string {
	var all []string
	for _, f := range p.fields(s) {
		all = append(all, p.property(&f))
	}
	if len(all) == 0 {
		return nothing
	}
	return "{ " + strings.Join(all, "; ") + " }"
}

// nothing is a struct without fields.
const nothing = "{ [key: string]: never }"

// block is a struct with a declaration, a property on each line.
func (p *printer) block(s *types.Struct) string {
	var b strings.Builder
	for _, f := range p.fields(s) {
		b.WriteString(comment(p.pkg.docs.of(f.v), "  ") + "  " + p.property(&f) + ";\n")
	}
	if b.Len() == 0 {
		return nothing
	}
	return "{\n" + b.String() + "}"
}

// fields are those of a struct, under the names the family knows.
func (p *printer) fields(s *types.Struct) []field {
	if p.family.camel {
		return inCamelCase(fieldsOf(s))
	}
	return fieldsOf(s)
}

func (p *printer) property(f *field) string {
	name := f.name
	if !isIdentifier(name) {
		name = quote(name)
	}
	if f.optional {
		name += "?"
	}
	return name + ": " + p.fieldType(f)
}

func (p *printer) fieldType(f *field) string {
	before := len(p.errs)
	text, nilable := p.bare(f.v.Type())
	if len(p.errs) > before {
		p.errs[before] = fmt.Errorf("%w (%s: field %s)", p.errs[before], p.pkg.at(f.v.Pos()), f.v.Name())
	}
	if f.quoted && text != "unknown" { // what writes itself heeds no tag
		text = "string"
	}
	if nilable && !f.omits && text != "unknown" {
		text += " | null"
	}
	return text
}

// ref is the declaration of a type.
func (p *printer) ref(t *types.Named) *decl {
	key := types.TypeString(t, nil)
	d := p.decls[key]
	if d == nil {
		d = &decl{named: t, values: p.pkg.valuesOf(t)}
		p.decls[key] = d
		p.order = append(p.order, d)
	}
	if p.within != nil && !slices.Contains(p.within.refs, d) {
		p.within.refs = append(p.within.refs, d)
	}
	return d
}

// body is what a declaration says, in the family of the moment.
func (p *printer) body(d *decl) string {
	p.within = d
	defer func() { p.within = nil }()
	if s, ok := d.named.Underlying().(*types.Struct); ok {
		return p.block(s)
	}
	if len(d.values) == 0 {
		if isEndless(d.named) {
			return "null"
		}
		text, nilable := p.literal(d.named.Underlying())
		if nilable && text != "unknown" {
			return text + " | null"
		}
		return text
	}
	var union []string
	for _, c := range d.values {
		if text := quote(constant.StringVal(c.Val())); !slices.Contains(union, text) {
			union = append(union, text)
		}
	}
	return strings.Join(union, " | ")
}

// isEndless tells whether t is a pointer that leads to nothing but pointers:
// type P *P.
func isEndless(t types.Type) bool {
	seen := make(map[string]bool)
	for name := ""; !seen[name]; name = types.TypeString(t, nil) {
		seen[name] = true
		p, ok := t.Underlying().(*types.Pointer)
		if !ok {
			return false
		}
		t = types.Unalias(p.Elem())
	}
	return true
}

// nameOf is a Go type for messages.
func (p *printer) nameOf(t types.Type) string {
	return types.TypeString(t, types.RelativeTo(p.pkg.types))
}
