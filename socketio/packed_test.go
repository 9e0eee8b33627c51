package socketio

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/wire"
	"github.com/parley-go/parley/wire/wiretest"
	"github.com/tinylib/msgp/msgp"
)

func TestPackedProtocol(t *testing.T) {
	wiretest.TestProtocol(t, packed{nsp: "/"})
	wiretest.TestProtocol(t, packed{nsp: "/admin", offsets: true})
}

// raw is v in notepack's dialect.
func raw(t testing.TB, v any) []byte {
	t.Helper()
	b, err := javaScript.AppendValue(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPackedPackets(t *testing.T) {
	args := func(vs ...any) wire.Args {
		var a wire.Args
		for _, v := range vs {
			a.Values = append(a.Values, raw(t, v))
		}
		return a
	}
	for _, c := range []struct {
		nsp    string
		packet map[string]any // as any decoder reads what was written
		m      wire.Message
	}{
		{"/", map[string]any{"type": int64(2), "nsp": "/", "data": []any{"said", "ann", int64(1), []byte{1}}}, wire.Message{Kind: wire.Call, Name: "said", Args: args("ann", 1, []byte{1})}},
		{"/adm", map[string]any{"type": int64(2), "nsp": "/adm", "id": int64(300), "data": []any{"ask"}}, wire.Message{Kind: wire.Call, ID: "300", Name: "ask"}},
		{"/", map[string]any{"type": int64(3), "nsp": "/", "id": int64(0), "data": []any{}}, wire.Message{Kind: wire.Result, ID: "0"}},
		{"/", map[string]any{"type": int64(3), "nsp": "/", "id": int64(7), "data": []any{time.UnixMilli(5).UTC(), nil}}, wire.Message{Kind: wire.Result, ID: "7", Args: args(time.UnixMilli(5), nil)}},
		{"/", map[string]any{"type": int64(3), "nsp": "/", "id": int64(7), "data": []any{map[string]any{"error": map[string]any{"code": "c", "message": "m"}}}},
			wire.Message{Kind: wire.Result, ID: "7", Err: &wire.Error{Code: "c", Message: "m"}}},
		{"/", map[string]any{"type": int64(3), "nsp": "/", "id": int64(7), "data": []any{map[string]any{"error": map[string]any{"code": "c", "message": "m", "data": []any{int64(1)}}}}},
			wire.Message{Kind: wire.Result, ID: "7", Err: &wire.Error{Code: "c", Message: "m", Data: raw(t, []int{1})}}},
		{"/adm", map[string]any{"type": int64(1), "nsp": "/adm"}, wire.Message{Kind: wire.Close}},
	} {
		p := packed{nsp: c.nsp}
		data, err := p.Append([]byte("x"), &c.m)
		var got map[string]any
		if err == nil {
			err = javaScript.Read(data[1:], &got)
		}
		if err != nil || !reflect.DeepEqual(got, c.packet) {
			t.Errorf("%+v was written as %v, %v, want %v", c.m, got, err, c.packet)
			continue
		}
		var m wire.Message
		if err := p.Parse(data[1:], &m); err != nil {
			t.Errorf("%v: %v", got, err)
		}
		if len(m.Args.Values) == 0 {
			m.Args.Values = nil
		}
		if !reflect.DeepEqual(m, c.m) {
			t.Errorf("%v was read as %+v, want %+v", got, m, c.m)
		}
	}
	failed := wire.Message{Kind: wire.Result, Name: "say", Err: &wire.Error{Code: "c", Message: "m"}}
	data, err := packed{nsp: "/"}.Append(nil, &failed)
	var got map[string]any
	want := map[string]any{"type": int64(2), "nsp": "/", "data": []any{"error", map[string]any{"code": "c", "message": "m", "event": "say"}}}
	if err == nil {
		err = javaScript.Read(data, &got)
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("a failed event: got %v, %v", got, err)
	}
}

// What clients write: any order of keys, undefined where nothing is, keys of their own.
func TestPackedFromClients(t *testing.T) {
	for _, c := range []struct{ packet, want string }{
		// the reference's refusal of a namespace, and its order
		{"83 a4'type' 00 a4'data' d4 00 00 a3'nsp' a5'/deny'", "0/deny  "},
		{"83 a4'type' 00 a3'nsp' a1'/' a4'data' 81 a5'token' a1'x'", `0/  {"token":"x"}`},
		{"83 a4'type' 00 a3'nsp' a1'/' a4'data' c0", "0/  "}, // python-socketio
		{"83 a4'type' 01 a3'nsp' a1'/' a4'data' c0", "1/  "}, // likewise
		{"84 a4'data' 92 a1'x' 01 a7'options' 81 a8'compress' c3 a4'type' cc 02 a3'nsp' a2'/a'", `2/a  ["x",1]`},
		{"85 a2'id' cd 01 c8 a4'data' 90 a7'options' 80 a4'type' 03 a3'nsp' a1'/'", `3/ 456 []`},
		{"84 a2'id' d4 00 00 a4'data' 91 a1'x' a4'type' 02 a3'nsp' a1'/'", `2/  ["x"]`},
		{"83 a4'type' 04 a3'nsp' a1'/' a4'data' a2'no'", `4/  "no"`},
		{"84 a4'type' 03 a4'type' 02 a3'nsp' a1'/' a4'data' 92 a1'x' d7 00 00 00 00 00 00 00 05 dc", `2/  ["x","1970-01-01T00:00:01.5Z"]`},
	} {
		var p packet
		whole, err := new(assembler).binary(hexed(t, c.packet), &p)
		if err != nil || !whole {
			t.Errorf("%s: %v, %v", c.packet, whole, err)
			continue
		}
		text, err := p.object()
		p.payload = text
		if got := told(&p); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.packet, got, err, c.want)
		}
	}
}

