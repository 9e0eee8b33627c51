package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
)

type blob []byte

// spells writes itself, though bytes are underneath.
type spells []byte

func (s spells) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"spelled %d"`, len(s)), nil }

func (s *spells) UnmarshalJSON(b []byte) error { *s = append((*s)[:0], b...); return nil }

type photo struct {
	Name  string
	Data  []byte `json:"data"`
	Thumb blob   `json:"thumb,omitempty"`
	Next  *photo `json:",omitempty"`
	Tags  map[string]any
}

type album struct {
	photo
	*Cover
	Photos []photo
	By     map[string]*photo
	Any    any
	hidden []byte
}

type Cover struct {
	Front []byte
	Back  []byte `json:"-"`
}

// written is what comes of values: the JSON, then the attachments.
func written(a wire.Args) string {
	var s []string
	for _, v := range a.Values {
		s = append(s, string(v))
	}
	for _, b := range a.Attachments {
		s = append(s, fmt.Sprintf("+%q", b))
	}
	return strings.Join(s, " ")
}

func TestBytesBecomeAttachments(t *testing.T) {
	const zero, one, two = `{"_placeholder":true,"num":0}`, `{"_placeholder":true,"num":1}`, `{"_placeholder":true,"num":2}`
	pointed := []byte("p")
	for _, c := range []struct {
		values []any
		want   string
	}{
		{nil, ""},
		{[]any{[]byte("a")}, zero + ` +"a"`},
		{[]any{"x", []byte("a"), 1, []byte{}}, `"x" ` + zero + ` 1 ` + one + ` +"a" +""`},
		{[]any{[]byte(nil), blob(nil), (*[]byte)(nil), (*photo)(nil)}, `null null null null`},
		{[]any{blob("a"), &pointed, json.RawMessage(`{"a":1}`)}, zero + ` ` + one + ` {"a":1} +"a" +"p"`},
		{[]any{[][]byte{[]byte("a"), nil, []byte("b")}}, `[` + zero + `,null,` + one + `] +"a" +"b"`},
		{[]any{map[string]any{"b": []byte("2"), "a": []any{1, []byte("1")}}}, `{"a":[1,` + zero + `],"b":` + one + `} +"1" +"2"`},
		{[]any{map[int]blob{7: blob("a")}}, `{"7":` + zero + `} +"a"`},
		{[]any{photo{Name: "x", Data: []byte("d"), Tags: map[string]any{"t": blob("t")}}}, `{"Name":"x","data":` + zero + `,"Tags":{"t":` + one + `}} +"d" +"t"`},
		{[]any{photo{Next: &photo{Data: []byte("d")}}}, `{"Name":"","data":null,"Next":{"Name":"","data":` + zero + `,"Tags":null},"Tags":null} +"d"`},
		{[]any{album{photo: photo{Data: []byte("0")}, Cover: &Cover{Front: []byte("1"), Back: []byte("no")}, Any: []byte("2"), hidden: []byte("no")}},
			`{"Name":"","data":` + zero + `,"Tags":null,"Front":` + one + `,"Photos":null,"By":null,"Any":` + two + `} +"0" +"1" +"2"`},
		{[]any{spells("abc"), []any{spells("a"), net.IP{127, 0, 0, 1}}}, `"spelled 3" ["spelled 1","127.0.0.1"]`},
		{[]any{[2]byte{1, 2}, []uint16{1}, [1][]byte{[]byte("a")}}, `[1,2] [1] [` + zero + `] +"a"`},
		{[]any{struct{ F, G any }{"<&>", time.Unix(0, 0).UTC()}}, `{"F":"<&>","G":"1970-01-01T00:00:00Z"}`},
	} {
		a, err := codec{}.Marshal(c.values...)
		if err != nil || written(a) != c.want {
			t.Errorf("%+v: wrote %s, %v, want %s", c.values, written(a), err, c.want)
		}
		if len(c.values) != 1 {
			continue
		}
		b, err := codec{}.AppendValue([]byte("x"), c.values[0])
		switch {
		case len(a.Attachments) > 0 && (err != wire.ErrAttachments || string(b) != "x"):
			t.Errorf("%+v: appended %s, %v", c.values, b, err)
		case len(a.Attachments) == 0 && (err != nil || string(b) != "x"+c.want):
			t.Errorf("%+v: appended %s, %v, want %s", c.values, b, err, c.want)
		}
	}
}

func TestAttachmentsAreCopies(t *testing.T) {
	b := []byte("before")
	a, err := codec{}.Marshal(b, map[string]any{"b": b})
	copy(b, "after!")
	if err != nil || string(a.Attachments[0]) != "before" || string(a.Attachments[1]) != "before" {
		t.Errorf("got %q, %v", a.Attachments, err)
	}
	var first, second any
	if err := errors.Join(codec{}.Unmarshal(a, 0, &first), codec{}.Unmarshal(a, 1, &second)); err != nil {
		t.Fatal(err)
	}
	copy(a.Attachments[0], "spoilt")
	if string(first.([]byte)) != "before" {
		t.Errorf("got %q", first)
	}
}

func TestTooManyAttachments(t *testing.T) {
	list := make([][]byte, 11)
	for i := range list {
		list[i] = []byte{byte(i)}
	}
	if a, err := (codec{}).Marshal(list[:10]); err != nil || len(a.Attachments) != 10 {
		t.Errorf("ten: %v, %v", a, err)
	}
	if a, err := (codec{}).Marshal(list[:5], list[:6]); err == nil || !strings.HasPrefix(err.Error(), "socketio: 11 ") {
		t.Errorf("eleven: %v, %v", a, err)
	}
	if _, err := (codec{most: 11}).Marshal(list); err != nil {
		t.Errorf("eleven of eleven: %v", err)
	}
	for _, v := range []any{math.NaN(), []any{[]byte("a"), make(chan int)}, map[string]any{"a": func() {}}} {
		if a, err := (codec{}).Marshal(1, v); err == nil || a.Attachments != nil {
			t.Errorf("%T: %v, %v", v, a, err)
		}
		if b, err := (codec{}).AppendValue([]byte("x"), v); err == nil || string(b) != "x" {
			t.Errorf("%T: %s, %v", v, b, err)
		}
	}
}

// What has no bytes in it is written and read as wire.JSON does, to the byte.
func TestWithoutBytesAsJSON(t *testing.T) {
	for _, v := range []any{nil, true, 1, int8(-1), uint64(math.MaxUint64), 1.5, float32(0.1), 1e21, "é<&>\u2028\xff", []any{1, "a", nil, []any{}, map[string]any{}},
		map[string]any{"z": 1, "a": map[string]int{"b": 2}, "": nil}, photo{Name: "n"}, &photo{Next: &photo{}}, album{}, struct {
			I int    `json:",string"`
			S string `json:"s,string"`
		}{1, `"`}, time.Unix(5, 0).UTC(), []string(nil), json.Number("7"), map[string][]int{"a": nil}, spells("x"),
		map[string]any{"_placeholder": true, "num": 0}} {
		want, err := wire.JSON.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := codec{}.Marshal(v)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%T: got %s, %v, want %s", v, got.Values, err, want.Values)
		}
		var a, b any
		errA, errB := wire.JSON.Unmarshal(want, 0, &a), codec{}.Unmarshal(want, 0, &b)
		if errA != nil || errB != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%T: read %v, %v, want %v, %v", v, b, errB, a, errA)
		}
	}
}

