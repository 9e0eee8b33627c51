package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parley-go/parley/wire"
)

// slowly reads a packet of text by the rules of the note, with a regular expression and encoding/json: the kind, and what
// message makes of it.
func slowly(data string) (kind byte, due int, nsp, id string, m *wire.Message, err error) {
	bad := errors.New("bad")
	x := regexp.MustCompile(`(?s)^4([0-6])(.*)$`).FindStringSubmatch(data)
	if x == nil || !utf8.ValidString(data) {
		return 0, 0, "", "", nil, bad
	}
	kind, rest := x[1][0], x[2]
	if kind >= '5' {
		c := regexp.MustCompile(`(?s)^0*([1-9]|10)-(.*)$`).FindStringSubmatch(rest)
		if c == nil || strings.IndexByte(rest, '-') > 9 {
			return 0, 0, "", "", nil, bad
		}
		kind -= 3
		due, _ = strconv.Atoi(c[1])
		rest = c[2]
	}
	nsp = "/"
	if strings.HasPrefix(rest, "/") {
		nsp, rest, _ = strings.Cut(rest, ",")
	}
	digits := regexp.MustCompile(`^[0-9]*`).FindString(rest)
	if rest = rest[len(digits):]; digits != "" {
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || n > 1<<53-1 {
			return 0, 0, "", "", nil, bad
		}
		id = fmt.Sprint(n)
	}
	valid := json.Valid([]byte(rest))
	first := strings.TrimLeft(rest, " \t\r\n") + " "
	var list []json.RawMessage
	isList := valid && rest[0] == '[' && json.Unmarshal([]byte(rest), &list) == nil
	ok := len(nsp) <= 256
	switch kind {
	case '0':
		return kind, due, nsp, id, nil, fail(ok && (rest == "" || valid && first[0] == '{'))
	case '1':
		return kind, due, nsp, id, nil, fail(ok && rest == "")
	case '4':
		return kind, due, nsp, id, nil, fail(ok && valid && (first[0] == '{' || rest[0] == '"'))
	}
	m = &wire.Message{ID: id}
	if m.Kind = wire.Result; kind == '2' {
		m.Kind = wire.Call
		if isList = isList && len(list) > 0; isList {
			isName := json.Unmarshal(list[0], &m.Name) == nil && list[0][0] == '"'
			if c := list[0][0]; c == '-' || c >= '0' && c <= '9' {
				m.Name, isName = string(list[0]), true
			}
			isList = isName && !slices.Contains([]string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}, m.Name)
			list = list[1:]
		}
	} else if id == "" {
		isList = false
	}
	for _, v := range list {
		m.Args.Values = append(m.Args.Values, v)
	}
	return kind, due, nsp, id, m, fail(ok && isList && len(list) <= maxArguments)
}

func fail(ok bool) error {
	if ok {
		return nil
	}
	return errors.New("bad")
}

func same(a, b wire.Args) bool {
	return slices.EqualFunc(a.Values, b.Values, bytes.Equal) && slices.EqualFunc(a.Attachments, b.Attachments, bytes.Equal)
}

