package websocket

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// NetConn makes a net.Conn of the connection, for protocols that run over a stream of
// bytes. Each Write sends a message of type t. Read reads the messages of the peer, one
// after the other and wherever they end; one of the other type closes the connection
// with [StatusUnsupportedData]. When the peer has closed the connection with
// [StatusNormalClosure] or [StatusGoingAway], Read returns io.EOF.
//
// A deadline that passes makes Reads or Writes fail with [os.ErrDeadlineExceeded], also
// those that are running, until it is moved. The connection lives on, unless a part of a
// message had left. ctx limits all of them alike, for good.
//
// Close closes the connection with StatusNormalClosure, as [Conn.Close] does. Like it,
// all methods may be called concurrently. The connection must not be read in any other
// way meanwhile.
func (c *Conn) NetConn(ctx context.Context, t MessageType) net.Conn {
	return &netConn{c: c, typ: t, readable: deadline{parent: ctx}, writable: deadline{parent: ctx}}
}

type netConn struct {
	c   *Conn
	typ MessageType

	readable, writable deadline

	message *messageReader // owned by whoever has the right to read
}

// Read reads from the messages that come.
func (nc *netConn) Read(p []byte) (int, error) {
	ctx, err := nc.readable.context()
	if err != nil {
		return 0, cmp.Or(nc.c.ended(), err)
	}
	if err := nc.c.beginRead(ctx); err != nil {
		return 0, nc.explain(&nc.readable, err)
	}
	defer nc.c.reading.turn.leave()
	n, err := nc.read(ctx, p)
	return n, nc.explain(&nc.readable, endOfStream(err))
}

// read is Read for who has the right to.
func (nc *netConn) read(ctx context.Context, p []byte) (n int, err error) {
	for n == 0 && len(p) > 0 {
		if nc.message == nil {
			if nc.message, err = nc.next(ctx); err != nil {
				return 0, err
			}
		}
		n, err = nc.message.read(ctx, p)
		if err == io.EOF {
			nc.message = nil
		} else if err != nil {
			return n, err
		}
	}
	return n, nil
}

// next begins to read a message.
func (nc *netConn) next(ctx context.Context) (*messageReader, error) {
	s, err := nc.c.nextMessage(ctx)
	if err != nil || s.typ == nc.typ {
		return s, err
	}
	return nil, nc.c.refuse(ctx, &ProtocolError{StatusUnsupportedData, "a message is not " + nc.typ.String(), dropProtocol})
}

// endOfStream turns the peer's orderly goodbye into io.EOF.
func endOfStream(err error) error {
	var closed *CloseError
	if errors.As(err, &closed) && (closed.Code == StatusNormalClosure || closed.Code == StatusGoingAway) {
		return io.EOF
	}
	return err
}

// Write sends p as a message.
func (nc *netConn) Write(p []byte) (int, error) {
	ctx, err := nc.writable.context()
	if err != nil {
		return 0, cmp.Or(nc.c.ended(), err)
	}
	if err := nc.c.Write(ctx, Message{nc.typ, p}); err != nil {
		return 0, nc.explain(&nc.writable, err)
	}
	return len(p), nil
}

// explain says whether err is the deadline's doing.
func (nc *netConn) explain(d *deadline, err error) error {
	if err == nil || d.parent.Err() != nil || !errors.Is(err, context.Canceled) || nc.c.ended() != nil {
		return err
	}
	return os.ErrDeadlineExceeded
}

// Close closes the connection.
func (nc *netConn) Close() error {
	err := nc.c.Close(StatusNormalClosure, "")
	nc.readable.end()
	nc.writable.end()
	return err
}

func (nc *netConn) LocalAddr() net.Addr  { return nc.c.LocalAddr() }
func (nc *netConn) RemoteAddr() net.Addr { return nc.c.RemoteAddr() }

// SetDeadline moves the deadlines of Read and Write.
func (nc *netConn) SetDeadline(t time.Time) error {
	nc.readable.set(t)
	nc.writable.set(t)
	return nil
}

// SetReadDeadline moves the deadline of Read.
func (nc *netConn) SetReadDeadline(t time.Time) error {
	nc.readable.set(t)
	return nil
}

// SetWriteDeadline moves the deadline of Write.
func (nc *netConn) SetWriteDeadline(t time.Time) error {
	nc.writable.set(t)
	return nil
}

// deadline makes a context of a net.Conn's deadline, which may be moved while it is
// waited for.
type deadline struct {
	parent context.Context

	mu     sync.Mutex
	ctx    context.Context // ends when the deadline passes; nil: not asked for yet
	cancel context.CancelFunc
	timer  *time.Timer // nil: there is no deadline
	passed bool
}

// context returns what limits a call that begins now.
func (d *deadline) context() (context.Context, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.passed {
		return nil, os.ErrDeadlineExceeded
	}
	if d.ctx == nil {
		d.ctx, d.cancel = context.WithCancel(d.parent)
	}
	return d.ctx, nil
}

// set moves the deadline; zero means none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.passed {
		d.passed, d.ctx, d.cancel = false, nil, nil
	}
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.pass()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.timer == timer { // it has not been moved at the last moment
			d.pass()
		}
	})
	d.timer = timer
}

// pass ends the calls that wait. The caller has mu.
func (d *deadline) pass() {
	d.passed, d.timer = true, nil
	if d.cancel != nil {
		d.cancel()
	}
}

// end lets go of the timer and the context.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.cancel != nil {
		d.cancel()
	}
}
