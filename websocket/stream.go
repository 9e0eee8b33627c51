package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// composeBytes is how much of a message a Writer gathers for one frame.
const composeBytes = 4 << 10

// messageReader is a message that is read piece by piece. Who has the right to read owns it.
type messageReader struct {
	c    *Conn
	ctx  context.Context // of Reader: io.Reader has no room for one
	typ  MessageType
	rest []byte // of the piece that was read last
	more bool   // pieces follow
}

var (
	errSkipped  = errors.New("websocket: the rest of the message has been skipped: the next one was asked for")
	errComposed = errors.New("websocket: the message is complete")
)

// Reader returns the next message as a stream, when some of it is there. Its bytes are
// handed out as they arrive, so a long message takes no more memory than a piece of it.
// At the end of the message Read returns io.EOF, and every other error if the message
// will not become whole. Limits and UTF-8 hold as for [Conn.Read]: they are judged as
// the bytes arrive, and Read never returns half a character's worth of text that is
// none. A compressed message is inflated first and then handed out as a whole.
//
// ctx limits Reader and every Read of the stream. When it ends nothing is lost but the
// rest of this message: the next call of Reader or Read skips it, as it does with any
// message that was not read to its end. The stream must not be used after that.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	defer c.reading.turn.leave()
	s, err := c.nextMessage(ctx)
	if err != nil {
		return 0, nil, err
	}
	return s.typ, s, nil
}

