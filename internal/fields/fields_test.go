package fields

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

type Deep struct{ A, B, D int }

type Left struct {
	Deep
	A int
	C int `json:"c"`
	X int
}

type Right struct {
	C int
	X int
	B int `json:"b"`
}

type hidden struct{ H int }

type number int

func (n number) IsZero() bool { return n == 7 }

type byPointer struct{ N int }

func (b *byPointer) IsZero() bool { return b.N == 7 }

// names lists what Of finds.
func names(t reflect.Type, tags ...string) string {
	var list []string
	for _, f := range Of(t, tags...) {
		list = append(list, f.Name)
	}
	return strings.Join(list, " ")
}

// keys lists the names that encoding/json writes for v, in their order.
func keys(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.Token()
	var list []string
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, name.(string))
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(list, " ")
}

// Which fields there are, and in which order, is as encoding/json has it.
func TestFieldsAreThoseOfEncodingJSON(t *testing.T) {
	tagged := func(tag string) any {
		return reflect.New(reflect.StructOf([]reflect.StructField{
			{Name: "A", Type: reflect.TypeFor[int](), Tag: reflect.StructTag(tag)}, {Name: "B", Type: reflect.TypeFor[int]()},
		})).Elem().Interface()
	}
	for _, v := range []any{
		Deep{}, Left{}, Right{},
		struct{ Left }{}, struct {
			Left
			Right
		}{},
		struct {
			*Left
			Right `json:"right"`
		}{Left: &Left{}},
		struct {
			hidden
			time.Month
			Z int
			b int
		}{},
		struct {
			A int `json:"B"`
			B int
		}{},
		struct {
			One Left
			Two *Left
			Any any
		}{},
		tagged(`json:"-"`), tagged(`json:"-,"`), tagged(`json:"bad\"name"`), tagged(`json:"héllo"`), tagged(`json:"a b"`), tagged(`json:",string"`),
		tagged(`json:"a,string"`), tagged(`json:"B"`), tagged(`json:""`),
	} {
		if got, want := names(reflect.TypeOf(v), "json"), keys(t, v); got != want {
			t.Errorf("%T: got %s, want %s", v, got, want)
		}
	}
	if got := names(reflect.TypeOf(tagged(`json:"a" msgpack:"m"`)), "msgpack", "json"); got != "m B" {
		t.Errorf("two tags: got %s, want m B", got)
	}
	if got := names(reflect.TypeOf(tagged(`json:"a" msgpack:"-"`)), "msgpack", "json"); got != "B" {
		t.Errorf("a tag that hides: got %s, want B", got)
	}
}

func TestGet(t *testing.T) {
	type outer struct {
		*Deep
		E string    `json:",omitempty"`
		M any       `json:",omitempty"`
		Z time.Time `json:",omitzero"`
		N number    `json:",omitzero"`
		P byPointer `json:",omitzero"`
		S struct{}  `json:",omitempty"`
	}
	present := func(v any) string {
		var list []string
		for _, f := range Of(reflect.TypeFor[outer](), "json") {
			if _, ok := f.Get(reflect.ValueOf(v)); ok {
				list = append(list, f.Name)
			}
		}
		return strings.Join(list, " ")
	}
	for _, c := range []struct {
		v    outer
		want string
	}{
		{outer{}, "N P S"},
		{outer{N: 7, P: byPointer{7}}, "S"},
		{outer{Deep: &Deep{}, E: "e", M: 0, Z: time.Unix(1, 0)}, "A B D E M Z N P S"},
	} {
		if got := present(c.v); got != c.want || got != keys(t, c.v) {
			t.Errorf("%+v: got %s, want %s; encoding/json has %s", c.v, got, c.want, keys(t, c.v))
		}
	}
}

func TestReach(t *testing.T) {
	type outer struct {
		*Deep
		*hidden
	}
	var v outer
	for _, f := range Of(reflect.TypeFor[outer](), "json") {
		field, err := f.Reach(reflect.ValueOf(&v).Elem())
		if f.Name == "H" { // encoding/json cannot set it either
			if err == nil {
				t.Error("an embedded pointer to an unexported struct was set")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		field.SetInt(5)
	}
	if v.Deep == nil || *v.Deep != (Deep{5, 5, 5}) {
		t.Errorf("got %+v", v.Deep)
	}
}
