package websocket

import "unicode/utf8"

// checkUTF8 reports how many bytes at the start of p are whole, valid
// characters. The rest, at most three bytes, is a character cut short that may
// still become valid when more arrives; ok is false when it never can.
//
// A text message must be UTF-8 as a whole, not frame by frame (RFC 6455 §5.6),
// so a character may straddle two fragments.
func checkUTF8(p []byte) (n int, ok bool) {
	n = len(p)
	for i := len(p) - 1; i >= 0 && i >= len(p)-(utf8.UTFMax-1); i-- {
		if utf8.RuneStart(p[i]) {
			if !utf8.FullRune(p[i:]) {
				n = i
			}
			break
		}
	}
	return n, utf8.Valid(p[:n])
}
