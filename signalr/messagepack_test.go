package signalr

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/parley-go/parley/internal/msgpack"
	"github.com/parley-go/parley/wire"
	"github.com/parley-go/parley/wire/wiretest"
)

func TestMessagePackProtocol(t *testing.T) {
	for _, p := range []packed{{}, {manner{detailed: true}}, {manner{client: true}}} {
		wiretest.TestProtocol(t, p)
	}
}

// packedArgs are values as the codec writes them.
func packedArgs(t *testing.T, values ...any) wire.Args {
	t.Helper()
	a, err := msgpack.Codec{}.Marshal(values...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// unhex reads bytes written in hexadecimal, with text in 'quotes' between.
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	var out []byte
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		out = append(out, b...)
	}
	return out
}

func TestMessagePackAppend(t *testing.T) {
	server, client := packed{}, packed{manner{client: true}}
	for _, c := range []struct {
		p    packed
		m    wire.Message
		want string
	}{
		{server, wire.Message{Kind: wire.Call, Name: "said", Args: packedArgs(t, "ann", 1)}, "10 96 01 80 c0 a4 'said' 92 a3 'ann' 01 90"},
		{server, wire.Message{Kind: wire.Call, ID: "s1", Name: "q"}, "0a 96 01 80 a2 's1' a1 'q' 90 90"},
		{client, wire.Message{Kind: wire.StreamCall, ID: "1", Name: "up", Headers: map[string]string{"a": "b"}, Streams: []string{"2", "3"}}, "12 96 04 81 a1 'a' a1 'b' a1 '1' a2 'up' 90 92 a1 '2' a1 '3'"},
		{server, wire.Message{Kind: wire.Item, ID: "0", Args: packedArgs(t, nil)}, "06 94 02 80 a1 '0' c0"},
		{server, wire.Message{Kind: wire.Result, ID: "0", Args: packedArgs(t, 5)}, "07 95 03 80 a1 '0' 03 05"},
		{server, wire.Message{Kind: wire.Result, ID: "0"}, "07 95 03 80 a1 '0' 03 c0"},
		{server, wire.Message{Kind: wire.Result, ID: "0", Args: packedArgs(t, 1, 2)}, "09 95 03 80 a1 '0' 03 92 01 02"},
		{server, wire.Message{Kind: wire.Result, Args: packedArgs(t, 1)}, ""},
		{server, wire.Message{Kind: wire.End, ID: "0"}, "06 94 03 80 a1 '0' 02"},
		{client, wire.Message{Kind: wire.End, ID: "0", Err: &wire.Error{Message: "no"}}, "09 95 03 80 a1 '0' 01 a2 'no'"},
		{server, wire.Message{Kind: wire.Ping}, "02 91 06"},
		{server, wire.Message{Kind: wire.Pong}, ""},
		{server, wire.Message{Kind: wire.Cancel, ID: "s1"}, ""},
		{client, wire.Message{Kind: wire.Cancel, ID: "1"}, "05 93 05 80 a1 '1'"},
		{server, wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1000, Reason: "bye"}}, "04 93 07 c0 c2"},
		{server, wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1001, Reconnect: true}}, "04 93 07 c0 c3"},
		{server, wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1002, Failed: true, Reconnect: true}}, "25 93 07 d9 20 'Connection closed with an error.' c3"},
	} {
		got, err := c.p.Append([]byte("before"), &c.m)
		if want := append([]byte("before"), unhex(t, c.want)...); !bytes.Equal(got, want) || err != nil {
			t.Errorf("got  %x %v\nwant %x", got, err, want)
		}
	}
	p := packed{}
	if got, want := p.appendAck(nil, 300), unhex(t, "05 92 08 d1 012c"); !bytes.Equal(got, want) {
		t.Errorf("Ack: got %x, want %x", got, want)
	}
	if got, want := p.refusal(&wire.Error{Message: "no"}), unhex(t, "'{}' 1e 36 93 07 d9 31 'Connection closed with an error. HubException: no' c2"); !bytes.Equal(got, want) {
		t.Errorf("refusal: got %q, want %q", got, want)
	}
}

