package classic

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/wire"
)

// leg is one stream of a connection, from the server to the client: a WebSocket, an
// event stream, a forever frame or a poll. It is the receiver above its pipe.
type leg struct {
	*connection

	// fixed before the pipe starts
	pipe   wire.Pipe
	kind   Transports
	number uint32        // among those of the connection, from 1
	strict bool          // the client knows how to be sent away
	script bool          // what is written becomes a script
	began  time.Duration // since the endpoint was made

	// guarded by connection.mu
	out      []item        // to be written
	next     int64         // position of the last message that was
	greets   bool          // an envelope that says that the stream works is due
	due      bool          // an envelope is due, even with nothing in it
	alive    bool          // a sign of life is due
	answered bool          // nothing more is to be written
	wrote    time.Duration // when something last was
	pinged   time.Duration // when a WebSocket was last asked for a sign of life

	spare []item // room for out; owned by Take

	heard atomic.Int64 // when it last gave one, in nanoseconds since the endpoint was made; 0: never
}

// item is something to be written.
type item struct {
	data     []byte
	position int64         // in the log, or of the message before
	alone    *wire.Encoded // in place of data: a message of the transport; else it is an element of M
	socket   uint32        // number of the WebSocket that it is for; 0 for any
}

// attach makes l the stream of the connection, in place of another one. What the
// client has not seen by its cursor is written again. It is false when the
// connection has ended; the error says what is wrong with the cursor.
func (c *connection) attach(l *leg, cursor string) (missed int, ok bool, err error) {
	c.mu.Lock()
	if c.phase >= closing {
		c.mu.Unlock()
		return 0, false, nil
	}
	if missed, err = c.rewind(l, cursor); err != nil {
		c.mu.Unlock()
		return 0, false, err
	}
	old := c.leg
	c.legs++
	l.number = c.legs
	c.leg, c.kind = l, l.kind
	c.log.Carry(c.heldBytes)
	if c.resumed != nil {
		l.pipe.Pause()
	}
	c.setClock()
	c.mu.Unlock()
	if old != nil {
		old.pipe.Close(1000, "")
	}
	return missed, true, nil
}

// rewind begins l behind the message that the cursor names, and tells how many after
// that are not kept any more. The caller holds mu.
func (c *connection) rewind(l *leg, cursor string) (missed int, err error) {
	position, known, err := parseCursor(cursor, c.epoch)
	switch {
	case err != nil:
		return 0, err
	case !known && !c.asked.Load(): // it may have got nothing by a stream that never worked
	case !known:
		position = c.sent
	case position > c.log.Last():
		return 0, errCursor
	case l.kind == LongPolling: // what it asks for after, it has
		c.log.Release(position)
	}
	if known {
		c.asked.Store(true)
	}
	first := c.log.First()
	missed = int(max(first-1-position, 0))
	l.next = max(position, first-1)
	if l.next == c.log.Last() {
		return missed, nil
	}
	at := first
	for _, m := range c.log.All(nil) {
		if at > l.next {
			l.out = append(l.out, item{data: m.data, position: at})
		}
		at++
	}
	return missed, nil
}

// Receive implements [wire.Receiver].
func (l *leg) Receive(data []byte, _ bool) {
	l.lives()
	if err := l.hear(data, l); err != nil {
		l.endpoint.log.Debug("classic: a message was dropped", "conn", l.id, "error", err)
	}
}

// Heard implements [wire.Receiver].
func (l *leg) Heard() { l.heard.Store(int64(max(l.endpoint.now(), 1))) }

// lives takes what is not an answer to a ping for a sign of life of one that answers.
func (l *leg) lives() {
	if l.heard.Load() != 0 {
		l.Heard()
	}
}

// Take implements [wire.Receiver].
func (l *leg) Take(batch []*wire.Encoded) []*wire.Encoded {
	c := l.connection
	c.mu.Lock()
	switch {
	case l.answered, c.leg == l && c.mute:
		c.mu.Unlock()
		return batch
	case c.leg == l:
		c.collect(true)
	default: // another has come, or it is over: a poll has to be answered
		l.out, l.due, l.greets, l.alive = nil, l.kind == LongPolling, false, false
	}
	w := l.plan()
	c.mu.Unlock()
	return l.write(batch, w)
}

// Closed implements [wire.Receiver].
func (l *leg) Closed(err error) {
	c := l.connection
	c.mu.Lock()
	if c.leg != l {
		c.mu.Unlock()
		return
	}
	c.leg = nil
	if c.phase == closing {
		c.mu.Unlock()
		c.finish(nil)
		return
	}
	c.since = c.endpoint.now()
	c.setClock()
	c.mu.Unlock()
	if errors.Is(err, wire.ErrProtocol) {
		c.endpoint.log.Debug("classic: a client broke the rules of its transport", "conn", c.id, "error", err)
	}
	c.wake()
}

// wake has what waits written. While the client is away, that stays where it is, as
// far as there is memory for it.
func (c *connection) wake() {
	c.mu.Lock()
	l := c.leg
	if c.phase == starting { // nobody else may look for the decisions of OnConnect
		c.collect(false)
	}
	fits := l != nil || c.phase < started || c.phase >= closing || c.log.Carry(absence+c.waiting())
	c.mu.Unlock()
	switch {
	case l != nil:
		l.pipe.Wake()
	case !fits:
		c.close(1013, "too slow")
	}
}

// absence is what a connection without a stream takes from the budget beside its
// messages, roughly what it occupies.
const absence = 4 << 10

// waiting is how much there is to be sent, or to be handed up, beside the log. The
// caller holds mu.
func (c *connection) waiting() (bytes int) {
	bytes = c.saidBytes + c.heldBytes
	for _, p := range c.presences {
		bytes += p.session.Waiting()
	}
	return bytes
}
