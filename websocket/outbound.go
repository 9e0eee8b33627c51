package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

const (
	// corkBytes is how much is held back to leave together. More goes out at once.
	corkBytes = 64 << 10

	// vectorFromBytes is where copying a payload begins to cost more than handing
	// the kernel one piece more.
	vectorFromBytes = 32 << 10

	// gatherBelowBytes is the average piece below which copying them together
	// costs less than handing each to the kernel.
	gatherBelowBytes = 1 << 10

	keepPieces = 64
)

// ErrSlow ends a connection whose peer does not take what it is sent: more than
// [Limits.QueueBytes] would be waiting.
var ErrSlow = errors.New("websocket: the peer is too slow")

// queue is what waits to be written, in order.
type queue struct {
	pieces []piece
	bytes  int
	frames int
}

// piece is some of it.
type piece struct {
	b   []byte
	own *buffer // goes back to its pool when b is written; nil: b is shared
}

var queues = sync.Pool{New: func() any { return &queue{pieces: make([]piece, 0, 4)} }}

func (q *queue) free() {
	for i := range q.pieces {
		if own := q.pieces[i].own; own != nil {
			putBuffer(own)
		}
	}
	clear(q.pieces)
	q.pieces, q.bytes, q.frames = q.pieces[:0], 0, 0
	if cap(q.pieces) <= keepPieces {
		queues.Put(q)
	}
}

// share adds bytes that nobody will change.
func (q *queue) share(b []byte) {
	q.pieces = append(q.pieces, piece{b: b})
	q.bytes += len(b)
}

// extend adds n bytes for the caller to fill, next to what was copied before if
// there is room; a new buffer has at least room for roomy.
func (q *queue) extend(n, roomy int) []byte {
	q.bytes += n
	if last := len(q.pieces) - 1; last >= 0 {
		p := &q.pieces[last]
		if old := len(p.b); p.own != nil && cap(p.b)-old >= n {
			p.b = p.b[:old+n]
			return p.b[old:]
		}
	}
	own := getBuffer(max(n, roomy))
	q.pieces = append(q.pieces, piece{own.b[:n], own})
	return own.b[:n]
}

// take notes that n bytes have been written.
func (q *queue) take(n int) {
	q.bytes -= n
	done := 0
	for done < len(q.pieces) && n >= len(q.pieces[done].b) {
		p := &q.pieces[done]
		n -= len(p.b)
		if p.own != nil {
			putBuffer(p.own)
		}
		done++
	}
	if done > 0 {
		kept := copy(q.pieces, q.pieces[done:])
		clear(q.pieces[kept:])
		q.pieces = q.pieces[:kept]
	}
	if n > 0 {
		q.pieces[0].b = q.pieces[0].b[n:]
	}
}

// keep makes what is left independent of the caller's bytes, and small.
func (q *queue) keep() {
	for i := range q.pieces {
		p := &q.pieces[i]
		if p.own != nil && cap(p.own.b) <= 4*len(p.b)+4<<10 {
			continue
		}
		own := getBuffer(len(p.b))
		own.b = append(own.b, p.b...)
		if p.own != nil {
			putBuffer(p.own)
		}
		*p = piece{own.b, own}
	}
}

// cut removes everything behind the first n bytes, none of them written yet.
func (q *queue) cut(n int) {
	for i := range q.pieces {
		p := &q.pieces[i]
		if n < len(p.b) {
			p.b = p.b[:n]
		}
		n -= len(p.b)
	}
	q.bytes = 0
	for i := range q.pieces {
		q.bytes += len(q.pieces[i].b)
	}
}

// joined puts what is left of first before q, and returns the whole.
func joined(first, q *queue) *queue {
	if q == nil {
		return first
	}
	first.pieces = append(first.pieces, q.pieces...)
	first.bytes += q.bytes
	first.frames += q.frames
	clear(q.pieces)
	q.pieces = q.pieces[:0]
	q.free()
	return first
}

