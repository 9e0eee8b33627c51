// Package camel writes JSON as encoding/json does, except that the properties
// of structs are named in camelCase, as JavaScript and .NET's web defaults name
// them. Fields with a name in their json tag keep it, as do the keys of maps
// and what types write themselves. Where the names of two fields would become
// one, they stay as declared. <, > and & are written as they are.
package camel

import (
	"unicode"

	"github.com/parley-go/parley/internal/jsonvalue"
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

var style = jsonvalue.Style{Name: Name}

// Append appends v as JSON.
func Append(dst []byte, v any) ([]byte, error) { return style.Append(dst, v, nil) }
