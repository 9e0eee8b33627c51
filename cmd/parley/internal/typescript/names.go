package typescript

import (
	"encoding/json"
	"go/types"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// reserved are the names that the output has for itself, or takes from
// TypeScript.
func reserved() []string {
	return strings.Fields("SignalR SocketIO Failure Bytes HubConnection IStreamResult ClientSocket " +
		"Methods Streams Events Questions Connection ListenEvents EmitEvents Commands Socket Timed " +
		"Array ArrayBuffer Uint8Array Omit Parameters Promise ReturnType")
}

// nameAll gives every declared type a name of its own. Those of the package of
// contracts have the first choice.
func (p *printer) nameAll() {
	taken := make(map[string]bool)
	for _, name := range reserved() {
		taken[name] = true
	}
	own := func(d *decl) bool { return d.named.Obj().Pkg() == p.pkg.types }
	for _, first := range []bool{true, false} {
		for _, d := range p.order {
			if own(d) == first {
				d.name = free(taken, plainName(d.named), title(d.named.Obj().Pkg().Name()))
			}
		}
	}
}

// free is a name that is not taken yet: the wanted one, else with that of its
// package before it, else with a number.
func free(taken map[string]bool, wanted, pkg string) string {
	name := wanted
	if taken[name] {
		name = pkg + wanted
	}
	for n := 2; taken[name]; n++ {
		name = pkg + wanted + strconv.Itoa(n)
	}
	taken[name] = true
	return name
}

// plainName is a type's name by itself: Page[Job] is PageOfJob.
func plainName(t types.Type) string {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		var of []string
		for i := range t.TypeArgs().Len() {
			of = append(of, plainName(t.TypeArgs().At(i)))
		}
		if len(of) == 0 {
			return title(t.Obj().Name())
		}
		return title(t.Obj().Name()) + "Of" + strings.Join(of, "And")
	case *types.Basic:
		return title(t.Name())
	case *types.Pointer:
		return plainName(t.Elem())
	case *types.Slice:
		return "ListOf" + plainName(t.Elem())
	case *types.Array:
		return "ListOf" + plainName(t.Elem())
	case *types.Map:
		return "MapOf" + plainName(t.Elem())
	}
	return "Value"
}

// title is a name with a capital first.
func title(name string) string {
	runes := []rune(name)
	runes[0] = unicode.ToUpper(runes[0])
	return string(runes)
}

// isIdentifier tells whether a property may stand without quotes.
func isIdentifier(name string) bool {
	for i, r := range name {
		if r != '_' && r != '$' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return name != ""
}

// quote is a string as JavaScript reads it.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // no string fails
	return strings.TrimSpace(b.String())
}

// parameter is a name for an argument that is not among those before it.
func parameter(wanted string, before []string) string {
	words := strings.Fields("arguments await break case catch class const continue debugger default delete do else enum eval export extends " +
		"false finally for function if implements import in instanceof interface let new null package private protected public return " +
		"static super switch this throw true try typeof var void while with yield")
	name := camelCase(wanted)
	for slices.Contains(words, name) || slices.Contains(before, name) {
		name += "_"
	}
	return name
}

// global is the namespace of ambient declarations: the package's name, or where
// that is "main" the last element of its path.
func (p *Package) global() string {
	name := p.name
	if name == "main" {
		name = path.Base(p.path)
	}
	return title(strings.Map(func(r rune) rune {
		if r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '_'
	}, name))
}
