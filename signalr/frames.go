package signalr

import "errors"

// frames cuts what a connection receives into messages of MessagePack, each of
// which stands behind its length.
type frames struct {
	limit int    // of one message, its length included
	part  []byte // of the message that has begun; nil when none has
}

// rest implements [splitter].
func (s *frames) rest() bool { return s.part != nil }

// next implements [splitter]. Records are without their length.
func (s *frames) next(data []byte) (record, rest []byte, err error) {
	if s.part == nil {
		head, size, err := s.size(data)
		if err != nil {
			return nil, nil, err
		}
		if size > 0 && len(data) >= size {
			return data[head:size:size], data[size:], nil
		}
		s.part = append(s.part, data...)
		return nil, nil, nil
	}
	head, size, err := s.size(s.part)
	for ; size == 0 && err == nil && len(data) > 0; data = data[1:] {
		s.part = append(s.part, data[0])
		head, size, err = s.size(s.part)
	}
	if err != nil {
		s.part = nil
	}
	if size == 0 {
		return nil, nil, err
	}
	n := min(size-len(s.part), len(data))
	s.part = append(s.part, data[:n]...)
	if len(s.part) < size {
		return nil, nil, nil
	}
	record, s.part = s.part[head:], nil // an idle connection holds no buffer
	return record, data[n:], nil
}

// size is how long the message that begins b is, its head included; 0 when b
// does not tell yet. A message beyond the limit is an error before it is there.
func (s *frames) size(b []byte) (head, size int, err error) {
	length, head, err := varint(b)
	if err != nil || head == 0 {
		if len(b) > s.limit {
			err = errors.New(oversize(s.limit))
		}
		return 0, 0, err
	}
	if length > s.limit-head {
		return 0, 0, errors.New(oversize(s.limit))
	}
	return head, head + length, nil
}

// varint reads the length of a message, which takes head bytes; 0 when they are
// not all there.
func varint(b []byte) (length, head int, err error) {
	for i, c := range b {
		if i == 4 && c > 7 {
			return 0, 0, errors.New(huge())
		}
		length |= int(c&0x7f) << (7 * i)
		if c < 0x80 {
			return length, i + 1, nil
		}
	}
	return 0, 0, nil
}
