package websocket

import (
	"context"
	"iter"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

const (
	readBytes  = 4 << 10  // the buffer a connection that waits for a net.Conn keeps
	chunkBytes = 64 << 10 // what is read at once from a peer that sends much
)

// reading is how [Conn.Read] reads.
type reading struct {
	turn  sole          // the right to read
	ready chan struct{} // the loop says: there is something to read, or it is over

	readable atomic.Bool // something has come since the last read
	hungUp   atomic.Bool // the end of the stream has come too

	// Owned by the holder of turn.
	failed error          // of a read, for the next to return
	chunk  *buffer        // what was read last; nil: nothing of it is in use
	rest   []byte         // the part of it that is not yet taken apart
	lent   *buffer        // under the message the caller holds, if it is not in chunk
	open   *messageReader // the message handed out last, if it is read piece by piece
	short  bool           // the last read has emptied the socket
	plenty bool           // the peer sends much
	corked bool

	// Guarded by Conn.mu.
	timer *time.Timer // ends the cork
	timed bool
}

func newReading(early []byte) *reading {
	r := &reading{turn: newSole(), ready: make(chan struct{}, 1)}
	if len(early) > 0 {
		r.chunk = getBuffer(len(early))
		r.chunk.b = append(r.chunk.b, early...)
		r.rest = r.chunk.b
	}
	return r
}

// Read returns the next message. Its Data is valid until the next call of Read.
//
// Read also answers pings, completes [Conn.Ping], and takes part in closing, so
// somebody should always be reading. One goroutine at a time may read.
//
// When ctx ends Read returns an error that wraps ctx.Err; nothing is lost, and
// the next Read goes on where it stopped. Every other error is final: the
// connection is closed, and all later calls return the same error.
//
//   - [*CloseError]: the peer closed the connection. Its close frame has been answered.
//   - [*ProtocolError]: the peer broke the protocol or went over a limit. It has
//     been told so in a close frame with the error's Code.
//   - An error wrapping [net.ErrClosed]: this end closed the connection.
//   - Any other: the network failed; io.ErrUnexpectedEOF if the peer went away
//     without a close frame.
func (c *Conn) Read(ctx context.Context) (Message, error) {
	if err := c.beginRead(ctx); err != nil {
		return Message{}, err
	}
	m, ok := c.readUsual(ctx)
	var err error
	if !ok {
		m, err = c.readMessage(ctx)
	}
	c.reading.turn.leave()
	return m, err
}

// readUsual is readMessage for what nearly every message is. When it reports false,
// nothing has been lost.
func (c *Conn) readUsual(ctx context.Context) (Message, bool) {
	r := c.reading
	if c.in.part != nil || c.deaf.Load() || ctx.Err() != nil {
		return Message{}, false
	}
	r.reclaim()
	if len(r.rest) == 0 && (c.link != nil || !c.awaitChunk(ctx)) {
		return Message{}, false
	}
	op, begin, end := c.usual(r.rest)
	if end == 0 {
		return Message{}, false
	}
	data := r.rest[begin:end:end]
	c.unmask(r.rest, begin, end)
	if op == opText && !utf8.Valid(data) {
		c.unmask(r.rest, begin, end) // once more: readMessage is to refuse it
		return Message{}, false
	}
	r.rest = r.rest[end:]
	c.in.frames++
	c.in.messages++
	_, _, more := c.usual(r.rest)
	r.setCork(c, more > 0)
	return Message{MessageType(op), data}, true
}

// awaitChunk waits for the peer to send something, and reads it. A goroutine that
// waits keeps its stack, so this is done before anything that needs more of it. When
// it reports false, fill is to find out why.
func (c *Conn) awaitChunk(ctx context.Context) bool {
	r := c.reading
	c.flushUnread()
	r.setCork(c, false)
	for !c.deaf.Load() {
		if r.readable.Swap(false) || !r.short || r.hungUp.Load() {
			room := r.room()
			n, err := c.readSocket(room)
			if n > 0 {
				r.take(c, n)
				return true
			}
			if err != errWouldBlock {
				r.failed = err
				return false
			}
			r.short = true
		}
		r.release()
		if ctx.Done() == nil {
			<-r.ready
		} else if !r.await(ctx) {
			return false
		}
	}
	return false
}

// await waits for the loop, or the end of ctx.
func (r *reading) await(ctx context.Context) bool {
	select {
	case <-r.ready:
		return true
	case <-ctx.Done():
		return false
	}
}

// take notes that n bytes have been read into the chunk.
func (r *reading) take(c *Conn, n int) {
	r.chunk.b = r.chunk.b[:n]
	r.rest = r.chunk.b
	r.short, r.plenty = n < cap(r.chunk.b), n >= readBytes
	c.countIn(n)
}

// Messages returns an iterator over [Conn.Read]. A message's Data is valid until
// the next turn of the loop. The last turn brings the error that ends it.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			m, err := c.Read(ctx)
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// beginRead takes the right to read.
func (c *Conn) beginRead(ctx context.Context) error {
	if c.reading == nil {
		return errHandled
	}
	turn := &c.reading.turn
	if turn.try() || turn.take(ctx, c.Done()) {
		return nil
	}
	if err := c.ended(); err != nil {
		return err
	}
	return ctxError(ctx)
}

// readMessage reads until a message is whole. The caller has the right to.
func (c *Conn) readMessage(ctx context.Context) (Message, error) {
	if err := c.skipRest(ctx); err != nil {
		return Message{}, err
	}
	e, err := c.readEvent(ctx, false)
	if err != nil {
		return Message{}, err
	}
	m, buf, err := c.complete(e)
	if err != nil {
		return Message{}, c.readFailed(ctx, err)
	}
	c.reading.lent = buf
	return m, nil
}

// readEvent reads until a message is whole, or some of it is there, if piecewise
// asks for that.
func (c *Conn) readEvent(ctx context.Context, piecewise bool) (event, error) {
	if err := c.ended(); err != nil {
		return event{}, err
	}
	if c.link != nil {
		c.watch(ctx, &c.link.in, setReadDeadline)
	}
	if ctx.Err() != nil {
		return event{}, ctxError(ctx)
	}
	r := c.reading
	r.reclaim()
	answered := false
	for {
		e, rest, err := c.next(r.rest)
		r.rest = rest
		if err == nil && e.op == opContinuation {
			if piecewise {
				if e, ok := c.in.part.piece(); ok {
					return e, nil
				}
			}
			e, err = c.fill(ctx)
		}
		if err == nil && e.op.isControl() {
			if err = c.control(ctx, e); err == nil && !c.holdsWhole(r.rest) {
				c.flushUnread()
			}
			e, answered = event{}, true
		}
		switch {
		case err != nil:
			return event{}, c.readFailed(ctx, err)
		case e.op != opContinuation:
			r.setCork(c, c.holdsWhole(r.rest))
			if answered {
				c.holdAnswers()
			}
			return e, nil
		}
	}
}

// holdAnswers lets the pongs that wait leave with the answer to the message that came
// behind their pings, if that does not take long.
func (c *Conn) holdAnswers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.queue != nil && c.err == nil {
		c.reading.startTimer(c)
	}
}

