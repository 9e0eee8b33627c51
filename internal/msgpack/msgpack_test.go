package msgpack

import (
	"bytes"
	"encoding/hex"
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

	"github.com/parley-go/parley/wire"
	"github.com/tinylib/msgp/msgp"
)

var _ wire.Appender = Codec{}

// unhex reads bytes written in hexadecimal, with text in 'quotes' between.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		out = append(out, b...)
	}
	return out
}

type inner struct {
	X int
	Y string `json:"y,omitempty"`
}

type hidden struct{ Promoted string }

type record struct {
	ID      int
	Text    string `json:"text"`
	Both    string `json:"json" msgpack:"pack"`
	Skipped string `json:"-"`
	Count   int64  `json:"count,string"`
	Maybe   *int
	Left    []int     `json:",omitempty"`
	Zero    time.Time `json:"zero,omitzero"`
	inner
	*hidden
	In   inner
	Data []byte
	mute string
}

type shade int

func (s shade) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "shade %d", int(s)), nil }

func (s *shade) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "shade %d", (*int)(s))
	return err
}

// point is in JSON an array, written by a method of the pointer.
type point struct{ x, y float64 }

func (p *point) MarshalJSON() ([]byte, error) { return json.Marshal([]float64{p.x, p.y}) }

func (p *point) UnmarshalJSON(text []byte) error {
	var xy [2]float64
	err := json.Unmarshal(text, &xy)
	p.x, p.y = xy[0], xy[1]
	return err
}

// twice speaks MessagePack itself.
type twice int

func (n twice) MarshalMsg(b []byte) ([]byte, error) { return msgp.AppendInt(b, 2*int(n)), nil }

func (n *twice) UnmarshalMsg(b []byte) ([]byte, error) {
	v, rest, err := msgp.ReadIntBytes(b)
	*n = twice(v / 2)
	return rest, err
}

type octet byte

var moment = time.Date(2026, 10, 1, 12, 30, 0, 0, time.UTC)

// What is written, and that it is read back alike.
func TestValues(t *testing.T) {
	three := 3
	for _, c := range []struct {
		value any
		want  string
	}{
		{nil, "c0"},
		{true, "c3"},
		{5, "05"},
		{-1, "ff"},
		{int8(-100), "d0 9c"},
		{uint64(math.MaxUint64), "cf ffffffffffffffff"},
		{int64(math.MinInt64), "d3 8000000000000000"},
		{1.5, "cb 3ff8000000000000"},
		{float32(1.5), "ca 3fc00000"},
		{0.1, "cb 3fb999999999999a"},
		{"héllo", "a6 'héllo'"},
		{[]byte{1, 2}, "c4 02 01 02"},
		{[]byte(nil), "c0"},
		{[3]byte{1, 2, 3}, "c4 03 01 02 03"},
		{[]octet{1, 2}, "c4 02 01 02"},
		{[2]octet{1, 2}, "c4 02 01 02"},
		{[]int{1, -1}, "92 01 ff"},
		{[]int(nil), "c0"},
		{[]int{}, "90"},
		{[2]string{"a", "b"}, "92 a1 'a' a1 'b'"},
		{map[string]int{"b": 2, "a": 1}, "82 a1 'a' 01 a1 'b' 02"},
		{map[int]string{10: "x", 2: "y"}, "82 02 a1 'y' 0a a1 'x'"},
		{map[uint8]bool{200: true}, "81 cc c8 c3"},
		{map[shade]int{7: 1}, "81 a7 'shade 7' 01"},
		{map[string]int(nil), "c0"},
		{inner{X: 1}, "81 a1 'X' 01"},
		{inner{1, "z"}, "82 a1 'X' 01 a1 'y' a1 'z'"},
		{&inner{X: 1}, "81 a1 'X' 01"},
		{(*inner)(nil), "c0"},
		{&three, "03"},
		{shade(7), "a7 'shade 7'"},
		{&point{1, 2.5}, "92 01 cb 4004000000000000"},
		{twice(21), "2a"},
		{netip.MustParseAddr("::1"), "a3 '::1'"},
		{moment, "d6 ff 6abe5248"},
		{moment.Add(1), "d7 ff 000000046abe5248"},
		{time.Time{}, "c7 0c ff 00000000 fffffff1886e0900"},
		{time.Second, "d2 3b9aca00"},
		{json.RawMessage(`{"b":[1,1.5,"x",null],"a":18446744073709551615}`), "82 a1 'a' cf ffffffffffffffff a1 'b' 94 01 cb 3ff8000000000000 a1 'x' c0"},
		{json.Number("12"), "0c"},
		{json.Number("1e2"), "cb 4059000000000000"},
		{big.NewInt(77), "4d"},
		{msgp.Raw("\x93\x01\x02\x03"), "93 01 02 03"},
	} {
		a, err := Codec{}.Marshal(c.value)
		if err != nil || !bytes.Equal(a.Values[0], unhex(t, c.want)) {
			t.Errorf("%T %v: got %x %v, want %x", c.value, c.value, a.Values, err, unhex(t, c.want))
			continue
		}
		if c.value == nil {
			continue
		}
		into := reflect.New(reflect.TypeOf(c.value))
		if err := (Codec{}).Unmarshal(a, 0, into.Interface()); err != nil {
			t.Errorf("%T %v: %v", c.value, c.value, err)
			continue
		}
		if got := into.Elem().Interface(); !reflect.DeepEqual(got, c.value) && !sameJSON(got, c.value) {
			t.Errorf("%T: got %#v back, want %#v", c.value, got, c.value)
		}
	}
}

