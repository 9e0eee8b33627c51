package signalr

import (
	"bytes"
	"errors"
)

// separator ends each message (SignalR hub protocol, "JSON encoding").
const separator = 0x1e

// records cuts what a connection receives into messages of JSON. The data is
// one stream of bytes: a WebSocket message may hold several messages of the
// hub protocol, or any piece of one.
type records struct {
	limit int    // of one message, its separator included
	part  []byte // of the message that has begun; nil when none has
}

// next implements [splitter]. Records are without their separator.
func (s *records) next(data []byte) (record, rest []byte, err error) {
	n := bytes.IndexByte(data, separator)
	if n < 0 {
		return nil, nil, s.keep(data)
	}
	record, err = s.whole(data[:n])
	return record, data[n+1:], err
}

// rest implements [splitter].
func (s *records) rest() bool { return s.part != nil }

func (s *records) whole(end []byte) ([]byte, error) {
	if len(s.part)+len(end)+1 > s.limit {
		return nil, s.tooLong()
	}
	if s.part == nil {
		return end, nil
	}
	record := append(s.part, end...)
	s.part = nil // an idle connection holds no buffer
	return record, nil
}

func (s *records) keep(begin []byte) error {
	if len(s.part)+len(begin) > s.limit {
		return s.tooLong()
	}
	s.part = append(s.part, begin...)
	return nil
}

func (s *records) tooLong() error {
	s.part = nil
	return errors.New(oversize(s.limit))
}
