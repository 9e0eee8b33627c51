package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
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

// Conn is one end of a WebSocket connection. [Accept] and [Dial] make it, for
// reading with [Conn.Read], and so does a [Handler], which is called instead.
//
// One goroutine at a time may read; any number may write, send, ping and close.
// A Conn of Accept or Dial must be closed with [Conn.Close] or [Conn.CloseNow],
// also after an error, or its socket leaks; that of a Handler ends by itself.
type Conn struct {
	// Value is the application's own. The package never touches it.
	Value any

	// Fixed after construction.
	bounds      *bounds
	stats       *Stats
	limits      *Limits    // that admitted it
	admitted    netip.Addr // under which they count it
	handler     *Handler
	reading     *reading   // how Read reads; nil: handler is called
	link        *link      // the net.Conn; nil: a loop has the socket
	deflate     *deflating // nil: messages are not compressed
	replies     *replies   // nil: close frames are answered as they come
	subprotocol string
	remote      netip.AddrPort // of a socket in a loop
	local       netip.AddrPort
	client      bool // the role: masks what it sends, expects unmasked frames
	version     version

	// Of a socket in a loop.
	loop   *loop
	socket socket

	// Owned by whoever reads.
	in inbound

	deferred func() // owned by who calls the handler

	// detached: a handler takes its time, and messages wait in the backlog.
	detached atomic.Bool
	quiet    atomic.Bool   // we have said goodbye: no more messages are handed on
	deaf     atomic.Bool   // nothing that comes in is looked at any more
	paused   atomic.Uint32 // why nothing is read

	// Guarded by mu, which is never held across I/O or while user code runs.
	mu    sync.Mutex
	out   outbound
	phase phase
	err   error // why the connection has ended
	why   error // why it is going to
	extra *extra
}

// phase is how far a connection of a Handler has come.
type phase uint8

const (
	phaseOpen    phase = iota
	phaseClosing       // our close frame is on its way, the peer's awaited
	phaseParting       // the peer's has come, and what came before it is being handled
	phaseHangUp        // all is said; when it has left, the socket is closed
	phaseLinger        // our half is closed; the peer is given time to read it
	phaseEnded         // the handler has been told
)

// extra is what few connections have at a time.
type extra struct {
	done     chan struct{}   // closed when the connection has ended; nil: nobody asked
	writers  []chan struct{} // who waits for the turn
	composed chan struct{}   // closed when the Writer of the moment is done
	later    *queue          // messages sent meanwhile
	writable chan struct{}   // the writer who waits for room in the socket
	pings    []pingWaiter
	pingID   uint64
	lastPong []byte // owed, beyond the limit of those that may wait
	pongDue  bool
	sets     []*Set
	deadline time.Time // when the loop loses its patience
	expired  reason    // and what for
	waitsDue bool      // it is on its loop's list
	backlog  []waitingMessage
	backSize int
	early    *buffer     // what was read before its time: with the handshake, or behind a full backlog
	timer    *time.Timer // keeps the deadline of a connection without a loop
	resumed  chan struct{}
	linger   bool     // the peer is to read our close frame before the socket is closed
	parting  *parting // the answer to the peer's close frame, which waits; nil: none does
}

// replies are a server's ways of closing.
type replies struct {
	closeReply func(StatusCode) StatusCode
	bare       bool
}

// newConn returns a connection on nc for Read. early holds what arrived behind the
// handshake.
func newConn(nc net.Conn, client bool, l *Limits, early []byte) *Conn {
	c := &Conn{bounds: l.bounds(), limits: l, client: client, link: newLink(nc)}
	c.reading = newReading(early)
	return c
}

// opened is called when the handshake has succeeded.
func (c *Conn) opened(s *Stats) {
	c.stats = s
	s.connOpened(c.version)
}

// Version returns the version of the protocol that was agreed on: "13", which is RFC
// 6455, or, on a server with [AcceptOptions.LegacyDrafts], "8", "7" or "hixie-76".
func (c *Conn) Version() string { return versionNames[c.version] }

// Subprotocol returns the subprotocol agreed on in the handshake, or "".
func (c *Conn) Subprotocol() string { return c.subprotocol }

// RemoteAddr returns the network address of the peer, or of the proxy in front
// of it. The request's RemoteAddr tells the client's behind package forwarded.
func (c *Conn) RemoteAddr() net.Addr {
	if c.link != nil {
		return c.link.nc.RemoteAddr()
	}
	return socketAddr(c.remote)
}

