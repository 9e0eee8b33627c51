package websocket

import (
	"bytes"
	"testing"
)

func TestHeadersAreWrittenAndReadBack(t *testing.T) {
	for _, length := range []int64{0, 1, 125, 126, 127, 0xFFFF, 0x10000, 1<<31 - 1, 1 << 32, 1<<63 - 1} {
		for _, masked := range []bool{false, true} {
			want := header{fin: true, op: opBinary, masked: masked, length: length}
			if masked {
				want.key = [4]byte{1, 2, 3, 4}
			}
			wire := appendHeader(nil, want)
			for cut := range wire {
				if _, n, err := parseHeader(wire[:cut], masked, false); n != 0 || err != nil {
					t.Errorf("length %d cut at %d: got %d, %v, want more to be asked for", length, cut, n, err)
				}
			}
			got, n, err := parseHeader(wire, masked, false)
			if got != want || n != len(wire) || err != nil {
				t.Errorf("length %d: got %+v, %d, %v, want %+v, %d", length, got, n, err, want, len(wire))
			}
		}
	}
}

func TestHeadersOfTheRFCExamples(t *testing.T) { // RFC 6455 §5.7
	tests := []struct {
		name       string
		wire       []byte
		fromClient bool
		want       header
	}{
		{"unmasked text", []byte{0x81, 0x05}, false, header{fin: true, op: opText, length: 5}},
		{"masked text", []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d}, true,
			header{fin: true, op: opText, masked: true, key: [4]byte{0x37, 0xfa, 0x21, 0x3d}, length: 5}},
		{"first fragment", []byte{0x01, 0x03}, false, header{op: opText, length: 3}},
		{"last fragment", []byte{0x80, 0x02}, false, header{fin: true, op: opContinuation, length: 2}},
		{"256 bytes", []byte{0x82, 0x7E, 0x01, 0x00}, false, header{fin: true, op: opBinary, length: 256}},
		{"64 KiB", []byte{0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0}, false, header{fin: true, op: opBinary, length: 65536}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, n, err := parseHeader(tt.wire, tt.fromClient, false)
			if got != tt.want || n != len(tt.wire) || err != nil {
				t.Errorf("got %+v, %d, %v, want %+v", got, n, err, tt.want)
			}
		})
	}
}

func TestMaskingEqualsTheRFCByteForByte(t *testing.T) {
	key := [4]byte{0xA1, 0x02, 0xF3, 0x44}
	for length := range 200 {
		for pos := range int64(9) {
			got := bytes.Repeat([]byte{0x5A}, length+8)
			want := bytes.Clone(got)
			for i := range length {
				want[3+i] ^= key[(int(pos)+i)%4]
			}
			mask(got[3:3+length], key, pos)
			if !bytes.Equal(got, want) {
				t.Fatalf("length %d at %d: got %x, want %x", length, pos, got, want)
			}
		}
	}
}

func TestUTF8IsCheckedAcrossCuts(t *testing.T) {
	tests := []struct {
		name string
		text string
		ok   bool
	}{
		{"ascii", "hello", true},
		{"two, three and four bytes", "κόσμε €𝄞", true},
		{"highest code point", "\U0010FFFF", true},
		{"above the highest", "\xF4\x90\x80\x80", false},
		{"surrogate", "\xED\xA0\x80", false},
		{"overlong slash", "\xC0\xAF", false},
		{"overlong in three", "\xE0\x80\xAF", false},
		{"lonely continuation", "a\x80", false},
		{"cut short", "\xE2\x82", false},
		{"impossible byte", "\xFF", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			part := partial{op: opText, msg: new(buffer)}
			data := []byte(tt.text)
			var err error
			for end := 0; end <= len(data) && err == nil; end++ {
				part.msg.b = data[:end]
				err = part.check(end == len(data))
			}
			if got := err == nil; got != tt.ok {
				t.Errorf("byte by byte: got %v, want ok %v", err, tt.ok)
			}
			part = partial{op: opText, msg: &buffer{data}}
			if got := part.check(true) == nil; got != tt.ok {
				t.Errorf("at once: got ok %v, want %v", got, tt.ok)
			}
		})
	}
}

func TestBuffersComeInClassesAndEmpty(t *testing.T) {
	for _, n := range []int{0, 1, 512, 513, 4096, 1 << 20, 1<<20 + 1, 3 << 20} {
		b := getBuffer(n)
		if len(b.b) != 0 || cap(b.b) < n {
			t.Errorf("getBuffer(%d): got len %d, cap %d", n, len(b.b), cap(b.b))
		}
		b.b = append(b.b, "secret"...)
		putBuffer(b)
		if again := getBuffer(n); len(again.b) != 0 {
			t.Errorf("getBuffer(%d) after put: got %d bytes of another message", n, len(again.b))
		}
	}
}
