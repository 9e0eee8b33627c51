package websocket

import (
	"context"
	"sync"
)

// deflating is the compression of one connection.
type deflating struct {
	threshold int
	bits      uint8
	level     int
	takeover  bool

	in inflater // owned by whoever reads

	// With context takeover messages must be queued in the order in which they
	// were compressed: mu is held for both.
	mu  sync.Mutex
	out deflater
}

// deflateKey is a way to compress without context.
type deflateKey struct {
	bits  uint8
	level int
}

// useDeflate has messages compressed from now on.
func (c *Conn) useDeflate(p deflateParams) {
	c.deflate = &deflating{
		threshold: p.threshold, bits: p.write.bits, level: p.level, takeover: p.write.takeover,
		in: p.inflater(), out: p.deflater(),
	}
}

// worth reports whether a message of n bytes is to be compressed.
func (d *deflating) worth(n int) bool { return n >= d.threshold && n > 0 }

// inflate decompresses a whole message, and gives its own buffer back.
func (c *Conn) inflate(payload []byte, own *buffer) (*buffer, error) {
	buf, err := c.deflate.in.inflate(payload, c.bounds.message)
	if own != nil {
		putBuffer(own)
	}
	switch err {
	case nil:
		return buf, nil
	case errTooBig:
		return nil, tooBig(c.bounds.message)
	}
	return nil, &ProtocolError{StatusInvalidPayload, "a compressed message cannot be decompressed", dropDeflate}
}

// suits tells whether p is to be compressed.
func (d *deflating) suits(p *Prepared) bool { return !p.plain && d.worth(len(p.frame)-p.head) }

// compress appends what payload becomes to buf. It reports false when the message is
// to be sent as it is.
func (d *deflating) compress(buf *buffer, payload []byte) bool {
	var ok bool
	if d.takeover {
		buf.b, ok = d.out.append(buf.b, payload)
	} else {
		buf.b, ok = deflateOnce(buf.b, payload, d.bits, d.level)
	}
	return ok
}

// sendCompressed queues a message compressed.
func (c *Conn) sendCompressed(h header, payload []byte) error {
	d := c.deflate
	if d.takeover {
		d.mu.Lock()
		defer d.mu.Unlock()
	}
	buf := getBuffer(len(payload))
	defer putBuffer(buf)
	if h.rsv1 = d.compress(buf, payload); h.rsv1 {
		payload = buf.b
	}
	return c.queue(h, payload)
}

// writeCompressed writes a message compressed, behind all that was queued.
func (c *Conn) writeCompressed(ctx context.Context, h header, payload []byte) error {
	d := c.deflate
	buf := getBuffer(len(payload))
	defer putBuffer(buf)
	if !d.takeover {
		if h.rsv1 = d.compress(buf, payload); h.rsv1 {
			payload = buf.b
		}
		return c.write(ctx, h, payload)
	}
	if c.corkedCompressed(ctx, h, payload, buf) {
		return nil
	}
	if err := c.beginWrite(ctx, true); err != nil {
		return err
	}
	// Whoever sends meanwhile compresses with this context, and is queued behind: the
	// turn is ours.
	d.mu.Lock()
	q, mark := c.takeWaiting()
	if h.rsv1 = d.compress(buf, payload); h.rsv1 {
		payload = buf.b
		mark = -1 // the peer has to get what its window will hold
	}
	d.mu.Unlock()
	if c.client {
		h.masked, h.key = true, newMaskKey()
	}
	q.frame(h, payload, 0, true)
	return c.endWrite(q, c.writeAll(ctx, q, mark))
}

// corkedCompressed is holdBack for a connection whose messages build on each other.
func (c *Conn) corkedCompressed(ctx context.Context, h header, payload []byte, buf *buffer) bool {
	d := c.deflate
	d.mu.Lock()
	defer d.mu.Unlock()
	c.mu.Lock()
	may := c.mayHoldBack(ctx, len(payload))
	c.mu.Unlock()
	if !may {
		return false
	}
	if h.rsv1 = d.compress(buf, payload); h.rsv1 {
		payload = buf.b
	}
	c.mu.Lock()
	if c.err != nil || c.out.closeSent {
		c.mu.Unlock()
		return true // Read will say so
	}
	c.put(h, payload)
	c.queued() // meanwhile the cork may have gone
	return true
}