func sameJSON(a, b any) bool {
	var x, y any
	one, _ := json.Marshal(a)
	two, _ := json.Marshal(b)
	return json.Unmarshal(one, &x) == nil && json.Unmarshal(two, &y) == nil && reflect.DeepEqual(x, y)
}

func TestStructs(t *testing.T) {
	in := record{ID: 1, Text: "t", Both: "b", Skipped: "s", Count: 9, inner: inner{X: 4}, hidden: &hidden{"p"}, In: inner{Y: "deep"}, Data: []byte("d"), mute: "m"}
	a, err := Codec{}.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	want := "89 a2 'ID' 01 a4 'text' a1 't' a4 'pack' a1 'b' a5 'count' 09 a5 'Maybe' c0 a1 'X' 04 a8 'Promoted' a1 'p' a2 'In' 82 a1 'X' 00 a1 'y' a4 'deep' a4 'Data' c4 01 'd'"
	if !bytes.Equal(a.Values[0], unhex(t, want)) {
		t.Errorf("got  %q\nwant %q", a.Values[0], unhex(t, want))
	}
	var got record
	if err := (Codec{}).Unmarshal(a, 0, &got); err == nil || !strings.Contains(err.Error(), "unexported") {
		t.Errorf("into an embedded pointer to an unexported struct: got %v, want an error", err)
	}
	got = record{hidden: &hidden{}}
	in.Skipped, in.mute = "", ""
	if err := (Codec{}).Unmarshal(a, 0, &got); err != nil || !reflect.DeepEqual(got, in) {
		t.Errorf("got %+v %v, want %+v", got, err, in)
	}
}

