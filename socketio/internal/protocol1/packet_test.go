package protocol1

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parley-go/parley/wire"
	"github.com/parley-go/parley/wire/wiretest"
)

const maxPackets = 1000 // of one POST

func TestProtocol(t *testing.T) {
	for _, endpoint := range []string{"", "/chat"} {
		wiretest.TestProtocol(t, protocol{endpoint})
	}
}

// show writes a message down in short.
func show(m *wire.Message) string {
	s := fmt.Sprintf("%d %q %q %s", m.Kind, m.ID, m.Name, bytes.Join(m.Args.Values, []byte{' '}))
	if m.Err != nil {
		s += " " + m.Err.Code + ": " + m.Err.Message
	}
	return s
}

func TestPacketsAreRead(t *testing.T) {
	tests := []struct {
		data, endpoint, id string
		want               wire.Message
	}{
		{"0::", "", "", wire.Message{Kind: wire.Close}},
		{"0::/chat", "/chat", "", wire.Message{Kind: wire.Close}},
		{"1::/chat?x=1", "/chat?x=1", "", wire.Message{}},
		{"2::", "", "", wire.Message{Kind: wire.Ping}},
		{"3:::plain", "", "", wire.Message{Kind: wire.Call, Name: "message", Args: values(`"plain"`)}},
		{"3::/chat:a:b\n\"", "/chat", "", wire.Message{Kind: wire.Call, Name: "message", Args: values(`"a:b\n\""`)}},
		{"3:1::", "", "1", wire.Message{Kind: wire.Call, Name: "message", Args: values(`""`)}},
		{"3:1+::", "", "1", wire.Message{Kind: wire.Call, ID: "1", Name: "message", Args: values(`""`)}},
		{`4:::{"j":1}`, "", "", wire.Message{Kind: wire.Call, Name: "message", Args: values(`{"j":1}`)}},
		{`5:1+::{"name":"draw","args":[{"x":1},2]}`, "", "1", wire.Message{Kind: wire.Call, ID: "1", Name: "draw", Args: values(`{"x":1}`, `2`)}},
		{`5:::{"name":"draw"}`, "", "", wire.Message{Kind: wire.Call, Name: "draw"}},
		{`5::/a:{"args":[],"other":3,"name":"message"}`, "/a", "", wire.Message{Kind: wire.Call, Name: "message"}},
		{"6:::007", "", "", wire.Message{Kind: wire.Result, ID: "7"}},
		{`6:::1+["ok"]`, "", "", wire.Message{Kind: wire.Result, ID: "1", Args: values(`"ok"`)}},
		{`6:::1+[{"error":{"code":"no","message":"No."}}]`, "", "", wire.Message{Kind: wire.Result, ID: "1", Err: &wire.Error{Code: "no", Message: "No."}}},
		{`6:::1+[{"error":"no"}]`, "", "", wire.Message{Kind: wire.Result, ID: "1", Args: values(`{"error":"no"}`)}},
		{"7:::1+0", "", "", wire.Message{}},
		{"8::", "", "", wire.Message{}},
	}
	for _, tt := range tests {
		p, err := parsePacket([]byte(tt.data))
		var m wire.Message
		if err == nil {
			err = p.message(&m)
		}
		if err != nil || p.endpoint != tt.endpoint || p.id != tt.id || show(&m) != show(&tt.want) {
			t.Errorf("%s: endpoint %q, id %q, %s, %v, want %s", tt.data, p.endpoint, p.id, show(&m), err, show(&tt.want))
		}
	}
}

func values(list ...string) (a wire.Args) {
	for _, v := range list {
		a.Values = append(a.Values, []byte(v))
	}
	return a
}

func TestMalformedPacketsAreRefused(t *testing.T) {
	for _, data := range []string{
		"", "3", "3:", "9::", "a::", "33::x", ":::", "3;;;", "3:1", "3:x::", "3:+::", "3:++::", "3:-1::", "3:9007199254740992::", "3:1+1::",
		"4:::", "4:::{", `4:::{"a":1}{`, "5:::", "5:::[]", `5:::"x"`, `5:::{}`, `5:::{"name":1}`, `5:::{"name":"x","args":{}}`, `5:::{"name":"x","args":[1}`,
		`5:::{"name":"connect"}`, `5:::{"name":"disconnect"}`, `5:::{"name":"\u0063onnect"}`,
		"6:::", "6:::+[]", "6:::x", "6:::1+{}", "6:::1+[", "3::/" + strings.Repeat("x", maxEndpoint),
		`5:::{"name":"x","args":[` + strings.Repeat("1,", maxArguments) + "1]}",
	} {
		var m wire.Message
		if err := (protocol{}).Parse([]byte(data), &m); !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("%.60q: %v, want a protocol error", data, err)
		}
	}
}

