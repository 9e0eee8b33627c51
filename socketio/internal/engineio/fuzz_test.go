package engineio

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/parley-go/parley/wire"
)

// collect decodes a payload with one of the decoders into packets that a Socket
// would take.
func collect(each func([]byte, int, func([]byte, bool) bool) error, payload []byte) ([]*wire.Encoded, error) {
	var packets []*wire.Encoded
	err := each(payload, maxPackets, func(packet []byte, binary bool) bool {
		packets = append(packets, &wire.Encoded{Data: bytes.Clone(packet), Binary: binary})
		return true
	})
	return packets, err
}

func same(a, b []*wire.Encoded) bool {
	return slices.EqualFunc(a, b, func(a, b *wire.Encoded) bool { return a.Binary == b.Binary && bytes.Equal(a.Data, b.Data) })
}

// messages turns what a decoder yields into messages, as a Socket of that protocol
// would hand them up; false when it would fail.
func messages(packets []*wire.Encoded, protocol int) (all []*wire.Encoded, ok bool) {
	for _, p := range packets {
		switch {
		case p.Binary && (len(p.Data) == 0 || p.Data[0] != binaryMessage):
			return nil, false
		case p.Binary:
			all = append(all, &wire.Encoded{Data: p.Data[1:], Binary: true})
		case len(p.Data) == 0:
			return nil, false
		case p.Data[0] == packetBinary:
			data, err := decodeBase64(p.Data, protocol)
			if err != nil {
				return nil, false
			}
			all = append(all, &wire.Encoded{Data: data, Binary: true})
		default:
			all = append(all, p)
		}
	}
	return all, true
}

// FuzzPayload4: what has been decoded is written so that it decodes to the same.
func FuzzPayload4(f *testing.F) {
	for _, seed := range []string{"4hello\x1ebAQIDBA==", "\x1e\x1e", "", "4", "b", "b====", "4Grüße 世😀\x1e2\x1e3probe", "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		packets, err := collect(eachPacket, payload)
		if err != nil {
			return
		}
		if again := appendPayload(nil, packets); !bytes.Equal(again, payload) {
			t.Errorf("%q is written as %q", payload, again)
		}
		first, ok := messages(packets, 4)
		if !ok {
			return
		}
		packets, err = collect(eachPacket, appendPayload(nil, first))
		second, ok := messages(packets, 4)
		if err != nil || !ok || !same(first, second) {
			t.Errorf("%q: messages do not come back: %v", payload, err)
		}
	})
}

// slowPayload3 decodes a text payload as JavaScript does, on an array of UTF-16
// code units.
func slowPayload3(payload []byte) (packets []string, ok bool) {
	if !utf8.Valid(payload) || len(payload) == 0 {
		return nil, false
	}
	units := utf16.Encode([]rune(string(payload)))
	for len(units) > 0 {
		colon := slices.Index(units, ':')
		if colon < 1 || colon > maxDigits {
			return nil, false
		}
		n := 0
		for _, d := range units[:colon] {
			if d < '0' || d > '9' {
				return nil, false
			}
			n = 10*n + int(d-'0')
		}
		units = units[colon+1:]
		if n > len(units) || n > 0 && n < len(units) && utf16.IsSurrogate(rune(units[n-1])) && units[n-1] < 0xDC00 {
			return nil, false // too short, or cut inside a character
		}
		if n > 0 {
			packets = append(packets, string(utf16.Decode(units[:n])))
		}
		units = units[n:]
	}
	return packets, true
}

// FuzzPayload3 compares with the slow decoder, and with the binary payload of the
// same packets.
func FuzzPayload3(f *testing.F) {
	for _, seed := range []string{"6:4hello10:b4AQIDBA==", "2:4ü", "3:4😀", "2:4😀", "0:1:2", ":", "1:", "", "010:4234567890", "2:4\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		packets, err := collect(eachPacket3, payload)
		want, ok := slowPayload3(payload)
		if (err == nil) != ok && len(packets) < maxPackets {
			t.Fatalf("%q: got %v, the slow decoder says %v", payload, err, ok)
		}
		if err != nil {
			return
		}
		if len(packets) != len(want) {
			t.Fatalf("%q: %d packets, want %d", payload, len(packets), len(want))
		}
		for i, p := range packets {
			if string(p.Data) != want[i] {
				t.Errorf("%q: packet %d is %q, want %q", payload, i, p.Data, want[i])
			}
		}
		first, ok := messages(packets, 3)
		if !ok || len(first) == 0 {
			return
		}
		for _, textOnly := range []bool{true, false} {
			again, binary := appendPayload3(nil, first, textOnly)
			decode := eachPacket3
			if binary {
				decode = eachRecord3
			}
			packets, err := collect(decode, again)
			second, ok := messages(packets, 3)
			if err != nil || !ok || !same(first, second) {
				t.Errorf("%q written as %q does not come back: %v", payload, again, err)
			}
		}
	})
}

// FuzzRecords3: a binary payload, written again, and as text.
func FuzzRecords3(f *testing.F) {
	for _, seed := range []string{"\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04", "\x00\x00\xff", "\x01\xff", "\x00\x01\x02\xff4", "\x02\x01\xff4"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		packets, err := collect(eachRecord3, payload)
		if err != nil {
			return
		}
		first, ok := messages(packets, 3)
		if !ok || len(first) == 0 {
			return
		}
		again, binary := appendPayload3(nil, first, false)
		decode := eachPacket3
		if binary {
			decode = eachRecord3
		}
		packets, err = collect(decode, again)
		second, ok := messages(packets, 3)
		if err != nil || !ok || !same(first, second) {
			t.Errorf("%q written as %q does not come back: %v", payload, again, err)
		}
		text, _ := appendPayload3(nil, first, true)
		packets, err = collect(eachPacket3, text)
		third, ok := messages(packets, 3)
		if err != nil || !ok || !same(first, third) {
			t.Errorf("%q written as %q does not come back: %v", payload, text, err)
		}
	})
}

// FuzzTwice: text that is encoded twice is found out.
func FuzzTwice(f *testing.F) {
	f.Add("4Grüße 世😀")
	f.Add("4Ã¼")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		var double []byte
		for _, b := range []byte(text) {
			double = utf8.AppendRune(double, rune(b))
		}
		if got, ok := decodeAgain(double); !ok || string(got) != text {
			t.Errorf("%q came back as %q", text, got)
		}
	})
}

// FuzzNewlines: what the client does to protect newlines is undone.
func FuzzNewlines(f *testing.F) {
	f.Add(`4a\nb\\nc`)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "\\\n") { // which no JSON has, and the client's way cannot tell
			return
		}
		sent := strings.ReplaceAll(text, `\n`, "\\\n")
		sent = strings.ReplaceAll(sent, "\n", `\n`)
		if got := string(unescapeNewlines([]byte(sent))); got != text {
			t.Errorf("%q was sent as %q and came back as %q", text, sent, got)
		}
	})
}