// hexed reads bytes in hexadecimal, with text in quotes between them.
func hexed(t testing.TB, s string) []byte {
	t.Helper()
	var b []byte
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			b = append(b, part...)
			continue
		}
		x, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, x...)
	}
	return b
}

// A packet that is wrong ends the connection.
func TestPackedPacketsThatAreWrong(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":                 "",
		"no map":                  "93 02 90 a1'/'",
		"cut off":                 "83 a4'type' 02 a3'nsp' a1'/' a4'data' 92 a1'x'",
		"more behind":             "83 a4'type' 02 a3'nsp' a1'/' a4'data' 91 a1'x' 00",
		"a map longer than it is": "df ff ff ff ff a4'type' 02",
		"no type":                 "82 a3'nsp' a1'/' a4'data' 91 a1'x'",
		"type out of range":       "83 a4'type' 05 a3'nsp' a1'/' a4'data' 91 a1'x'",
		"negative type":           "83 a4'type' ff a3'nsp' a1'/' a4'data' 91 a1'x'",
		"type in text":            "83 a4'type' a1'2' a3'nsp' a1'/' a4'data' 91 a1'x'",
		"no namespace":            "82 a4'type' 02 a4'data' 91 a1'x'",
		"namespace a number":      "83 a4'type' 02 a3'nsp' 01 a4'data' 91 a1'x'",
		"namespace too long":      "83 a4'type' 02 a4'data' 91 a1'x' a3'nsp' da 01 2d '" + strings.Repeat("/", 301) + "'",
		"CONNECT with a list":     "83 a4'type' 00 a3'nsp' a1'/' a4'data' 90",
		"DISCONNECT with data":    "83 a4'type' 01 a3'nsp' a1'/' a4'data' 80",
		"refusal with a number":   "83 a4'type' 04 a3'nsp' a1'/' a4'data' 01",
		"event without data":      "82 a4'type' 02 a3'nsp' a1'/'",
		"event with a map":        "83 a4'type' 02 a3'nsp' a1'/' a4'data' 80",
		"event without a name":    "83 a4'type' 02 a3'nsp' a1'/' a4'data' 90",
		"event named by a list":   "83 a4'type' 02 a3'nsp' a1'/' a4'data' 91 90",
		"event named by nil":      "83 a4'type' 02 a3'nsp' a1'/' a4'data' 91 c0",
		"event with NaN":          "83 a4'type' 02 a3'nsp' a1'/' a4'data' 91 cb 7f f8 00 00 00 00 00 00",
		"reserved name":           "83 a4'type' 02 a3'nsp' a1'/' a4'data' 91 a7'connect'",
		"ack without an id":       "83 a4'type' 03 a3'nsp' a1'/' a4'data' 90",
		"ack without data":        "83 a4'type' 03 a3'nsp' a1'/' a2'id' 01",
		"negative id":             "84 a4'type' 03 a3'nsp' a1'/' a4'data' 90 a2'id' ff",
		"id in text":              "84 a4'type' 03 a3'nsp' a1'/' a4'data' 90 a2'id' a1'1'",
		"id nil":                  "84 a4'type' 03 a3'nsp' a1'/' a4'data' 90 a2'id' c0",
		"id a fraction":           "84 a4'type' 03 a3'nsp' a1'/' a4'data' 90 a2'id' cb 3f f8 00 00 00 00 00 00",
		"id too large":            "84 a4'type' 03 a3'nsp' a1'/' a4'data' 90 a2'id' cf 00 20 00 00 00 00 00 00",
		"nested too deeply":       "83 a4'type' 02 a3'nsp' a1'/' a4'data' 92 a1'x' " + strings.Repeat("91", 70) + "00",
		"too many arguments":      "83 a4'type' 02 a3'nsp' a1'/' a4'data' dc 20 00 a1'x'" + strings.Repeat("00", 8191),
	} {
		var p packet
		var m wire.Message
		data := hexed(t, in)
		_, err := (&assembler{packed: true, spoken: true}).binary(data, &p)
		if err == nil {
			err = p.message(&m)
		}
		if !errors.Is(err, wire.ErrProtocol) || !strings.HasPrefix(err.Error(), "socketio: ") {
			t.Errorf("%s: got %+v, %v", name, m, err)
		}
		if err := (packed{}).Parse(data, &m); !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("%s: Parse: %v", name, err)
		}
	}
}

