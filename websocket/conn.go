package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// MessageType says how a message's bytes are to be understood (RFC 6455 §5.6).
type MessageType uint8

const (
	Text   MessageType = 1 // UTF-8, checked on arrival
	Binary MessageType = 2 // any bytes
)

// String returns "text" or "binary", or the number of any other type.
func (t MessageType) String() string {
	switch t {
	case Text:
		return "text"
	case Binary:
		return "binary"
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Message is one whole message, put together from its fragments.
type Message struct {
	Type MessageType
	Data []byte
}

// longAgo as a deadline interrupts what waits for the network.
var longAgo = time.Unix(1, 0)

// Conn is one end of a WebSocket connection. [Accept] and [Dial] make it.
//
// One goroutine at a time may read; any number may write, ping and close.
// A Conn must be closed with [Conn.Close] or [Conn.CloseNow], also after an
// error, or its socket leaks.
type Conn struct {
	// Fixed after construction.
	nc           net.Conn
	client       bool // the role: masks what it sends, expects unmasked frames
	vectored     bool // nc takes several buffers in one system call
	subprotocol  string
	bounds       *bounds
	closeReply   func(StatusCode) StatusCode
	bareRefusals bool
	readTurn     chan struct{} // holds one token while somebody reads
	writeTurn    chan struct{} // holds one token while somebody writes
	done         chan struct{} // closed when the connection has ended

	// Owned by the holder of readTurn.
	in       inbound
	inCancel interrupt

	// Owned by the holder of writeTurn.
	out       outbound
	outCancel interrupt

	// pongDue says that pong waits for the write turn. It changes under mu, but
	// endWrite looks without.
	pongDue atomic.Bool

	// Guarded by mu, which is never held across I/O.
	mu     sync.Mutex
	err    error  // why the connection has ended
	pong   []byte // payload of the latest unanswered ping
	pings  []pingWaiter
	pingID uint64
}

// newConn returns a connection on nc. early holds what arrived behind the
// handshake.
func newConn(nc net.Conn, client bool, l *Limits, early []byte) *Conn {
	c := &Conn{
		nc:        nc,
		client:    client,
		bounds:    l.bounds(),
		readTurn:  make(chan struct{}, 1),
		writeTurn: make(chan struct{}, 1),
		done:      make(chan struct{}),
	}
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		c.vectored = true
	}
	c.in.buf = make([]byte, max(readBufferBytes, len(early)))
	c.in.w = copy(c.in.buf, early)
	return c
}

// Subprotocol returns the subprotocol agreed on in the handshake, or "".
func (c *Conn) Subprotocol() string { return c.subprotocol }

// RemoteAddr returns the network address of the peer, or of the proxy in front
// of it.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// take waits for turn, the right to read or to write.
func (c *Conn) take(ctx context.Context, turn chan struct{}) error {
	select {
	case turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctxError(ctx)
	case <-c.done:
		return c.ended()
	}
}

// ended returns why the connection has ended, or nil while it lives.
func (c *Conn) ended() error {
	select {
	case <-c.done:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.err
	default:
		return nil
	}
}

// end closes the socket. The first err is what everyone gets to see from now on.
func (c *Conn) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	close(c.done)
	c.inCancel.abandon()
	c.outCancel.abandon()
	c.mu.Unlock()
	closeSocket(c.nc)
}

// closeSocket closes the socket under TLS rather than the TLS connection, whose
// Close may wait five seconds for a peer that does not read. Who wants to say
// goodbye calls closeWrite first.
func closeSocket(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	nc.Close()
}

// closeWrite ends our half of the stream, where the network knows halves.
func (c *Conn) closeWrite() {
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
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
	if i.stop != nil && !i.stop() {
		<-i.fired // it needs no lock to get there
		setDeadline(c.nc, time.Time{})
		moved = true
	}
	*i = interrupt{}
	if ctx.Done() == nil {
		return moved
	}
	fired := make(chan struct{})
	i.done, i.fired = ctx.Done(), fired
	i.stop = context.AfterFunc(ctx, func() {
		setDeadline(c.nc, longAgo)
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

// ctxError is what an operation returns when its context has ended. The
// connection lives on.
func ctxError(ctx context.Context) error {
	return fmt.Errorf("websocket: %w", ctx.Err())
}

// lostError is what is left of a connection whose network failed under doing.
func lostError(doing string, err error) error {
	if errors.Is(err, io.EOF) {
		// RFC 6455 §7.1.5: no close frame came; the code is 1006.
		return fmt.Errorf("websocket: the peer is gone without a close frame: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("websocket: %s: %w", doing, err)
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
