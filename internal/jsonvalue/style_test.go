package jsonvalue

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

type part struct {
	Name string
	Data []byte `json:",omitempty"`
}

// text is bytes that write themselves.
type text []byte

func (t text) MarshalText() ([]byte, error) { return []byte(strings.ToUpper(string(t))), nil }

// pointed writes itself where it has an address.
type pointed struct{ Data []byte }

func (*pointed) MarshalJSON() ([]byte, error) { return []byte(`"own"`), nil }

func TestBytesAreLeftToTheCaller(t *testing.T) {
	style := Style{Bytes: true, Name: strings.ToLower}
	lengths := func(dst, b []byte) ([]byte, error) { return fmt.Appendf(dst, "<%d>", len(b)), nil }
	for _, c := range []struct {
		value any
		want  string
	}{
		{[]byte("abc"), "<3>"},
		{[]byte{}, "<0>"},
		{[]byte(nil), "null"},
		{part{"x", []byte("ab")}, `{"name":"x","data":<2>}`},
		{part{Name: "x"}, `{"name":"x"}`},
		{map[string]any{"B": []any{[]byte("a"), &part{"y", nil}}}, `{"B":[<1>,{"name":"y"}]}`},
		{[][]byte{nil, []byte("a")}, `[null,<1>]`},
		{[2]byte{1, 2}, `[1,2]`},
		{text("abc"), `"ABC"`},
		{pointed{[]byte("a")}, `{"data":<1>}`},
		{&pointed{[]byte("a")}, `"own"`},
		{json.RawMessage(`[1]`), `[1]`},
	} {
		got, err := style.Append([]byte("x"), c.value, lengths)
		if err != nil || string(got) != "x"+c.want {
			t.Errorf("%#v: got %s, %v, want %s", c.value, got, err, "x"+c.want)
		}
	}
	no := errors.New("no")
	got, err := style.Append([]byte("x"), []any{1, []byte("a")}, func(dst, _ []byte) ([]byte, error) { return append(dst, "half"...), no })
	if err != no || string(got) != "x" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestAlike(t *testing.T) {
	type loop struct{ Next *loop }
	type deep struct{ M map[string][]*part }
	bytes, names, none := &Style{Bytes: true}, &Style{Name: strings.ToLower}, &Style{}
	for _, c := range []struct {
		value               any
		bytes, names, plain bool
	}{
		{1, true, true, true},
		{"x", true, true, true},
		{[]byte(nil), false, true, true},
		{part{}, false, false, true},
		{deep{}, false, false, true},
		{loop{}, true, false, true},
		{text{}, true, true, true},
		{json.RawMessage{}, true, true, true},
		{time.Time{}, true, true, true},
		{[]string{}, true, true, true},
		{[]any{}, false, false, false},
		{pointed{}, false, false, true},
		{struct{ X error }{}, false, false, false},
		{struct {
			X int `json:"X"`
		}{}, true, true, true},
	} {
		typ := reflect.TypeOf(c.value)
		if got := [3]bool{bytes.Alike(typ), names.Alike(typ), none.Alike(typ)}; got != [3]bool{c.bytes, c.names, c.plain} {
			t.Errorf("%v: got %v", typ, got)
		}
	}
}
