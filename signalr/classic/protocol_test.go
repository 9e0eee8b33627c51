package classic

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-go/parley/internal/rawjson"
	"github.com/parley-go/parley/wire"
	"github.com/parley-go/parley/wire/wiretest"
)

// peer is the protocol with the half that clients have: it reads answers too, so
// that the kit of package wiretest can run.
type peer struct{ hubProtocol }

func (p peer) Parse(data []byte, m *wire.Message) error {
	if said, ok := rawjson.String(data); ok && rawjson.Check(data) == nil {
		m.Kind, m.Bye.Reason = wire.Close, said
		return nil
	}
	in, err := parseInvocation(data)
	if err == nil {
		p.message(&in, m)
		return nil
	}
	a, err := readAnswer(data)
	if err != nil || a.R == nil && a.E == nil && a.I == "" {
		return fmt.Errorf("neither a call nor an answer: %w", err)
	}
	m.Kind, m.ID = wire.Result, a.I
	if a.E != nil {
		m.Err = &wire.Error{Message: *a.E, Data: a.D}
	}
	if a.E == nil && a.R == nil { // a client takes both for no value
		a.R = json.RawMessage("null")
	}
	if a.R != nil {
		m.Args.Values = [][]byte{a.R}
	}
	return nil
}

// answer is an element of M as a client reads it.
type answer struct {
	I          string
	R, S, D, P json.RawMessage
	E          *string
	H          bool
}

func readAnswer(data []byte) (a answer, err error) {
	return a, json.Unmarshal(data, &a)
}

func rewritten(in *invocation) []byte {
	dst := rawjson.AppendString([]byte(`{"H":`), in.hub)
	dst = rawjson.AppendString(append(dst, `,"M":`...), in.method)
	dst = appendList(append(dst, `,"A":`...), in.args)
	if in.hasID {
		dst = rawjson.AppendString(append(dst, `,"I":`...), in.id)
	}
	if in.state != nil {
		dst = append(append(dst, `,"S":`...), in.state...)
	}
	return append(dst, '}')
}

func TestProtocol(t *testing.T) {
	wiretest.TestProtocol(t, peer{hubProtocol{hub: "ChatHub"}})
}

func values(raw ...string) wire.Args {
	var a wire.Args
	for _, v := range raw {
		a.Values = append(a.Values, []byte(v))
	}
	return a
}

// TestGoldenFrames: what Microsoft's server writes, byte for byte where clients
// could tell.
func TestGoldenFrames(t *testing.T) {
	changed := &Bag{sent: []byte(`{"a":1,"b":"x"}`)}
	for name, value := range map[string]any{"a": 1, "b": "y"} {
		if err := changed.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		m    wire.Message
		want string
	}{
		{wire.Message{Kind: wire.Call, Name: "broadcastMessage", Args: values(`"bob"`, `"hi"`)}, `{"H":"ChatHub","M":"broadcastMessage","A":["bob","hi"]}`},
		{wire.Message{Kind: wire.Call, Name: `a"b`}, `{"H":"ChatHub","M":"a\"b","A":[]}`},
		{wire.Message{Kind: wire.Call, Name: "x", Args: values(`1`), Aside: changed}, `{"H":"ChatHub","M":"x","A":[1],"S":{"b":"y"}}`},
		{wire.Message{Kind: wire.Call, Name: "x", Aside: &Bag{}}, `{"H":"ChatHub","M":"x","A":[]}`},
		{wire.Message{Kind: wire.Result, ID: "0"}, `{"I":"0"}`},
		{wire.Message{Kind: wire.Result, ID: "0", Args: values(`null`)}, `{"I":"0"}`},
		{wire.Message{Kind: wire.Result, ID: "1", Args: values(`{"a":[]}`)}, `{"R":{"a":[]},"I":"1"}`},
		{wire.Message{Kind: wire.Result, ID: "1", Args: values(`1`, `2`)}, `{"R":[1,2],"I":"1"}`},
		{wire.Message{Kind: wire.Result, ID: "2", Args: values(`7`), Aside: changed}, `{"S":{"b":"y"},"R":7,"I":"2"}`},
		{wire.Message{Kind: wire.Result, ID: "3", Aside: changed, Err: &wire.Error{Message: "no <b>"}}, `{"S":{"b":"y"},"I":"3","H":true,"E":"no <b>"}`},
		{wire.Message{Kind: wire.Result, ID: "3", Err: &wire.Error{Message: "no", Data: []byte(`{"n":1}`)}}, `{"I":"3","H":true,"E":"no","D":{"n":1}}`},
		{wire.Message{Kind: wire.Progress, ID: "0", Args: values(`50`)}, `{"I":"P|0","P":{"I":"0","D":50}}`},
		{wire.Message{Kind: wire.Progress, ID: "0", Args: values(`50`), Aside: changed}, `{"S":{"b":"y"},"I":"P|0","P":{"I":"0","D":50}}`},
		// no words
		{wire.Message{Kind: wire.Result, Args: values(`1`)}, ``},
		{wire.Message{Kind: wire.Progress, Args: values(`1`)}, ``},
		{wire.Message{Kind: wire.Call, ID: "1", Name: "ask"}, ``},
		{wire.Message{Kind: wire.StreamCall, ID: "1", Name: "tail"}, ``},
		{wire.Message{Kind: wire.Item, ID: "1", Args: values(`1`)}, ``},
		{wire.Message{Kind: wire.Cancel, ID: "1"}, ``},
		{wire.Message{Kind: wire.Ping}, ``},
		{wire.Message{Kind: wire.Pong}, ``},
		{wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1001, Reason: "see you", Reconnect: true}}, ``},
		// for the connection to say
		{wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1008, Reason: `too "slow"`, Failed: true}}, `"too \"slow\""`},
	} {
		got, err := hubProtocol{hub: "ChatHub"}.Append([]byte("before"), &c.m)
		if err != nil || string(got) != "before"+c.want {
			t.Errorf("%+v:\n got %s %v\nwant %s", c.m, got, err, c.want)
		}
	}
}