// control does what a control frame asks for.
func (c *Conn) control(ctx context.Context, e event) error {
	switch e.op {
	case opPing:
		c.answerPing(e.data)
	case opPong:
		c.pongArrived(e.data)
	case opClose:
		return c.closeArrived(ctx, e.data)
	}
	return nil
}

// fill reads from the network. What it reads may complete a message at once.
func (c *Conn) fill(ctx context.Context) (event, error) {
	c.flushUnread()
	c.reading.setCork(c, false)
	if c.link != nil {
		return c.fillFrom(c.link.nc.Read)
	}
	return c.fillFromSocket(ctx)
}

// flushUnread sends what waits before the reader does, without waiting for it.
func (c *Conn) flushUnread() {
	c.mu.Lock()
	if c.out.queue == nil || c.out.turn || c.out.blocked || c.err != nil {
		c.mu.Unlock()
		return
	}
	c.out.turn = true
	c.passTurn()
}

// fillFrom reads once: what is missing of a large message straight to where it
// belongs, anything else into a chunk.
func (c *Conn) fillFrom(read func([]byte) (int, error)) (event, error) {
	r := c.reading
	room, direct := c.in.wanted(), true
	if len(room) < readBytes {
		room, direct = r.room(), false
	}
	n, err := read(room)
	if n == 0 && err != nil {
		return event{}, err
	}
	if !direct {
		r.take(c, n)
		return event{}, nil
	}
	r.short, r.plenty = n < len(room), true
	c.countIn(n)
	return c.advance(n)
}

// room returns the chunk to read into.
func (r *reading) room() []byte {
	size := readBytes
	if r.plenty {
		size = chunkBytes
	}
	if r.chunk != nil && cap(r.chunk.b) != size {
		r.release()
	}
	if r.chunk == nil {
		r.chunk = getBuffer(size)
	}
	return r.chunk.b[:cap(r.chunk.b)]
}

// release lets the chunk go, which nobody uses any more.
func (r *reading) release() {
	if r.chunk != nil {
		putBuffer(r.chunk)
		r.chunk, r.rest = nil, nil
	}
}

// reclaim takes back what was handed out last.
func (r *reading) reclaim() {
	r.open = nil
	if r.lent != nil {
		putBuffer(r.lent)
		r.lent = nil
	}
}

// detach leaves the message handed out last to its holder for good, so that
// somebody else can go on reading.
func (r *reading) detach() {
	r.lent = nil
	if r.chunk == nil {
		return
	}
	fresh := getBuffer(max(len(r.rest), readBytes))
	fresh.b = append(fresh.b, r.rest...)
	r.chunk, r.rest = fresh, fresh.b
}

// setCork tells the writers whether the answer to the next message is worth
// waiting for. The timer goes on while something is still held back.
func (r *reading) setCork(c *Conn, corked bool) {
	if r.corked == corked {
		return
	}
	r.corked = corked
	c.mu.Lock()
	c.out.corked = corked
	if !corked && r.timed && c.out.queue == nil {
		r.timer.Stop()
		r.timed = false
	}
	c.mu.Unlock()
}

// startTimer bounds how long something is held back. The caller has Conn.mu.
func (r *reading) startTimer(c *Conn) {
	switch {
	case r.timed:
		return
	case r.timer == nil:
		r.timer = time.AfterFunc(corkTime, func() { c.corkExpired() })
	default:
		r.timer.Reset(corkTime)
	}
	r.timed = true
}

func (c *Conn) corkExpired() {
	c.mu.Lock()
	c.reading.timed = false
	c.mu.Unlock()
	c.flush()
}

// readFailed sorts out why reading stopped, and returns what Read tells its caller.
func (c *Conn) readFailed(ctx context.Context, err error) error {
	switch e := err.(type) {
	case *CloseError:
		return c.ended()
	case *ProtocolError:
		return c.refuse(ctx, e)
	}
	if ctx.Err() != nil && (isTimeout(err) || err == ctx.Err()) {
		return ctxError(ctx)
	}
	c.end(lostError("read", err))
	return c.ended()
}
