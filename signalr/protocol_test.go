package signalr

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-go/parley/wire"
	"github.com/parley-go/parley/wire/wiretest"
)

func TestProtocol(t *testing.T) {
	for _, p := range []protocol{{}, {manner: manner{detailed: true}}, {manner: manner{client: true}}} {
		wiretest.TestProtocol(t, p)
	}
}

func args(values ...string) wire.Args {
	var a wire.Args
	for _, v := range values {
		a.Values = append(a.Values, []byte(v))
	}
	return a
}

func hubError(code, message string) *wire.Error {
	return &wire.Error{Code: code, Message: message, Hub: true, Detail: "the detail"}
}

func TestAppend(t *testing.T) {
	server, detailed, client := protocol{}, protocol{manner: manner{detailed: true}}, protocol{manner: manner{client: true}}
	for _, c := range []struct {
		p    protocol
		m    wire.Message
		want string
	}{
		{server, wire.Message{Kind: wire.Call, Name: "said", Args: args(`"ann"`, `{ "b": 1.0 }`)}, `{"type":1,"target":"said","arguments":["ann",{ "b": 1.0 }]}␞`},
		{server, wire.Message{Kind: wire.Call, ID: "s1", Name: `q"<é>`}, `{"type":1,"invocationId":"s1","target":"q\"<é>","arguments":[]}␞`},
		{client, wire.Message{Kind: wire.StreamCall, ID: "1", Name: "count", Args: args(`5`)}, `{"type":4,"invocationId":"1","target":"count","arguments":[5]}␞`},
		{client, wire.Message{Kind: wire.Call, ID: "1", Name: "up", Streams: []string{"2", "3"}, Headers: map[string]string{"b": "é", "a": ""}}, `{"type":1,"headers":{"a":"","b":"é"},"invocationId":"1","target":"up","arguments":[],"streamIds":["2","3"]}␞`},
		{server, wire.Message{Kind: wire.Item, ID: "0", Args: args(`null`)}, `{"type":2,"invocationId":"0","item":null}␞`},
		{server, wire.Message{Kind: wire.Result, ID: "0", Args: args(`[1,2]`)}, `{"type":3,"invocationId":"0","result":[1,2]}␞`},
		{server, wire.Message{Kind: wire.Result, ID: "0"}, `{"type":3,"invocationId":"0","result":null}␞`},
		{server, wire.Message{Kind: wire.Result, ID: "0", Args: args(`1`, `2`)}, `{"type":3,"invocationId":"0","result":[1,2]}␞`},
		{server, wire.Message{Kind: wire.Result, Args: args(`1`)}, ``},
		{server, wire.Message{Kind: wire.End, ID: "0"}, `{"type":3,"invocationId":"0"}␞`},
		{server, wire.Message{Kind: wire.Ping}, `{"type":6}␞`},
		{server, wire.Message{Kind: wire.Pong}, ``},
		{server, wire.Message{Kind: wire.Cancel, ID: "s1"}, ``},
		{client, wire.Message{Kind: wire.Cancel, ID: "1"}, `{"type":5,"invocationId":"1"}␞`},
		{server, wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1000, Reason: "bye"}}, `{"type":7}␞`},
		{server, wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1001, Reconnect: true}}, `{"type":7,"allowReconnect":true}␞`},
		{server, wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1002, Reason: "bad", Failed: true, Reconnect: true}}, `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}␞`},
		{detailed, wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1002, Reason: "bad", Failed: true}}, `{"type":7,"error":"Connection closed with an error. InvalidDataException: bad"}␞`},
		{detailed, wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1013, Reason: "too slow", Failed: true}}, `{"type":7,"error":"Connection closed with an error. Exception: too slow"}␞`},
	} {
		got, err := c.p.Append([]byte("before"), &c.m)
		if want := "before" + c.want; readable(string(got)) != want || err != nil {
			t.Errorf("got  %s %v\nwant %s", readable(string(got)), err, want)
		}
	}
}

