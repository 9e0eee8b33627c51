package engineio

import (
	"bytes"
	"unicode/utf8"

	"github.com/parley-go/parley/wire"
)

// The first clients of protocol 3, those of Socket.IO 1, encode the text of a
// text payload twice, and decode it twice: what leaves them as "Ã¼" was "ü", and
// "ü" is an error to them. Later ones do not; nothing in a request tells them
// apart. Text in ASCII is the same for both, and so are binary payloads.

// writing is how a client of protocol 3 is known to write text.
type writing uint8

const (
	unknown writing = iota
	once
	twice
)

// read takes text from a text payload.
func (p *polling) read(packet []byte) []byte {
	p.socket.mu.Lock()
	defer p.socket.mu.Unlock()
	if p.writes == once || isASCII(packet) {
		return packet
	}
	text, ok := decodeAgain(packet)
	switch {
	case ok:
		p.writes = twice
	case p.writes == unknown:
		p.writes = once
	}
	return text
}

// simplify writes text messages in ASCII unless the client is known to take more.
func (p *polling) simplify(batch []*wire.Encoded) {
	ascii := p.socket.server.o.ASCII
	p.socket.mu.Lock()
	defer p.socket.mu.Unlock()
	if ascii == nil || p.writes == once {
		return
	}
	for i, e := range batch {
		if !e.Binary && !isASCII(e.Data) {
			batch[i] = &wire.Encoded{Data: ascii(e.Data), Uncompressed: e.Uncompressed}
		}
	}
}

func isASCII(text []byte) bool {
	for _, b := range text {
		if b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// decodeAgain tells whether text looks encoded twice: its characters are bytes
// that are UTF-8 themselves, which it returns; else it returns text.
func decodeAgain(text []byte) ([]byte, bool) {
	var inner bytes.Buffer
	for _, r := range string(text) {
		if r > 0xFF {
			return text, false
		}
		inner.WriteByte(byte(r))
	}
	if !utf8.Valid(inner.Bytes()) {
		return text, false
	}
	return inner.Bytes(), true
}