// What other clients may send for a variable.
func TestReading(t *testing.T) {
	for _, c := range []struct {
		in   string
		into any
		want any
	}{
		{"cb 4010000000000000", new(int), 4},
		{"ca 40800000", new(uint8), uint8(4)},
		{"cb 43dfffffffffffff", new(int64), int64(0x7ffffffffffffc00)},
		{"d3 0000000000000007", new(int8), int8(7)},
		{"cf 0000000000000007", new(int), 7},
		{"05", new(float64), 5.0},
		{"ca 3fc00000", new(float64), 1.5},
		{"cb 3fb999999999999a", new(float32), float32(0.1)},
		{"ff", new(float32), float32(-1)},
		{"d9 01 'x'", new(string), "x"},
		{"da 0001 'x'", new(string), "x"},
		{"db 00000001 'x'", new(string), "x"},
		{"a2 ff 'x'", new(string), "\ufffdx"},
		{"a2 'hi'", new([]byte), []byte("hi")},
		{"93 01 02 03", new([]byte), []byte{1, 2, 3}},
		{"c5 0001 07", new([]byte), []byte{7}},
		{"c6 00000001 07", new([]byte), []byte{7}},
		{"dc 0001 07", new([]int), []int{7}},
		{"dd 00000001 07", new([]int), []int{7}},
		{"93 01 02 03", new([2]int), [2]int{1, 2}},
		{"91 01", &[2]int{8, 9}, [2]int{1, 0}},
		{"81 a1 '5' c3", new(map[int]bool), map[int]bool{5: true}},
		{"81 05 c3", new(map[string]bool), map[string]bool{"5": true}},
		{"81 c4 01 'k' c3", new(map[string]bool), map[string]bool{"k": true}},
		{"82 a1 'k' 01 a1 'k' 02", new(map[string]int), map[string]int{"k": 2}},
		{"de 0001 a1 'x' 05", new(inner), inner{X: 5}},
		{"df 00000001 a1 'X' 05", new(inner), inner{X: 5}},
		{"84 a1 'X' 05 a1 '?' 91 c0 07 c0 91 07 c0", new(inner), inner{X: 5}},
		{"c0", &inner{X: 3}, inner{X: 3}},
		{"c0", &[]int{1}, []int(nil)},
		{"91 81 a1 'X' 05", new([]*inner), []*inner{{X: 5}}},
		{"d6 ff 6abe5248", new(time.Time), moment},
		{"b4 '2026-10-01T12:30:00Z'", new(time.Time), moment},
		{"82 a1 'a' 91 cb 3ff8000000000000 a1 'b' d6 ff 6abe5248", new(json.RawMessage), json.RawMessage(`{"a":[1.5],"b":"2026-10-01T12:30:00Z"}`)},
		{"c0", new(json.RawMessage), json.RawMessage("null")},
		{"c4 02 01 02", new(json.RawMessage), json.RawMessage(`"AQI="`)},
		{"07", new(json.Number), json.Number("7")},
		{"cb 3ff8000000000000", new(json.Number), json.Number("1.5")},
		{"c0", new(any), nil},
		{"07", new(any), int64(7)},
		{"cf ffffffffffffffff", new(any), uint64(math.MaxUint64)},
		{"ca 3fc00000", new(any), 1.5},
		{"c4 01 07", new(any), []byte{7}},
		{"d6 ff 6abe5248", new(any), moment},
		{"93 c2 a1 'x' 81 01 90", new(any), []any{false, "x", map[string]any{"1": []any{}}}},
		{"84 c0 01 c3 02 cb 3ff8000000000000 03 c4 01 'k' 04", new(any), map[string]any{"<nil>": int64(1), "true": int64(2), "1.5": int64(3), "k": int64(4)}},
	} {
		a := wire.Args{Values: [][]byte{unhex(t, c.in)}}
		if err := (Codec{}).Unmarshal(a, 0, c.into); err != nil {
			t.Errorf("%s into %T: %v", c.in, c.into, err)
			continue
		}
		if got := reflect.ValueOf(c.into).Elem().Interface(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s into %T: got %#v, want %#v", c.in, c.into, got, c.want)
		}
	}
	var held any = &inner{Y: "kept"}
	if err := (Codec{}).Read(unhex(t, "81 a1 'X' 05"), &held); err != nil || !reflect.DeepEqual(held, &inner{5, "kept"}) {
		t.Errorf("into what an interface points to: got %+v, %v", held, err)
	}
}

func TestWhatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		in   string
		into any
		want string
	}{
		{"cb 3ff8000000000000", new(int), "cannot unmarshal number into Go value of type int"},
		{"cb 7ff8000000000000", new(int), "cannot unmarshal number"},
		{"cb 43e0000000000000", new(int64), "cannot unmarshal number"},
		{"ff", new(uint), "cannot unmarshal number"},
		{"cd 0100", new(uint8), "cannot unmarshal number"},
		{"cf ffffffffffffffff", new(int64), "cannot unmarshal number"},
		{"cb 7fefffffffffffff", new(float32), "cannot unmarshal number"},
		{"a1 '5'", new(int), "cannot unmarshal string"},
		{"05", new(string), "cannot unmarshal number"},
		{"c4 01 'x'", new(string), "cannot unmarshal binary"},
		{"c3", new(int), "cannot unmarshal bool"},
		{"90", new(inner), "cannot unmarshal array"},
		{"80", new([]int), "cannot unmarshal object"},
		{"81 a1 'X' a1 'y'", new(inner), "Go struct field inner.X of type int"},
		{"81 a2 'In' 81 a1 'X' c3", new(record), "In.X of type int"},
		{"81 a1 'k' c3", new(map[int]int), "cannot unmarshal string"},
		{"81 90 c3", new(map[string]any), "key cannot be"},
		{"81 90 c3", new(any), "key cannot be"},
		{"d4 05 00", new(any), "cannot unmarshal extension"},
		{"d4 05 00", new(time.Time), "cannot unmarshal extension"},
		{"d4 ff 00", new(time.Time), "cannot unmarshal extension"},
		{"d7 ff ffffffff00000000", new(time.Time), "cannot unmarshal extension"},
		{"07", new(time.Time), "cannot unmarshal number"},
		{"a1 'x'", new(time.Time), "cannot parse"},
		{"cb 7ff8000000000000", new(json.RawMessage), "unsupported value"},
		{"a1 'x'", new(json.Number), "cannot unmarshal string"},
		{"07", new(shade), "cannot unmarshal number"},
		{"07", new(fmt.Stringer), "cannot unmarshal number"},
		{"07", 5, "non-pointer"},
		{"07", (*int)(nil), "nil *int"},
		{"", new(int), "ends too early"},
		{"c1", new(any), "begins no value"},
		{"07 07", new(int), "more behind the value"},
		{"cd 01", new(int), "ends too early"},
		{"da 00", new(string), "ends too early"},
		{"db ffffffff", new(string), "ends too early"},
		{"c6 ffffffff 00", new([]byte), "ends too early"},
		{"c9 ffffffff ff", new(any), "ends too early"},
		{"dd ffffffff", new([]int), "ends too early"},
		{"df ffffffff 01 01", new(any), "ends too early"},
		{"dd 00000004 01 01", new([]any), "ends too early"},
		{strings.Repeat("91", 64) + "90", new(any), ""},
		{strings.Repeat("91", 65) + "90", new(any), "nests more than 64"},
		{strings.Repeat("81 01", 5000) + "c0", new(any), "nests more than 64"},
	} {
		err := (Codec{}).Read(unhex(t, c.in), c.into)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%.60s into %T: got %v, want %q", c.in, c.into, err, c.want)
		}
	}
}

