package websocket

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
)

// pingWaiter is a Ping waiting for its pong.
type pingWaiter struct {
	id   uint64
	pong chan struct{} // closed when it has come
}

// Ping sends a ping and returns when the matching pong, or the pong of a later
// ping, has arrived. Pongs are noticed by [Conn.Read], so somebody must be
// reading. It may be called concurrently. When ctx ends it returns an error that
// wraps ctx.Err; the connection lives on unless half of the ping was written.
func (c *Conn) Ping(ctx context.Context) error {
	waiter, err := c.writePing(ctx)
	if err != nil {
		return err
	}
	defer c.removePing(waiter.id)
	select {
	case <-waiter.pong:
		return nil
	case <-ctx.Done():
		return ctxError(ctx)
	case <-c.Done():
		return c.ended()
	}
}

// writePing numbers pings in the order in which they leave: the pong of one
// answers those before it.
func (c *Conn) writePing(ctx context.Context) (waiter pingWaiter, err error) {
	if c.version == hixie76 {
		return waiter, errNoPings
	}
	if err := c.beginWrite(ctx, false); err != nil {
		return waiter, err
	}
	waiter = c.addPing()
	var payload [8]byte
	binary.BigEndian.PutUint64(payload[:], waiter.id)
	if err := c.writeControl(ctx, opPing, payload[:]); err != nil {
		c.removePing(waiter.id)
		return waiter, err
	}
	return waiter, nil
}

func (c *Conn) addPing() pingWaiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.more()
	x.pingID++
	waiter := pingWaiter{id: x.pingID, pong: make(chan struct{})}
	x.pings = append(x.pings, waiter)
	return waiter
}

func (c *Conn) removePing(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.extra.pings = slices.DeleteFunc(c.extra.pings, func(w pingWaiter) bool { return w.id == id })
}

// pongArrived wakes the ping that payload answers and all before it: a peer may
// answer only the latest (RFC 6455 §5.5.3). Other pongs are heartbeats nobody
// asked for, and need no response.
func (c *Conn) pongArrived(payload []byte) {
	if len(payload) != 8 {
		return
	}
	id := binary.BigEndian.Uint64(payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.extra
	if x == nil || !slices.ContainsFunc(x.pings, func(w pingWaiter) bool { return w.id == id }) {
		return
	}
	x.pings = slices.DeleteFunc(x.pings, func(w pingWaiter) bool {
		if w.id > id {
			return false
		}
		close(w.pong)
		return true
	})
}

// SendPing sends a ping and does not wait: a [Handler]'s OnPong is told of the
// answer. The payload has at most 125 bytes (RFC 6455 §5.5); a longer one is an
// error. It is otherwise like [Conn.Send].
func (c *Conn) SendPing(payload []byte) error {
	if len(payload) > maxControlBytes {
		return fmt.Errorf("websocket: a ping has %d bytes at most", maxControlBytes)
	}
	if c.version == hixie76 {
		return errNoPings
	}
	return c.enqueue(header{op: opPing}, payload)
}

// answerPing queues the pong. When too many wait already, because the peer does not
// read, only the latest ping is answered (RFC 6455 §5.5.3), so a flood of pings
// queues little. The reader never waits for a writer: two peers whose readers did would
// stand still.
func (c *Conn) answerPing(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || c.out.closeSent {
		return
	}
	if c.out.pongs >= c.bounds.pongs {
		x := c.more()
		x.lastPong = append(x.lastPong[:0], payload...)
		x.pongDue = true
		c.drop(dropPendingPongs)
		return
	}
	c.out.pongs++
	c.put(header{op: opPong}, payload)
}

// owePong queues the pong that had to wait, when the queue is empty again. The caller
// has mu.
func (c *Conn) owePong() {
	x := c.extra
	if x == nil || !x.pongDue || c.out.queue != nil || c.err != nil || c.out.closeSent {
		return
	}
	x.pongDue = false
	c.out.pongs++
	c.put(header{op: opPong}, x.lastPong)
}
