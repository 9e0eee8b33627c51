package websocket

import (
	"sync"

	"github.com/klauspost/compress/flate"
)

// deflater compresses what one end of a connection sends (RFC 7692 §7.2.1). It
// has a compressor only while it works and without context takeover no memory of
// its own at all. The one who writes to the connection owns it.
type deflater struct {
	deflateWindow
	level int
	sent  window // the plaintext sent last, with context takeover
}

func (p deflateParams) deflater() deflater {
	return deflater{deflateWindow: p.write, level: p.level}
}

// append compresses a message and appends it to dst. The message becomes part of
// the context, so it must be the next one that is sent.
func (d *deflater) append(dst, payload []byte) []byte {
	dst = deflate(dst, payload, d.sent.bytes(), d.bits, d.level)
	d.note(payload)
	return dst
}

// note makes a message part of the context that is sent compressed but does not
// refer back: one from deflateOnce.
func (d *deflater) note(payload []byte) {
	if d.takeover {
		d.sent.add(payload, d.bits)
	}
}

// release gives the memory back when the connection has ended.
func (d *deflater) release() { d.sent.release() }

// deflateOnce compresses a message without context, for any number of
// connections whose window is at least 1<<bits bytes, and appends it to dst.
func deflateOnce(dst, payload []byte, bits uint8, level int) []byte {
	return deflate(dst, payload, nil, bits, level)
}

// compressor is a flate.Writer together with its output.
type compressor struct {
	*flate.Writer
	out []byte
}

func (c *compressor) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	return len(p), nil
}

// Compressors of the full window by level, and of the smaller ones by their bits.
var (
	levelPools  [10]sync.Pool
	windowPools [maxWindowBits]sync.Pool
)

func deflate(dst, payload, context []byte, bits uint8, level int) []byte {
	pool := &levelPools[level]
	if bits < maxWindowBits {
		pool = &windowPools[bits]
	}
	c, ok := pool.Get().(*compressor)
	if !ok {
		c = newCompressor(bits, level)
	}
	c.out = dst
	c.ResetDict(c, context)
	c.Writer.Write(payload) // c.Write never fails, so this does not either
	c.Flush()
	dst, c.out = c.out, nil
	pool.Put(c)
	return dst[:len(dst)-4] // RFC 7692 §7.2.1: without the 00 00 FF FF of the flush
}

func newCompressor(bits uint8, level int) *compressor {
	c := &compressor{}
	if bits < maxWindowBits {
		c.Writer, _ = flate.NewWriterWindow(c, 1<<bits) // fails for a window out of range only
		return c
	}
	c.Writer, _ = flate.NewWriter(c, level) // fails for a level out of range only
	return c
}
