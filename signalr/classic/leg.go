package classic

import (
	"bytes"
	"errors"
	"strconv"
	"sync"
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

	heard atomic.Int64 // when it last gave one, in nanoseconds since the endpoint was made; 0: never
}

// item is something to be written.
type item struct {
	data     []byte
	position int64  // in the log, or of the message before
	alone    bool   // a message of the transport; else an element of M
	socket   uint32 // number of the WebSocket that it is for; 0 for any
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
	c.log.Carry(0)
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
	case !known:
		position = c.sent
	case position > c.log.Last():
		return 0, errCursor
	case l.kind == LongPolling: // what it asks for after, it has
		c.log.Release(position)
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
	if l.heard.Load() != 0 {
		l.Heard()
	}
	if err := l.hear(data, l); err != nil {
		l.endpoint.log.Debug("classic: a message was dropped", "conn", l.id, "error", err)
	}
}

// Heard implements [wire.Receiver].
func (l *leg) Heard() { l.heard.Store(int64(max(l.endpoint.now(), 1))) }

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

// waiting is how much the sessions have to send. The caller holds mu.
func (c *connection) waiting() (bytes int) {
	for _, p := range c.presences {
		bytes += p.session.Waiting()
	}
	return bytes
}

var batches = sync.Pool{New: func() any { return new([]*wire.Encoded) }}

const keptBatch = 256 // messages; the room of a larger batch is given back

// collect takes what the sessions have to send, or only those about which OnConnect
// has not decided. The caller holds mu.
func (c *connection) collect(all bool) {
	batch := batches.Get().(*[]*wire.Encoded)
	last, empty := c.log.Last(), c.log.First() > c.log.Last()
	for _, p := range c.presences {
		if p.welcome && !all {
			continue
		}
		*batch = p.session.Take((*batch)[:0])
		for _, e := range *batch {
			p.sort(e)
		}
		clear(*batch)
	}
	if cap(*batch) <= keptBatch {
		batches.Put(batch)
	}
	for _, it := range c.said {
		c.add(it.data, it.socket, true)
	}
	c.said, c.saidBytes = nil, 0
	c.trim(c.log.Last() - last)
	if empty && c.log.Last() > last {
		c.setClock() // for it to grow old
	}
}

// sort takes one message of a session.
func (p *presence) sort(e *wire.Encoded) {
	c := p.connection
	switch e.Kind {
	case 0:
		p.decided(e.Data)
	case wire.Close:
		c.stays = true
	case wire.Result, wire.End, wire.Progress:
		socket, data := cutSocket(e.Data)
		c.add(data, socket, e.Kind != wire.Progress)
	default:
		if !p.quiet {
			c.add(e.Data, 0, false)
		}
	}
}

// decided takes what OnConnect has said.
func (p *presence) decided(words []byte) {
	c := p.connection
	if words[0] == sayAgreed {
		p.welcome, p.calls = true, nil
		if p.quiet {
			return
		}
		if c.unsettled--; c.unsettled == 0 {
			c.settle()
		}
		return
	}
	if p.quiet {
		p.refused = string(words[1:])
		return
	}
	c.refused = string(words[1:])
}

// add has a message written. What belongs to one WebSocket is not for a later one,
// whose client counts its calls anew, and so is not kept.
func (c *connection) add(data []byte, socket uint32, alone bool) {
	l := c.leg
	if socket != 0 {
		if l != nil && l.number == socket {
			l.out = append(l.out, item{data: data, position: c.log.Last(), alone: alone, socket: socket})
		}
		return
	}
	c.log.Append(kept{data: data, at: c.endpoint.now()}, len(data))
	if l != nil {
		l.out = append(l.out, item{data: data, position: c.log.Last()})
	}
}

// trim lets go of the oldest messages when there are too many; not of the last batch.
func (c *connection) trim(batch int64) {
	o := &c.endpoint.o
	keep := max(int64(o.BufferMessages), batch)
	if c.log.Last()-keep >= c.log.First() {
		c.log.Release(c.log.Last() - keep)
	}
	for c.log.Full() && c.log.Last()-c.log.First() >= batch {
		c.log.Release(c.log.First())
	}
}

// An answer to a call that came by a WebSocket begins with the number of that, which
// is not for the client.

func appendSocket(dst []byte, m *wire.Message) []byte {
	bag, _ := m.Aside.(*Bag)
	if bag == nil || bag.socket == 0 {
		return dst
	}
	return strconv.AppendUint(dst, uint64(bag.socket), 10)
}

func cutSocket(data []byte) (number uint32, rest []byte) {
	i := bytes.IndexByte(data, '{')
	if i <= 0 {
		return 0, data
	}
	n, _ := strconv.ParseUint(string(data[:i]), 10, 32)
	return uint32(n), data[i:]
}
