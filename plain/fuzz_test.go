package plain

import (
	"bytes"
	"testing"

	"github.com/parley-go/parley/wire"
)

// FuzzMessage checks that Parse takes anything without harm, and that what it
// understood can be written and understood again.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		`{"name":"echo","args":["hi"]}`, `{"type":"call","id":1,"name":"a","args":[]}`,
		`{"type":"stream","id":"2","name":"count","args":[3]}`, `{"type":"item","id":"2","value":null}`,
		`{"type":"result","id":"s1","values":[1,{"a":"\u2028"}]}`, `{"type":"error","code":"x","message":"y","data":[1]}`,
		`{"type":"close","code":1001,"reason":"\ud800","reconnect":true}`, `{"type":"cancel","id":"1"}`, `{"type":"???"}`,
		`[`, `{}`, `null`, "{\"name\":\"\xff\"}", `{"name":1}`, `{"name":"x","args":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var first wire.Message
		if (protocol{}).Parse(data, &first) != nil || first.Kind == 0 {
			return
		}
		written, err := protocol{}.Append(nil, &first)
		if err != nil {
			t.Fatalf("%q was understood and cannot be written: %v", data, err)
		}
		var second wire.Message
		if err := (protocol{}).Parse(written, &second); err != nil {
			t.Fatalf("%q was written as %q, which is malformed: %v", data, written, err)
		}
		if first.Kind != second.Kind || first.ID != second.ID || len(first.Args.Values) > 1 && len(first.Args.Values) != len(second.Args.Values) {
			t.Errorf("%q became %q", data, written)
		}
	})
}

// FuzzBody checks that a body is cut into messages that can be parsed, or
// refused.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{``, `{"name":"a"}`, "{\"name\":\"a\"}\n{\"name\":\"b\"}", `{"name":"a"}{"name":"b"} `, `{"name":"a"},`, `"`, "\n\n\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		messages, err := split(body, protocol{})
		if err != nil {
			return
		}
		size := 0
		for _, m := range messages {
			size += len(m)
			if err := (protocol{}).Parse(m, new(wire.Message)); err != nil {
				t.Errorf("%q of %q cannot be parsed: %v", m, body, err)
			}
		}
		if size > len(body) || size == 0 && len(bytes.TrimSpace(body)) > 0 {
			t.Errorf("%d bytes of messages in a body of %d", size, len(body))
		}
	})
}
