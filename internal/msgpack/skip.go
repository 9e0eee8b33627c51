package msgpack

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var (
	errShort    = errors.New("msgpack: the value ends too early")
	errTrailing = errors.New("msgpack: more behind the value")
	errDepth    = fmt.Errorf("msgpack: a value nests more than %d levels deep", MaxDepth)
	errNoValue  = errors.New("msgpack: 0xc1 begins no value")
)

// Skip returns what is behind the first value of b, which may nest depth
// levels deep, and checks that the value is whole. All that reads values here
// relies on that check.
func Skip(b []byte, depth int) (rest []byte, err error) {
	size, elements, err := head(b)
	if err != nil {
		return nil, err
	}
	if uint64(len(b)) < size {
		return nil, errShort
	}
	b = b[size:]
	if elements == 0 {
		return b, nil
	}
	if depth <= 0 {
		return nil, errDepth
	}
	if uint64(len(b)) < elements { // each has a byte at least
		return nil, errShort
	}
	for range elements {
		if b, err = Skip(b, depth-1); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Count reads the first bytes of an array and returns the number of its
// elements and what follows. The number is at most that of the bytes there.
func Count(b []byte) (n int, rest []byte, ok bool) {
	if len(b) == 0 || !(b[0]>>4 == 0x9 || b[0] == 0xdc || b[0] == 0xdd) {
		return 0, nil, false
	}
	return count(b)
}

// CountPairs is Count for a map.
func CountPairs(b []byte) (n int, rest []byte, ok bool) {
	if len(b) == 0 || !(b[0]>>4 == 0x8 || b[0] == 0xde || b[0] == 0xdf) {
		return 0, nil, false
	}
	n, rest, ok = count(b)
	return n / 2, rest, ok
}

func count(b []byte) (n int, rest []byte, ok bool) {
	size, elements, err := head(b)
	if err != nil || uint64(len(b)) < size+elements {
		return 0, nil, false
	}
	return int(elements), b[size:], true
}

// head reads the first bytes of a value: how long it is without its elements,
// and how many elements follow.
//
//house:table
func head(b []byte) (size, elements uint64, err error) {
	if len(b) == 0 {
		return 0, 0, errShort
	}
	switch c := b[0]; {
	case c < 0x80 || c >= 0xe0 || c == 0xc0 || c == 0xc2 || c == 0xc3: // a small integer, nil, a bool
		return 1, 0, nil
	case c < 0x90: // map
		return 1, 2 * uint64(c&0x0f), nil
	case c < 0xa0: // array
		return 1, uint64(c & 0x0f), nil
	case c < 0xc0: // str
		return 1 + uint64(c&0x1f), 0, nil
	case c == 0xc1:
		return 0, 0, errNoValue
	case c <= 0xc6: // bin
		return sized(b, c-0xc4, 0)
	case c <= 0xc9: // ext
		return sized(b, c-0xc7, 1)
	case c <= 0xcb: // float
		return 5 + 4*uint64(c-0xca), 0, nil
	case c <= 0xcf: // uint
		return 1 + 1<<(c-0xcc), 0, nil
	case c <= 0xd3: // int
		return 1 + 1<<(c-0xd0), 0, nil
	case c <= 0xd8: // ext of fixed length
		return 2 + 1<<(c-0xd4), 0, nil
	case c <= 0xdb: // str
		return sized(b, c-0xd9, 0)
	case c <= 0xdd: // array
		return counted(b, c-0xdc, 1)
	default: // map
		return counted(b, c-0xde, 2)
	}
}

// sized is the head of a value with a length of 1, 2 or 4 bytes, and more
// bytes that the length does not count.
func sized(b []byte, width byte, more uint64) (size, elements uint64, err error) {
	n, err := length(b, width)
	return 1 + 1<<width + more + n, 0, err
}

// counted is the head of an array or map with a number of 2 or 4 bytes.
func counted(b []byte, width byte, each uint64) (size, elements uint64, err error) {
	n, err := length(b, width+1)
	return 1 + 2<<width, each * n, err
}

func length(b []byte, width byte) (uint64, error) {
	if len(b) < 1+1<<width {
		return 0, errShort
	}
	switch width {
	case 0:
		return uint64(b[1]), nil
	case 1:
		return uint64(binary.BigEndian.Uint16(b[1:])), nil
	}
	return uint64(binary.BigEndian.Uint32(b[1:])), nil
}