func TestErrorSentences(t *testing.T) {
	for _, c := range []struct {
		kind     wire.Kind
		err      *wire.Error
		want     string
		detailed string // behind want in detailed mode
	}{
		{wire.Result, hubError(wire.CodeInternal, "neutral"), "An unexpected error occurred invoking 'M' on the server.", " Exception: the detail"},
		{wire.Result, hubError(wire.CodeArguments, "call provides 1 argument(s), handler expects 2"), "Failed to invoke 'M' due to an error on the server.",
			" InvalidDataException: Invocation provides 1 argument(s) but target expects 2."},
		{wire.Result, hubError(wire.CodeArguments, "argument 1 cannot be read"), "Failed to invoke 'M' due to an error on the server.",
			" InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."},
		{wire.Result, hubError(wire.CodeNotFound, ""), "Failed to invoke 'M' due to an error on the server. HubException: Method does not exist.", ""},
		{wire.Result, hubError(wire.CodeStreaming, ""), "The client attempted to invoke the streaming 'M' method with a non-streaming invocation.", ""},
		{wire.End, hubError(wire.CodeNotStream, ""), "The client attempted to invoke the non-streaming 'M' method with a streaming invocation.", ""},
		{wire.End, hubError(wire.CodeDuplicate, ""), "Invocation ID '7' is already in use.", ""},
		{wire.Result, hubError(wire.CodeStreams, "Client sent 1 stream(s), Hub method expects 0."), "An unexpected error occurred invoking 'M' on the server. HubException: Client sent 1 stream(s), Hub method expects 0.", ""},
		{wire.End, hubError(wire.CodeStreams, "Client sent 2 stream(s), Hub method expects 1."), "An unexpected error occurred invoking 'M' on the server. HubException: Client sent 2 stream(s), Hub method expects 1.", ""},
		{wire.End, &wire.Error{Code: wire.CodeUnauthorized, Message: "members only"}, "Failed to invoke 'M' because user is unauthorized", ""},
		{wire.Result, hubError(wire.CodeUnauthorized, ""), "Failed to invoke 'M' because user is unauthorized", ""},
		{wire.Result, hubError(wire.CodeCancelled, "cancelled"), "An unexpected error occurred invoking 'M' on the server.", " OperationCanceledException: cancelled"},
		{wire.End, hubError(wire.CodeInternal, ""), "An error occurred on the server while streaming results.", " Exception: the detail"},
		{wire.End, hubError(wire.CodeBusy, "too many"), "An error occurred on the server while streaming results. HubException: too many", ""},
		{wire.Result, &wire.Error{Code: "not_found", Message: "no such room"}, "An unexpected error occurred invoking 'M' on the server. HubException: no such room", ""},
		{wire.Result, &wire.Error{Code: "full", Message: "full", Type: "RoomException"}, "An unexpected error occurred invoking 'M' on the server. RoomException: full", ""},
		{wire.End, &wire.Error{Message: "broke"}, "An error occurred on the server while streaming results. HubException: broke", ""},
	} {
		m := &wire.Message{Kind: c.kind, ID: "7", Name: "M", Err: c.err}
		if got := (protocol{}).sentence(m); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		if got := (protocol{manner: manner{detailed: true}}).sentence(m); got != c.want+c.detailed {
			t.Errorf("detailed: got  %s\nwant %s", got, c.want+c.detailed)
		}
	}
}

func TestClientUnderstandsSentences(t *testing.T) {
	for _, c := range []struct {
		said string
		want wire.Error
	}{
		{"An unexpected error occurred invoking 'M' on the server. HubException: no: such room", wire.Error{Code: "error", Message: "no: such room"}},
		{"An unexpected error occurred invoking 'M' on the server. RoomException: full", wire.Error{Code: "error", Message: "full", Type: "RoomException"}},
		{"An error occurred on the server while streaming results. HubException: broke", wire.Error{Code: "error", Message: "broke"}},
		{"An unexpected error occurred invoking 'M' on the server.", wire.Error{Code: wire.CodeInternal}},
		{"Failed to invoke 'M' due to an error on the server. HubException: Method does not exist.", wire.Error{Code: wire.CodeNotFound}},
		{"Failed to invoke 'M' due to an error on the server.", wire.Error{Code: wire.CodeArguments}},
		{"Failed to invoke 'M' due to an error on the server. InvalidDataException: Invocation provides 1 argument(s) but target expects 2.", wire.Error{Code: wire.CodeArguments}},
		{"Failed to invoke 'M' because user is unauthorized", wire.Error{Code: wire.CodeUnauthorized}},
		{"The client attempted to invoke the streaming 'M' method with a non-streaming invocation.", wire.Error{Code: wire.CodeStreaming}},
		{"The client attempted to invoke the non-streaming 'M' method with a streaming invocation.", wire.Error{Code: wire.CodeNotStream}},
		{"Invocation ID '7' is already in use.", wire.Error{Code: wire.CodeDuplicate}},
		{"Unknown hub method 'M'", wire.Error{Code: wire.CodeNotFound}},
		{"An unexpected error occurred invoking 'M' on the server. HubException: Client sent 1 stream(s), Hub method expects 0.", wire.Error{Code: wire.CodeStreams, Message: "Client sent 1 stream(s), Hub method expects 0."}},
		{"An error occurred on the server while streaming results.", wire.Error{Code: wire.CodeInternal}},
		{"anything else", wire.Error{Code: "error"}},
		{" on the server", wire.Error{Code: "internal"}},
	} {
		if c.want.Message == "" {
			c.want.Message = c.said
		}
		for _, server := range []dialect{protocol{}, packed{}} { // a server takes the words of a client as they are
			if got := server.(interface{ understand(string) *wire.Error }).understand(c.said); got.Code != wire.CodeFailed || got.Message != c.said {
				t.Errorf("%q: a server got %+v", c.said, *got)
			}
		}
		if got := (protocol{manner: manner{client: true}}).understand(c.said); !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%q: got %+v, want %+v", c.said, *got, c.want)
		}
	}
}