func TestMessagesAreWritten(t *testing.T) {
	tests := []struct {
		endpoint string
		message  wire.Message
		want     string
	}{
		{"", wire.Message{Kind: wire.Call, Name: "message", Args: values(`"a \"b\""`)}, `3:::a "b"`},
		{"/chat", wire.Message{Kind: wire.Call, Name: "message", Args: values(`{"j":1}`)}, `4::/chat:{"j":1}`},
		{"", wire.Message{Kind: wire.Call, Name: "message", ID: "3", Args: values(`""`)}, `3:3+::`},
		{"", wire.Message{Kind: wire.Call, Name: "message", Args: values(`1`, `2`)}, `5:::{"name":"message","args":[1,2]}`},
		{"", wire.Message{Kind: wire.Call, Name: "tick"}, `5:::{"name":"tick"}`},
		{"/a", wire.Message{Kind: wire.Call, Name: `"`, ID: "1", Args: values(`[1]`)}, `5:1+:/a:{"name":"\"","args":[[1]]}`},
		{"", wire.Message{Kind: wire.Result, ID: "1"}, `6:::1`},
		{"", wire.Message{Kind: wire.Result, ID: "1", Args: values(`"ok"`)}, `6:::1+["ok"]`},
		{"/a", wire.Message{Kind: wire.Result, ID: "1", Err: &wire.Error{Code: "no", Message: "No."}}, `6::/a:1+[{"error":{"code":"no","message":"No."}}]`},
		{"", wire.Message{Kind: wire.Result, Name: "say", Err: &wire.Error{Code: "no", Message: "No."}}, `5:::{"name":"error","args":[{"code":"no","message":"No.","event":"say"}]}`},
		{"", wire.Message{Kind: wire.Result, Name: "say"}, ``},
		{"", wire.Message{Kind: wire.Ping}, `2::`},
		{"/a", wire.Message{Kind: wire.Close}, `0::/a`},
		{"", wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Reconnect: true}}, ``},
	}
	for _, tt := range tests {
		got, err := protocol{tt.endpoint}.Append(nil, &tt.message)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %s, %v, want %s", show(&tt.message), got, err, tt.want)
		}
	}
	for _, m := range []wire.Message{{Kind: wire.Call, Name: "connect"}, {Kind: wire.Call, Name: "disconnect"}, {Kind: wire.Call, Name: "x", Streams: []string{"1"}}} {
		if got, err := (protocol{}).Append([]byte("before"), &m); err == nil || string(got) != "before" {
			t.Errorf("%s: %s, want an error", show(&m), got)
		}
	}
}

func TestPayloads(t *testing.T) {
	const captured = "\ufffd9\ufffd3:::plain\ufffd11\ufffd4:::{\"j\":1}" // of the reference
	if got := appendPayload(appendPayload(nil, []byte("3:::plain")), []byte(`4:::{"j":1}`)); string(got) != captured {
		t.Errorf("written %q, want %q", got, captured)
	}
	tests := map[string][]string{
		captured:     {"3:::plain", `4:::{"j":1}`},
		"3:::\ufffd": {"3:::\ufffd"},
		"\ufffd6\ufffd3:::😀\ufffd5\ufffd3:::ü":   {"3:::😀", "3:::ü"},
		"\ufffd7\ufffd3:::\ufffd1\ufffd":         {"3:::\ufffd1\ufffd"},
		"\ufffd0\ufffd\ufffd3\ufffd2::":          {"", "2::"},
		"":                                       nil,
		string(protocol{}.refusal()):             {"7:::2", "0::"},
		"\ufffd0000003\ufffd2::\ufffd3\ufffd8::": {"2::", "8::"},
	}
	for payload, want := range tests {
		var got []string
		err := eachPacket([]byte(payload), maxPackets, func(p []byte) bool { got = append(got, string(p)); return true })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", payload, got, err, want)
		}
	}
	for _, payload := range []string{
		"\ufffd", "\ufffd\ufffd", "\ufffd4\ufffd2::", "\ufffdx\ufffd2::", "\ufffd-1\ufffd", "\ufffd+3\ufffd2::", "\ufffd3\ufffd2::x", "\ufffd3", "\xff", "3:::\xff",
		"\ufffd5\ufffd3:::😀", "\ufffd99999999999\ufffd2::", strings.Repeat("\ufffd0\ufffd", maxPackets+1),
	} {
		if err := eachPacket([]byte(payload), maxPackets, func([]byte) bool { return true }); !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("%.30q: %v, want a protocol error", payload, err)
		}
	}
	count := 0
	if eachPacket([]byte(captured), maxPackets, func([]byte) bool { count++; return false }); count != 1 {
		t.Errorf("%d packets after the end", count)
	}
}

func FuzzPacket(f *testing.F) {
	for _, m := range wiretest.Messages(f, protocol{"/a"}) {
		if data, err := (protocol{"/a"}).Append(nil, &m); err == nil {
			f.Add(data)
		}
	}
	f.Add([]byte("1::/chat?x=1"))
	f.Add([]byte(`6:::4+["A",{"error":{}}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m, again wire.Message
		p, err := parsePacket(data)
		if err != nil || p.message(&m) != nil || m.Kind == 0 || m.Kind == wire.Close || !utf8.Valid(data) {
			return
		}
		words, err := protocol{p.endpoint}.Append(nil, &m)
		if err != nil || len(words) == 0 {
			t.Fatalf("%s has no words: %v", show(&m), err)
		}
		if err := (protocol{}).Parse(words, &again); err != nil || m.Err == nil && show(&again) != show(&m) {
			t.Errorf("%q: %s, written as %q and read as %s, %v", data, show(&m), words, show(&again), err)
		}
	})
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte("\ufffd9\ufffd3:::plain\ufffd11\ufffd4:::{\"j\":1}"))
	f.Add([]byte("\ufffd6\ufffd3:::😀\ufffd5\ufffd3:::ü"))
	f.Add([]byte("3:::\ufffd"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var packets [][]byte
		if eachPacket(payload, maxPackets, func(p []byte) bool { packets = append(packets, p); return true }) != nil {
			return
		}
		var again []byte
		for _, p := range packets {
			if bytes.HasPrefix(p, []byte(separator)) {
				return // no packet begins so
			}
			again = appendPayload(again, p)
		}
		var got [][]byte
		if err := eachPacket(again, maxPackets, func(p []byte) bool { got = append(got, p); return true }); err != nil || !slices.EqualFunc(got, packets, bytes.Equal) {
			t.Errorf("%q: %q, written again as %q: %q, %v", payload, packets, again, got, err)
		}
	})
}
