package socketio

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// asciiOnly writes the JSON of a packet in ASCII alone: JSON has another way to
// write each character (RFC 8259 §7). What comes before the JSON, such as a
// namespace, has none.
func asciiOnly(packet []byte) []byte {
	start := bytes.IndexAny(packet, `["{`)
	if start < 0 {
		return packet
	}
	out := append(make([]byte, 0, len(packet)*2), packet[:start]...)
	for _, r := range string(packet[start:]) {
		switch {
		case r < utf8.RuneSelf:
			out = append(out, byte(r))
		case r > 0xFFFF:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
