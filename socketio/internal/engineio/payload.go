package engineio

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/parley-go/parley/wire"
)

// A payload is the body of a poll's answer or of a POST: several packets. The
// two protocols write it in three ways.

// maxPackets bounds the packets of one payload. One of a megabyte full of the
// shortest sensible events stays below it.
const maxPackets = 1 << 16

// separator stands between the packets of protocol 4 (§3.3).
const separator = 0x1E

// eachPacket calls fn for the packets of a payload of protocol 4, of which there
// may be so many, until fn says stop.
func eachPacket(payload []byte, most int, fn func(packet []byte, binary bool) bool) error {
	if !utf8.Valid(payload) || bytes.Count(payload, []byte{separator}) >= most {
		return errPayload
	}
	for more := true; more; {
		var packet []byte
		packet, payload, more = bytes.Cut(payload, []byte{separator})
		if !fn(packet, false) {
			return nil
		}
	}
	return nil
}

// appendPacket writes one packet as protocol 4 has it where only text can travel.
func appendPacket(dst []byte, e *wire.Encoded) []byte {
	if e.Binary {
		return appendBase64(dst, e.Data, 4)
	}
	return append(dst, e.Data...)
}

// appendPayload writes a payload of protocol 4.
func appendPayload(dst []byte, batch []*wire.Encoded) []byte {
	for i, e := range batch {
		if i > 0 {
			dst = append(dst, separator)
		}
		dst = appendPacket(dst, e)
	}
	return dst
}

// Protocol 3 (§3.3) has text payloads, length:packet and so on, where the length
// counts the UTF-16 code units of JavaScript's strings, and binary ones, with the
// length in bytes: 0 or 1 for text or binary, the decimal digits each as a byte,
// 0xFF, and the packet.

// maxDigits bounds a length: no payload is that long.
const maxDigits = 9

const (
	textRecord   = 0
	binaryRecord = 1
	endOfLength  = 0xFF
)

// eachPacket3 is eachPacket for a text payload of protocol 3. An empty packet is
// none.
func eachPacket3(payload []byte, most int, fn func(packet []byte, binary bool) bool) error {
	if len(payload) == 0 || !utf8.Valid(payload) {
		return errPayload
	}
	for ; len(payload) > 0; most-- {
		digits, rest, found := bytes.Cut(payload, []byte{':'})
		units, ok := parseLength(digits, '0')
		end := unitsToBytes(rest, units)
		if !found || !ok || end < 0 || most <= 0 {
			return errPayload
		}
		payload = rest[end:]
		if end > 0 && !fn(rest[:end], false) {
			return nil
		}
	}
	return nil
}

// eachRecord3 is eachPacket for a binary payload of protocol 3.
func eachRecord3(payload []byte, most int, fn func(packet []byte, binary bool) bool) error {
	if len(payload) == 0 {
		return errPayload
	}
	for ; len(payload) > 0; most-- {
		kind := payload[0]
		digits, rest, found := bytes.Cut(payload[1:], []byte{endOfLength})
		length, ok := parseLength(digits, 0)
		if !found || !ok || kind > binaryRecord || length > len(rest) || most <= 0 {
			return errPayload
		}
		packet := rest[:length]
		payload = rest[length:]
		if kind == textRecord && !utf8.Valid(packet) {
			return errPayload
		}
		if length > 0 && !fn(packet, kind == binaryRecord) {
			return nil
		}
	}
	return nil
}

// parseLength reads decimal digits that count from zero upwards.
func parseLength(digits []byte, zero byte) (n int, ok bool) {
	if len(digits) == 0 || len(digits) > maxDigits {
		return 0, false
	}
	for _, d := range digits {
		if d < zero || d > zero+9 {
			return 0, false
		}
		n = 10*n + int(d-zero)
	}
	return n, true
}

// unitsToBytes tells how many bytes of valid UTF-8 are so many UTF-16 code
// units, or -1 when there are not so many, or they end inside a character.
func unitsToBytes(text []byte, units int) int {
	if units > len(text) {
		return -1
	}
	at := 0
	for ; units > 0; units-- {
		if at == len(text) {
			return -1
		}
		if text[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRune(text[at:])
		if size == utf8.UTFMax { // a surrogate pair
			units--
		}
		at += size
	}
	if units < 0 {
		return -1
	}
	return at
}

// unitsOf is the length of text in UTF-16 code units.
func unitsOf(text []byte) int {
	n := 0
	for _, b := range text {
		switch {
		case b&0xC0 == 0x80: // not the first of its character
		case b >= 0xF0:
			n += 2
		default:
			n++
		}
	}
	return n
}

// appendPayload3 writes a payload of protocol 3, and tells whether it is a
// binary one: only where it must be.
func appendPayload3(dst []byte, batch []*wire.Encoded, textOnly bool) (payload []byte, binary bool) {
	if !textOnly && slices.ContainsFunc(batch, func(e *wire.Encoded) bool { return e.Binary }) {
		for _, e := range batch {
			dst = appendRecord3(dst, e)
		}
		return dst, true
	}
	for _, e := range batch {
		data := e.Data
		if e.Binary {
			data = appendBase64(nil, data, 3)
		}
		dst = strconv.AppendInt(dst, int64(unitsOf(data)), 10)
		dst = append(dst, ':')
		dst = append(dst, data...)
	}
	return dst, false
}

func appendRecord3(dst []byte, e *wire.Encoded) []byte {
	kind, length := byte(textRecord), len(e.Data)
	if e.Binary {
		kind = binaryRecord
		length++
	}
	dst = append(dst, kind)
	start := len(dst)
	dst = strconv.AppendInt(dst, int64(length), 10)
	for i := range dst[start:] {
		dst[start+i] -= '0'
	}
	dst = append(dst, endOfLength)
	if e.Binary {
		dst = append(dst, binaryMessage)
	}
	return append(dst, e.Data...)
}