func TestWhatCannotBeWritten(t *testing.T) {
	cycle := map[string]any{}
	cycle["again"] = cycle
	type ring struct{ Next *ring }
	loop := &ring{}
	loop.Next = loop
	for _, v := range []any{make(chan int), func() {}, 1i, map[float64]int{1: 1}, map[any]int{1: 1}, []any{make(chan int)}, cycle, loop,
		json.RawMessage("{"), json.Number("one"), failing{}, struct{ F failing }{}} {
		if a, err := (Codec{}).Marshal("before", v); err == nil {
			t.Errorf("%T: got %x, want an error", v, a.Values)
		}
	}
}

type failing struct{}

func (failing) MarshalText() ([]byte, error) { return nil, errors.New("no") }

// Values lie one behind the other and keep apart.
func TestValuesDoNotTouch(t *testing.T) {
	a, err := Codec{}.Marshal("a", 2, strings.Repeat("c", 1000), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{2, 1, 1003, 1} {
		if v := a.Values[i]; len(v) != want || cap(v) != want {
			t.Errorf("value %d: got %d bytes with room for %d, want %d", i, len(v), cap(v), want)
		}
	}
	if got, err := (Codec{}).AppendValue([]byte("x"), 5); err != nil || string(got) != "x\x05" {
		t.Errorf("AppendValue: got %q, %v", got, err)
	}
	if got, err := (Codec{}).AppendValue([]byte("x"), []any{1, make(chan int)}); err == nil || string(got) != "x" {
		t.Errorf("AppendValue of a channel: got %q, %v", got, err)
	}
	if a, err := (Codec{}).Marshal(); err != nil || a.Values != nil {
		t.Errorf("no values: got %v, %v", a, err)
	}
}

// A length that lies costs nothing.
func TestLengthsAreNotBelieved(t *testing.T) {
	type large struct{ _ [1 << 16]byte }
	lies := [][]byte{unhex(t, "dd 0fffffff"), unhex(t, "df 0fffffff"), unhex(t, "c6 0fffffff"), unhex(t, "db 0fffffff")}
	if n := testing.AllocsPerRun(10, func() {
		for _, b := range lies {
			var v []large
			if (Codec{}).Read(b, &v) == nil {
				t.Fatal("no error")
			}
		}
	}); n > 20 {
		t.Errorf("got %.0f allocations", n)
	}
}

// FuzzMsgpackValues: no input panics, and what is read can be written and is
// read alike.
func FuzzMsgpackValues(f *testing.F) {
	for _, seed := range []string{"c0", "93 c2 a1 'x' 81 01 90", "d6 ff 6abe5248", "cb 3ff8000000000000", "cf ffffffffffffffff",
		"82 a2 'ID' 05 a2 'in' 81 a1 'X' 07", "c4 02 01 02", "dd ffffffff", "c7 0c ff 00000000 fffffff1886e0900", "c7 00 ff", "91 d4 00 00", "d7 00 00000000000005dc", "c8 0001 00 07"} {
		f.Add(unhex(f, seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, into := range []any{new(record), new([]inner), new(map[int]string), new(json.RawMessage), new(time.Time), new([4]byte), new(point), new(shade), new(float32)} {
			Codec{}.Read(data, into) // must not panic
			Codec{Notepack: true}.Read(data, into)
		}
		var js any
		if (Codec{Notepack: true}).Read(data, &js) == nil {
			if _, err := (Codec{Notepack: true}).Marshal(js); err != nil {
				t.Fatalf("%x: read %#v, which cannot be written: %v", data, js, err)
			}
		}
		var v, again any
		if (Codec{}).Read(data, &v) != nil {
			return
		}
		a, err := Codec{}.Marshal(v)
		if err != nil {
			t.Fatalf("%x: read %#v, which cannot be written: %v", data, v, err)
		}
		if err := (Codec{}).Unmarshal(a, 0, &again); err != nil || fmt.Sprint(again) != fmt.Sprint(v) {
			t.Errorf("%x: got %#v %v, want %#v", data, again, err, v)
		}
	})
}

func BenchmarkMarshal(b *testing.B) {
	for name, values := range map[string][]any{"string and int": {"ann", 42}, "struct": {inner{1, "two"}}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (Codec{}).Marshal(values...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	a, err := Codec{}.Marshal("ann", 42, inner{1, "two"})
	if err != nil {
		b.Fatal(err)
	}
	for i, into := range []any{new(string), new(int), new(inner)} {
		b.Run(fmt.Sprintf("%T", into), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := (Codec{}).Unmarshal(a, i, into); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The bytes are those of notepack.io 2.2.
func TestNotepack(t *testing.T) {
	js := Codec{Notepack: true}
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	for _, c := range []struct {
		in   string
		want any
	}{
		{"d4 00 00", nil},
		{"91 d4 00 00", []any{nil}},
		{"81 a1 'a' d4 00 00", map[string]any{"a": nil}},
		{"d7 00 00 00 00 00 00 00 05 dc", at(1500)},
		{"d7 00 ff ff ff ff ff ff ff ff", at(-1)},
		{"d6 ff 00 00 00 01", at(1000)}, // the specification's
		{"92 c7 03 00 01 02 03 01", []any{[]byte{1, 2, 3}, int64(1)}},
		{"c8 00 01 00 07", []byte{7}},
		{"c9 00 00 00 02 00 07 08", []byte{7, 8}},
		{"c7 00 00", []byte{}},
		{"c4 01 09", []byte{9}},
	} {
		var got any
		if err := js.Read(unhex(t, c.in), &got); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %#v, %v, want %#v", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{"d4 00 00", "d7 00 00 00 00 00 00 00 05 dc", "c7 01 00 01", "c8 00 01 00 07"} {
		var v any
		if err := (Codec{}).Read(unhex(t, in), &v); err == nil {
			t.Errorf("%s: others read %v", in, v)
		}
	}
	for _, in := range []string{"d5 00 00 00", "d6 00 00 00 00 00", "d4 01 00", "c7 01 01 00"} {
		var v any
		if err := js.Read(unhex(t, in), &v); err == nil {
			t.Errorf("%s: read %v", in, v)
		}
	}
	var typed struct {
		A []byte
		B [2]byte
		C *int
		D time.Time
		E json.RawMessage
	}
	three := 3
	typed.C = &three
	in := "85 a1 'A' c7 01 00 01 a1 'B' c7 02 00 01 02 a1 'C' d4 00 00 a1 'D' d7 00 00 00 00 00 00 00 03 e8 a1 'E' 92 d4 00 00 c7 01 00 ff"
	if err := js.Read(unhex(t, in), &typed); err != nil || !bytes.Equal(typed.A, []byte{1}) || typed.B != [2]byte{1, 2} || typed.C != nil || !typed.D.Equal(at(1000)) || string(typed.E) != `[null,"/w=="]` {
		t.Errorf("got %+v, %v", typed, err)
	}
	if err := js.Read(unhex(t, "c7 01 00 01"), new(int)); err == nil || !strings.Contains(err.Error(), "binary") {
		t.Errorf("an ArrayBuffer into an int: %v", err)
	}
	a, err := js.Marshal(at(1500), struct{ At *time.Time }{new(time.Time)}, []byte{1}, nil)
	if err != nil || fmt.Sprintf("%x", a.Values) != "[d70000000000000005dc 81a24174d700ffffc77cedd32800 c40101 c0]" {
		t.Errorf("wrote %x, %v", a.Values, err)
	}
}
