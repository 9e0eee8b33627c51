package signalr

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parley-go/parley/wire"
)

// testdata/golden holds what Microsoft's clients say and what our server says,
// byte by byte. interop/signalr/golden.mjs tells how to write it anew, and
// interop/signalr.golden.test.mjs reads it with the clients themselves.

var update = flag.Bool("update", false, "write testdata/golden/server.json anew")

// golden is a recorded conversation.
type golden struct {
	Client   string
	Protocol string
	Steps    []struct{ Name, Sent string }
}

// goldenSteps are the messages of each step, as told by tell.
var goldenSteps = map[string][]string{
	"invoke":                   {`1 call 0 "add" [1,2]`},
	"invoke without arguments": {`1 call 1 "nothing" []`},
	"send":                     {`1 call  "say" ["lobby","héllo <&> \"\\\u2028 😀\u001e",null,true]`},
	"numbers":                  {`1 call  "numbers" [0,-1,127,128,-33,65536,2147483648,4294967296,9007199254740991,-9007199254740991,1.5,1e+300,0.1]`},
	"objects":                  {`1 call  "objects" [{"list":[1,[],{},null],"none":null,"userName":"ann"},[],"` + strings.Repeat("x", 300) + `"]`},
	"binary":                   {`1 call  "binary" ["AQL/","1970-01-01T00:00:00Z","1970-01-01T00:00:01.5Z","2600-01-01T00:00:00Z","1969-12-31T23:59:59Z"]`},
	"stream":                   {`4 stream 2 "count" [3]`},
	"cancel":                   {`4 stream 3 "endless" []`, `5 cancel 3`},
	"upload": {`1 call  "upload" ["with"] up [4 5]`, `2 item 4 [1]`, `2 item 4 [null]`, `2 item 5 [{"text":"x"}]`,
		`3 end 4`, `3 end 5 error "lost"`},
	"upload with a result":   {`1 call 7 "sum" [] up [6]`, `3 end 6`},
	"client result: yes":     {`3 result s1 [true]`},
	"client result: no":      {`3 result s1 [null]`},
	"client result: throw":   {`3 end s1 error "Error: no!"`},
	"client result: nothing": {`3 end s1 error "Client didn't provide a result."`},
	"ack":                    {`8 4`},
	"stop":                   {`7 close {1000  false false}`},
}

// goldenOrder are the steps that a client which lost its connection sends again.
var goldenOrder = []string{"invoke", "invoke without arguments", "send", "numbers", "objects", "binary", "stream", "cancel", "upload",
	"upload with a result", "client result: yes", "client result: no", "client result: throw", "client result: nothing"}

// tell says all there is in a message.
func tell(t *testing.T, p dialect, m *message) string {
	t.Helper()
	values := make([]any, len(m.Args.Values))
	for i := range values {
		if err := p.Codec().Unmarshal(m.Args, i, &values[i]); err != nil {
			t.Fatalf("value %d of %+v: %v", i, m, err)
		}
	}
	list, err := wire.JSON.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	said := fmt.Sprint(m.typ)
	switch m.Kind {
	case wire.Call:
		said += fmt.Sprintf(" call %s %q %s", m.ID, m.Name, list.Values[0])
	case wire.StreamCall:
		said += fmt.Sprintf(" stream %s %q %s", m.ID, m.Name, list.Values[0])
	case wire.Item:
		said += fmt.Sprintf(" item %s %s", m.ID, list.Values[0])
	case wire.Result:
		said += fmt.Sprintf(" result %s %s", m.ID, list.Values[0])
	case wire.End:
		said += " end " + m.ID
	case wire.Cancel:
		said += " cancel " + m.ID
	case wire.Ping:
		said += " ping"
	case wire.Close:
		said += fmt.Sprintf(" close %v", m.Bye)
	case 0:
		said += fmt.Sprintf(" %d", m.sequence)
	}
	if m.Streams != nil {
		said += fmt.Sprintf(" up %v", m.Streams)
	}
	if m.Err != nil {
		said += fmt.Sprintf(" error %q", m.Err.Message)
	}
	return said
}