// The frames of @microsoft/signalr 10.0.11, as it sends them, and a few that
// other clients may send.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		in   string
		want wire.Message
	}{
		{`{"type":6}␞`, wire.Message{Kind: wire.Ping}},
		{`{"target":"add","arguments":[1,2],"invocationId":"0","type":1}␞`, wire.Message{Kind: wire.Call, ID: "0", Name: "add", Args: args(`1`, `2`)}},
		{`{"target":"say","arguments":["g","hi<é>"],"type":1}␞`, wire.Message{Kind: wire.Call, Name: "say", Args: args(`"g"`, `"hi<é>"`)}},
		{`{"target":"count","arguments":[2],"invocationId":"4","type":4}␞`, wire.Message{Kind: wire.StreamCall, ID: "4", Name: "count", Args: args(`2`)}},
		{`{"target":"forever","arguments":[],"invocationId":"5","type":4}␞`, wire.Message{Kind: wire.StreamCall, ID: "5", Name: "forever"}},
		{`{"invocationId":"5","type":5}␞`, wire.Message{Kind: wire.Cancel, ID: "5"}},
		{`{"invocationId":"s1","result":"sure?","type":3}␞`, wire.Message{Kind: wire.Result, ID: "s1", Args: args(`"sure?"`)}},
		{`{"invocationId":"s1","result":null,"type":3}␞`, wire.Message{Kind: wire.Result, ID: "s1", Args: args(`null`)}},
		{`{"error":"Error: no!","invocationId":"s2","type":3}␞`, wire.Message{Kind: wire.End, ID: "s2", Err: &wire.Error{Code: "error", Message: "Error: no!"}}},
		{`{"invocationId":"6","item":1,"type":2}␞`, wire.Message{Kind: wire.Item, ID: "6", Args: args(`1`)}},
		{`{"invocationId":"6","type":3}␞`, wire.Message{Kind: wire.End, ID: "6"}},
		{`{"type":7}␞`, wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1000}}},
		{`{"type":7,"error":null,"allowReconnect":false}`, wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1000}}},
		{`{"type":7,"error":""}`, wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1011, Failed: true}}},
		{`{"type":7,"error":"gone","allowReconnect":true}`, wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1011, Reason: "gone", Failed: true, Reconnect: true}}},
		{`{"target":"up","arguments":[],"invocationId":"1","streamIds":["2","3"],"type":1}␞`, wire.Message{Kind: wire.Call, ID: "1", Name: "up", Streams: []string{"2", "3"}}},
		{` { "ty\u0070e" : 1 , "headers":{"a":"}"}, "arguments" : [ {"x":[1]} , null ] , "target":"\u0061" , "new":0}`, wire.Message{Kind: wire.Call, Name: "a", Headers: map[string]string{"a": "}"}, Args: args(`{"x":[1]}`, `null`)}},
		{`{"type":1,"target":"x","arguments":[],"invocationId":null}`, wire.Message{Kind: wire.Call, Name: "x"}},
		{`{"type":99,"target":5}`, wire.Message{}},
		{`{"type":8,"sequenceId":1}`, wire.Message{}},
		{`{"type":1,"target":"x","arguments":[1,2],"arguments":[ ]}`, wire.Message{Kind: wire.Call, Name: "x", Args: wire.Args{Values: [][]byte{}}}},
		{`{"type":6,"arguments":7}`, wire.Message{Kind: wire.Ping}},
		{`{"type":3,"invocationId":"1","result":1,"error":null}`, wire.Message{Kind: wire.Result, ID: "1", Args: args(`1`)}},
		{`{"type":3,"invocationId":"1","error":null}`, wire.Message{Kind: wire.End, ID: "1"}},
		{`{"type":3,"invocationId":"1","error":""}`, wire.Message{Kind: wire.End, ID: "1", Err: &wire.Error{Code: wire.CodeFailed}}},
		{`{"type":1,"target":"x","arguments":[` + strings.Repeat("[", 62) + "1" + strings.Repeat("]", 62) + `]}`, wire.Message{Kind: wire.Call, Name: "x", Args: args(strings.Repeat("[", 62) + "1" + strings.Repeat("]", 62))}},
		{`{"type":1,"target":"x","arguments":[],"streamIds":null,"headers":null}`, wire.Message{Kind: wire.Call, Name: "x"}},
	} {
		var got wire.Message
		if err := (protocol{}).Parse([]byte(raw(c.in)), &got); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\ngot  %+v %v\nwant %+v", c.in, got, err, c.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for in, want := range map[string]string{
		``:                     "not JSON",
		`hello`:                "not JSON",
		`{"type":1`:            "not JSON",
		`[6]`:                  "not a JSON object",
		`6`:                    "not a JSON object",
		`{}`:                   "missing required property 'type'",
		`{"type":"6"}`:         "expected 'type' to be an integer",
		`{"type":6.5}`:         "expected 'type' to be an integer",
		`{"type":99999999999}`: "expected 'type' to be an integer",
		`{"type":1}`:           "missing required property 'target'",
		`{"type":1,"target":null,"arguments":[]}`:   "missing required property 'target'",
		`{"type":1,"target":"","arguments":[]}`:     "missing required property 'target'",
		`{"type":1,"target":"a","arguments":[1,]}`:  "not JSON",
		`{"type":1,"target":"a","arguments":[,1]}`:  "not JSON",
		`{"type":1,"target":"a","arguments":[1 2]}`: "not JSON",
		`{"type":1,"target":"a","arguments":[1}`:    "not JSON",
		`{"type":6,}`:                               "not JSON",
		`{,"type":6}`:                               "not JSON",
		`{"type":6 "x":1}`:                          "not JSON",
		`{type:6}`:                                  "not JSON",
		`{"type":6}}`:                               "not JSON",
		`{"type":6} 1`:                              "not JSON",
		`{"type":06}`:                               "not JSON",
		`{"type":1,"target":"a","arguments":[` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `x]}`:      "not JSON",
		`{"type":1,"target":"a","arguments":[` + strings.Repeat("[", 64) + "1" + strings.Repeat("]", 64) + `]}`: "nested too deeply",
		`{"type":1,"target":"a"}`:                                  "missing required property 'arguments'",
		`{"type":1,"target":1,"arguments":[]}`:                     "expected 'target' to be a string",
		`{"type":1,"target":"a","arguments":{}}`:                   "expected 'arguments' to be an array",
		`{"type":1,"target":"a","arguments":[],"invocationId":1}`:  "expected 'invocationId' to be a string",
		`{"type":4,"target":"a","arguments":[]}`:                   "missing required property 'invocationId'",
		`{"type":2,"item":1}`:                                      "missing required property 'invocationId'",
		`{"type":2,"invocationId":"0"}`:                            "missing required property 'item'",
		`{"type":3}`:                                               "missing required property 'invocationId'",
		`{"type":3,"invocationId":"s1","result":1,"error":"x"}`:    "mutually exclusive",
		`{"type":3,"invocationId":"s1","error":{}}`:                "expected 'error' to be a string",
		`{"type":1,"target":"a","arguments":[],"streamIds":[1]}`:   "expected 'streamIds' to be an array of strings",
		`{"type":1,"target":"a","arguments":[],"headers":[]}`:      "expected 'headers' to be an object of strings",
		`{"type":1,"target":"a","arguments":[],"headers":{"a":1}}`: "expected 'headers' to be an object of strings",
		`{"type":8}`:                  "missing required property 'sequenceId'",
		`{"type":9,"sequenceId":1.5}`: "expected 'sequenceId' to be an integer",
		`{"type":5}`:                  "missing required property 'invocationId'",
		`{"type":7,"error":7}`:        "expected 'error' to be a string",
		"{\"type\":1,\"target\":\"\xff\",\"arguments\":[]}":     "not UTF-8",
		strings.Repeat(`[`, 20000) + strings.Repeat(`]`, 20000): "nested too deeply",
		`{"type":6,"x":` + strings.Repeat(`[`, 20000):           "nested too deeply",
	} {
		var m wire.Message
		err := (protocol{}).Parse([]byte(in), &m)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, want %q", in, err, want)
		}
	}
}

