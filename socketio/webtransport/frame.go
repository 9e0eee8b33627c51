package webtransport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/parley-go/parley/wire"
)

// A packet has a header like that of a WebSocket frame (§3.8): one bit for
// binary and seven for the length, or for where to find it.
const (
	binaryBit = 0x80
	length16  = 126 // two bytes of length follow
	length64  = 127 // eight bytes
)

// maxHeader is the length of the longest header.
const maxHeader = 9

// appendFrame adds a packet with its header.
func appendFrame(dst []byte, e *wire.Encoded) []byte {
	var kind byte
	if e.Binary {
		kind = binaryBit
	}
	switch n := len(e.Data); {
	case n < length16:
		dst = append(dst, kind|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, kind|length16), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, kind|length64), uint64(n))
	}
	return append(dst, e.Data...)
}

var (
	errEmpty   = fmt.Errorf("webtransport: a packet of length 0: %w", wire.ErrProtocol)
	errTooLong = fmt.Errorf("webtransport: a packet over the limit: %w", wire.ErrProtocol)
	errUTF8    = fmt.Errorf("webtransport: text that is not UTF-8: %w", wire.ErrProtocol)
)

// frames reads packets.
type frames struct {
	r   *bufio.Reader
	max int64
	buf []byte // of the packet handed out last
}

const (
	readBytes = 2 << 10  // of the reader's buffer
	keptBytes = 16 << 10 // of a packet; the room of a longer one is given back
	growBytes = 64 << 10 // of a packet that is promised; more is made when so much has come
)

func newFrames(r io.Reader, max int64) *frames {
	return &frames{r: bufio.NewReaderSize(r, readBytes), max: max}
}

// next returns a packet, which is valid until it is called again. The error is
// io.EOF where a packet would have begun.
func (f *frames) next() (data []byte, bin bool, err error) {
	first, err := f.r.ReadByte()
	if err != nil {
		return nil, false, err
	}
	n, err := f.length(first &^ binaryBit)
	if err != nil {
		return nil, false, cut(err)
	}
	if err := f.read(n); err != nil {
		return nil, false, cut(err)
	}
	bin = first&binaryBit != 0
	if !bin && !utf8.Valid(f.buf) {
		return nil, false, errUTF8
	}
	return f.buf, bin, nil
}

func (f *frames) length(short byte) (int, error) {
	n := uint64(short)
	var extended [maxHeader - 1]byte
	switch short {
	case length16:
		if _, err := io.ReadFull(f.r, extended[:2]); err != nil {
			return 0, err
		}
		n = uint64(binary.BigEndian.Uint16(extended[:]))
	case length64:
		if _, err := io.ReadFull(f.r, extended[:]); err != nil {
			return 0, err
		}
		n = binary.BigEndian.Uint64(extended[:])
	}
	switch {
	case n == 0:
		return 0, errEmpty
	case n > uint64(f.max):
		return 0, errTooLong
	}
	return int(n), nil
}

// read reads n bytes into buf, which grows as they come: a promise alone takes
// no memory.
func (f *frames) read(n int) error {
	if cap(f.buf) > keptBytes {
		f.buf = nil
	}
	f.buf = f.buf[:0]
	for len(f.buf) < n {
		start := len(f.buf)
		step := min(n-start, max(growBytes, start))
		if cap(f.buf)-start < step {
			f.buf = append(make([]byte, 0, start+step), f.buf...)
		}
		f.buf = f.buf[:start+step]
		if _, err := io.ReadFull(f.r, f.buf[start:]); err != nil {
			return err
		}
	}
	return nil
}

// cut words the end of the stream inside a packet.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
