package wire

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// JSON is the codec of encoding/json, with one difference: <, > and & are
// written as they are.
var JSON Codec = jsonCodec{}

type jsonCodec struct{}

func (jsonCodec) Name() string { return "json" }

func (c jsonCodec) Marshal(values ...any) (Args, error) {
	a := Args{Values: make([][]byte, len(values))}
	var buf []byte
	for i, v := range values {
		start := len(buf)
		var err error
		if buf, err = c.AppendValue(buf, v); err != nil {
			return Args{}, err
		}
		// The buffer may move as it grows; what earlier values point to stays
		// as it was.
		a.Values[i] = buf[start:len(buf):len(buf)]
	}
	return a, nil
}

// AppendValue implements [Appender]. What most calls carry is written without
// encoding/json.
func (jsonCodec) AppendValue(dst []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case string:
		return AppendJSONString(dst, v), nil
	}
	return appendAny(dst, value)
}

func appendAny(dst []byte, value any) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return dst, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// AppendJSONString appends s as a JSON string, <, > and & as they are.
func AppendJSONString(dst []byte, s string) []byte {
	if plain(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	dst, _ = appendAny(dst, s) // no string fails
	return dst
}

// plain tells whether s needs no escapes: ASCII but for quotes, backslashes and
// control characters.
func plain[S string | []byte](s S) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' || b >= 0x7f || b == '"' || b == '\\' {
			return false
		}
	}
	return true
}

func (jsonCodec) Unmarshal(a Args, i int, into any) error {
	raw := a.Values[i]
	switch v := into.(type) {
	case *string:
		if n := len(raw); n >= 2 && raw[0] == '"' && raw[n-1] == '"' && simple(raw[1:n-1]) {
			*v = string(raw[1 : n-1])
			return nil
		}
	case *int:
		if n, ok := integer(raw); ok {
			*v = n
			return nil
		}
	case *bool:
		if s := string(raw); s == "true" || s == "false" {
			*v = s == "true"
			return nil
		}
	}
	return json.Unmarshal(raw, into)
}

// simple tells whether the inside of a string stands for itself.
func simple(inside []byte) bool {
	ascii := true
	for _, b := range inside {
		if b < ' ' || b == '"' || b == '\\' {
			return false
		}
		ascii = ascii && b < utf8.RuneSelf
	}
	return ascii || utf8.Valid(inside)
}

// integer reads an integer as JSON writes it, if it has few enough digits for
// every int: 18 in 64 bits, 9 in 32.
func integer(raw []byte) (n int, ok bool) {
	const most = strconv.IntSize*3/10 - strconv.IntSize/64
	digits := bytes.TrimPrefix(raw, []byte("-"))
	if len(digits) == 0 || len(digits) > most || digits[0] == '0' && len(digits) > 1 {
		return 0, false
	}
	for _, b := range digits {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = 10*n + int(b-'0')
	}
	if len(digits) < len(raw) {
		n = -n
	}
	return n, true
}

func itoa(n int) string { return strconv.Itoa(n) }