func TestPackedNames(t *testing.T) {
	for in, want := range map[string]string{"01": "1", "ff": "-1", "cb 3f f8 00 00 00 00 00 00": "1.5", "a1'x'": "x", "a0": ""} {
		var m wire.Message
		packet := append(hexed(t, "83 a4'type' 02 a3'nsp' a1'/' a4'data' 91"), hexed(t, in)...)
		if err := (packed{}).Parse(packet, &m); err != nil || m.Name != want {
			t.Errorf("%s: got %q, %v", in, m.Name, err)
		}
	}
}

func TestPackedPacketsOutsideASession(t *testing.T) {
	p := packed{nsp: "/adm"}
	auth, err := p.connect(map[string]int{"a": 1})
	if err != nil {
		t.Error(err)
	}
	none, err := p.connect(nil)
	if err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{p.connected(4, "id", ""), `0/adm  {"sid":"id"}`},
		{p.connected(4, "id", "secret"), `0/adm  {"pid":"secret","sid":"id"}`},
		{p.connected(3, "id", "secret"), `0/adm  `},
		{p.refused(4, &wire.Error{Message: "no"}), `4/adm  {"message":"no"}`},
		{p.refused(4, &wire.Error{Message: "no", Data: raw(t, []any{1, "x"})}), `4/adm  {"data":[1,"x"],"message":"no"}`},
		{p.refused(3, &wire.Error{Message: "Auth failed"}), `4/adm  "Auth failed"`},
		{p.refused(3, &wire.Error{Message: "no", Data: raw(t, map[string]int{"a": 1})}), `4/adm  {"a":1}`},
		{p.unknown(), `4/adm  {"message":"Invalid namespace"}`},
		{p.disconnected(), `1/adm  `},
		{auth, `0/adm  {"a":1}`},
		{none, `0/adm  `},
	} {
		var in packet
		whole, err := new(assembler).binary(c.got, &in)
		if err == nil {
			in.payload, err = in.object()
		}
		if got := told(&in); err != nil || !whole || got != c.want {
			t.Errorf("got %s, %v, want %s", got, err, c.want)
		}
	}
	for _, bad := range []any{1, "x", []int{}, func() {}} {
		if b, err := p.connect(bad); err == nil {
			t.Errorf("%T: got %x", bad, b)
		}
	}
	if b, err := p.Append([]byte("x"), &wire.Message{Kind: wire.Result, ID: "none"}); err == nil || string(b) != "x" {
		t.Errorf("an ack of no number: %q, %v", b, err)
	}
}

// Which parser a client has tells its first message.
func TestTheFirstMessageTellsTheParser(t *testing.T) {
	a := new(assembler)
	var p packet
	if whole, err := a.binary(packed{nsp: "/"}.packet(packetConnect, nil), &p); err != nil || !whole || !a.packed || !p.packed {
		t.Fatalf("got %+v, %v", p, err)
	}
	if _, err := a.text([]byte("40"), &p); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("text: %v", err)
	}
	if whole, err := a.binary(packed{nsp: "/a"}.packet(packetDisconnect, nil), &p); err != nil || !whole || p.nsp != "/a" || p.kind != packetDisconnect {
		t.Errorf("got %+v, %v", p, err)
	}
	a = new(assembler)
	if whole, err := a.text([]byte("40"), &p); err != nil || !whole || a.packed || p.packed {
		t.Fatalf("got %+v, %v", p, err)
	}
	if _, err := a.binary(packed{nsp: "/"}.packet(packetConnect, nil), &p); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("binary: %v", err)
	}
}

