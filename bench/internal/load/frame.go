package load

import (
	"encoding/binary"
	"fmt"
)

// Bits of a frame's first two bytes, RFC 6455 §5.2.
const (
	finBit   = 0x80
	rsv1Bit  = 0x40 // the message is compressed, RFC 7692 §6
	text1    = 0x01
	binary2  = 0x02
	maskBit  = 0x80
	opMask   = 0x0f
	longest7 = 125
)

// maskKey is the same for every frame: the rig is no attacker, and a server cannot know.
var maskKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// appendFrame appends a client's frame with one whole binary message.
func appendFrame(dst, payload []byte, compressed bool) []byte {
	first := byte(binary2)
	if compressed {
		first |= rsv1Bit
	}
	return appendMessage(dst, first, payload)
}

// appendMessage appends a client's frame with one whole message, whose kind and
// compression are in the bits of kind.
func appendMessage(dst []byte, kind byte, payload []byte) []byte {
	dst = append(dst, finBit|kind)
	switch n := len(payload); {
	case n <= longest7:
		dst = append(dst, maskBit|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, maskBit|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, maskBit|127), uint64(n))
	}
	dst = append(dst, maskKey[:]...)
	for i, b := range payload {
		dst = append(dst, b^maskKey[i&3])
	}
	return dst
}

// parser follows the frames of a server, whose payload it skips.
type parser struct {
	left   int // bytes of the present frame's payload still to come
	size   int // bytes of the present message so far
	head   [10]byte
	held   int  // bytes of a header that was cut by the end of a read
	inside bool // a message has begun
	final  bool // the present frame ends its message
	joined bool // a message may hold several answers
}

// count goes through p and returns how many messages, or answers in them, ended in
// it. Each must have want bytes, unless want is negative.
func (f *parser) count(p []byte, want int) (messages int, err error) {
	for len(p) > 0 {
		if f.left == 0 {
			n, err := f.header(p)
			if err != nil {
				return messages, err
			}
			p = p[n:]
			if f.held > 0 {
				return messages, nil
			}
		}
		n := min(f.left, len(p))
		f.left -= n
		p = p[n:]
		if f.left == 0 && f.inside && f.final {
			n := 1
			if f.joined && want > 0 {
				n = max(1, f.size/want)
			}
			if want >= 0 && f.size != n*want {
				return messages, fmt.Errorf("load: a message has %d bytes, want %d", f.size, want)
			}
			messages += n
			f.inside, f.size = false, 0
		}
	}
	return messages, nil
}

// header takes a frame's header, or its beginning, from p.
func (f *parser) header(p []byte) (n int, err error) {
	h := p
	if f.held > 0 || len(p) < len(f.head) {
		n = copy(f.head[f.held:], p)
		h = f.head[:f.held+n]
	}
	size := headerSize(h)
	if size == 0 || size > len(h) {
		f.held = len(h)
		return n, nil
	}
	used := size - f.held
	f.held = 0
	return used, f.begin(h[:size])
}

// headerSize returns the length of the header at h, or zero if it does not say yet.
func headerSize(h []byte) int {
	switch {
	case len(h) < 2:
		return 0
	case h[1]&^maskBit == 126:
		return 4
	case h[1]&^maskBit == 127:
		return 10
	}
	return 2
}

// begin starts a frame, which must be one of a message's.
func (f *parser) begin(h []byte) error {
	op := h[0] & opMask
	if h[1]&maskBit != 0 || op > binary2 || f.inside != (op == 0) {
		return fmt.Errorf("load: unexpected frame %x", h)
	}
	switch len(h) {
	case 2:
		f.left = int(h[1])
	case 4:
		f.left = int(binary.BigEndian.Uint16(h[2:]))
	default:
		f.left = int(binary.BigEndian.Uint64(h[2:]))
	}
	f.inside, f.final = true, h[0]&finBit != 0
	f.size += f.left
	return nil
}
