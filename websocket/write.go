package websocket

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

const (
	// vectorFromBytes is where copying a frame begins to cost more than handing
	// the kernel several pieces.
	vectorFromBytes = 32 << 10

	// copyBytes bounds the buffer for what has to be copied because it is masked
	// or encrypted.
	copyBytes = 64 << 10

	// keepPieces bounds the list of pieces that stays with a connection.
	keepPieces = 16
)

// outbound is the writing half of a connection.
type outbound struct {
	closeSent bool                 // RFC 6455 §5.5.1: nothing may follow a close frame
	partial   bool                 // some of what is being written has left in an earlier system call
	deadline  time.Time            // as set on the socket; zero: none
	head      [maxHeaderBytes]byte // scratch for a header
	pieces    [][]byte             // what leaves together
	vector    net.Buffers          // the same, as it is used up
}

// Write sends m as one frame and returns when the network has taken it. It keeps
// no reference to m.Data. It does not check that text is UTF-8: the peer will,
// and closes the connection when it is not.
//
// Write may be called concurrently; each message leaves whole. When ctx ends
// while Write waits, it returns an error that wraps ctx.Err and the connection
// lives on, unless a part of the frame had left: then the connection is closed,
// for nothing else could follow. A write that stalls for longer than the
// WriteTimeout closes the connection as well. After Close it returns an error
// wrapping [net.ErrClosed].
func (c *Conn) Write(ctx context.Context, m Message) error {
	if err := checkType(m.Type); err != nil {
		return err
	}
	if err := c.beginWrite(ctx); err != nil {
		return err
	}
	defer c.endWrite(ctx)
	if c.client {
		return c.writeMasked(ctx, opcode(m.Type), m.Data)
	}
	head := appendHeader(c.out.head[:0], header{fin: true, op: opcode(m.Type), length: int64(len(m.Data))})
	c.out.pieces = append(c.out.pieces, head, m.Data)
	return c.writePieces(ctx)
}

// WriteBatch sends prepared messages in order, in as few system calls as the
// network allows: one, up to about 32 KiB, and also above where the network
// takes several buffers at once (TCP without TLS). An empty batch does nothing.
//
// It is otherwise like [Conn.Write]. When ctx ends and a part of the batch had
// left, the connection is closed.
func (c *Conn) WriteBatch(ctx context.Context, batch []*Prepared) error {
	total := 0
	for _, p := range batch {
		if err := checkType(MessageType(p.op)); err != nil {
			return err
		}
		total += len(p.frame) + len(maskKey{})
	}
	if len(batch) == 0 {
		return nil
	}
	if err := c.beginWrite(ctx); err != nil {
		return err
	}
	defer c.endWrite(ctx)
	if c.client {
		return c.writeBatchMasked(ctx, batch, total)
	}
	for _, p := range batch {
		c.out.pieces = append(c.out.pieces, p.frame)
	}
	return c.writePieces(ctx)
}

func checkType(t MessageType) error {
	if t != Text && t != Binary {
		return fmt.Errorf("websocket: a message cannot be of %v", t)
	}
	return nil
}

// beginWrite takes the write turn, if there is still something to be written.
func (c *Conn) beginWrite(ctx context.Context) error {
	if err := c.take(ctx, c.writeTurn); err != nil {
		return err
	}
	err := c.ended()
	switch {
	case err != nil:
	case c.out.closeSent:
		err = fmt.Errorf("websocket: the close frame has been sent: %w", net.ErrClosed)
	case ctx.Err() != nil:
		err = ctxError(ctx)
	default:
		return nil
	}
	<-c.writeTurn
	c.flushPong(ctx) // its reader may have seen the turn taken
	return err
}

// endWrite gives the turn back. A ping may have come in meanwhile, and its
// reader did not wait for the turn, so its pong is ours to send.
func (c *Conn) endWrite(ctx context.Context) {
	clear(c.out.pieces)
	c.out.pieces, c.out.vector = c.out.pieces[:0], nil
	if cap(c.out.pieces) > keepPieces {
		c.out.pieces = nil
	}
	<-c.writeTurn
	c.flushPong(ctx)
}

// writePieces writes what a server sends: the pieces as they are.
func (c *Conn) writePieces(ctx context.Context) error {
	total := 0
	for _, p := range c.out.pieces {
		total += len(p)
	}
	if total >= vectorFromBytes && c.vectored {
		return c.flushVector(ctx)
	}
	buf := getBuffer(min(total, copyBytes))
	defer putBuffer(buf)
	for _, p := range c.out.pieces {
		for len(p) > 0 {
			block, err := c.room(ctx, buf, len(p))
			if err != nil {
				return err
			}
			p = p[copy(block, p):]
		}
	}
	return c.flushLast(ctx, buf)
}

// maskKey is a masking key.
type maskKey = [4]byte

// writeMasked writes what a client sends.
func (c *Conn) writeMasked(ctx context.Context, op opcode, payload []byte) error {
	buf := getBuffer(min(maxHeaderBytes+len(payload), copyBytes))
	defer putBuffer(buf)
	if err := c.maskInto(ctx, buf, op, payload); err != nil {
		return err
	}
	return c.flushLast(ctx, buf)
}