// An event carries its offset where the client may recover, and nothing else does.
func TestOffsets(t *testing.T) {
	event := wire.Message{Kind: wire.Call, Name: "x", Args: wire.Args{Values: [][]byte{nil}}, Offset: `o"1`}
	for _, c := range []struct {
		p    wire.Protocol
		m    wire.Message
		want string
	}{
		{protocol{nsp: "/", offsets: true}, event, `2/  ["x",7,"o\"1"]`},
		{protocol{nsp: "/"}, event, `2/  ["x",7]`},
		{protocol{nsp: "/", offsets: true}, wire.Message{Kind: wire.Call, Name: "x", Args: event.Args}, `2/  ["x",7]`},
		{protocol{nsp: "/", offsets: true}, wire.Message{Kind: wire.Call, Name: "x", Offset: "o"}, `2/  ["x","o"]`},
		{protocol{nsp: "/", offsets: true}, wire.Message{Kind: wire.Result, ID: "1", Args: event.Args, Offset: "o"}, `3/ 1 [7]`},
		{protocol{nsp: "/", offsets: true}, wire.Message{Kind: wire.Result, Name: "x", Err: &wire.Error{Code: "c", Message: "m"}, Offset: "o"}, `2/  ["error",{"code":"c","message":"m","event":"x"}]`},
		{protocol{nsp: "/", offsets: true}, wire.Message{Kind: wire.Close, Offset: "o"}, `1/  `},
		{protocol{nsp: "/", offsets: true}, wire.Message{Kind: wire.Call, ID: "1", Name: "x", Args: event.Args, Offset: "o"}, `2/ 1 ["x",7]`},
		{packed{nsp: "/", offsets: true}, wire.Message{Kind: wire.Call, ID: "1", Name: "x", Args: event.Args, Offset: "o"}, `2/ 1 ["x",7]`},
		{packed{nsp: "/", offsets: true}, event, `2/  ["x",7,"o\"1"]`},
		{packed{nsp: "/"}, event, `2/  ["x",7]`},
		{packed{nsp: "/", offsets: true}, wire.Message{Kind: wire.Result, ID: "1", Args: event.Args, Offset: "o"}, `3/ 1 [7]`},
		{packed{nsp: "/", offsets: true}, wire.Message{Kind: wire.Result, Name: "x", Err: &wire.Error{Code: "c", Message: "m"}, Offset: "o"}, `2/  ["error",{"code":"c","event":"x","message":"m"}]`},
		{packed{nsp: "/", offsets: true}, wire.Message{Kind: wire.Close, Offset: "o"}, `1/  `},
	} {
		if len(c.m.Args.Values) > 0 {
			a, err := c.p.Codec().Marshal(7)
			if err != nil {
				t.Fatal(err)
			}
			c.m.Args = a
		}
		data, err := c.p.Append(nil, &c.m)
		if err != nil {
			t.Fatal(err)
		}
		var p packet
		a := assembler{packed: c.p.Binary(), spoken: true}
		if a.packed {
			_, err = a.binary(data, &p)
			p.payload, _ = p.object()
		} else {
			_, err = a.text(data, &p)
		}
		if got := told(&p); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.p.Name(), got, err, c.want)
		}
	}
	// With attachments it comes last in the text all the same.
	a, err := codec{}.Marshal([]byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := protocol{nsp: "/n", offsets: true}.Append(nil, &wire.Message{Kind: wire.Call, Name: "x", Args: a, Offset: "o"})
	if want := `451-/n,["x",{"_placeholder":true,"num":0},"o"]`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// The undefined of JavaScript is no value of Go's, and a raw value stays as it is.
func TestPackedUndefined(t *testing.T) {
	var m wire.Message
	if err := (packed{}).Parse(hexed(t, "83 a4'type' 02 a3'nsp' a1'/' a4'data' 94 a1'x' d4 00 00 91 d4 00 00 c7 02 00 0102"), &m); err != nil {
		t.Fatal(err)
	}
	got := make([]any, 3)
	for i := range got {
		if err := javaScript.Unmarshal(m.Args, i, &got[i]); err != nil {
			t.Error(err)
		}
	}
	if want := []any{nil, []any{nil}, []byte{1, 2}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var kept msgp.Raw
	if err := javaScript.Unmarshal(m.Args, 1, &kept); err != nil || string(kept) != "\x91\xd4\x00\x00" {
		t.Errorf("got %x, %v", kept, err)
	}
}