// LocalAddr returns the network address of this end.
func (c *Conn) LocalAddr() net.Addr {
	if c.link != nil {
		return c.link.nc.LocalAddr()
	}
	return socketAddr(c.local)
}

func socketAddr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return &net.UnixAddr{Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(a)
}

// Done returns a channel that is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.doneLocked()
}

func (c *Conn) doneLocked() chan struct{} {
	x := c.more()
	if x.done == nil {
		x.done = make(chan struct{})
		if c.err != nil {
			close(x.done)
		}
	}
	return x.done
}

// more returns the extra. The caller has mu.
func (c *Conn) more() *extra {
	if c.extra == nil {
		c.extra = new(extra)
	}
	return c.extra
}

// ended returns why the connection has ended, or nil while it lives.
func (c *Conn) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// end closes the socket. The first err is what everyone gets to see from now on.
func (c *Conn) end(err error) {
	c.leaveSets()
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.deaf.Store(true) // before anybody tells the handler
	c.err = err
	c.countEnd(err)
	if c.out.composing {
		c.endComposing()
	}
	if q := c.out.queue; q != nil {
		c.out.queue = nil
		q.free()
	}
	x := c.extra
	if x != nil && x.done != nil {
		close(x.done)
	}
	if x != nil && x.writable != nil {
		signal(x.writable)
	}
	if c.link != nil {
		c.link.in.abandon()
		c.link.out.abandon()
	}
	c.mu.Unlock()
	if c.reading != nil {
		signal(c.reading.ready)
	}
	c.closeSocket()
	c.leaveSets() // to which it was added just now
	if c.handler != nil {
		c.ending()
	}
}

// countEnd tells the statistics and the limits that a connection is gone, before
// anybody else hears of it. The caller has mu.
func (c *Conn) countEnd(err error) {
	if !c.client {
		c.limits.leave(c.admitted)
	}
	if c.stats == nil {
		return
	}
	c.stats.connClosed(closedWith(err))
	c.stats.drop(dropFor(err))
}

// dropFor is the reason under which a connection that ended with err is counted.
func dropFor(err error) reason {
	var broken *ProtocolError
	var panicked *PanicError
	switch {
	case errors.As(err, &broken):
		return broken.drop
	case err == ErrSlow:
		return dropQueueBytes
	case isTimeout(err):
		return dropWriteTimeout
	case isPeerClose(err), errors.Is(err, net.ErrClosed), errors.As(err, &panicked),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded): // half a frame was written
		return dropNone
	}
	return dropNetwork
}

// closedWith is the status under which a connection that ended with err is known.
func closedWith(err error) StatusCode {
	var closed *CloseError
	var broken *ProtocolError
	switch {
	case errors.As(err, &closed):
		return closed.Code
	case errors.As(err, &broken):
		return broken.Code
	}
	return StatusAbnormal
}

func addrOf(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		ap := t.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}

func (c *Conn) drop(r reason) { c.stats.drop(r) }

// closeSocket closes what the connection stands on.
func (c *Conn) closeSocket() {
	if c.link != nil {
		c.link.close()
		return
	}
	c.loop.remove(c)
	c.socket.release()
}

// closeWrite ends our half of the stream, where the network knows halves.
func (c *Conn) closeWrite() {
	if c.link != nil {
		c.link.closeWrite()
		return
	}
	c.socket.closeWrite()
}

// takeTurn waits for the right to write.
func (c *Conn) takeTurn(ctx context.Context) error {
	c.mu.Lock()
	switch {
	case c.err != nil:
		defer c.mu.Unlock()
		return c.err
	case ctx.Err() != nil:
		c.mu.Unlock()
		return ctxError(ctx)
	case !c.out.turn:
		c.out.turn = true
		c.mu.Unlock()
		return nil
	}
	x := c.more()
	mine, done := make(chan struct{}), c.doneLocked()
	x.writers = append(x.writers, mine)
	c.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	case <-done:
	}
	c.mu.Lock()
	if i := slices.Index(x.writers, mine); i >= 0 {
		x.writers = slices.Delete(x.writers, i, i+1)
		err := c.err
		c.mu.Unlock()
		if err == nil {
			err = ctxError(ctx)
		}
		return err
	}
	err := c.err
	if err == nil {
		err = ctxError(ctx)
	}
	c.passTurn() // it was ours already
	return err
}

// signal wakes whoever waits on a channel with room for one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

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