// The length takes one byte or several; what is inside does not change.
func TestMessagePackLengths(t *testing.T) {
	for _, size := range []int{0, 100, 110, 120, 127, 128, 16000, 16383, 16384, 1 << 21, 1 << 22} {
		m := wire.Message{Kind: wire.Result, ID: "1", Args: packedArgs(t, strings.Repeat("x", size))}
		data, err := packed{}.Append([]byte("before"), &m)
		var got wire.Message
		if err == nil {
			err = packed{}.Parse(data[len("before"):], &got)
		}
		if err != nil || !bytes.Equal(got.Args.Values[0], m.Args.Values[0]) {
			t.Errorf("%d bytes: got %.40q, %v", size, got.Args.Values, err)
		}
	}
}

func TestMessagePackParse(t *testing.T) {
	raw := func(values ...string) (a wire.Args) {
		for _, v := range values {
			a.Values = append(a.Values, unhex(t, v))
		}
		return a
	}
	for _, c := range []struct {
		in   string
		want message
	}{
		{"91 06", message{typ: ping, Message: wire.Message{Kind: wire.Ping}}},
		{"91 d3 0000000000000006", message{typ: ping, Message: wire.Message{Kind: wire.Ping}}},
		{"95 01 80 c0 a1 'a' 92 01 a1 'x'", message{typ: 1, Message: wire.Message{Kind: wire.Call, Name: "a", Args: raw("01", "a1 'x'")}}},
		{"95 01 80 a0 a1 'a' 90", message{typ: 1, Message: wire.Message{Kind: wire.Call, Name: "a"}}},
		{"96 01 81 a1 'h' a1 'v' a1 '7' a1 'a' 91 93 80 c0 c3 91 a1 '8'", message{typ: 1, Message: wire.Message{Kind: wire.Call, ID: "7", Name: "a",
			Args: raw("93 80 c0 c3"), Headers: map[string]string{"h": "v"}, Streams: []string{"8"}}}},
		{"97 04 80 a1 '7' a1 'a' 90 90 a5 'extra'", message{typ: 4, Message: wire.Message{Kind: wire.StreamCall, ID: "7", Name: "a"}}},
		{"94 02 80 a1 '7' c0", message{typ: 2, Message: wire.Message{Kind: wire.Item, ID: "7", Args: raw("c0")}}},
		{"95 03 80 a1 '7' 03 c2", message{typ: 3, Message: wire.Message{Kind: wire.Result, ID: "7", Args: raw("c2")}}},
		{"94 03 80 a1 '7' 02", message{typ: 3, Message: wire.Message{Kind: wire.End, ID: "7"}}},
		{"95 03 80 a1 '7' 01 a2 'no'", message{typ: 3, Message: wire.Message{Kind: wire.End, ID: "7", Err: &wire.Error{Code: "error", Message: "no"}}}},
		{"93 05 80 a1 '7'", message{typ: 5, Message: wire.Message{Kind: wire.Cancel, ID: "7"}}},
		{"92 07 c0", message{typ: 7, Message: wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1000}}}},
		{"93 07 a0 c2", message{typ: 7, Message: wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1011, Failed: true}}}},
		{"93 07 a1 'x' c3", message{typ: 7, Message: wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1011, Reason: "x", Failed: true, Reconnect: true}}}},
		{"92 08 ce 00000005", message{typ: 8, sequence: 5}},
		{"92 09 cf 0000000000000005", message{typ: 9, sequence: 5}},
		{"92 09 ff", message{typ: 9, sequence: -1}},
		{"92 63 c1", message{typ: 99}},
		{"91 ff", message{typ: -1}},
	} {
		var got message
		if err := (packed{}).parse(unhex(t, c.in), &got); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\ngot  %+v %v\nwant %+v", c.in, got, err, c.want)
		}
	}
}

