package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// longAgo as a deadline interrupts what waits for the network.
var longAgo = time.Unix(1, 0)

// link is a net.Conn under a connection: TLS, a stream of HTTP/2, a network in
// memory, or any socket where there are no pollers. Its calls wait, and are
// interrupted by deadlines.
type link struct {
	nc        net.Conn
	vectored  bool // nc takes several buffers in one system call
	encrypted bool

	in interrupt // owned by who reads

	// Owned by the holder of the turn.
	out      interrupt
	deadline time.Time // as set on the socket; zero: none
	vector   net.Buffers
}

func newLink(nc net.Conn) *link {
	l := &link{nc: nc}
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		l.vectored = true
	case *tls.Conn:
		l.encrypted = true
	}
	return l
}

// close closes the socket under TLS rather than the TLS connection, whose Close
// may wait five seconds for a peer that does not read. Who wants to say goodbye
// calls closeWrite first.
func (l *link) close() {
	socketUnder(l.nc).Close()
}

func (l *link) closeWrite() {
	if half, ok := l.nc.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}

// writeNet writes q, for as long as ctx and the write timeout allow, and takes from
// it what has left.
func (c *Conn) writeNet(ctx context.Context, q *queue) error {
	frames, bytes := q.frames, q.bytes
	err := c.armWrite(ctx)
	for q.bytes > 0 && err == nil {
		var n int64
		n, err = c.link.write(q)
		q.take(int(n))
	}
	q.frames = 0
	c.stats.sent(int64(frames), int64(bytes-q.bytes))
	return err
}

// write writes the pieces in one system call, if the network takes them.
func (l *link) write(q *queue) (int64, error) {
	if len(q.pieces) == 1 {
		n, err := l.nc.Write(q.pieces[0].b)
		return int64(n), err
	}
	if l.vectored {
		l.vector = l.vector[:0]
		for _, p := range q.pieces {
			l.vector = append(l.vector, p.b)
		}
		v := l.vector
		n, err := v.WriteTo(l.nc)
		clear(l.vector)
		return n, err
	}
	buf := getBuffer(min(q.bytes, corkBytes))
	defer putBuffer(buf)
	for _, p := range q.pieces {
		room := cap(buf.b) - len(buf.b)
		buf.b = append(buf.b, p.b[:min(len(p.b), room)]...)
		if len(p.b) >= room {
			break
		}
	}
	n, err := l.nc.Write(buf.b)
	return int64(n), err
}

// armWrite sees to it that a stalled write ends: by ctx, or by the deadline.
// Moving the deadline for every write would cost as much as a small message, so
// it is set a quarter late and left alone while it still grants the timeout.
func (c *Conn) armWrite(ctx context.Context) error {
	l := c.link
	if c.watch(ctx, &l.out, setWriteDeadline) {
		l.deadline = time.Time{}
	}
	now, timeout := time.Now(), c.bounds.write
	if l.deadline.Sub(now) < timeout {
		l.deadline = now.Add(timeout + timeout/4)
		if err := l.nc.SetWriteDeadline(l.deadline); err != nil {
			return lostError("write", err)
		}
	}
	// A context that ended before the deadline was set has had its own deadline
	// overwritten; one that ends from here on has not.
	return ctx.Err()
}

// interrupt lets the end of a context break off a blocked read or write by
// moving its deadline into the past. It stays in place between calls as long as
// they bring the same context, so that a loop over one context allocates once.
type interrupt struct {
	done  <-chan struct{} // of the context watched; nil: none is
	stop  func() bool     // guarded by Conn.mu, because end calls it too
	fired chan struct{}   // closed when the deadline has been moved
}

// watch makes ctx the one that interrupts, and reports whether it had to put the
// deadline back to none because the context before had ended.
func (c *Conn) watch(ctx context.Context, i *interrupt, setDeadline func(net.Conn, time.Time) error) (moved bool) {
	if ctx.Done() == i.done {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return false
	}
	nc := c.link.nc
	if i.stop != nil && !i.stop() {
		<-i.fired // it needs no lock to get there
		setDeadline(nc, time.Time{})
		moved = true
	}
	*i = interrupt{}
	if ctx.Done() == nil {
		return moved
	}
	fired := make(chan struct{})
	i.done, i.fired = ctx.Done(), fired
	i.stop = context.AfterFunc(ctx, func() {
		setDeadline(nc, longAgo)
		close(fired)
	})
	return moved
}

// abandon lets go of the context of a connection that has ended.
func (i *interrupt) abandon() {
	if i.stop != nil {
		i.stop()
	}
}

func setReadDeadline(nc net.Conn, t time.Time) error  { return nc.SetReadDeadline(t) }
func setWriteDeadline(nc net.Conn, t time.Time) error { return nc.SetWriteDeadline(t) }

// stalled is what ends a connection whose peer takes nothing.
func (c *Conn) stalled(err error) error {
	if !isTimeout(err) {
		if errors.Is(err, net.ErrClosed) || err == ErrSlow {
			return err
		}
		return lostError("write", err)
	}
	return fmt.Errorf("websocket: a write stalled for more than %v: %w", c.bounds.write, err)
}