// TestSentences: how a call fails, in the words of Microsoft's server.
func TestSentences(t *testing.T) {
	hub := func(code, message string) *wire.Error { return &wire.Error{Code: code, Message: message, Hub: true} }
	failed := &wire.Error{Code: wire.CodeInternal, Message: "The server failed to handle this call.", Hub: true, Detail: "disk full"}
	for _, c := range []struct {
		err            *wire.Error
		want, detailed string // empty: as want
		meant          bool
	}{
		{&wire.Error{Code: "odd", Message: "no"}, "no", "", true},
		{failed, "There was an error invoking Hub method 'chathub.send'.", "disk full", false},
		{hub(wire.CodeNotFound, `no handler named "send"`), "'send' method could not be resolved. No method found with that name.", "", false},
		{hub(wire.CodeArguments, "call provides 1 argument(s), handler expects 2"), "'send' method could not be resolved. Potential candidates are: \nsend(arg1, arg2)", "", false},
		{hub(wire.CodeArguments, "call provides 1 argument(s), handler expects 0"), "'send' method could not be resolved. Potential candidates are: \nsend()", "", false},
		{hub(wire.CodeArguments, "argument 1: cannot read string as int"), "There was an error invoking Hub method 'chathub.send'.", "argument 1: cannot read string as int", false},
		{&wire.Error{Code: wire.CodeUnauthorized, Message: "go away"}, "Caller is not authorized to invoke the send method on chathub.", "", false},
		{hub(wire.CodeStreaming, "x"), "'send' answers with a stream, which this client cannot read.", "", false},
		{hub(wire.CodeBusy, "too many"), "There was an error invoking Hub method 'chathub.send'.", "too many", false},
		{hub(wire.CodeCancelled, "cancelled"), "There was an error invoking Hub method 'chathub.send'.", "cancelled", false},
	} {
		m := &wire.Message{Kind: wire.Result, ID: "0", Name: "Send", Err: c.err, Aside: &Bag{hub: "chathub", method: "send"}}
		if said, meant := (hubProtocol{hub: "ChatHub"}).sentence(m); said != c.want || meant != c.meant {
			t.Errorf("%+v: got %q %t, want %q %t", c.err, said, meant, c.want, c.meant)
		}
		if c.detailed == "" {
			c.detailed = c.want
		}
		if said, _ := (hubProtocol{hub: "ChatHub", detailed: true}).sentence(m); said != c.detailed {
			t.Errorf("%+v, detailed: got %q, want %q", c.err, said, c.detailed)
		}
	}
	if said, _ := (hubProtocol{hub: "ChatHub"}).sentence(&wire.Message{Name: "Send", Err: failed}); !strings.Contains(said, "'ChatHub.Send'") {
		t.Errorf("without a bag: got %q", said)
	}
}

func TestFailure(t *testing.T) {
	for id, want := range map[string]string{
		`5`: `{"I":"5","E":"'nobody' Hub could not be resolved."}`,
		`"`: `{"I":"\"","E":"'nobody' Hub could not be resolved."}`,
	} {
		if got := string(appendFailure(nil, id, unresolvedHub("nobody"))); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
}

// TestMessage: what a session receives of a call.
func TestMessage(t *testing.T) {
	var m wire.Message
	data := []byte(`{"H":"chathub","M":"Send","A":["hi"],"I":3,"S":{"name":"bob"}}`)
	if err := (hubProtocol{hub: "ChatHub"}).Parse(data, &m); err != nil {
		t.Fatal(err)
	}
	if m.Kind != wire.Call || m.Name != "Send" || m.ID != "3" || string(m.Args.Values[0]) != `"hi"` {
		t.Errorf("got %+v", m)
	}
	clear(data) // the pipe's buffer is used again
	var name string
	if !m.Aside.(*Bag).Get("name", &name) || name != "bob" {
		t.Errorf("state: got %q, want bob", name)
	}
	if err := (hubProtocol{}).Parse([]byte(`{"H":"h"`), &m); err == nil {
		t.Error("a broken call was read")
	}
}
