package webtransport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/parley-go/parley/wire"
)

func text(s string) *wire.Encoded { return &wire.Encoded{Data: []byte(s)} }

func TestFramesHaveTheHeadersOfTheReference(t *testing.T) {
	for _, c := range []struct {
		name   string
		n      int
		binary bool
		header []byte
	}{
		{"one byte", 1, false, []byte{1}},
		{"the longest of seven bits", 125, false, []byte{125}},
		{"the shortest of sixteen", 126, false, []byte{126, 0, 126}},
		{"the longest of sixteen", 65535, true, []byte{0x80 | 126, 0xff, 0xff}},
		{"the shortest of sixty-four", 65536, false, []byte{127, 0, 0, 0, 0, 0, 1, 0, 0}},
		{"long and binary", 200_000, true, []byte{0x80 | 127, 0, 0, 0, 0, 0, 3, 0x0d, 0x40}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &wire.Encoded{Data: bytes.Repeat([]byte("x"), c.n), Binary: c.binary}
			frame := appendFrame(nil, e)
			if got := frame[:len(frame)-c.n]; !bytes.Equal(got, c.header) {
				t.Errorf("got header % x, want % x", got, c.header)
			}
			f := newFrames(iotest.HalfReader(bytes.NewReader(append(frame, 1, '2'))), 1e6)
			for _, want := range []string{string(e.Data), "2"} {
				data, _, err := f.next()
				if err != nil || string(data) != want {
					t.Fatalf("got %d bytes, %v, want %d", len(data), err, len(want))
				}
			}
			if _, _, err := f.next(); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}

func TestBadFramesAreErrors(t *testing.T) {
	huge := binary.BigEndian.AppendUint64([]byte{127}, math.MaxUint64)
	for _, c := range []struct {
		name  string
		input []byte
		want  error
	}{
		{"length 0", []byte{0}, errEmpty},
		{"length 0, binary", []byte{0x80}, errEmpty},
		{"length 0 in sixteen bits", []byte{126, 0, 0}, errEmpty},
		{"length 0 in sixty-four bits", []byte{127, 0, 0, 0, 0, 0, 0, 0, 0}, errEmpty},
		{"over the limit by one", []byte{126, 3, 233}, errTooLong},
		{"as long as can be said", huge, errTooLong},
		{"text that is not UTF-8", []byte{2, '4', 0xff}, errUTF8},
		{"cut in the header", []byte{126, 0}, io.ErrUnexpectedEOF},
		{"cut behind the header", []byte{5}, io.ErrUnexpectedEOF},
		{"cut in the packet", []byte{5, '4', 'x'}, io.ErrUnexpectedEOF},
	} {
		if _, _, err := newFrames(bytes.NewReader(c.input), 1000).next(); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// The length of a packet is a promise of the peer's. Memory is for what has come.
func TestAPromisedLengthTakesNoMemory(t *testing.T) {
	promise := binary.BigEndian.AppendUint64([]byte{127}, 1<<30)
	f := newFrames(io.MultiReader(bytes.NewReader(promise), strings.NewReader(strings.Repeat("x", 100_000))), 1<<30)
	if _, _, err := f.next(); err != io.ErrUnexpectedEOF {
		t.Errorf("got %v", err)
	}
	if got, want := cap(f.buf), 4*growBytes; got > want {
		t.Errorf("100,000 bytes came, %d are held", got)
	}
}

func TestTheRoomOfALongPacketIsGivenBack(t *testing.T) {
	frame := appendFrame(nil, text(strings.Repeat("x", 500_000)))
	f := newFrames(bytes.NewReader(append(frame, 1, '2')), 1e6)
	for range 2 {
		if _, _, err := f.next(); err != nil {
			t.Fatal(err)
		}
	}
	if cap(f.buf) > keptBytes {
		t.Errorf("%d bytes are held for a packet of one", cap(f.buf))
	}
}

func TestParseFirst(t *testing.T) {
	for _, c := range []struct{ packet, want string }{
		{"0", ""},
		{`0{"sid":"abc"}`, "abc"},
		{`0{"sid":"abc","more":1}`, "abc"},
	} {
		if id, err := parseFirst([]byte(c.packet), false); err != nil || id != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.packet, id, err, c.want)
		}
	}
	for _, packet := range []string{"", "4", "2probe", "5", "0{}", `0{"sid":""}`, `0{"sid":1}`, "0[]", "0x", "00"} {
		if id, err := parseFirst([]byte(packet), false); !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("%s: got %q, %v", packet, id, err)
		}
	}
	if _, err := parseFirst([]byte("0"), true); err == nil {
		t.Error("a binary first packet opens a connection")
	}
}

// plainNext reads a packet as the description of the format says, one field after
// another.
func plainNext(r *bufio.Reader, max uint64) (data []byte, binary8, ok bool) {
	first, err := r.ReadByte()
	if err != nil {
		return nil, false, false
	}
	n, more := uint64(first%128), 0
	if n == 126 {
		n, more = 0, 2
	} else if n == 127 {
		n, more = 0, 8
	}
	for range more {
		b, err := r.ReadByte()
		if err != nil {
			return nil, false, false
		}
		n = n*256 + uint64(b)
	}
	if n == 0 || n > max {
		return nil, false, false
	}
	data = make([]byte, n)
	_, err = io.ReadFull(r, data)
	return data, first >= 128, err == nil
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{1, '0', 0x80 | 3, 1, 2, 3, 126, 0, 2, '4', 'x'})
	f.Add([]byte{127, 0, 0, 0, 0, 0, 0, 0, 1, '2', 0})
	f.Add(appendFrame(nil, text(strings.Repeat("é", 70))))
	f.Fuzz(func(t *testing.T, input []byte) {
		const most = 300
		frames, plain := newFrames(iotest.OneByteReader(bytes.NewReader(input)), most), bufio.NewReader(bytes.NewReader(input))
		for {
			data, bin, err := frames.next()
			want, wantBin, ok := plainNext(plain, most)
			if err == errUTF8 {
				return
			}
			if (err == nil) != ok || err == nil && (bin != wantBin || !bytes.Equal(data, want)) {
				t.Fatalf("got %q %v %v, want %q %v %v", data, bin, err, want, wantBin, ok)
			}
			if err != nil {
				return
			}
			again := newFrames(bytes.NewReader(appendFrame(nil, &wire.Encoded{Data: data, Binary: bin})), most)
			if copied, copiedBin, err := again.next(); err != nil || copiedBin != bin || !bytes.Equal(copied, data) {
				t.Fatalf("written and read again: %q %v %v", copied, copiedBin, err)
			}
		}
	})
}
