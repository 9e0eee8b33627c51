package websocket

import (
	"context"
	"encoding/binary"
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
	case <-c.done:
		return c.ended()
	}
}

// writePing numbers pings in the order in which they leave: the pong of one
// answers those before it.
func (c *Conn) writePing(ctx context.Context) (waiter pingWaiter, err error) {
	if err := c.beginWrite(ctx); err != nil {
		return waiter, err
	}
	defer c.endWrite(ctx)
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
	c.pingID++
	waiter := pingWaiter{id: c.pingID, pong: make(chan struct{})}
	c.pings = append(c.pings, waiter)
	return waiter
}

func (c *Conn) removePing(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pings = slices.DeleteFunc(c.pings, func(w pingWaiter) bool { return w.id == id })
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
	if !slices.ContainsFunc(c.pings, func(w pingWaiter) bool { return w.id == id }) {
		return
	}
	c.pings = slices.DeleteFunc(c.pings, func(w pingWaiter) bool {
		if w.id > id {
			return false
		}
		close(w.pong)
		return true
	})
}

// answerPing sees to it that the pong leaves. It does not wait for a writer:
// two peers whose readers wait for their writers would stand still. The pong of
// the latest ping replaces one still waiting (RFC 6455 §5.5.3), so a flood of
// pings queues nothing.
func (c *Conn) answerPing(ctx context.Context, payload []byte) {
	c.mu.Lock()
	c.pong = append(c.pong[:0], payload...)
	c.pongDue.Store(true)
	c.mu.Unlock()
	c.flushPong(ctx)
}

// flushPong sends the waiting pong unless somebody is writing; then it is sent
// by the endWrite that follows.
func (c *Conn) flushPong(ctx context.Context) {
	for c.pongDue.Load() {
		select {
		case c.writeTurn <- struct{}{}:
		default:
			return
		}
		err := c.writePong(ctx)
		<-c.writeTurn
		if err != nil {
			return
		}
	}
}

// writePong sends the waiting pong. When ctx ends first the pong goes on waiting.
// The caller has the write turn.
func (c *Conn) writePong(ctx context.Context) error {
	var scratch [maxControlBytes]byte
	c.mu.Lock()
	due := c.pongDue.Swap(false)
	payload := append(scratch[:0], c.pong...)
	c.mu.Unlock()
	if !due || c.out.closeSent {
		return nil
	}
	err := c.writeControl(ctx, opPong, payload)
	if err != nil && c.ended() == nil {
		c.pongDue.Store(true)
	}
	return err
}