func TestAcksAndSequences(t *testing.T) {
	p := protocol{}
	for _, id := range []int64{0, 1, -5, 1 << 53} {
		for typ, written := range map[int][]byte{ack: p.appendAck(nil, id), sequence: p.appendSequence(nil, id)} {
			var got message
			err := p.parse(bytes.TrimSuffix(written, []byte{separator}), &got)
			if want := (message{typ: typ, sequence: id}); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%q: got %+v %v, want %+v", written, got, err, want)
			}
		}
	}
	if got, want := readable(string(p.appendAck(nil, 7))), `{"type":8,"sequenceId":7}␞`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What was parsed refers to the bytes that came; nothing is copied or decoded.
func TestParseKeepsArgumentsWhereTheyLie(t *testing.T) {
	data := []byte(`{"type":1,"target":"a","arguments":[ {"big" : 1e400} ]}`)
	var m wire.Message
	if err := (protocol{}).Parse(data, &m); err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte(`{"big"`))
	if got := m.Args.Values[0]; &got[0] != &data[at] || string(got) != `{"big" : 1e400}` {
		t.Errorf("got %s, elsewhere or changed", got)
	}
}

// A message that is used again gives its room to the next.
func TestParseUsesTheRoomThereIs(t *testing.T) {
	for _, p := range []dialect{protocol{}, packed{}} {
		m := wire.Message{Kind: wire.Call, Name: "x", Args: wire.Args{Values: make([][]byte, 3)}}
		var err error
		for i := range m.Args.Values {
			if one, e := p.Codec().Marshal(i); e == nil {
				m.Args.Values[i] = one.Values[0]
			}
		}
		data, err := p.Append(nil, &m)
		if err != nil {
			t.Fatal(err)
		}
		room := make([][]byte, 8)
		got := wire.Message{Args: wire.Args{Values: room}}
		if err := p.Parse(data, &got); err != nil || !reflect.DeepEqual(got.Args, m.Args) || &got.Args.Values[0] != &room[0] {
			t.Errorf("%s: got %q, %v; elsewhere or changed", p.Name(), got.Args.Values, err)
		}
	}
}

