package websocket

import (
	"sync"

	"github.com/klauspost/compress/flate"
)

// deflater compresses what one end of a connection sends (RFC 7692 §7.2.1). It
// has a compressor only while it works, and without context takeover no memory of
// its own at all. The one who writes to the connection owns it.
type deflater struct {
	deflateWindow
	level int
	sent  window // the plaintext sent last, with context takeover
}

func (p deflateParams) deflater() deflater {
	return deflater{deflateWindow: p.write, level: p.level}
}

// append compresses a message and appends it to dst, without the end of its sync
// flush. The message becomes part of the context, so it must be the next one that
// is sent. If it does not become shorter, append returns dst as it was and false:
// the message is to be sent as it is, and is no part of the context.
func (d *deflater) append(dst, payload []byte) ([]byte, bool) {
	out := deflate(dst, payload, d.sent.bytes(), d.bits, d.level)
	if len(out)-len(dst) >= len(payload) {
		return out[:len(dst)], false
	}
	d.note(payload)
	return out, true
}

// note makes a message part of the context that is sent compressed without having
// been compressed here: one from deflateOnce.
func (d *deflater) note(payload []byte) {
	if d.takeover {
		d.sent.add(payload, d.bits)
	}
}

// deflateOnce compresses a message without context, for any number of
// connections whose window has at least 1<<bits bytes, and appends it to dst. It
// returns dst as it was and false if the message does not become shorter. A
// message of up to 1<<bits bytes becomes the same for all larger windows, too.
func deflateOnce(dst, payload []byte, bits uint8, level int) ([]byte, bool) {
	out := deflate(dst, payload, nil, bits, level)
	if len(out)-len(dst) >= len(payload) {
		return out[:len(dst)], false
	}
	return out, true
}

const (
	// A compressor is primed with the context for every message, which takes
	// nearly as long as compressing as many bytes. What came last helps most:
	// so this much of the context is used, or twice the message's length.
	primeBytes = 4 << 10

	// flate.Writer does not look for matches in messages shorter than this, and
	// a short message is nothing without its context; flate.StatelessDeflate
	// does, given as much of the context.
	shortBytes, shortPrimeBytes = 128, 1 << 10
)

// deflate compresses payload behind context and appends the result to dst.
func deflate(dst, payload, context []byte, bits uint8, level int) []byte {
	context, fits := prime(context, len(payload), bits)
	pool := &levelPools[level]
	if !fits {
		pool = &windowPools[bits]
	}
	c, ok := pool.Get().(*compressor)
	if !ok {
		c = newCompressor(bits, level, fits)
	}
	c.out = dst
	if len(payload) < shortBytes && len(context) > 0 {
		flate.StatelessDeflate(c, payload, false, context)
	} else {
		c.ResetDict(c, context)
		c.Writer.Write(payload)
		c.Flush()
	}
	dst, c.out = c.out, nil
	pool.Put(c)
	return dst[:len(dst)-len(syncMark)]
}

// syncMark ends a sync flush; it does not travel (RFC 7692 §7.2.1).
const syncMark = "\x00\x00\xFF\xFF"

// prime returns the end of the context to compress n bytes against. fits tells
// that both together are no longer than the window, so that no distance can be,
// and a compressor of the full window will do: those are twice as fast.
func prime(context []byte, n int, bits uint8) (end []byte, fits bool) {
	size := 1 << bits
	use := min(len(context), max(primeBytes, 2*n))
	switch {
	case n < shortBytes:
		use = min(use, shortPrimeBytes, size-n)
	case n <= size/2:
		use = min(use, size-n)
	}
	return context[len(context)-use:], bits == maxWindowBits || use+n <= size
}

// compressor is a flate.Writer together with its output. Its Write, and so every
// method of the flate.Writer, never fails.
type compressor struct {
	*flate.Writer
	out []byte
}

func (c *compressor) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	return len(p), nil
}

// Compressors of the full window by level, and those of smaller ones by bits.
var (
	levelPools  [10]sync.Pool
	windowPools [maxWindowBits]sync.Pool
)

func newCompressor(bits uint8, level int, fits bool) *compressor {
	c := &compressor{}
	if fits {
		c.Writer, _ = flate.NewWriter(c, level) // fails for a level out of range only
	} else {
		c.Writer, _ = flate.NewWriterWindow(c, 1<<bits) // fails for a window out of range only
	}
	return c
}