// frame adds a frame: its payload copied, and masked if this is a client. A large
// payload of a server is not copied but shared, when shared says that it may be.
func (q *queue) frame(h header, payload []byte, roomy int, shared bool) {
	if h.old {
		q.frame76(h.op, payload, roomy)
		return
	}
	h.fin, h.length = !h.more, int64(len(payload))
	q.frames++
	if shared && !h.masked && len(payload) >= vectorFromBytes {
		head := q.extend(headerBytes(shortLength(h.length), false), roomy)
		appendHeader(head[:0], h)
		q.share(payload)
		return
	}
	if h.length < 126 && !h.masked {
		b := q.extend(2+len(payload), roomy)
		b[0], b[1] = h.first(), byte(h.length)
		copy(b[2:], payload)
		return
	}
	b := q.extend(headerBytes(shortLength(h.length), h.masked)+len(payload), roomy)
	head := len(appendHeader(b[:0], h))
	copy(b[head:], payload)
	if h.masked {
		mask(b[head:], h.key, 0)
	}
}

// outbound is the writing half of a connection, guarded by Conn.mu. Who has the
// turn writes; everybody else leaves what they have in the queue.
type outbound struct {
	queue     *queue // nil: nothing waits
	turn      bool   // somebody is writing
	corked    bool   // more of what was read is being handled: its answers leave together
	blocked   bool   // the socket takes no more; its loop will tell when it does
	scheduled bool   // its loop is going to look after it
	closeSent bool   // RFC 6455 §5.5.1: nothing may follow a close frame
	composing bool   // a Writer is in the middle of a message
	wanted    bool   // OnWritable is to be called
	offering  bool   // it is being called: what it sends leaves together
	pongs     int32  // that wait in the queue
}

// Send queues m for the peer and returns at once; it keeps no reference to m.Data.
// What is sent leaves in order, soon: when the handler that is running has dealt with
// all that came in one read, or in the next turn of the connection's loop. Many
// messages leave in one system call.
//
// When more than [Limits.QueueBytes] would wait, the peer is too slow: Send
// returns [ErrSlow] and the connection is closed. After Close it returns an error
// wrapping [net.ErrClosed]. It may be called concurrently. Whether text is UTF-8
// is not checked: the peer does that.
func (c *Conn) Send(m Message) error {
	if err := c.checkMessage(m.Type, m.Data); err != nil {
		return err
	}
	h := header{op: opcode(m.Type)}
	var err error
	if c.deflate != nil && c.deflate.worth(len(m.Data)) {
		err = c.sendCompressed(h, m.Data)
	} else {
		err = c.queue(h, m.Data)
	}
	if err != nil {
		return c.tooSlow(err)
	}
	return nil
}

// enqueue puts a frame into the queue, and ends the connection if there is no room.
func (c *Conn) enqueue(h header, payload []byte) error {
	return c.tooSlow(c.queue(h, payload))
}

func (c *Conn) queue(h header, payload []byte) error {
	c.mu.Lock()
	if err := c.mayQueue(len(payload)); err != nil {
		c.mu.Unlock()
		return err
	}
	if len(payload) >= vectorFromBytes && c.link == nil && !c.client && !c.out.turn && !c.out.blocked && !c.out.composing {
		c.sendLarge(h, payload)
		return nil
	}
	c.put(h, payload)
	c.queued()
	return nil
}

// SendPrepared is [Conn.Send] for a message that was framed once for many.
func (c *Conn) SendPrepared(p *Prepared) error {
	if err := c.checkMessage(p.Type(), p.payload()); err != nil {
		return err
	}
	return c.tooSlow(c.queuePrepared(p))
}

func (c *Conn) queuePrepared(p *Prepared) error {
	if c.deflate != nil && c.deflate.suits(p) {
		return c.queueCompressed(p)
	}
	if c.client || c.version == hixie76 {
		return c.queue(header{op: p.op}, p.payload())
	}
	c.mu.Lock()
	if err := c.mayQueue(len(p.frame)); err != nil {
		c.mu.Unlock()
		return err
	}
	q := c.waiting(p.op)
	q.share(p.frame)
	q.frames++
	c.queued()
	return nil
}

