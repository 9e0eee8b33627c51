package websocket

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// This file is the network the tests run on: a pair of connections in memory
// that buffer a bounded number of bytes, as sockets do, and a raw peer that
// speaks frames by a reading of RFC 6455 independent of the package's own.

// pipeHalf carries bytes one way.
type pipeHalf struct {
	mu            sync.Mutex
	wake          chan struct{} // closed and replaced whenever anything below changes
	buf           []byte
	room          int
	eof           bool // the writer has finished
	gone          bool // one of the ends has been closed
	readDeadline  time.Time
	writeDeadline time.Time
}

func (h *pipeHalf) change(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
	close(h.wake)
	h.wake = make(chan struct{})
}

// wait calls try, under mu, until it reports that it is done or the deadline passes.
func (h *pipeHalf) wait(deadline *time.Time, try func() bool) error {
	for {
		h.mu.Lock()
		if !deadline.IsZero() && !time.Now().Before(*deadline) {
			h.mu.Unlock()
			return os.ErrDeadlineExceeded
		}
		done, wake := try(), h.wake
		var expire <-chan time.Time
		if !deadline.IsZero() {
			expire = time.After(time.Until(*deadline))
		}
		h.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-wake:
		case <-expire:
		}
	}
}

type memoryConn struct{ in, out *pipeHalf }

// memoryNetwork returns two connected ends; each direction buffers room bytes.
func memoryNetwork(room int) (a, b *memoryConn) {
	there := &pipeHalf{room: room, wake: make(chan struct{})}
	back := &pipeHalf{room: room, wake: make(chan struct{})}
	return &memoryConn{in: back, out: there}, &memoryConn{in: there, out: back}
}

func (c *memoryConn) Read(p []byte) (n int, err error) {
	expired := c.in.wait(&c.in.readDeadline, func() bool {
		switch {
		case c.in.gone && len(c.in.buf) == 0 && !c.in.eof:
			err = net.ErrClosed
		case len(c.in.buf) > 0:
			n = copy(p, c.in.buf)
			c.in.buf = c.in.buf[n:]
		case c.in.eof:
			err = io.EOF
		default:
			return false
		}
		return true
	})
	if expired != nil {
		return 0, expired
	}
	c.in.change(func() {})
	return n, err
}

func (c *memoryConn) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		took := 0
		expired := c.out.wait(&c.out.writeDeadline, func() bool {
			if c.out.gone || c.out.eof {
				err = io.ErrClosedPipe
				return true
			}
			took = min(c.out.room-len(c.out.buf), len(p)-n)
			c.out.buf = append(c.out.buf, p[n:n+took]...)
			return took > 0
		})
		if expired != nil {
			return n, expired
		}
		n += took
		c.out.change(func() {})
	}
	return n, err
}

func (c *memoryConn) CloseWrite() error {
	c.out.change(func() { c.out.eof = true })
	return nil
}

func (c *memoryConn) Close() error {
	c.out.change(func() { c.out.eof, c.out.gone = true, true })
	c.in.change(func() { c.in.gone = true })
	return nil
}

func (c *memoryConn) SetReadDeadline(t time.Time) error {
	c.in.change(func() { c.in.readDeadline = t })
	return nil
}

func (c *memoryConn) SetWriteDeadline(t time.Time) error {
	c.out.change(func() { c.out.writeDeadline = t })
	return nil
}

func (c *memoryConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *memoryConn) LocalAddr() net.Addr  { return memoryAddr{} }
func (c *memoryConn) RemoteAddr() net.Addr { return memoryAddr{} }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "memory" }

// inBubble runs a test on fake time. A goroutine left behind fails it.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// pair returns a server and a client connected by a network with the given room.
func pair(t *testing.T, room int, l *Limits) (server, client *Conn) {
	t.Helper()
	a, b := memoryNetwork(room)
	server, client = newConn(a, false, l, nil), newConn(b, true, l, nil)
	t.Cleanup(func() { server.CloseNow(); client.CloseNow() })
	return server, client
}

// rawPeer is a client that may say anything.
type rawPeer struct {
	t  *testing.T
	nc net.Conn
}

