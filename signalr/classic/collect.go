package classic

import (
	"bytes"
	"strconv"
	"sync"

	"github.com/parley-go/parley/wire"
)

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
		c.add(&wire.Encoded{Data: it.data, Kind: wire.Result}, it.socket)
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
		var socket uint32
		socket, e.Data = cutSocket(e.Data) // it is nobody else's
		c.add(e, socket)
	default:
		if !p.quiet {
			c.add(e, 0)
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
func (c *connection) add(e *wire.Encoded, socket uint32) {
	l, it := c.leg, item{data: e.Data, socket: socket}
	switch {
	case socket == 0:
		c.log.Append(kept{data: e.Data, at: c.endpoint.now()}, len(e.Data))
	case l == nil || l.number != socket:
		return
	case e.Kind != wire.Progress:
		it.alone = e
	}
	if l != nil {
		it.position = c.log.Last()
		l.out = append(l.out, it)
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