// sendLarge writes at once what would be dear to copy: only what the socket does not
// take is. The caller has mu, and gives it up.
func (c *Conn) sendLarge(h header, payload []byte) {
	q := c.takeQueue()
	if q == nil {
		q = queues.Get().(*queue)
	}
	c.out.turn = true
	c.mu.Unlock()
	h.old = c.version == hixie76
	q.frame(h, payload, 0, true)
	err := c.writeSome(q)
	if err != nil {
		c.end(err)
	}
	c.mu.Lock()
	c.putBack(q)
	c.finishTurn()
}

// mayQueue tells why n more bytes may not be queued. The caller has mu.
func (c *Conn) mayQueue(n int) error {
	waits := 0
	if c.out.queue != nil {
		waits = c.out.queue.bytes
	}
	if c.out.composing && c.extra.later != nil {
		waits += c.extra.later.bytes
	}
	switch {
	case c.err != nil:
		return c.err
	case c.out.closeSent:
		return errCloseSent
	case waits+n > c.bounds.queue && waits > 0:
		return ErrSlow
	}
	return nil
}

var errCloseSent = fmt.Errorf("websocket: the close frame has been sent: %w", net.ErrClosed)

// tooSlow ends the connection if err is ErrSlow.
func (c *Conn) tooSlow(err error) error {
	if err == ErrSlow {
		c.abort(ErrSlow, StatusPolicyViolation)
	}
	return err
}

// waiting returns the queue for a frame of op: while a Writer is in the middle of a
// message, others have to wait. The caller has mu.
func (c *Conn) waiting(op opcode) *queue {
	q := &c.out.queue
	if c.out.composing && !op.isControl() {
		q = &c.extra.later
	}
	if *q == nil {
		*q = queues.Get().(*queue)
	}
	return *q
}

// put adds a frame to the queue. The caller has mu.
func (c *Conn) put(h header, payload []byte) {
	if c.client {
		h.masked, h.key = true, newMaskKey()
	}
	h.old = c.version == hixie76
	roomy := 0
	if c.out.corked || c.out.offering {
		roomy = corkBytes
	}
	c.waiting(h.op).frame(h, payload, roomy, false)
}

// queued sees to it that what was queued leaves, and gives mu back.
func (c *Conn) queued() {
	switch {
	case c.out.queue == nil: // only when the Writer of the moment is done
	case c.out.turn || c.out.blocked: // whoever writes goes on until the queue is empty
		if c.out.queue.bytes >= c.bounds.queue/2 && (c.out.blocked || c.link != nil) {
			c.pauseLocked(pausedByOutput) // the peer may not read what it makes us send
		}
	case (c.out.corked || c.out.offering) && c.out.queue.bytes < corkBytes:
		if c.reading != nil {
			c.reading.startTimer(c)
		}
	case (c.out.corked || c.out.offering) && c.link == nil:
		c.out.turn = true
		c.finishTurn() // it never waits
		return
	case c.link == nil:
		c.scheduleLocked()
	default:
		c.out.turn = true
		go c.flushTurn() // ends when the queue is empty or the connection has ended
	}
	c.mu.Unlock()
}

// flush writes what waits, unless somebody is at it. With a poller it never waits;
// on a net.Conn it may take until the write timeout.
func (c *Conn) flush() {
	c.mu.Lock()
	if c.out.queue == nil || c.out.turn || c.out.blocked || c.err != nil {
		c.mu.Unlock()
		return
	}
	c.out.turn = true
	c.finishTurn()
}

func (c *Conn) flushTurn() {
	c.mu.Lock()
	c.finishTurn()
}

