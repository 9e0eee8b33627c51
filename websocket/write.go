package websocket

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

const (
	// maskBlockBytes is how much of a client's large message is copied and masked
	// at a time.
	maskBlockBytes = 128 << 10

	// corkTime is how long an answer waits at most for those to what was read
	// with the same system call.
	corkTime = time.Millisecond
)

// Write sends m as one frame and returns when the network has taken it. It keeps
// no reference to m.Data. It does not check that text is UTF-8: the peer will,
// and closes the connection when it is not.
//
// When further messages of the peer have come in together with the one Read has
// returned last, Write holds m back to leave with the answers to those: until
// Read has no more of them, or for a millisecond.
//
// Write may be called concurrently; each message leaves whole. When ctx ends
// while Write waits, it returns an error that wraps ctx.Err and the connection
// lives on, unless a part of the frame had left: then the connection is closed,
// for nothing else could follow. A write that stalls for longer than the
// WriteTimeout closes the connection as well. After Close it returns an error
// wrapping [net.ErrClosed].
func (c *Conn) Write(ctx context.Context, m Message) error {
	if err := c.checkMessage(m.Type, m.Data); err != nil {
		return err
	}
	h := header{op: opcode(m.Type)}
	if c.deflate != nil && c.deflate.worth(len(m.Data)) {
		return c.writeCompressed(ctx, h, m.Data)
	}
	return c.write(ctx, h, m.Data)
}

// write writes a frame.
func (c *Conn) write(ctx context.Context, h header, payload []byte) error {
	if c.holdBack(ctx, h, payload) {
		return nil
	}
	if err := c.beginWrite(ctx, !h.op.isControl()); err != nil {
		return err
	}
	return c.writeFrame(ctx, h, payload)
}

// writeFrame writes a frame behind what is waiting, and gives the turn back.
func (c *Conn) writeFrame(ctx context.Context, h header, payload []byte) error {
	q, mark := c.takeWaiting()
	if c.client {
		h.masked, h.key = true, newMaskKey()
		if len(payload) > 2*maskBlockBytes {
			return c.endWrite(q, c.writeBlocks(ctx, q, mark, h, payload))
		}
	}
	h.old = c.version == hixie76
	q.frame(h, payload, 0, true)
	return c.endWrite(q, c.writeAll(ctx, q, mark))
}

// writeBlocks writes a client's large frame, masking it block by block.
func (c *Conn) writeBlocks(ctx context.Context, q *queue, mark int, h header, payload []byte) error {
	h.fin, h.length = !h.more, int64(len(payload))
	q.frames++
	head := q.extend(headerBytes(shortLength(h.length), true), 0)
	appendHeader(head[:0], h)
	for pos := 0; pos < len(payload); {
		block := q.extend(min(maskBlockBytes, len(payload)-pos), 0)
		copy(block, payload[pos:])
		mask(block, h.key, int64(pos))
		if err := c.writeAll(ctx, q, mark); err != nil {
			return err
		}
		pos += len(block)
		mark = -1 // a part has left
	}
	return nil
}

// WriteBatch sends prepared messages in order, in as few system calls as the
// network allows. An empty batch does nothing.
//
// It is otherwise like [Conn.Write]. When ctx ends and a part of the batch had
// left, the connection is closed.
func (c *Conn) WriteBatch(ctx context.Context, batch []*Prepared) error {
	for _, p := range batch {
		if err := c.checkMessage(p.Type(), p.payload()); err != nil {
			return err
		}
	}
	if len(batch) == 0 {
		return nil
	}
	if c.deflate != nil {
		return c.writeBatchCompressed(ctx, batch)
	}
	if err := c.beginWrite(ctx, true); err != nil {
		return err
	}
	q, mark := c.takeWaiting()
	for _, p := range batch {
		switch {
		case c.client:
			q.frame(header{op: p.op, masked: true, key: newMaskKey()}, p.payload(), 0, false)
		case c.version == hixie76:
			q.frame(header{op: p.op, old: true}, p.payload(), 0, false)
		default:
			q.share(p.frame)
			q.frames++
		}
	}
	return c.endWrite(q, c.writeAll(ctx, q, mark))
}

// checkMessage tells why a message cannot be sent. It is small enough to be inlined.
func (c *Conn) checkMessage(t MessageType, data []byte) error {
	if c.version != hixie76 && (t == Text || t == Binary) {
		return nil
	}
	return cannotSend(t, data, c.version)
}

