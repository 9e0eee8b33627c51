package parley

import (
	"sync"

	"github.com/parley-go/parley/wire"
)

// sheet is what a message with one value is written from.
type sheet struct {
	m     wire.Message
	value [1][]byte
	buf   []byte
}

var sheets = sync.Pool{New: func() any { return new(sheet) }}

const keptSheet = 16 << 10 // bytes; a longer buffer is given back

// valueError is that of a value that cannot be written.
type valueError struct{ error }

// sendValue is send for m with one value, which is not yet written.
func (s *Session) sendValue(m wire.Message, value any) error {
	sh := sheets.Get().(*sheet)
	sh.m = m
	if err := sh.write(s.codec(), value); err != nil {
		return &valueError{err}
	}
	err := s.send(&sh.m)
	if cap(sh.buf) <= keptSheet {
		*sh = sheet{buf: sh.buf}
		sheets.Put(sh)
	}
	return err
}

func (sh *sheet) write(codec wire.Codec, value any) (err error) {
	if a, ok := codec.(wire.Appender); ok {
		sh.buf, err = a.AppendValue(sh.buf[:0], value)
		if err != wire.ErrAttachments {
			sh.value[0] = sh.buf
			sh.m.Args.Values = sh.value[:]
			return err
		}
	}
	sh.m.Args, err = codec.Marshal(value)
	return err
}
