package rawjson_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-go/parley/internal/rawjson"
)

func TestFields(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{}`, ``},
		{` { "a" : 1 , "b":[1,{"c":"]}"}] } `, `a=1 b=[1,{"c":"]}"}] `},
		{`{"t\u0079pe":-1.5e3,"q":"\"\\"}`, `type=-1.5e3 q="\"\\" `},
		{`{"a":{},"a":true,"":null}`, `a={} a=true =null `},
		{`[1]`, ``},
		{`"{"`, ``},
	} {
		var got strings.Builder
		for name, value := range rawjson.Fields([]byte(c.in)) {
			fmt.Fprintf(&got, "%s=%s ", name, value)
		}
		if got.String() != c.want {
			t.Errorf("Fields(%s): got %q, want %q", c.in, got.String(), c.want)
		}
	}
}

func TestElements(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`[]`, ``},
		{` [ 1 ,"a,]", [2, 3] ,{"b":4},null]`, `1;"a,]";[2, 3];{"b":4};null;`},
		{`{}`, ``},
		{`7`, ``},
	} {
		var got strings.Builder
		for value := range rawjson.Elements([]byte(c.in)) {
			fmt.Fprintf(&got, "%s;", value)
		}
		if got.String() != c.want {
			t.Errorf("Elements(%s): got %q, want %q", c.in, got.String(), c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":1}`:   "",
		``:          "the message is not JSON: unexpected end of JSON input",
		`{"a":1} {`: "the message is not JSON: invalid character '{' after top-level value",
		"\"\xff\"":  "the message is not UTF-8",
	} {
		got := ""
		if err := rawjson.Check([]byte(in)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("Check(%q): got %q, want %q", in, got, want)
		}
	}
}

// FuzzWalk: whatever encoding/json reads, the walk reads alike.
func FuzzWalk(f *testing.F) {
	f.Add([]byte(`{"a":[1,"\\\"",{}],"b":null}`))
	f.Add([]byte(`[1 , 2,[ ]]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if rawjson.Check(data) != nil {
			return
		}
		var object map[string]json.RawMessage
		if rawjson.Kind(data) == '{' && json.Unmarshal(data, &object) == nil {
			got := make(map[string]string)
			for name, value := range rawjson.Fields(data) {
				got[string(name)] = string(value)
			}
			if len(got) != len(object) {
				t.Errorf("got %d fields, want %d", len(got), len(object))
			}
			for name, want := range object {
				if got[name] != string(want) {
					t.Errorf("field %q: got %s, want %s", name, got[name], want)
				}
			}
		}
		var array []json.RawMessage
		if rawjson.Kind(data) == '[' && json.Unmarshal(data, &array) == nil {
			i := 0
			for value := range rawjson.Elements(data) {
				if i >= len(array) || string(value) != string(array[i]) {
					t.Fatalf("element %d: got %s", i, value)
				}
				i++
			}
			if i != len(array) {
				t.Errorf("got %d elements, want %d", i, len(array))
			}
		}
	})
}