// serveRaw returns a server connection and the raw client at its other end.
func serveRaw(t *testing.T, l *Limits) (*Conn, *rawPeer) {
	t.Helper()
	a, b := memoryNetwork(64 << 10)
	c := newConn(a, false, l, nil)
	t.Cleanup(func() { c.CloseNow(); b.Close() })
	return c, &rawPeer{t, b}
}

func (p *rawPeer) send(frames ...[]byte) {
	p.t.Helper()
	for _, f := range frames {
		if _, err := p.nc.Write(f); err != nil {
			p.t.Errorf("the peer could not send: %v", err)
		}
	}
}

// rawFrame is a frame as the raw peer sees it.
type rawFrame struct {
	first   byte // FIN, RSV and opcode
	payload []byte
}

// receive reads one unmasked frame.
func (p *rawPeer) receive() rawFrame {
	p.t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(p.nc, head[:]); err != nil {
		p.t.Fatalf("the peer waited for a frame: %v", err)
	}
	length := uint64(head[1])
	switch head[1] {
	case 126:
		var b [2]byte
		io.ReadFull(p.nc, b[:])
		length = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		io.ReadFull(p.nc, b[:])
		length = binary.BigEndian.Uint64(b[:])
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(p.nc, payload); err != nil {
		p.t.Fatalf("the peer waited for a payload: %v", err)
	}
	return rawFrame{head[0], payload}
}

// receiveClose reads a close frame and returns its status, 1005 if it is empty.
func (p *rawPeer) receiveClose() (StatusCode, string) {
	p.t.Helper()
	f := p.receive()
	if f.first != 0x88 {
		p.t.Fatalf("the peer waited for a close frame and got %#x %q", f.first, f.payload)
	}
	if len(f.payload) == 0 {
		return StatusNoStatus, ""
	}
	return StatusCode(binary.BigEndian.Uint16(f.payload)), string(f.payload[2:])
}

// expectEnd checks that the server has hung up and said nothing more.
func (p *rawPeer) expectEnd() {
	p.t.Helper()
	rest, err := io.ReadAll(p.nc)
	if err != nil || len(rest) > 0 {
		p.t.Errorf("the peer waited for the end and got %q, %v", rest, err)
	}
}

// masked returns a frame as a client sends it, byte by byte by the book.
func masked(first byte, payload []byte) []byte {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	frame := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		frame = append(frame, 0x80|byte(n))
	case n <= 0xFFFF:
		frame = append(frame, 0x80|126, byte(n>>8), byte(n))
	default:
		frame = append(frame, 0x80|127)
		frame = binary.BigEndian.AppendUint64(frame, uint64(n))
	}
	frame = append(frame, key[:]...)
	for i, b := range payload {
		frame = append(frame, b^key[i%4])
	}
	return frame
}

func maskedText(s string) []byte { return masked(0x81, []byte(s)) }

func closePayload(code int, reason string) []byte {
	return append([]byte{byte(code >> 8), byte(code)}, reason...)
}

// wantMessage reads a message and compares it.
func wantMessage(t *testing.T, c *Conn, typ MessageType, want string) {
	t.Helper()
	m, err := c.Read(context.Background())
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	if got := string(m.Data); m.Type != typ || got != want {
		if len(got) > 80 {
			got = got[:80] + "…"
		}
		t.Fatalf("Read: got %v %q (%d bytes), want %v of %d bytes", m.Type, got, len(m.Data), typ, len(want))
	}
}

// wantProtocolError reads until an error and checks that it is a *ProtocolError.
func wantProtocolError(t *testing.T, c *Conn, code StatusCode) {
	t.Helper()
	for _, err := range c.Messages(context.Background()) {
		if err == nil {
			continue
		}
		var broken *ProtocolError
		if !errors.As(err, &broken) || broken.Code != code {
			t.Errorf("Read: got %v, want a ProtocolError with code %d", err, code)
		}
	}
}

// wantCloseError reads until an error and checks that it is a *CloseError.
func wantCloseError(t *testing.T, c *Conn, code StatusCode, reason string) {
	t.Helper()
	for _, err := range c.Messages(context.Background()) {
		if err == nil {
			continue
		}
		var closed *CloseError
		if !errors.As(err, &closed) || closed.Code != code || closed.Reason != reason {
			t.Errorf("Read: got %v, want a CloseError with code %d and reason %q", err, code, reason)
		}
	}
}
