package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// JSON is the codec of encoding/json, with one difference: <, > and & are
// written as they are.
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

func (jsonCodec) Name() string { return "json" }

func (jsonCodec) Marshal(values ...any) (Args, error) {
	a := Args{Values: make([][]byte, len(values))}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	for i, v := range values {
		start := buf.Len()
		if err := enc.Encode(v); err != nil {
			return Args{}, err
		}
		// The buffer may move as it grows; what earlier values point to stays
		// as it was.
		a.Values[i] = bytes.TrimSuffix(buf.Bytes()[start:], []byte("\n"))
	}
	return a, nil
}

func (jsonCodec) Unmarshal(a Args, i int, into any) error {
	return json.Unmarshal(a.Values[i], into)
}

func itoa(n int) string { return strconv.Itoa(n) }