// writeBatchMasked builds a client's own frames, about total bytes long, from
// the payloads of prepared ones.
func (c *Conn) writeBatchMasked(ctx context.Context, batch []*Prepared, total int) error {
	buf := getBuffer(min(total, copyBytes))
	defer putBuffer(buf)
	for _, p := range batch {
		if err := c.maskInto(ctx, buf, p.op, p.frame[p.head:]); err != nil {
			return err
		}
	}
	return c.flushLast(ctx, buf)
}

// maskInto appends a frame to buf, masked with a key of its own (RFC 6455 §5.3).
func (c *Conn) maskInto(ctx context.Context, buf *buffer, op opcode, payload []byte) error {
	h := header{fin: true, op: op, masked: true, key: newMaskKey(), length: int64(len(payload))}
	head := appendHeader(c.out.head[:0], h)
	for len(head) > 0 {
		block, err := c.room(ctx, buf, len(head))
		if err != nil {
			return err
		}
		head = head[copy(block, head):]
	}
	for pos := 0; pos < len(payload); {
		block, err := c.room(ctx, buf, len(payload)-pos)
		if err != nil {
			return err
		}
		n := copy(block, payload[pos:])
		mask(block, h.key, int64(pos))
		pos += n
	}
	return nil
}

// newMaskKey returns a key no script in a page can foresee: that is the point
// of masking (RFC 6455 §10.3).
func newMaskKey() (key maskKey) {
	rand.Read(key[:])
	return key
}

// room extends buf by up to n bytes and returns them, after writing out a full buf.
func (c *Conn) room(ctx context.Context, buf *buffer, n int) ([]byte, error) {
	if len(buf.b) == cap(buf.b) {
		if err := c.flush(ctx, buf.b); err != nil {
			return nil, err
		}
		c.out.partial = true
		buf.b = buf.b[:0]
	}
	old := len(buf.b)
	buf.b = buf.b[:min(old+n, cap(buf.b))]
	return buf.b[old:], nil
}

// flushLast writes the rest of what began to fill buf.
func (c *Conn) flushLast(ctx context.Context, buf *buffer) error {
	err := c.flush(ctx, buf.b)
	c.out.partial = false
	return err
}

// flush writes p in one system call, if the network takes it.
func (c *Conn) flush(ctx context.Context, p []byte) error {
	if err := c.armWrite(ctx); err != nil {
		return c.writeFailed(ctx, 0, err)
	}
	n, err := c.nc.Write(p)
	if err != nil {
		return c.writeFailed(ctx, int64(n), err)
	}
	return nil
}

// flushVector writes the pieces in one system call, if the network takes them.
func (c *Conn) flushVector(ctx context.Context) error {
	if err := c.armWrite(ctx); err != nil {
		return c.writeFailed(ctx, 0, err)
	}
	c.out.vector = c.out.pieces
	n, err := c.out.vector.WriteTo(c.nc)
	if err != nil {
		return c.writeFailed(ctx, n, err)
	}
	return nil
}

// armWrite sees to it that a stalled write ends: by ctx, or by the deadline.
// Moving the deadline for every write would cost as much as a small message, so
// it is set a quarter late and left alone while it still grants the timeout.
func (c *Conn) armWrite(ctx context.Context) error {
	if c.watch(ctx, &c.outCancel, setWriteDeadline) {
		c.out.deadline = time.Time{}
	}
	now := time.Now()
	if c.out.deadline.Sub(now) < c.bounds.write {
		c.out.deadline = now.Add(c.bounds.write + c.bounds.write/4)
		if err := c.nc.SetWriteDeadline(c.out.deadline); err != nil {
			return err
		}
	}
	// A context that ended before the deadline was set has had its own deadline
	// overwritten; one that ends from here on has not.
	return ctx.Err()
}

// writeFailed decides whether the connection survives a write of which n bytes
// have left.
func (c *Conn) writeFailed(ctx context.Context, n int64, err error) error {
	cancelled := ctx.Err() != nil && (isTimeout(err) || err == ctx.Err())
	_, encrypted := c.nc.(*tls.Conn) // a TLS record may be half written although n is zero
	switch {
	case cancelled && n == 0 && !c.out.partial && !(encrypted && isTimeout(err)):
		return ctxError(ctx)
	case cancelled:
		err = fmt.Errorf("websocket: half a frame was written, which ends the connection: %w", ctx.Err())
	case isTimeout(err):
		err = fmt.Errorf("websocket: a write stalled for more than %v: %w", c.bounds.write, err)
	default:
		err = lostError("write", err)
	}
	c.end(err)
	return c.ended()
}

// writeControl writes a control frame. The caller has the write turn.
func (c *Conn) writeControl(ctx context.Context, op opcode, payload []byte) error {
	h := header{fin: true, op: op, masked: c.client, length: int64(len(payload))}
	if c.client {
		h.key = newMaskKey()
	}
	buf := getBuffer(maxHeaderBytes + len(payload))
	defer putBuffer(buf)
	buf.b = appendHeader(buf.b, h)
	head := len(buf.b)
	buf.b = append(buf.b, payload...)
	if c.client {
		mask(buf.b[head:], h.key, 0)
	}
	return c.flush(ctx, buf.b)
}