func readGolden(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sent are the bytes of a step.
func (g *golden) sent(t *testing.T, text string) []byte {
	t.Helper()
	if g.Protocol == "json" {
		return []byte(text)
	}
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestGoldenClients(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.*.json")
	if err != nil || len(files) != 6 {
		t.Fatalf("got files %q, %v, want 6", files, err)
	}
	for _, file := range files {
		var g golden
		readGolden(t, file, &g)
		t.Run(g.Client+" "+g.Protocol, func(t *testing.T) { g.check(t) })
	}
}

func (g *golden) check(t *testing.T) {
	t.Helper()
	dialects := map[string]dialect{"json": protocol{}, "messagepack": packed{}}
	p := dialects[g.Protocol]
	old := strings.Contains(g.Client, "signalr 5.")
	var said []string
	for _, step := range g.Steps {
		data := g.sent(t, step.Sent)
		want := slices.Clone(goldenSteps[step.Name])
		switch {
		case step.Name == "handshake":
			data, want = g.shake(t, data), []string{"6 ping"}
			if old { // its first ping comes later
				want = nil
			}
		case step.Name == "binary" && old: // its times are between 1970 and 2106
			want[0] = strings.Replace(want[0], `,"2600-01-01T00:00:00Z","1969-12-31T23:59:59Z"`, "", 1)
		case step.Name == "stop" && old: // it just goes
			want = nil
		case step.Name == "resend":
			want = []string{"9 1"}
			for _, name := range goldenOrder {
				if name != "binary" || g.Protocol == "messagepack" {
					want = append(want, goldenSteps[name]...)
				}
			}
		}
		if got := tellAll(t, p, data); !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", step.Name, got, want)
		}
		said = append(said, step.Name)
	}
	if len(said) < 11 {
		t.Errorf("the conversation has only the steps %q", said)
	}
}

// shake takes the handshake off.
func (g *golden) shake(t *testing.T, data []byte) (rest []byte) {
	t.Helper()
	s := records{limit: 1000}
	request, rest, err := s.next(data)
	if err != nil {
		t.Fatal(err)
	}
	name, version, err := readHandshake(request)
	if err != nil || name != g.Protocol || version != 1 && version != 2 {
		t.Errorf("handshake %s: got %s %d, %v", request, name, version, err)
	}
	return rest
}

func tellAll(t *testing.T, p dialect, data []byte) (all []string) {
	t.Helper()
	s := p.splitter(1 << 20)
	err := eachRecord(s, data, func(record []byte) bool {
		var m message
		if err := p.parse(record, &m); err != nil {
			t.Errorf("%q: %v", record, err)
		}
		all = append(all, tell(t, p, &m))
		return true
	})
	if err != nil || s.rest() {
		t.Errorf("%q: %v, rest: %t", data, err, s.rest())
	}
	return all
}

// spoken is what our server writes, and what a client makes of it.
type spoken struct {
	Name        string            `json:"name"`
	Since       int               `json:"since,omitempty"` // the version of the client that knows it
	JSON        string            `json:"json"`
	MessagePack string            `json:"messagepack"`
	Want        []json.RawMessage `json:"want"`
}

// serverWords are messages of a server, and what Microsoft's client makes of
// them: at least these properties.
func serverWords() []struct {
	name string
	m    wire.Message
	args []any
	want string
} {
	type person struct {
		UserName string `json:"userName"`
		ID       int    `json:"id"`
	}
	failed := func(code string) *wire.Error { return &wire.Error{Code: code, Hub: true} }
	return []struct {
		name string
		m    wire.Message
		args []any
		want string
	}{
		{"event", wire.Message{Kind: wire.Call, Name: "said"}, []any{"ann", "héllo <&> \"\\\u2028\x1e 😀", nil, true}, `{"type":1,"target":"said","arguments":["ann","héllo <&> \"\\\u2028\u001e 😀",null,true]}`},
		{"event without arguments", wire.Message{Kind: wire.Call, Name: "said"}, nil, `{"type":1,"target":"said","arguments":[]}`},
		{"numbers", wire.Message{Kind: wire.Call, Name: "n"}, []any{0, -1, 127, 128, -33, int64(1 << 31), int64(1<<53 - 1), int64(-(1<<53 - 1)), 1.5, float32(0.25), 1e300}, `{"type":1,"arguments":[0,-1,127,128,-33,2147483648,9007199254740991,-9007199254740991,1.5,0.25,1e300]}`},
		{"objects", wire.Message{Kind: wire.Call, Name: "o"}, []any{map[string]any{"Key": []any{1, map[string]int{}}}, strings.Repeat("x", 300)}, `{"type":1,"arguments":[{"Key":[1,{}]},"` + strings.Repeat("x", 300) + `"]}`},
		{"client result", wire.Message{Kind: wire.Call, ID: "s1", Name: "sure"}, []any{"?"}, `{"type":1,"invocationId":"s1","target":"sure","arguments":["?"]}`},
		{"item", wire.Message{Kind: wire.Item, ID: "0"}, []any{[]int{1}}, `{"type":2,"invocationId":"0","item":[1]}`},
		{"item null", wire.Message{Kind: wire.Item, ID: "0"}, []any{nil}, `{"type":2,"invocationId":"0","item":null}`},
		{"result", wire.Message{Kind: wire.Result, ID: "0"}, []any{3}, `{"type":3,"invocationId":"0","result":3}`},
		{"result false", wire.Message{Kind: wire.Result, ID: "0"}, []any{false}, `{"type":3,"invocationId":"0","result":false}`},
		{"result null", wire.Message{Kind: wire.Result, ID: "0"}, []any{nil}, `{"type":3,"invocationId":"0","result":null}`},
		{"no result", wire.Message{Kind: wire.Result, ID: "0"}, nil, `{"type":3,"invocationId":"0","result":null}`},
		{"end of a stream", wire.Message{Kind: wire.End, ID: "0"}, nil, `{"type":3,"invocationId":"0"}`},
		{"error", wire.Message{Kind: wire.Result, ID: "0", Name: "M", Err: &wire.Error{Message: "é"}}, nil, `{"type":3,"invocationId":"0","error":"An unexpected error occurred invoking 'M' on the server. HubException: é"}`},
		{"failed stream", wire.Message{Kind: wire.End, ID: "0", Err: failed(wire.CodeInternal)}, nil, `{"type":3,"invocationId":"0","error":"An error occurred on the server while streaming results."}`},
		{"ping", wire.Message{Kind: wire.Ping}, nil, `{"type":6}`},
		{"close", wire.Message{Kind: wire.Close}, nil, `{"type":7}`},
		{"close and come back", wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Reconnect: true}}, nil, `{"type":7,"allowReconnect":true}`},
		{"close with an error", wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Failed: true}}, nil, `{"type":7,"error":"Connection closed with an error."}`},
		{"object", wire.Message{Kind: wire.Item, ID: "0"}, []any{person{"ann", 7}}, `{"type":2,"invocationId":"0","item":{"userName":"ann","id":7}}`},
	}
}

