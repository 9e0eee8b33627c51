package msgpack

import (
	"encoding/binary"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// The extensions of notepack.io 2, all of type 0: what they are tells the form
// they have.
const (
	notepackType = 0
	fixext1      = 0xd4 // undefined
	fixext8      = 0xd7 // a Date
	ext8         = 0xc7 // an ArrayBuffer, as are the two longer forms
	ext32        = 0xc9
)

// kindOf is what the next value is.
func (r *reader) kindOf() msgp.Type {
	k := msgp.NextType(r.b)
	if !r.notepack || k == msgp.NilType {
		return k
	}
	switch c := r.b[0]; {
	case c == fixext1 && r.b[1] == notepackType:
		return msgp.NilType
	case c >= ext8 && c <= ext32 && r.b[1+1<<(c-ext8)] == notepackType:
		return msgp.BinType
	}
	return k
}

// arrayBuffer takes an ArrayBuffer.
func (r *reader) arrayBuffer() (b, rest []byte) {
	head := 2 + 1<<(r.b[0]-ext8)
	whole := r.next()
	return whole[head:], r.b
}

// date takes a Date, if it is one.
func (r *reader) date() (t time.Time, ok bool) {
	if !r.notepack || r.b[0] != fixext8 || r.b[1] != notepackType {
		return t, false
	}
	t = time.UnixMilli(int64(binary.BigEndian.Uint64(r.b[2:]))).UTC()
	r.b = r.b[10:]
	return t, true
}
