package signalr

import (
	"bytes"
	"errors"
)

// separator ends each message (SignalR hub protocol, "JSON encoding").
const separator = 0x1e

// records cuts what a connection receives into messages. The client's data is
// one stream of bytes: a WebSocket message may hold several messages of the
// hub protocol, or any piece of one.
type records struct {
	limit int    // of one message, its separator included
	part  []byte // of the message that has begun; nil when none has
}

// add takes the next bytes and hands up each message that they complete,
// without its separator and valid during the call, until each returns false.
// The error is that of a message which is too long, also of one that has not
// ended yet.
func (s *records) add(data []byte, each func(record []byte) bool) error {
	for len(data) > 0 {
		n := bytes.IndexByte(data, separator)
		if n < 0 {
			return s.keep(data)
		}
		record, err := s.whole(data[:n])
		if err != nil {
			return err
		}
		data = data[n+1:]
		if !each(record) {
			return nil
		}
	}
	return nil
}

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
