package classic

import (
	"github.com/parley-go/parley/internal/camel"
	"github.com/parley-go/parley/wire"
)

// JSONNames says how the properties of Go structs are named whose fields have no
// name in a json tag. Names are read without regard to case either way, and the keys
// of maps are always as they are.
type JSONNames uint8

const (
	// AsDeclared writes names as they are in Go, as Microsoft's server writes those
	// of .NET.
	AsDeclared JSONNames = iota
	// CamelCase writes UserName as userName, URLValue as urlValue and ID as id, as
	// servers with a CamelCasePropertyNamesContractResolver do. Where two fields of a
	// struct would get one name, they stay as declared.
	CamelCase
)

// codec is how values are written with such names.
func (n JSONNames) codec() wire.Codec {
	if n == CamelCase {
		return camelCased{}
	}
	return wire.JSON
}

// camelCased is the codec of JSON with names in camelCase.
type camelCased struct{}

// Name implements [wire.Codec].
func (camelCased) Name() string { return "json in camelCase" }

// Marshal implements [wire.Codec].
func (camelCased) Marshal(values ...any) (wire.Args, error) {
	a := wire.Args{Values: make([][]byte, len(values))}
	for i, v := range values {
		var err error
		if a.Values[i], err = camel.Append(nil, v); err != nil {
			return wire.Args{}, err
		}
	}
	return a, nil
}

// AppendValue implements [wire.Appender].
func (camelCased) AppendValue(dst []byte, v any) ([]byte, error) { return camel.Append(dst, v) }

// Unmarshal implements [wire.Codec].
func (camelCased) Unmarshal(a wire.Args, i int, into any) error {
	return wire.JSON.Unmarshal(a, i, into)
}
