package wire_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/parley-go/parley/wire"
)

// written is what encoding/json writes without escaping HTML.
func written(v any) (string, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return string(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), err
}

func TestJSONWritesAsEncodingJSON(t *testing.T) {
	values := []any{
		nil, true, false, 0, -1, math.MaxInt, math.MinInt, int64(7), uint8(200), 1.5, 1e21, "", "hi", `"quoted"`, "back\\slash", "tab\t", "<&>", "Grüße 世界",
		"\u2028", "\x7f", "\xff", []byte("bytes"), json.RawMessage(`{"a": 1}`), []any{1, "a", nil}, map[string]int{"b": 1, "a": 2}, struct{ A, B string }{"x", "y"},
	}
	for _, v := range values {
		want, err := written(v)
		if err != nil {
			t.Fatal(err)
		}
		args, err := wire.JSON.Marshal("before", v)
		if err != nil || string(args.Values[1]) != want || string(args.Values[0]) != `"before"` {
			t.Errorf("Marshal(%#v) = %q, %v, want %q", v, args.Values, err, want)
		}
		got, err := wire.JSON.(wire.Appender).AppendValue([]byte("x"), v)
		if err != nil || string(got) != "x"+want {
			t.Errorf("AppendValue(%#v) = %q, %v, want %q", v, got, err, want)
		}
	}
	if _, err := wire.JSON.Marshal(make(chan int)); err == nil {
		t.Error("Marshal of a channel: got no error")
	}
}

func TestJSONReadsAsEncodingJSON(t *testing.T) {
	raws := []string{
		`"hi"`, `""`, `"a\nb"`, `"Grüße"`, `"\ud800"`, "\"\xff\"", `"a"b"`, `"`, `0`, `-0`, `7`, `-12`, `007`, `-`, `1.5`, `1e3`, `9223372036854775807`, `9223372036854775808`,
		`123456789012345678`, `true`, `false`, `null`, `[1]`, `{"a":1}`, ` 1`, ``,
	}
	targets := []func() any{
		func() any { return new(string) }, func() any { return new(int) }, func() any { return new(bool) }, func() any { return new(any) }, func() any { return new(int8) },
		func() any { s := "old"; return &s }, func() any { n := 5; return &n },
	}
	for _, raw := range raws {
		for _, target := range targets {
			want, got := target(), target()
			wantErr := json.Unmarshal([]byte(raw), want)
			gotErr := wire.JSON.Unmarshal(wire.Args{Values: [][]byte{[]byte(raw)}}, 0, got)
			if (gotErr == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) && json.Valid([]byte(raw)) {
				t.Errorf("%s into %T: got %v, %v, want %v, %v", raw, want, reflect.ValueOf(got).Elem(), gotErr, reflect.ValueOf(want).Elem(), wantErr)
			}
		}
	}
}