// finishTurn gives the turn back, and mu, which the caller has too: to a writer who
// waits, or when nothing is left that the socket would take.
func (c *Conn) finishTurn() {
	for !c.handTurnOver() {
		if c.out.queue == nil || c.out.blocked || c.err != nil {
			c.out.turn = false
			if c.link != nil {
				c.resumeLocked(pausedByOutput)
			}
			c.offerSoon()
			break
		}
		q := c.takeQueue()
		c.mu.Unlock()
		err := c.writeSome(q)
		if err != nil {
			c.end(err)
		}
		c.mu.Lock()
		c.putBack(q)
	}
	if c.handler != nil && c.phase == phaseHangUp && !c.out.turn && c.out.queue == nil {
		c.mu.Unlock()
		c.hangUp()
		return
	}
	c.mu.Unlock()
}

// takeQueue empties the queue for whoever has the turn, who also has mu.
func (c *Conn) takeQueue() *queue {
	q := c.out.queue
	c.out.queue = nil
	c.out.pongs = 0
	return q
}

// putBack puts what could not be written back in front. The caller has mu.
func (c *Conn) putBack(q *queue) {
	if q.bytes == 0 || c.err != nil {
		q.free()
		c.owePong()
		return
	}
	c.out.queue = joined(q, c.out.queue)
}

// writeSome writes q as far as it goes. With a poller something may be left.
func (c *Conn) writeSome(q *queue) error {
	if c.link != nil {
		if err := c.writeNet(context.Background(), q); err != nil {
			return c.stalled(err)
		}
		return nil
	}
	if err := c.writeRaw(q); err != nil {
		return err
	}
	if q.bytes > 0 {
		q.keep()
		c.awaitWritable(q.bytes)
	}
	return nil
}

// handTurnOver gives the turn to the writer who has waited longest. The caller
// has mu.
func (c *Conn) handTurnOver() bool {
	x := c.extra
	if x == nil || len(x.writers) == 0 {
		return false
	}
	next := x.writers[0]
	x.writers = x.writers[1:]
	close(next)
	return true
}

// Want has the [Handler]'s OnWritable called, soon: when what came in with the
// message of the moment has been handled, or in the next turn of the connection's
// loop, but not before the socket has taken what was sent. It may be called
// concurrently; several calls may lead to one.
func (c *Conn) Want() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.out.wanted && c.err == nil && c.handler != nil && c.handler.OnWritable != nil {
		c.out.wanted = true
		c.offerSoon()
	}
}

// Writable tells whether what is sent now would leave soon. It is false while the
// socket has yet to take what was sent before, and once the connection has ended. It
// may be called concurrently.
func (c *Conn) Writable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil && !c.out.closeSent && !c.out.blocked && (c.link == nil || !c.out.turn)
}

// offerSoon sees to it that OnWritable is called, if that is wanted. The caller has mu.
func (c *Conn) offerSoon() {
	switch {
	case !c.out.wanted, c.out.turn, c.out.blocked, c.out.corked, c.out.offering, c.err != nil:
		// whoever ends that state looks again
	case c.link == nil:
		c.scheduleLocked()
	default:
		c.out.offering = true
		go c.offerTurn() // ends when nothing is wanted, or somebody else writes
	}
}

func (c *Conn) offerTurn() {
	c.mu.Lock()
	c.out.offering = false
	c.mu.Unlock()
	c.offer()
	c.flush()
}

// offer calls OnWritable if that is wanted and nothing stands against it. What it
// sends is held back for the caller to flush.
func (c *Conn) offer() {
	c.mu.Lock()
	o := &c.out
	if !o.wanted || o.turn || o.blocked || o.offering || c.err != nil {
		c.mu.Unlock()
		return
	}
	o.wanted, o.offering = false, true
	c.mu.Unlock()
	defer func() {
		if v := recover(); v != nil {
			c.recovered(v)
		}
		c.mu.Lock()
		o.offering = false
		if o.queue == nil {
			c.offerSoon() // it was wanted again meanwhile
		}
		c.mu.Unlock()
	}()
	c.handler.OnWritable(c)
}