// read reads one value beside the attachments "zero" and "one".
func read(raw string, into any) error {
	return codec{}.Unmarshal(wire.Args{Values: [][]byte{[]byte(raw)}, Attachments: [][]byte{[]byte("zero"), []byte("one")}}, 0, into)
}

func TestAttachmentsBecomeBytes(t *testing.T) {
	const zero, one = `{"_placeholder":true,"num":0}`, `{"num":1,"_placeholder":true}`
	held := &photo{Name: "kept"}
	type anys map[string]any
	for _, c := range []struct {
		raw  string
		into any // a pointer
		want any // what it points to then
	}{
		{zero, new([]byte), []byte("zero")},
		{one, new(blob), blob("one")},
		{zero, new(any), []byte("zero")},
		{zero, new(*[]byte), ptr([]byte("zero"))},
		{one, new([3]byte), [3]byte([]byte("one"))},
		{one, &[5]byte{9, 9, 9, 9, 9}, [5]byte{'o', 'n', 'e'}},
		{zero, new([2]byte), [2]byte([]byte("ze"))},
		{`[` + zero + `,null,` + one + `,"YQ=="]`, new([][]byte), [][]byte{[]byte("zero"), nil, []byte("one"), []byte("a")}},
		{`[` + zero + `,1,"a\n"]`, new([]any), []any{[]byte("zero"), 1.0, "a\n"}},
		{`[` + zero + `,1]`, new(any), []any{[]byte("zero"), 1.0}},
		{`[` + zero + `,` + one + `]`, new([1][]byte), [1][]byte{[]byte("zero")}},
		{`{"a":` + zero + `,"b":{"c":[` + one + `]},"d":"x"}`, new(map[string]any), map[string]any{"a": []byte("zero"), "b": map[string]any{"c": []any{[]byte("one")}}, "d": "x"}},
		{`{"a":` + zero + `,"b":{"c":[` + one + `]},"d":"x"}`, new(any), map[string]any{"a": []byte("zero"), "b": map[string]any{"c": []any{[]byte("one")}}, "d": "x"}},
		{`{"7":` + zero + `,"8":"YQ=="}`, &map[int]blob{9: blob("kept")}, map[int]blob{7: blob("zero"), 8: blob("a"), 9: blob("kept")}},
		{`{"a":` + zero + `}`, new(anys), anys{"a": []byte("zero")}},
		{`{"name":"n","DATA":` + zero + `,"Tags":{"t":` + one + `},"more":` + zero + `}`, &photo{Thumb: blob("kept")}, photo{Name: "n", Data: []byte("zero"), Thumb: blob("kept"), Tags: map[string]any{"t": []byte("one")}}},
		{`{"Front":` + zero + `,"data":` + one + `,"By":{"x":{"data":` + zero + `}},"Any":` + one + `,"hidden":` + zero + `}`, new(album),
			album{Cover: &Cover{Front: []byte("zero")}, photo: photo{Data: []byte("one")}, By: map[string]*photo{"x": {Data: []byte("zero")}}, Any: []byte("one")}},
		{`{"data":` + zero + `}`, ptr(any(held)), &photo{Name: "kept", Data: []byte("zero")}},
		{`{"a":[` + zero + `,12345678901234567890]}`, new(json.RawMessage), json.RawMessage(`{"a":["emVybw==",12345678901234567890]}`)},
		{zero, new(spells), spells(`"emVybw=="`)},
		{`{"I":"5","S":"\"x\"","B":` + zero + `}`, new(struct {
			I int    `json:",string"`
			S string `json:",string"`
			B []byte
		}), struct {
			I int    `json:",string"`
			S string `json:",string"`
			B []byte
		}{5, "x", []byte("zero")}},
		{`[` + zero + `,` + zero + `]`, new([]blob), []blob{blob("zero"), blob("zero")}},
		{`{"_placeholder":false,"num":0}`, new(any), map[string]any{"_placeholder": false, "num": 0.0}},
		{`{"_place\u0068older":true,"num":0}`, new(any), []byte("zero")},
		{`"_placeholder"`, new(string), "_placeholder"},
		{`"a\\b"`, new(string), `a\b`},
		{`null`, ptr([]byte("x")), []byte(nil)},
		{`7`, new(int), 7},
	} {
		err := read(c.raw, c.into)
		if got := reflect.ValueOf(c.into).Elem().Interface(); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s into %T: got %#v, %v, want %#v", c.raw, c.into, got, err, c.want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// The bytes do not fit the variable: that call fails, and no more.
func TestBytesThatDoNotFit(t *testing.T) {
	const zero = `{"_placeholder":true,"num":0}`
	type tree struct{ Kids []tree }
	for _, c := range []struct {
		raw  string
		into any
		want string // in the error
	}{
		{zero, new(string), "binary into Go value of type string"},
		{zero, new(int), "binary"},
		{zero, new(bool), "binary"},
		{zero, new(photo), "binary"},
		{zero, new(map[string]any), "binary"},
		{zero, new([]any), "binary"},
		{zero, new([]string), "binary"},
		{zero, new(net.IP), "binary"},
		{zero, new(time.Time), "time"},
		{zero, new(fmt.Stringer), "object"},
		{zero, new(chan int), "binary"},
		{`{"name":` + zero + `}`, new(photo), "photo.Name of type string"},
		{`{"Next":{"Next":{"Name":` + zero + `}}}`, new(photo), "photo.Next.Next.Name of type string"},
		{`{"data":[` + zero + `]}`, new(photo), "of type uint8"},
		{`{"x":` + zero + `}`, new(map[int]blob), "number x"},
		{`{"Kids":` + zero + `}`, new([]blob), "object"},
		{`[` + zero + `]`, new(photo), "array"},
		{`[` + zero + `,` + zero + `]`, new(json.RawMessage), "twice"},
		{strings.Repeat(`{"Kids":[`, 40) + zero + strings.Repeat(`]}`, 40), new(tree), "deep"},
		{`{"_placeholder":true,"num":2}`, new([]byte), "illegal attachments"},
		{`{"_placeholder":true,"num":-1}`, new([]byte), "illegal attachments"},
		{`{"_placeholder":true,"num":"0"}`, new([]byte), "illegal attachments"},
		{`{"_placeholder":true,"num":"0"}`, new(any), "illegal attachments"},
		{`[{"_placeholder":true,"num":1e9}]`, new(any), "illegal attachments"},
		{`[{"_placeholder":true}]`, new(any), "illegal attachments"},
		{`{"a":{"_placeholder":true,"num":"__proto__"}}`, new(json.RawMessage), "illegal attachments"},
		{zero, nil, "nil"},
		{zero, photo{}, "non-pointer"},
		{zero, (*photo)(nil), "nil"},
	} {
		if err := read(c.raw, c.into); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s into %T: got %v, want %q", c.raw, c.into, err, c.want)
		}
	}
	if err := (codec{}).Unmarshal(values(zero), 0, new([]byte)); err == nil {
		t.Error("a placeholder without attachments is read as bytes")
	}
}

// A few bytes that stand for many must not become many.
func TestOneAttachmentManyTimes(t *testing.T) {
	const many = 20000
	raw := `[` + strings.Repeat(`{"_placeholder":true,"num":0},`, many) + `null]`
	a := wire.Args{Values: [][]byte{[]byte(raw)}, Attachments: [][]byte{make([]byte, 1<<20)}}
	for _, into := range []any{new(any), new([]blob), new([]any)} {
		if err := (codec{}).Unmarshal(a, 0, into); err != nil {
			t.Error(err)
		}
		if got := reflect.ValueOf(into).Elem(); got.Kind() == reflect.Slice && got.Len() != many+1 {
			t.Errorf("%T: %d", into, got.Len())
		}
	}
}

func FuzzCodec(f *testing.F) {
	for _, seed := range []string{`{"_placeholder":true,"num":0}`, `[{"a":{"_placeholder":true,"num":1}},"\u005f"]`, `{"_placeholder":true,"num":"0"}`, `{"_placeholder":[{"_placeholder":true,"num":3}]}`, `{"Name":"\\","data":{"num":0,"_placeholder":true},"Next":{"Tags":{"a":[]}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !isObject(raw) {
			return
		}
		raw = raw[strings.IndexByte(string(raw), '{'):]
		valid := checkPlaceholders(raw, 2) == nil
		var whole any
		err := read(string(raw), &whole)
		if valid && err != nil && !strings.Contains(err.Error(), "range") { // of a number too large for a float64
			t.Fatalf("%q passes the check and is not read: %v", raw, err)
		}
		if err != nil {
			return
		}
		// In parts, it is the same, but for a name that comes twice.
		names := make(map[string]bool)
		n := 0
		for name := range rawjson.Fields(raw) {
			names[string(name)] = true
			n++
		}
		var parts map[string]any
		if err := read(string(raw), &parts); err == nil && n == len(names) && !reflect.DeepEqual(any(parts), whole) {
			t.Errorf("%q: got %#v, want %#v", raw, parts, whole)
		}
		var p album
		_ = read(string(raw), &p) // must not panic
		// What was read is written, and read again as the same.
		a, err := codec{most: math.MaxInt}.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		var back any
		if err := (codec{}).Unmarshal(a, 0, &back); err != nil {
			t.Fatalf("%q: %s: %v", raw, written(a), err)
		}
		if !reflect.DeepEqual(back, whole) {
			t.Errorf("%q: got %#v, want %#v", raw, back, whole)
		}
	})
}
