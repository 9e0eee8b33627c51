package websocket

import (
	"math/bits"
	"sync"
)

const (
	minBufferShift = 9  // 512 B: a control frame, a chat line
	maxBufferShift = 20 // 1 MiB: the default message limit
)

// buffer is a byte slice that travels through the pools without its header
// being allocated anew. Whoever holds it owns it.
type buffer struct{ b []byte }

// bufferPools holds empty buffers by size class, each twice the one before.
var bufferPools [maxBufferShift - minBufferShift + 1]sync.Pool

// spoil overwrites what is given back, in tests: nobody may see it any more.
var spoil func([]byte)

// getBuffer returns an empty buffer with room for n bytes.
func getBuffer(n int) *buffer {
	shift := max(bits.Len(uint(max(n, 1)-1)), minBufferShift)
	if shift > maxBufferShift {
		return &buffer{b: make([]byte, 0, n)}
	}
	if b, ok := bufferPools[shift-minBufferShift].Get().(*buffer); ok {
		return b
	}
	return &buffer{b: make([]byte, 0, 1<<shift)}
}

// putBuffer gives b back. Buffers above the largest class are left to the
// garbage collector.
func putBuffer(b *buffer) {
	shift := bits.Len(uint(cap(b.b))) - 1
	if shift < minBufferShift || shift > maxBufferShift || cap(b.b) != 1<<shift {
		return
	}
	if spoil != nil {
		spoil(b.b[:cap(b.b)])
	}
	b.b = b.b[:0]
	bufferPools[shift-minBufferShift].Put(b)
}