func cannotSend(t MessageType, data []byte, v version) error {
	if err := checkType(t); err != nil || v != hixie76 {
		return err
	}
	return check76(t, data)
}

func checkType(t MessageType) error {
	if t != Text && t != Binary {
		return fmt.Errorf("websocket: a message cannot be of %v", t)
	}
	return nil
}

// holdBack leaves a frame in the queue while more of what was read is waiting to
// be handled, and reports whether it did.
func (c *Conn) holdBack(ctx context.Context, h header, payload []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.mayHoldBack(ctx, len(payload)) {
		return false
	}
	c.put(h, payload)
	if c.reading != nil {
		c.reading.startTimer(c)
	}
	return true
}

func (c *Conn) mayHoldBack(ctx context.Context, n int) bool {
	out := &c.out
	switch {
	case !out.corked, out.turn, out.blocked, out.closeSent, out.composing, c.err != nil, ctx.Err() != nil:
		return false
	case out.queue == nil:
		return n <= vectorFromBytes
	}
	return out.queue.bytes+n <= corkBytes-maxHeaderBytes
}

// beginWrite takes the turn, if there is still something to be written.
func (c *Conn) beginWrite(ctx context.Context, data bool) error {
	for {
		if err := c.takeTurn(ctx); err != nil {
			return err
		}
		c.mu.Lock()
		var err error
		switch {
		case c.err != nil:
			err = c.err
		case c.out.closeSent:
			err = errCloseSent
		case ctx.Err() != nil:
			err = ctxError(ctx)
		case data && c.out.composing:
			composed := c.extra.composed
			c.passTurn()
			select {
			case <-composed:
			case <-ctx.Done():
			}
			continue
		default:
			c.mu.Unlock()
			return nil
		}
		c.passTurn()
		return err
	}
}

// takeWaiting takes what is in the queue, to write something behind it.
func (c *Conn) takeWaiting() (q *queue, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q = c.takeQueue()
	if q == nil {
		q = queues.Get().(*queue)
	}
	return q, q.bytes
}

// endWrite gives the turn back. q is what could not be written.
func (c *Conn) endWrite(q *queue, err error) error {
	c.mu.Lock()
	c.putBack(q)
	c.passTurn()
	return err
}

// passTurn gives the turn back, and mu, without ever waiting for the network.
func (c *Conn) passTurn() {
	if c.link != nil && c.out.queue != nil && c.err == nil {
		c.mu.Unlock()
		go c.flushTurn() // ends when the queue is empty or the connection has ended
		return
	}
	c.finishTurn()
}

// writeAll writes q until all of it has left. When ctx ends first and no more than
// mark bytes have, the rest up to there stays in q and the connection lives on. The
// caller has the turn.
func (c *Conn) writeAll(ctx context.Context, q *queue, mark int) error {
	total := q.bytes
	var err error
	if c.link != nil {
		err = c.writeNet(ctx, q)
	} else {
		err = c.writeWaiting(ctx, q)
	}
	if err == nil {
		return nil
	}
	sent := total - q.bytes
	cancelled := ctx.Err() != nil && (isTimeout(err) || err == ctx.Err())
	halfRecord := c.link != nil && c.link.encrypted && isTimeout(err) // of TLS: nothing can follow it
	switch {
	case cancelled && sent <= mark && !halfRecord:
		q.cut(mark - sent)
		q.keep()
		return ctxError(ctx)
	case cancelled:
		err = fmt.Errorf("websocket: half a frame was written, which ends the connection: %w", ctx.Err())
	default:
		err = c.stalled(err)
	}
	c.end(err)
	return c.ended()
}

// maskKey is a masking key.
type maskKey = [4]byte

// newMaskKey returns a key no script in a page can foresee: that is the point
// of masking (RFC 6455 §10.3).
func newMaskKey() (key maskKey) {
	rand.Read(key[:])
	return key
}

// writeControl writes a control frame and gives the turn back.
func (c *Conn) writeControl(ctx context.Context, op opcode, payload []byte) error {
	return c.writeFrame(ctx, header{op: op}, payload)
}

// sendClose sends a close frame unless one has been sent, behind what waits.
func (c *Conn) sendClose(ctx context.Context, code StatusCode, reason string) error {
	if err := c.takeTurn(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	if c.out.closeSent || c.err != nil {
		err := c.err
		c.passTurn()
		return err
	}
	c.out.closeSent = true
	c.mu.Unlock()
	return c.writeControl(ctx, opClose, appendClose(nil, code, reason))
}