func TestMessagePackParseErrors(t *testing.T) {
	deep := strings.Repeat("91", 100)
	for in, want := range map[string]string{
		"":                                     "'message' to be an array",
		"06":                                   "'message' to be an array",
		"80":                                   "'message' to be an array",
		"90":                                   "too few elements",
		"91":                                   "'message' to be an array",
		"91 a1 '6'":                            "'type' to be an integer",
		"91 cf 0000000100000006":               "'type' to be an integer",
		"91 cb 4018000000000000":               "'type' to be an integer",
		"91 01":                                "too few elements",
		"94 01 80 c0 a1 'a'":                   "missing required property 'arguments'",
		"95 01 c0 c0 a1 'a' 90":                "'headers' to be a map",
		"95 01 81 a1 'a' 01 c0 a1 'a' 90":      "'headers' to be a string",
		"95 01 80 01 a1 'a' 90":                "'invocationId' to be a string",
		"95 01 80 c0 c0 90":                    "'target' to be a string",
		"95 01 80 c0 a0 90":                    "missing required property 'target'",
		"95 01 80 c0 a1 'a' c0":                "'arguments' to be an array",
		"95 01 80 c0 a1 'a' 92 01":             "'arguments' to be an array",
		"96 01 80 c0 a1 'a' 90 91 01":          "'streamIds' to be a string",
		"95 01 81 a0 a1 'v' c0 a1 'a' 90":      "empty string in 'headers'",
		"95 01 81 a1 'h' a0 c0 a1 'a' 90":      "empty string in 'headers'",
		"96 01 80 c0 a1 'a' 90 91 a0":          "empty string in 'streamIds'",
		"95 04 80 c0 a1 'a' 90":                "missing required property 'invocationId'",
		"93 02 80 a1 '7'":                      "too few elements",
		"94 02 80 c0 01":                       "missing required property 'invocationId'",
		"94 03 80 a1 '7' 03":                   "too few elements",
		"95 03 80 a1 '7' 04 c0":                "invalid invocation result kind: 4",
		"95 03 80 a1 '7' 01 05":                "'error' to be a string",
		"92 05 80":                             "too few elements",
		"93 07 c0 01":                          "'allowReconnect' to be a boolean",
		"91 08":                                "too few elements",
		"92 08 a1 '5'":                         "'sequenceId' to be an integer",
		"92 08 cf ffffffffffffffff":            "'sequenceId' to be an integer",
		"dd ffffffff 01 80 c0":                 "'message' to be an array",
		"95 01 df ffffffff":                    "reading 'headers' failed",
		"95 01 80 c0 db ffffffff":              "reading 'target' failed",
		"95 01 80 c0 a1 'a' dd ffffffff":       "'arguments' to be an array",
		"95 01 80 c0 a1 'a' 91 c6 ffffffff":    "reading 'arguments' failed",
		"95 01 80 c0 a1 'a' 91 c9 ffffffff 01": "reading 'arguments' failed",
		"95 01 80 c0 a1 'a' 91" + deep + "c0":  "nests more than",
	} {
		var m message
		if err := (packed{}).parse(unhex(t, in), &m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, want %q", in, err, want)
		}
	}
	for in, want := range map[string]string{
		"":                  "not as long as it says",
		"03 91 06":          "not as long as it says",
		"02 91 06 00":       "not as long as it says",
		"ff ff ff ff 08 91": "Messages over 2GB",
		"ff ff ff ff ff":    "Messages over 2GB",
		"80":                "not as long as it says",
	} {
		var m wire.Message
		if err := (packed{}).Parse(unhex(t, in), &m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", in, err, want)
		}
	}
}

func TestMessagePackArgumentsStayWhereTheyLie(t *testing.T) {
	data := unhex(t, "95 01 80 c0 a1 'a' 91 81 a1 'b' 01")
	var m message
	if err := (packed{}).parse(data, &m); err != nil {
		t.Fatal(err)
	}
	if got := m.Args.Values[0]; &got[0] != &data[7] || len(got) != 4 || cap(got) != 4 {
		t.Errorf("got %x with room for %d, elsewhere or changed", got, cap(got))
	}
}

func TestFramesAreCutWhereverReadsEnd(t *testing.T) {
	long := append([]byte{0x80, 0x02}, bytes.Repeat([]byte("x"), 256)...)
	stream := slices.Concat([]byte{2, 0x91, 6, 0}, long, []byte{1, 7, 5, 'u', 'n'})
	want := []string{"\x91\x06", "", string(long[2:]), "\x07"}
	for size := 1; size <= len(stream); size++ {
		s := frames{limit: 300}
		var got []string
		for chunk := range slices.Chunk(stream, size) {
			chunk = bytes.Clone(chunk)
			if err := eachRecord(&s, chunk, func(r []byte) bool { got = append(got, string(r)); return true }); err != nil {
				t.Fatalf("reads of %d bytes: %v", size, err)
			}
			clear(chunk) // the transport uses its buffer again
		}
		if !slices.Equal(got, want) || !s.rest() {
			t.Errorf("reads of %d bytes: got %q, rest %t, want %q and true", size, got, s.rest(), want)
		}
	}
}

