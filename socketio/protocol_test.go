package socketio

import (
	"reflect"
	"strings"
	"testing"

	"github.com/parley-go/parley/wire"
	"github.com/parley-go/parley/wire/wiretest"
)

func values(s ...string) wire.Args {
	var a wire.Args
	for _, v := range s {
		a.Values = append(a.Values, []byte(v))
	}
	return a
}

func TestProtocol(t *testing.T) {
	wiretest.TestProtocol(t, protocol{nsp: "/"})
	wiretest.TestProtocol(t, protocol{nsp: "/admin"})
}

// Every packet is written as it stands here, and read back as the message.
func TestPackets(t *testing.T) {
	for _, c := range []struct {
		nsp, packet string
		m           wire.Message
	}{
		{"/", `42["said","ann",1]`, wire.Message{Kind: wire.Call, Name: "said", Args: values(`"ann"`, "1")}},
		{"/", `42["a\"b"]`, wire.Message{Kind: wire.Call, Name: `a"b`}},
		{"/", `427["question",{"a":[1,"],"]}]`, wire.Message{Kind: wire.Call, ID: "7", Name: "question", Args: values(`{"a":[1,"],"]}`)}},
		{"/admin", `42/admin,7["question"]`, wire.Message{Kind: wire.Call, ID: "7", Name: "question"}},
		{"/", `437[1,"b"]`, wire.Message{Kind: wire.Result, ID: "7", Args: values("1", `"b"`)}},
		{"/", `430[]`, wire.Message{Kind: wire.Result, ID: "0"}},
		{"/admin", `43/admin,7[]`, wire.Message{Kind: wire.Result, ID: "7"}},
		{"/", `437[{"error":{"code":"c","message":"m"}}]`, wire.Message{Kind: wire.Result, ID: "7", Err: &wire.Error{Code: "c", Message: "m"}}},
		{"/", `437[{"error":{"code":"c","message":"m","data":[1]}}]`, wire.Message{Kind: wire.Result, ID: "7", Err: &wire.Error{Code: "c", Message: "m", Data: []byte("[1]")}}},
		{"/", `41`, wire.Message{Kind: wire.Close}},
		{"/admin", `41/admin,`, wire.Message{Kind: wire.Close}},
	} {
		p := protocol{nsp: c.nsp}
		got, err := p.Append([]byte("x"), &c.m)
		if err != nil || string(got) != "x"+c.packet {
			t.Errorf("%+v was written as %q, %v, want %q", c.m, got, err, c.packet)
		}
		var m wire.Message
		if err := p.Parse([]byte(c.packet), &m); err != nil {
			t.Errorf("%q: %v", c.packet, err)
		}
		if len(m.Args.Values) == 0 {
			m.Args.Values = nil
		}
		if !reflect.DeepEqual(m, c.m) {
			t.Errorf("%q was read as %+v, want %+v", c.packet, m, c.m)
		}
	}
}

func TestWhatSocketIOHasNoWordsFor(t *testing.T) {
	p := protocol{nsp: "/"}
	for _, m := range []wire.Message{
		{Kind: wire.Ping}, {Kind: wire.Pong}, {Kind: wire.Cancel, ID: "1"}, {Kind: wire.End, ID: "1"},
		{Kind: wire.StreamCall, Name: "count"}, {Kind: wire.Item},
		{Kind: wire.Result}, // of an event that wanted no ack
		{Kind: wire.Close, Bye: wire.Goodbye{Reconnect: true}},
	} {
		if got, err := p.Append(nil, &m); err != nil || len(got) != 0 {
			t.Errorf("%+v was written as %q, %v, want nothing", m, got, err)
		}
	}
	for _, m := range []wire.Message{
		{Kind: wire.Call, Name: "connect"}, {Kind: wire.Call, Name: "removeListener"},
	} {
		if got, err := p.Append(nil, &m); err == nil || len(got) != 0 || !strings.HasPrefix(err.Error(), "socketio: ") {
			t.Errorf("%+v was written as %q, %v, want an error", m, got, err)
		}
	}
}

func TestEventsNamedByNumbers(t *testing.T) {
	var m wire.Message
	if err := (protocol{nsp: "/"}).Parse([]byte(`42[-1.5e3,"x"]`), &m); err != nil || m.Name != "-1.5e3" || len(m.Args.Values) != 1 {
		t.Errorf("read %+v, %v", m, err)
	}
}

func TestWhatIsNoFailedAck(t *testing.T) {
	for _, arg := range []string{
		`{}`, `{"error":null}`, `{"error":"text"}`, `{"error":{}}`, `{"error":{"code":"c"}}`, `{"error":{"code":1,"message":"m"}}`,
		`{"error":{"code":"c","message":"m"},"more":1}`, `{"result":{"code":"c","message":"m"}}`, `"error"`,
	} {
		var m wire.Message
		err := (protocol{nsp: "/"}).Parse([]byte(`431[`+arg+`]`), &m)
		if err != nil || m.Err != nil || !reflect.DeepEqual(m.Args, values(arg)) {
			t.Errorf("%s was read as %+v, %v", arg, m, err)
		}
	}
}
