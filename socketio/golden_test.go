package socketio

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/wire"
)

// testdata/golden holds what npm's parsers write and what we write, byte by
// byte. interop/socketio/golden.mjs tells how to write it anew, and
// interop/socketio.golden.test.mjs reads it with the parsers themselves.

var update = flag.Bool("update", false, "write testdata/golden/server.json anew")

// sent is one message of the transport.
type sent struct {
	Text string  `json:"text,omitempty"`
	Hex  *string `json:"hex,omitempty"`
}

func hexOf(b []byte) sent {
	s := hex.EncodeToString(b)
	return sent{Hex: &s}
}

type goldenPacket struct {
	Name     string          `json:"name"`
	Type     int             `json:"type"`
	NSP      string          `json:"nsp"`
	ID       *int            `json:"id,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Messages []sent          `json:"messages,omitempty"`
}

// meant is a described value as a decoder here reads it: from JSON, a Date is a
// string, and what is undefined is not there.
func meant(t *testing.T, v any, packed bool) any {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = meant(t, v[i], packed)
		}
	case map[string]any:
		if x, ok := v["$bytes"].(string); ok {
			b, err := hex.DecodeString(x)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		if ms, ok := v["$date"].(float64); ok {
			at := time.UnixMilli(int64(ms)).UTC()
			if packed {
				return at
			}
			return at.Format("2006-01-02T15:04:05.000Z")
		}
		if v["$undefined"] == true {
			return nil
		}
		for name, value := range v {
			if inner, ok := value.(map[string]any); ok && inner["$undefined"] == true && !packed {
				delete(v, name)
				continue
			}
			v[name] = meant(t, value, packed)
		}
	}
	return v
}

// asJSON makes numbers of all kinds alike.
func asJSON(t *testing.T, v any) string {
	t.Helper()
	a, err := codec{most: 100}.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return written(a)
}

// assembled is the packet that the messages make.
func assembled(t *testing.T, messages []sent, packed bool) packet {
	t.Helper()
	a := assembler{spoken: true, packed: packed}
	var p packet
	for i, m := range messages {
		var whole bool
		var err error
		if m.Hex == nil {
			whole, err = a.text([]byte("4"+m.Text), &p)
		} else {
			b, _ := hex.DecodeString(*m.Hex)
			whole, err = a.binary(b, &p)
		}
		if err != nil || whole != (i == len(messages)-1) {
			t.Fatalf("message %d of %+v: %v, %v", i, messages, whole, err)
		}
	}
	return p
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/socket.io-*.json")
	if err != nil || len(files) != 5 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Parser  string
			Packets []goldenPacket
		}
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		for _, g := range file.Packets {
			t.Run(file.Parser+"/"+g.Name, func(t *testing.T) { testGolden(t, &g, strings.Contains(file.Parser, "msgpack")) })
		}
	}
}

func testGolden(t *testing.T, g *goldenPacket, isPacked bool) {
	var words words = protocol{nsp: g.NSP}
	if isPacked {
		words = packed{nsp: g.NSP}
	}
	if !isPacked && g.Messages[0].Text == "" {
		t.Fatal("no text")
	}
	p := assembled(t, g.Messages, isPacked)
	id := ""
	if g.ID != nil {
		id = fmt.Sprint(*g.ID)
	}
	if int(p.kind-packetConnect) != g.Type || p.nsp != g.NSP || p.id != id {
		t.Errorf("got %s", told(&p))
	}
	var data any
	if len(g.Data) > 0 {
		if err := json.Unmarshal(g.Data, &data); err != nil {
			t.Fatal(err)
		}
		data = meant(t, data, isPacked)
	}
	if p.kind == packetConnect {
		got, err := p.object()
		if data == nil {
			data = json.RawMessage(nil)
		} else {
			data = json.RawMessage(asJSON(t, data))
		}
		if err != nil || !reflect.DeepEqual(data, got) {
			t.Errorf("got %s, %v, want %s", got, err, data)
		}
		return
	}
	var m wire.Message
	if err := p.message(&m); err != nil {
		t.Fatal(err)
	}
	if p.kind == packetDisconnect {
		return
	}
	list := []any{}
	if m.Kind == wire.Call {
		var name any = m.Name
		if m.Name == "7" {
			name = 7
		}
		list = append(list, name)
	}
	for i := range m.Args.Values {
		var v any
		if err := words.Codec().Unmarshal(m.Args, i, &v); err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	if got, want := asJSON(t, list), asJSON(t, data); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if m.Name == "7" || isPacked { // named as it is written; and in another order
		return
	}
	// What we write of the same values is the same, to the byte.
	again := m
	values := list
	if m.Kind == wire.Call {
		values = list[1:]
	}
	var err error
	if again.Args, err = words.Codec().Marshal(values...); err != nil {
		t.Fatal(err)
	}
	if got := sentBy(t, words, &again); !reflect.DeepEqual(got, g.Messages) {
		t.Errorf("wrote %+v, want %+v", got, g.Messages)
	}
}

// sentBy is what the protocol and the core make of a message.
func sentBy(t *testing.T, p words, m *wire.Message) []sent {
	t.Helper()
	data, err := p.Append(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	if p.Binary() {
		return []sent{hexOf(data)}
	}
	list := []sent{{Text: strings.TrimPrefix(string(data), "4")}}
	for _, b := range m.Args.Attachments {
		list = append(list, hexOf(b))
	}
	return list
}

// shown is one packet in server.json: what the parsers read, and what we write in either form.
type shownPacket struct {
	Name   string          `json:"name"`
	Wanted json.RawMessage `json:"want"`
	Text   []sent          `json:"text"`
	Packed []sent          `json:"packed"`
}

// TestGoldenServer compares what we write with testdata/golden/server.json.
func TestGoldenServer(t *testing.T) {
	type inner struct {
		Name string `json:"name"`
		Data []byte `json:"data"`
	}
	var all []shownPacket
	add := func(name, want string, write func(words) []sent) {
		all = append(all, shownPacket{Name: name, Wanted: json.RawMessage(want), Text: write(protocol{nsp: "/"}), Packed: write(packed{nsp: "/"})})
	}
	say := func(name, want string, m wire.Message, args ...any) {
		add(name, want, func(p words) []sent {
			switch p.(type) {
			case protocol:
				p = protocol{nsp: "/", offsets: true}
			case packed:
				p = packed{nsp: "/", offsets: true}
			}
			m := m
			var err error
			if m.Args, err = p.Codec().Marshal(args...); err != nil {
				t.Fatal(err)
			}
			return sentBy(t, p, &m)
		})
	}
	outside := func(name, want string, write func(words) []byte) {
		add(name, want, func(p words) []sent {
			b := write(p)
			if p.Binary() {
				return []sent{hexOf(b)}
			}
			return []sent{{Text: strings.TrimPrefix(string(b), "4")}}
		})
	}
	outside("connected", `{"type":0,"nsp":"/","data":{"sid":"id","pid":"secret"}}`, func(p words) []byte { return p.connected(4, "id", "secret") })
	outside("connected, of protocol 4", `{"type":0,"nsp":"/"}`, func(p words) []byte { return p.connected(3, "id", "") })
	outside("refused", `{"type":4,"nsp":"/","data":{"message":"no"}}`, func(p words) []byte { return p.refused(4, &wire.Error{Message: "no"}) })
	outside("refused, of protocol 4", `{"type":4,"nsp":"/","data":"no"}`, func(p words) []byte { return p.refused(3, &wire.Error{Message: "no"}) })
	outside("unknown namespace", `{"type":4,"nsp":"/","data":{"message":"Invalid namespace"}}`, func(p words) []byte { return p.unknown() })
	outside("disconnected", `{"type":1,"nsp":"/"}`, func(p words) []byte { return p.disconnected() })
	say("event", `{"type":2,"nsp":"/","data":["said","ann",1,null,true,1.5]}`, wire.Message{Kind: wire.Call, Name: "said"}, "ann", 1, nil, true, 1.5)
	say("event with an ack", `{"type":2,"nsp":"/","id":12,"data":["ask"]}`, wire.Message{Kind: wire.Call, ID: "12", Name: "ask"})
	say("event with an offset", `{"type":2,"nsp":"/","data":["said",{"$bytes":"01"},"o1"]}`, wire.Message{Kind: wire.Call, Name: "said", Offset: "o1"}, []byte{1})
	say("bytes", `{"type":2,"nsp":"/","data":["bytes",{"$bytes":"6869"},[{"data":{"$bytes":""},"name":"x"}],{"a":{"$bytes":"01"},"b":null}]}`,
		wire.Message{Kind: wire.Call, Name: "bytes"}, []byte("hi"), []inner{{"x", []byte{}}}, map[string]any{"a": []byte{1}, "b": []byte(nil)})
	say("strings", `{"type":2,"nsp":"/","data":["héllo <&> \"\\\u2028 😀","",""]}`, wire.Message{Kind: wire.Call, Name: "héllo <&> \"\\\u2028 😀"}, "", "")
	say("numbers", `{"type":2,"nsp":"/","data":["n",127,128,-33,65536,2147483648,4294967296,9007199254740991,-9007199254740991,0.1,1e+21]}`,
		wire.Message{Kind: wire.Call, Name: "n"}, 127, 128, -33, 65536, 1<<31, 1<<32, 1<<53-1, -(1<<53 - 1), 0.1, 1e21)
	say("ack", `{"type":3,"nsp":"/","id":7,"data":[1,{"$bytes":"0203"}]}`, wire.Message{Kind: wire.Result, ID: "7"}, 1, []byte{2, 3})
	say("ack without values", `{"type":3,"nsp":"/","id":0,"data":[]}`, wire.Message{Kind: wire.Result, ID: "0"})
	say("failed ack", `{"type":3,"nsp":"/","id":7,"data":[{"error":{"code":"c","message":"m"}}]}`, wire.Message{Kind: wire.Result, ID: "7", Err: &wire.Error{Code: "c", Message: "m"}})
	say("failed event", `{"type":2,"nsp":"/","data":["error",{"code":"c","event":"say","message":"m"}]}`, wire.Message{Kind: wire.Result, Name: "say", Err: &wire.Error{Code: "c", Message: "m"}})
	say("time", `{"text":{"type":2,"nsp":"/","data":["at","1970-01-01T00:00:01.5Z"]},"packed":{"type":2,"nsp":"/","data":["at",{"$date":1500}]}}`,
		wire.Message{Kind: wire.Call, Name: "at"}, time.UnixMilli(1500).UTC())

	got, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const name = "testdata/golden/server.json"
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs from what is written, %v; if that is meant, run go test -run TestGoldenServer -update", name, err)
	}
}
