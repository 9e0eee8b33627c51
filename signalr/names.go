package signalr

import (
	"github.com/parley-go/parley/internal/camel"
	"github.com/parley-go/parley/wire"
)

// JSONNames says how the JSON hub protocol names the properties of Go structs
// whose fields have no name in a json tag. Names are read without regard to
// case either way, and the keys of maps are always as they are.
type JSONNames uint8

const (
	// CamelCase writes UserName as userName, URLValue as urlValue and ID as id,
	// as Microsoft's server does: the names that JavaScript expects. Where two
	// fields of a struct would get one name, they stay as declared.
	CamelCase JSONNames = iota
	// AsDeclared writes names as they are in Go.
	AsDeclared
)

// codec is how values are written with such names.
func (n JSONNames) codec() wire.Codec {
	if n == AsDeclared {
		return wire.JSON
	}
	return camelCase{}
}

// camelCase is the codec of JSON with names in camelCase.
type camelCase struct{}

// Name implements [wire.Codec].
func (camelCase) Name() string { return "json in camelCase" }

// Marshal implements [wire.Codec].
func (camelCase) Marshal(values ...any) (wire.Args, error) {
	if len(values) == 0 {
		return wire.Args{}, nil
	}
	const usual = 64
	buf := make([]byte, 0, usual)
	ends := make([]int, 0, 8) // on the stack: the buffer may move as it grows
	for _, v := range values {
		var err error
		if buf, err = camel.Append(buf, v); err != nil {
			return wire.Args{}, err
		}
		ends = append(ends, len(buf))
	}
	return cut(buf, ends), nil
}

// cut makes values of what lies between the ends.
func cut(buf []byte, ends []int) wire.Args {
	a := wire.Args{Values: make([][]byte, len(ends))}
	start := 0
	for i, end := range ends {
		a.Values[i] = buf[start:end:end]
		start = end
	}
	return a
}

// AppendValue implements [wire.Appender].
func (camelCase) AppendValue(dst []byte, v any) ([]byte, error) { return camel.Append(dst, v) }

// Unmarshal implements [wire.Codec].
func (camelCase) Unmarshal(a wire.Args, i int, into any) error {
	return wire.JSON.Unmarshal(a, i, into)
}