// queueCompressed queues a prepared message compressed.
func (c *Conn) queueCompressed(p *Prepared) error {
	d := c.deflate
	if d.takeover {
		d.mu.Lock()
		defer d.mu.Unlock()
	}
	if c.client {
		return c.sendShared(p)
	}
	frame, compressed := p.forDeflate(d)
	c.mu.Lock()
	if err := c.mayQueue(len(frame)); err != nil {
		c.mu.Unlock()
		return err
	}
	q := c.waiting(p.op)
	q.share(frame)
	q.frames++
	c.queued()
	if compressed && d.takeover {
		d.out.note(p.payload())
	}
	return nil
}

// sendShared is sendCompressed for a client, which masks every frame on its own. The
// caller has mu if there is context takeover.
func (c *Conn) sendShared(p *Prepared) error {
	buf := getBuffer(len(p.frame))
	defer putBuffer(buf)
	h, payload := header{op: p.op}, p.payload()
	if h.rsv1 = c.deflate.compress(buf, payload); h.rsv1 {
		payload = buf.b
	}
	return c.queue(h, payload)
}

// forDeflate returns the frame for a connection that compresses as d does: made by
// the first one that needs it, without context, so that it is good for all.
func (p *Prepared) forDeflate(d *deflating) (frame []byte, compressed bool) {
	key := deflateKey{d.bits, d.level}
	p.mu.Lock()
	defer p.mu.Unlock()
	frame, ok := p.compressed[key]
	if !ok {
		frame = p.deflate(key)
		if p.compressed == nil {
			p.compressed = make(map[deflateKey][]byte)
		}
		p.compressed[key] = frame
	}
	if frame == nil {
		return p.frame, false
	}
	return frame, true
}

// deflate returns the compressed frame, or nil if it would not be shorter.
func (p *Prepared) deflate(key deflateKey) []byte {
	buf := getBuffer(len(p.frame))
	defer putBuffer(buf)
	payload, ok := deflateOnce(buf.b, p.payload(), key.bits, key.level)
	buf.b = payload
	if !ok {
		return nil
	}
	h := header{fin: true, rsv1: true, op: p.op, length: int64(len(payload))}
	return append(appendHeader(nil, h), payload...)
}

// writeBatchCompressed is WriteBatch for a connection with compression.
func (c *Conn) writeBatchCompressed(ctx context.Context, batch []*Prepared) error {
	if err := c.beginWrite(ctx, true); err != nil {
		return err
	}
	d := c.deflate
	d.mu.Lock()
	q, mark := c.takeWaiting()
	for _, p := range batch {
		c.appendPrepared(q, p)
	}
	d.mu.Unlock()
	if d.takeover {
		mark = -1 // the peer has to get what its window will hold
	}
	return c.endWrite(q, c.writeAll(ctx, q, mark))
}

// appendPrepared adds p's frame to q, compressed if that is worth it. The caller has
// the turn, and deflate.mu.
func (c *Conn) appendPrepared(q *queue, p *Prepared) {
	d := c.deflate
	switch {
	case c.client:
		h, payload := header{op: p.op, masked: true, key: newMaskKey()}, p.payload()
		buf := getBuffer(len(payload))
		if d.suits(p) && d.compress(buf, payload) {
			h.rsv1, payload = true, buf.b
		}
		q.frame(h, payload, 0, false)
		putBuffer(buf)
		return
	case !d.suits(p):
		q.share(p.frame)
	default:
		frame, compressed := p.forDeflate(d)
		q.share(frame)
		if compressed {
			d.out.note(p.payload())
		}
	}
	q.frames++
}