// FuzzParse reads packets of text in two ways, and writes what was read to read it again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`40`, `40{"token":"x"}`, `40/custom`, `40/custom,{}`, `40 {}`, `41`, `41/custom,`, `41{}`, `42["message",1,"2",{"3":[true]}]`, `42`, `42[]`, `42[1e999]`,
		`42/admin,456["message-with-ack",1]`, `43456[1,"2"]`, `43[]`, `431[{"error":{"code":"c","message":"m"}}]`, `44{"message":"x"}`, `44"x"`, `44 "x"`,
		`451-["x",{"_placeholder":true,"num":0}]`, `461-/a,7[{"_placeholder":true,"num":0}]`, `4510-["x"]`, `4511-["x"]`, `450-["x"]`, `45["x"]`,
		"42[ 1 , 2 ]", `42["\ud800"]`, "42[\"\u2028\"]", `42["disconnect"]`, `42["disc\u006fnnect"]`, `42007["x"]`, `429007199254740992["x"]`, `42[null]`, "42[\"\xff\"]", `42["x"]]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > maxDepth { // the slow way takes them deeper
			return
		}
		var p packet
		var m wire.Message
		a := new(assembler)
		whole, err := a.text(data, &p)
		due := 0
		if err == nil && !whole {
			due = a.pending.due
			p = a.pending.packet
		}
		if err == nil {
			err = p.message(&m)
		}
		kind, slowDue, nsp, id, slow, slowErr := slowly(string(data))
		if (err == nil) != (slowErr == nil) {
			t.Fatalf("%q: got %v, slowly %v", data, err, slowErr)
		}
		if err != nil {
			if !errors.Is(err, wire.ErrProtocol) {
				t.Errorf("%q: %v", data, err)
			}
			return
		}
		if p.kind != kind || due != slowDue || p.nsp != nsp || p.id != id {
			t.Fatalf("%q: got %+v, slowly %c %d %s %s", data, p, kind, slowDue, nsp, id)
		}
		if slow == nil {
			return
		}
		if m.Kind != slow.Kind || m.ID != slow.ID || m.Name != slow.Name || m.Err == nil && !same(m.Args, slow.Args) {
			t.Fatalf("%q: got %+v, slowly %+v", data, m, slow)
		}
		if m.Err != nil && readFailure(slow.Args.Values[0]) == nil {
			t.Fatalf("%q: got %+v, slowly %+v", data, m, slow)
		}
		// What was read is written and read again, to the same message.
		words := protocol{nsp: p.nsp}
		m.Args.Attachments = nil
		again, err := words.Append(nil, &m)
		if err != nil {
			t.Fatalf("%q was read as %+v, which cannot be written: %v", data, m, err)
		}
		var m2 wire.Message
		if err := words.Parse(again, &m2); err != nil {
			t.Fatalf("%q was written as %q, which cannot be read: %v", data, again, err)
		}
		if m2.Kind != m.Kind || m2.ID != m.ID || m2.Name != m.Name || !same(m2.Args, m.Args) || !reflect.DeepEqual(m2.Err, m.Err) {
			t.Errorf("%q: read %+v, then %+v", data, m, m2)
		}
	})
}

// FuzzPacked reads packets in MessagePack, and writes what was read to read it again.
func FuzzPacked(f *testing.F) {
	for _, seed := range []string{
		"83 a4'type' 00 a4'data' d4 00 00 a3'nsp' a5'/deny'", "84 a4'data' 92 a1'x' 01 a7'options' 81 a8'compress' c3 a4'type' cc 02 a3'nsp' a2'/a'",
		"84 a2'id' 07 a4'data' 91 81 a5'error' 82 a4'code' a1'c' a7'message' a1'm' a4'type' 03 a3'nsp' a1'/'", "83 a4'type' 01 a3'nsp' a1'/' a4'data' c0",
		"83 a4'type' 02 a3'nsp' a1'/' a4'data' 93 a1'x' d7 00 00 00 00 00 00 00 05 dc c7 02 00 0102", "83 a4'type' 04 a3'nsp' a1'/' a4'data' a2'no'",
		"83 a4'type' 02 a3'nsp' a1'/' a4'data' 91 cb 3f f8 00 00 00 00 00 00",
	} {
		f.Add(hexed(f, seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p packet
		var m wire.Message
		whole, err := new(assembler).binary(data, &p)
		if err == nil && whole {
			_, _ = p.object()
			err = p.message(&m)
		}
		if err != nil {
			if !errors.Is(err, wire.ErrProtocol) {
				t.Errorf("%x: %v", data, err)
			}
			return
		}
		for i := range m.Args.Values { // must not panic
			var v any
			_ = javaScript.Unmarshal(m.Args, i, &v)
			_ = javaScript.Unmarshal(m.Args, i, new(album))
			var text json.RawMessage
			_ = javaScript.Unmarshal(m.Args, i, &text)
		}
		if m.Kind == 0 || m.Kind == wire.Close || isReserved(m.Name) {
			return
		}
		words := packed{nsp: p.nsp}
		again, err := words.Append(nil, &m)
		if err != nil {
			t.Fatalf("%x was read as %+v, which cannot be written: %v", data, m, err)
		}
		var m2 wire.Message
		if err := words.Parse(again, &m2); err != nil {
			t.Fatalf("%x was written as %x, which cannot be read: %v", data, again, err)
		}
		if m2.Kind != m.Kind || m2.ID != m.ID || m2.Name != m.Name || !same(m2.Args, m.Args) || (m2.Err == nil) != (m.Err == nil) {
			t.Errorf("%x: read %+v, then %+v", data, m, m2)
		}
	})
}

// FuzzBothParsers sends the same values through both parsers: they arrive as the same.
func FuzzBothParsers(f *testing.F) {
	for _, seed := range []string{`[]`, `["a",1,null,true,1.5,-7,{"a":[{}]}]`, `[[{"b":"\u0000"}],1e21]`, `["é🦜"]`} {
		f.Add([]byte(seed), "name", uint64(7), []byte{1, 2})
	}
	f.Fuzz(func(t *testing.T, list []byte, name string, id uint64, blob []byte) {
		var values []any
		if json.Unmarshal(list, &values) != nil || isReserved(name) || !utf8.ValidString(name) || id > maxID || strings.Contains(string(list), placeholderMark) {
			return
		}
		values = append(values, blob, map[string]any{"deep": []any{blob}})
		var got [2]string
		for i, p := range []words{protocol{nsp: "/n"}, packed{nsp: "/n"}} {
			args, err := p.Codec().Marshal(values...)
			if err != nil {
				t.Fatal(err)
			}
			data, err := p.Append(nil, &wire.Message{Kind: wire.Call, ID: fmt.Sprint(id), Name: name, Args: args})
			if err != nil {
				t.Fatal(err)
			}
			a := assembler{spoken: true, packed: p.Binary()}
			var in packet
			var whole bool
			if p.Binary() {
				whole, err = a.binary(data, &in)
			} else {
				whole, err = a.text(data, &in)
			}
			for _, b := range args.Attachments {
				whole, err = a.binary(b, &in)
			}
			if err != nil && strings.Contains(err.Error(), "MessagePack") && strings.Count(string(list), "[")+strings.Count(string(list), "{") > 50 {
				return // which is bounded earlier
			}
			var m wire.Message
			if err != nil || !whole || in.nsp != "/n" {
				t.Fatalf("%s: %s %q: %+v, %v, %v", p.Name(), list, name, in, whole, err)
			}
			if err := in.message(&m); err != nil {
				if len(values) > maxArguments {
					return
				}
				t.Fatal(err)
			}
			back := make([]any, len(m.Args.Values))
			for i := range back {
				if err := p.Codec().Unmarshal(m.Args, i, &back[i]); err != nil {
					t.Fatalf("%s: %s: %v", p.Name(), list, err)
				}
			}
			got[i] = m.ID + " " + m.Name + " " + asJSON(t, back)
		}
		if got[0] != got[1] {
			t.Errorf("%s: got %s, in MessagePack %s", list, got[0], got[1])
		}
	})
}