// FuzzJSONMessage: no input panics, and what is understood can be written and
// is understood alike.
func FuzzJSONMessage(f *testing.F) {
	for _, seed := range []string{
		`{"type":6}`, `{"target":"add","arguments":[1,"\u001e"],"invocationId":"0","type":1}`, `{"type":4,"invocationId":"1","target":"x","arguments":[{}],"streamIds":["2"]}`,
		`{"type":3,"invocationId":"s1","result":[]}`, `{"type":3,"invocationId":"s1","error":"x on the server. A: b"}`, `{"type":7,"error":"x","allowReconnect":true}`,
		`{"type":2,"invocationId":"1","item":null}`, `{"type":5,"invocationId":"1"}`, `{"type":8,"sequenceId":5}`, `{"type":1,"headers":{"a":"b"},"target":"x","arguments":[[[]]]}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, client bool) {
		fuzzMessage(t, protocol{manner: manner{client: client}}, data)
	})
}

func fuzzMessage(t *testing.T, p dialect, data []byte) {
	var m, again message
	if p.parse(data, &m) != nil || m.Err != nil {
		return
	}
	m.Args.Clone() // reads every byte
	var written []byte
	var err error
	switch m.typ {
	case ack:
		written = p.appendAck(nil, m.sequence)
	case sequence:
		written = p.appendSequence(nil, m.sequence)
	default:
		if m.Kind == wire.Close {
			return // the reason is not the same
		}
		written, err = p.Append(nil, &m.Message)
	}
	if err != nil {
		t.Fatalf("%+v: %v", m, err)
	}
	if len(written) == 0 {
		return
	}
	s, whole := p.splitter(len(written)), 0
	err = eachRecord(s, written, func(record []byte) bool {
		whole++
		return p.parse(record, &again) == nil
	})
	if len(m.Args.Values) == 0 {
		m.Args.Values, again.Args.Values = nil, nil
	}
	if err != nil || whole != 1 || !reflect.DeepEqual(m, again) {
		t.Errorf("wrote %q: got %+v %v, want %+v", written, again, err, m)
	}
}