func TestFrameLimitSlides(t *testing.T) {
	const limit = 8
	for _, c := range []struct {
		reads []string
		want  int // records before the error, or all
		fails string
	}{
		{[]string{"07 'seven b'"}, 1, ""},
		{[]string{"08"}, 0, "maximum message size of 8B"},
		{[]string{"07 'seven b' 07 'seven b' 08 '!'"}, 2, "maximum message size of 8B"},
		{[]string{"01", "'a'", "02 'b'", "'c' 07"}, 2, ""},
		{[]string{"ff", "ff", "ff", "ff", "07"}, 0, "maximum message size of 8B"},
		{[]string{"ff", "ff", "ff", "ff", "08"}, 0, "Messages over 2GB"},
		{[]string{"ffffffffff"}, 0, "Messages over 2GB"},
		{[]string{"80", "80", "80", "80", "00", "00"}, 2, ""},
	} {
		s := frames{limit: limit}
		n := 0
		var err error
		for _, read := range c.reads {
			if err = eachRecord(&s, unhex(t, read), func([]byte) bool { n++; return true }); err != nil {
				break
			}
		}
		if n != c.want || (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%q: got %d records and %v, want %d and %q", c.reads, n, err, c.want, c.fails)
		}
		if cap(s.part) > 2*limit {
			t.Errorf("%q: %d bytes are held, want at most %d", c.reads, cap(s.part), 2*limit)
		}
	}
}

func TestFramesStopWhenNoMoreAreWanted(t *testing.T) {
	s := frames{limit: 100}
	n := 0
	err := eachRecord(&s, []byte{1, 1, 1, 2, 1, 3}, func([]byte) bool { n++; return n < 2 })
	if n != 2 || err != nil || s.rest() {
		t.Errorf("got %d records, %v, rest %t; want 2", n, err, s.rest())
	}
}

// FuzzMessagePackMessage: no input panics, and what is understood can be
// written and is understood alike.
func FuzzMessagePackMessage(f *testing.F) {
	for _, seed := range []string{"\x91\x06", "\x95\x01\x80\xc0\xa1a\x92\x01\xa1x", "\x96\x04\x81\xa1h\xa1v\xa17\xa1a\x91\x93\x80\xc0\xc3\x91\xa18", "\x94\x02\x80\xa17\xc0",
		"\x95\x03\x80\xa17\x03\xc2", "\x94\x03\x80\xa17\x02", "\x95\x03\x80\xa17\x01\xa2no", "\x93\x05\x80\xa17", "\x92\x07\xc0", "\x93\x07\xa1x\xc3",
		"\x92\x08\xce\x00\x00\x00\x05", "\x92\x09\xff", "\x92\x63\xc1", "\xdd\xff\xff\xff\xff", "\x95\x01\x80\xc0\xdb\xff\xff\xff\xff"} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, client bool) {
		fuzzMessage(t, packed{manner{client: client}}, data)
	})
}

// FuzzFrames: however the stream is cut into reads, the records are those that
// their lengths tell, and none is longer than the limit.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x02\x91\x06\x00\x81\x00x"), uint8(2), uint8(20))
	f.Add([]byte("\xff\xff\xff\xff\x07"), uint8(0), uint8(255))
	f.Fuzz(func(t *testing.T, stream []byte, size, limit uint8) {
		cut := func(size int) (got [][]byte, rest bool, err error) {
			s := frames{limit: int(limit)}
			for chunk := range slices.Chunk(stream, size) {
				if err = eachRecord(&s, chunk, func(r []byte) bool { got = append(got, bytes.Clone(r)); return true }); err != nil {
					break
				}
			}
			return got, s.rest(), err
		}
		got, rest, err := cut(int(size) + 1)
		whole, wholeRest, wholeErr := cut(len(stream) + 1)
		if !slices.EqualFunc(got, whole, bytes.Equal) || rest != wholeRest || (err == nil) != (wholeErr == nil) {
			t.Errorf("got %q %t %v, in one piece %q %t %v", got, rest, err, whole, wholeRest, wholeErr)
		}
		for _, record := range got {
			if len(record) >= int(limit) {
				t.Errorf("a record has %d bytes beside its length, the limit is %d", len(record), limit)
			}
		}
	})
}