// TestGoldenServer holds what the server writes to the bytes that the clients
// have agreed to.
func TestGoldenServer(t *testing.T) {
	var all []spoken
	for _, w := range serverWords() {
		s := spoken{Name: w.name, Want: []json.RawMessage{json.RawMessage(w.want)}}
		s.JSON = string(wrote(t, protocol{}, w.m, w.args))
		s.MessagePack = hex.EncodeToString(wrote(t, packed{}, w.m, w.args))
		all = append(all, s)
	}
	all = append(all,
		spoken{Name: "ack", Since: 8, JSON: string(protocol{}.appendAck(nil, 7)), MessagePack: hex.EncodeToString(packed{}.appendAck(nil, 7)), Want: []json.RawMessage{json.RawMessage(`{"type":8,"sequenceId":7}`)}},
		spoken{Name: "sequence", Since: 8, JSON: string(protocol{}.appendSequence(nil, 1<<40)), MessagePack: hex.EncodeToString(packed{}.appendSequence(nil, 1<<40)), Want: []json.RawMessage{json.RawMessage(`{"type":9,"sequenceId":1099511627776}`)}})
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/golden/server.json"
	if *update {
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	recorded, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(recorded) != string(text)+"\n" {
		t.Errorf("the server writes otherwise than %s says:\n%s", file, text)
	}
}

func wrote(t *testing.T, p dialect, m wire.Message, args []any) []byte {
	t.Helper()
	var err error
	if m.Args, err = p.Codec().Marshal(args...); err != nil {
		t.Fatal(err)
	}
	data, err := p.Append(nil, &m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
