package websocket

import (
	"encoding/binary"
	"fmt"
)

// opcode says what a frame carries (RFC 6455 §5.2).
type opcode byte

const (
	opContinuation opcode = 0x0
	opText         opcode = 0x1
	opBinary       opcode = 0x2
	opClose        opcode = 0x8
	opPing         opcode = 0x9
	opPong         opcode = 0xA
)

// isControl reports whether op has the high bit of the opcode set (RFC 6455 §5.5).
func (op opcode) isControl() bool { return op&0x8 != 0 }

const (
	maxHeaderBytes  = 14  // 2 + 8 for the length + 4 for the masking key
	maxControlBytes = 125 // RFC 6455 §5.5
)

// header is the part of a frame before its payload.
type header struct {
	fin    bool
	op     opcode
	rsv1   bool // of a compressed message (RFC 7692 §6)
	more   bool // frames of its message follow (RFC 6455 §5.4); for what is sent: then fin is not
	masked bool
	old    bool // what is sent is written as draft 76 does: see frame76
	key    [4]byte
	length int64 // never negative: the top bit is refused on arrival
}

// parseHeader reads the header at the start of p, as it arrives from a client
// (fromClient) or from a server, where deflate tells whether messages may be
// compressed. It returns how many bytes the header took;
// zero means that p is too short. What can be refused on the first two bytes is
// refused on them: a peer must not be able to keep us waiting for the rest of
// an impossible header.
func parseHeader(p []byte, fromClient, deflate bool) (h header, n int, err error) {
	if len(p) < 2 {
		return header{}, 0, nil
	}
	h = header{fin: p[0]&0x80 != 0, op: opcode(p[0] & 0x0F), rsv1: p[0]&0x40 != 0, masked: p[1]&0x80 != 0}
	short := p[1] & 0x7F
	if err := checkHeader(h, p[0]&0x30, short, fromClient, deflate); err != nil {
		return header{}, 0, err
	}
	n = headerBytes(short, h.masked)
	if len(p) < n {
		return header{}, 0, nil
	}
	if h.length, err = parseLength(short, p[2:]); err != nil {
		return header{}, 0, err
	}
	if h.masked {
		copy(h.key[:], p[n-4:n])
	}
	return h, n, nil
}

func checkHeader(h header, rsv, short byte, fromClient, deflate bool) error {
	switch {
	case rsv != 0, h.rsv1 && !deflate: // RFC 6455 §5.2: no extension has been negotiated that defines them
		return protocolError("a reserved bit is set")
	case h.op > opBinary && h.op < opClose, h.op > opPong: // RFC 6455 §5.2
		return protocolError(fmt.Sprintf("opcode %#x is reserved", byte(h.op)))
	case h.rsv1 && h.op != opText && h.op != opBinary: // RFC 7692 §6.1: on the first frame of a message only
		return protocolError("the bit for compression is set where no message begins")
	case fromClient && !h.masked: // RFC 6455 §5.1
		return protocolError("a frame from a client must be masked")
	case !fromClient && h.masked: // RFC 6455 §5.1
		return protocolError("a frame from a server must not be masked")
	case h.op.isControl() && !h.fin: // RFC 6455 §5.5
		return protocolError("a control frame must not be fragmented")
	case h.op.isControl() && short > maxControlBytes: // RFC 6455 §5.5
		return protocolError("a control frame is longer than 125 bytes")
	}
	return nil
}

// shortLength is what stands in the second byte of a header for length.
func shortLength(length int64) byte {
	switch {
	case length <= 125:
		return byte(length)
	case length <= 0xFFFF:
		return 126
	}
	return 127
}

// headerBytes is the length of a header whose second byte announces short.
func headerBytes(short byte, masked bool) int {
	n := 2
	switch short {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if masked {
		n += 4
	}
	return n
}

// parseLength reads the payload length. RFC 6455 §5.2: "the minimal number of
// bytes MUST be used to encode the length" and "the most significant bit MUST be 0".
func parseLength(short byte, p []byte) (int64, error) {
	switch short {
	case 126:
		length := int64(binary.BigEndian.Uint16(p))
		if length < 126 {
			return 0, protocolError("a length is not minimally encoded")
		}
		return length, nil
	case 127:
		length := binary.BigEndian.Uint64(p)
		if length>>63 != 0 {
			return 0, protocolError("a 64-bit length has its top bit set")
		}
		if length <= 0xFFFF {
			return 0, protocolError("a length is not minimally encoded")
		}
		return int64(length), nil
	}
	return int64(short), nil
}

// first is the first byte of h on the wire.
func (h *header) first() byte {
	b := byte(h.op)
	if h.fin {
		b |= 0x80
	}
	if h.rsv1 {
		b |= 0x40
	}
	return b
}

// appendHeader appends h as it goes on the wire.
func appendHeader(dst []byte, h header) []byte {
	first, second := h.first(), byte(0)
	if h.masked {
		second = 0x80
	}
	short := shortLength(h.length)
	dst = append(dst, first, second|short)
	switch short {
	case 126:
		dst = binary.BigEndian.AppendUint16(dst, uint16(h.length))
	case 127:
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.length))
	}
	if h.masked {
		dst = append(dst, h.key[:]...)
	}
	return dst
}