// nextMessage begins to read a message. The caller has the right to read.
func (c *Conn) nextMessage(ctx context.Context) (*messageReader, error) {
	if err := c.skipRest(ctx); err != nil {
		return nil, err
	}
	s := &messageReader{c: c, ctx: ctx}
	if err := s.fill(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Read reads from the message.
func (s *messageReader) Read(p []byte) (int, error) {
	if err := s.c.beginRead(s.ctx); err != nil {
		return 0, err
	}
	defer s.c.reading.turn.leave()
	return s.read(s.ctx, p)
}

// read is Read for who has the right to.
func (s *messageReader) read(ctx context.Context, p []byte) (int, error) {
	switch {
	case len(s.rest) == 0 && !s.more:
		return 0, io.EOF
	case s.c.reading.open != s:
		if err := s.c.ended(); err != nil {
			return 0, err
		}
		return 0, errSkipped
	case len(p) == 0:
		return 0, nil
	}
	for len(s.rest) == 0 {
		if !s.more {
			return 0, io.EOF
		}
		if err := s.fill(ctx); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// fill waits for the next piece. When only ctx ends, the next call goes on.
func (s *messageReader) fill(ctx context.Context) error {
	c := s.c
	e, err := c.readEvent(ctx, true)
	c.reading.open = s
	if err != nil {
		return err
	}
	m, buf, err := c.complete(e)
	if err != nil {
		return c.readFailed(ctx, err)
	}
	c.reading.lent = buf
	s.typ, s.rest, s.more = m.Type, m.Data, e.partial
	return nil
}

// skipRest reads what is left of a message of which some was handed out.
func (c *Conn) skipRest(ctx context.Context) error {
	for c.in.part != nil && c.in.part.begun {
		e, err := c.readEvent(ctx, true)
		if err != nil {
			return err
		}
		c.reading.lent = e.buf
	}
	return nil
}

// messageWriter is a message that is written piece by piece.
type messageWriter struct {
	c     *Conn
	ctx   context.Context // of Writer: io.Writer has no room for one
	op    opcode          // of the next frame
	buf   *buffer         // what is gathered for it
	begun chan struct{}   // the connection's composed, from the first frame on
	left  bool            // some of the message has left; guarded by Conn.mu
	stop  func() bool     // ends the watch over ctx
	err   error           // why nothing more can be written
}

// Writer returns a writer for one message, which is complete when it is closed. A
// message of up to 4 KiB leaves then, as [Conn.Write] would send it. A longer one leaves
// in fragments (RFC 6455 §5.4) as it is written, never compressed: the peer may begin to
// read before it is complete. One goroutine at a time may use the writer.
//
// From the first fragment to the last no other message can leave. Write, WriteBatch and
// other Writers wait, each with its own context; what is sent by [Conn.Send] and its
// kin is queued, and counts towards [Limits.QueueBytes]. Pings, pongs and a close frame
// pass between the fragments. So a Writer must be closed, and not be idle for long.
//
// ctx limits every Write and Close of the writer. When it ends before anything has left,
// the message is given up and the connection lives on. When it ends in the middle of the
// message, at once and whether or not the writer is in use, so does the connection:
// nothing but the rest of the message could follow. It is the way to break a message off,
// for Close would make the peer take what has left for the whole.
func (c *Conn) Writer(ctx context.Context, t MessageType) (io.WriteCloser, error) {
	if err := c.checkMessage(t, nil); err != nil {
		return nil, err
	}
	if err := c.ended(); err != nil {
		return nil, err
	}
	return &messageWriter{c: c, ctx: ctx, op: opcode(t)}, nil
}

// Write adds p to the message. It keeps no reference to p.
func (w *messageWriter) Write(p []byte) (n int, err error) {
	for n < len(p) && w.err == nil {
		var k int
		k, w.err = w.add(p[n:])
		n += k
	}
	return n, w.err
}

// add takes some of p. What is full leaves when more comes, and what is long at once: in
// pieces, between which pongs can pass.
func (w *messageWriter) add(p []byte) (int, error) {
	if w.c.version == hixie76 {
		return w.gather76(p)
	}
	if w.gathered() == composeBytes {
		if err := w.fragment(w.buf.b); err != nil {
			return 0, err
		}
		w.buf.b = w.buf.b[:0]
	}
	if w.gathered() == 0 && len(p) > composeBytes {
		p = p[:min(len(p), maskBlockBytes)]
		if err := w.fragment(p); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	if w.buf == nil {
		w.buf = getBuffer(composeBytes)
	}
	p = p[:min(len(p), composeBytes-len(w.buf.b))]
	w.buf.b = append(w.buf.b, p...)
	return len(p), nil
}

func (w *messageWriter) gathered() int {
	if w.buf == nil {
		return 0
	}
	return len(w.buf.b)
}

// fragment writes a frame that is not the last one.
func (w *messageWriter) fragment(payload []byte) error {
	if err := w.c.beginWrite(w.ctx, w.begun == nil); err != nil {
		return w.failed(err)
	}
	if w.begun == nil {
		w.begin()
	}
	if err := w.c.writeFrame(w.ctx, header{op: w.op, more: true}, payload); err != nil {
		return w.failed(err)
	}
	if w.op == opContinuation {
		return nil
	}
	w.op = opContinuation
	w.c.mu.Lock()
	w.left = true
	w.c.mu.Unlock()
	if err := w.ctx.Err(); err != nil { // perhaps before it was noted
		w.breakOff()
		return w.c.ended()
	}
	return nil
}

// begin keeps other messages from leaving. The caller has the turn.
func (w *messageWriter) begin() {
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	w.begun = make(chan struct{})
	c.out.composing = true
	c.more().composed = w.begun
	w.stop = context.AfterFunc(w.ctx, w.breakOff)
}

// breakOff ends the connection, if w is in the middle of its message.
func (w *messageWriter) breakOff() {
	c := w.c
	c.mu.Lock()
	begun := c.out.composing && c.extra.composed == w.begun && w.left
	c.mu.Unlock()
	if begun {
		c.end(fmt.Errorf("websocket: a message was broken off, which ends the connection: %w", w.ctx.Err()))
	}
}

// failed gives the message up because of err.
func (w *messageWriter) failed(err error) error {
	if w.ctx.Err() != nil {
		w.breakOff()
	}
	w.finish()
	return err
}

// finish lets others write.
func (w *messageWriter) finish() {
	if w.begun == nil {
		return
	}
	w.stop()
	c := w.c
	c.mu.Lock()
	if c.extra.composed == w.begun {
		c.endComposing()
	}
	c.queued()
}

// endComposing ends the time of a Writer: what was sent meanwhile follows. The caller
// has mu.
func (c *Conn) endComposing() {
	x := c.extra
	c.out.composing = false
	close(x.composed)
	later := x.later
	x.composed, x.later = nil, nil
	switch {
	case later == nil:
	case c.out.closeSent || c.err != nil:
		later.free()
	case c.out.queue == nil:
		c.out.queue = later
	default:
		c.out.queue = joined(c.out.queue, later)
	}
}

// Close completes the message.
func (w *messageWriter) Close() error {
	if w.err != nil {
		w.release()
		return w.err
	}
	w.err = w.last()
	w.release()
	if w.err != nil {
		return w.err
	}
	w.err = errComposed
	return nil
}

// last writes the last frame, or the whole message.
func (w *messageWriter) last() error {
	var payload []byte
	if w.buf != nil {
		payload = w.buf.b
	}
	if w.begun == nil {
		return w.c.Write(w.ctx, Message{MessageType(w.op), payload})
	}
	if err := w.c.beginWrite(w.ctx, false); err != nil {
		return w.failed(err)
	}
	if err := w.c.writeFrame(w.ctx, header{op: opContinuation}, payload); err != nil {
		return w.failed(err)
	}
	w.finish()
	return nil
}

func (w *messageWriter) release() {
	if w.buf != nil {
		putBuffer(w.buf)
		w.buf = nil
	}
}
