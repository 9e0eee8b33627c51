package camel

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The names that System.Text.Json's JsonNamingPolicy.CamelCase gives.
func TestName(t *testing.T) {
	for declared, want := range map[string]string{
		"": "", "a": "a", "A": "a", "ID": "id", "Id": "id", "IDs": "iDs", "URL": "url", "URLValue": "urlValue", "MyURL": "myURL",
		"Person": "person", "isCIA": "isCIA", "VmQ": "vmQ", "IPhone": "iPhone", "I": "i", "IX": "ix", "X2Y": "x2Y", "HTTP2Server": "httP2Server",
		"Über": "über", "ÄÖÜ": "äöü", "_Private": "_Private", "A_B": "a_B", "日本": "日本",
	} {
		if got := Name(declared); got != want {
			t.Errorf("%q: got %q, want %q", declared, got, want)
		}
	}
}

type Base struct {
	BaseID int
	Shadow string
}

type base struct{ Deep string }

type phrase string

type writes struct{ Field int }

func (w writes) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{ "Own" : %d }`, w.Field), nil
}

type writesByPointer struct{ Field int }

func (w *writesByPointer) MarshalJSON() ([]byte, error) { return []byte(`"pointer"`), nil }

type text struct{ Field int }

func (text) MarshalText() ([]byte, error) { return []byte("<text>"), nil }

type textKey int

func (k textKey) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "Key%d", int(k)), nil }

type tree struct {
	Value int
	Kids  []*tree `json:",omitempty"`
}

type zero struct{ At int }

func (z zero) IsZero() bool { return z.At == 7 }

type pointerZero struct{ At int }

func (z *pointerZero) IsZero() bool { return z.At == 7 }

func TestAppend(t *testing.T) {
	one := 1
	for _, c := range []struct {
		value any
		want  string
	}{
		{struct{ UserName, ID string }{"a", "b"}, `{"userName":"a","id":"b"}`},
		{struct {
			A int `json:"Tagged"`
			B int `json:",omitempty"`
			C int `json:"-"`
			D int
		}{1, 0, 3, 4}, `{"Tagged":1,"d":4}`},
		{struct {
			Base
			*base
			Shadow int
		}{Base{BaseID: 1, Shadow: "hidden"}, &base{"d"}, 2}, `{"baseID":1,"deep":"d","shadow":2}`},
		{struct{ *base }{}, `{}`},
		{struct {
			Base `json:"Base"`
		}{}, `{"Base":{"baseID":0,"shadow":""}}`},
		{struct {
			Name string
			NAME string
		}{"a", "b"}, `{"Name":"a","NAME":"b"}`},
		{struct {
			ID    int
			Other int `json:"id"`
		}{1, 2}, `{"ID":1,"id":2}`},
		{map[string]any{"Key": struct{ Inner any }{map[string]int{"Key": 1}}, "A": nil}, `{"A":null,"Key":{"inner":{"Key":1}}}`},
		{map[textKey]Base{2: {}, 1: {}}, `{"Key1":{"baseID":0,"shadow":""},"Key2":{"baseID":0,"shadow":""}}`},
		{map[int]Base{2: {}, 10: {}}, `{"10":{"baseID":0,"shadow":""},"2":{"baseID":0,"shadow":""}}`},
		{[]any{Base{}, &Base{BaseID: 1}, []Base{{BaseID: 2}}, [1]Base{}, (*Base)(nil), []Base(nil), map[string]Base(nil)},
			`[{"baseID":0,"shadow":""},{"baseID":1,"shadow":""},[{"baseID":2,"shadow":""}],[{"baseID":0,"shadow":""}],null,null,null]`},
		{struct{ W, V any }{writes{1}, &writes{2}}, `{"w":{"Own":1},"v":{"Own":2}}`},
		{struct{ W writesByPointer }{}, `{"w":{"field":0}}`},
		{&struct{ W writesByPointer }{}, `{"w":"pointer"}`},
		{struct{ T text }{}, `{"t":"<text>"}`},
		{struct{ B []byte }{[]byte("hi")}, `{"b":"aGk="}`},
		{struct{ B []byte }{}, `{"b":null}`},
		{struct{ B [2]byte }{[2]byte{1, 2}}, `{"b":[1,2]}`},
		{struct {
			I int     `json:",string"`
			S string  `json:",string"`
			B bool    `json:",string"`
			F float64 `json:",string"`
			P *int    `json:",string"`
			N *int    `json:",string"`
			T textKey `json:",string"`
		}{1, `q"`, true, 1.5, &one, nil, 5}, `{"i":"1","s":"\"q\\\"\"","b":"true","f":"1.5","p":"1","n":null,"t":"Key5"}`},
		{struct {
			A zero        `json:",omitzero"`
			B zero        `json:",omitzero"`
			C pointerZero `json:",omitzero"`
			D time.Time   `json:",omitzero"`
			E int         `json:",omitzero"`
			F *zero       `json:",omitzero"`
			G struct{}    `json:",omitempty"`
		}{zero{7}, zero{0}, pointerZero{7}, time.Time{}, 0, nil, struct{}{}}, `{"b":{"at":0},"g":{}}`},
		{struct {
			A string         `json:",omitempty"`
			B []int          `json:",omitempty"`
			C map[string]int `json:",omitempty"`
			D any            `json:",omitempty"`
			E *int           `json:",omitempty"`
			F bool           `json:",omitempty"`
			G [0]int         `json:",omitempty"`
			H float64        `json:",omitempty"`
		}{B: []int{}}, `{}`},
		{struct{ R json.RawMessage }{json.RawMessage(`{ "X" : "<" }`)}, `{"r":{"X":"<"}}`},
		{struct{ N json.Number }{"1.50"}, `{"n":1.50}`},
		{struct{ N json.Number }{}, `{"n":0}`},
		{struct{ T time.Time }{time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}, `{"t":"2026-01-02T03:04:05.000000006Z"}`},
		{struct{ A netip.Addr }{netip.MustParseAddr("::1")}, `{"a":"::1"}`},
		{struct{ N *big.Int }{big.NewInt(77)}, `{"n":77}`},
		{struct{ N phrase }{"<é& \u2028>"}, `{"n":"<é& \u2028>"}`},
		{struct{ F []any }{[]any{1e21, 1e-7, math.Copysign(0, -1), 1.5, float32(0.1), float32(1e21), int8(-1), uint64(math.MaxUint64), true}}, `{"f":[1e+21,1e-7,-0,1.5,0.1,1e+21,-1,18446744073709551615,true]}`},
		{tree{1, []*tree{{Value: 2}, nil}}, `{"value":1,"kids":[{"value":2},null]}`},
	} {
		got, err := Append([]byte("x"), c.value)
		if err != nil || string(got) != "x"+c.want {
			t.Errorf("%T:\ngot  %s %v\nwant %s", c.value, got, err, "x"+c.want)
		}
	}
}

// lower puts the names of all properties into small letters, as both writers
// do when the only difference between them is camelCase.
func lower(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(bytes.ToLower(data), &v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return v
}

// Where nothing is renamed, what is written is encoding/json's to the byte;
// else it differs in the case of names alone.
func TestLikeEncodingJSON(t *testing.T) {
	var same = []any{nil, true, 1, "a<b>\x00\x1f\"\\\u2029\xff é 😀", 1.5, []string{"a", "<"}, map[string]int{"B": 1, "A": 2}, []byte{1, 2}, writes{1},
		struct {
			A int `json:"a"`
		}{1}, []any{1, "x", nil, map[string]any{"K": 1e-9}}, json.RawMessage(`{"A": [1 , 2]}`), map[int]string{1: "a"}, [][]byte{nil, {}}, text{}, &writesByPointer{}, json.Number("1e5")}
	for _, v := range same {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		got, err := Append(nil, v)
		if err != nil || string(got) != strings.TrimSuffix(want.String(), "\n") {
			t.Errorf("%T: got %s %v, want %s", v, got, err, want.String())
		}
	}
	for _, v := range []any{tree{1, []*tree{{2, nil}}}, Base{}, map[string]Base{"A": {}}, struct{ X any }{Base{}}, struct{ reflect.SliceHeader }{}} {
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Append(nil, v)
		if err != nil || !reflect.DeepEqual(lower(t, got), lower(t, want)) {
			t.Errorf("%T: got %s %v, want %s in another case", v, got, err, want)
		}
	}
}

// The case of names does not matter to who reads them.
func TestReadBack(t *testing.T) {
	in := struct {
		UserName string
		ID       int
		Base
	}{"ann", 7, Base{BaseID: 1, Shadow: "s"}}
	data, err := Append(nil, in)
	if err != nil {
		t.Fatal(err)
	}
	out := in
	out.UserName, out.ID, out.Base = "", 0, Base{}
	if err := json.Unmarshal(data, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("%s: got %+v %v, want %+v", data, out, err, in)
	}
}

type failing struct{ X int }

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New("no") }

func TestWhatCannotBeWritten(t *testing.T) {
	cycle := map[string]any{}
	cycle["X"] = []any{cycle}
	list := make([]any, 1)
	list[0] = list
	ring := &struct{ Next any }{}
	ring.Next = ring
	for _, v := range []any{math.NaN(), struct{ F float32 }{float32(math.Inf(1))}, make(chan int), struct{ C func() }{}, cycle, list, ring,
		struct{ F failing }{}, struct{ R json.RawMessage }{json.RawMessage("{")}, map[float64]Base{1: {}}, map[any]any{1: Base{}}} {
		if got, err := Append([]byte("x"), v); err == nil || string(got) != "x" {
			t.Errorf("%T: got %s, want an error", v, got)
		}
	}
}

func TestDeepIsNotACycle(t *testing.T) {
	type chain struct{ Next *chain }
	var all *chain
	for range 3000 {
		all = &chain{all}
	}
	got, err := Append(nil, all)
	if want := strings.Repeat(`{"next":`, 3000) + "null" + strings.Repeat("}", 3000); err != nil || string(got) != want {
		t.Errorf("got %.100s %v", got, err)
	}
}

func BenchmarkAppend(b *testing.B) {
	type message struct {
		From string
		Text string
		At   int64
	}
	for name, v := range map[string]any{"string": "hello", "struct": message{"ann", "hello", 5}, "any": []any{message{"ann", "hello", 5}, 1}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 256)
			for b.Loop() {
				if _, err := Append(buf, v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
