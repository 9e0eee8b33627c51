package websocket

import (
	"io"
	"net"
	"time"
)

// streamBufferBytes is what a stream of HTTP/2 moves at a time in each direction.
const streamBufferBytes = 8 << 10

// stream is a stream of HTTP/2 as a net.Conn. net/http gives a stream as a body
// that is read and a body that is written, neither of which can be interrupted
// without ending the stream. So each of them has a goroutine that moves bytes to
// or from a pipe, and whose other end has deadlines.
type stream struct {
	received net.Conn // brings what the peer sends
	sent     net.Conn // takes what the peer is sent
	local    net.Addr
	remote   net.Addr
}

// connect makes the pipes and returns their other ends.
func (s *stream) connect() (received, sent net.Conn) {
	s.received, received = net.Pipe()
	s.sent, sent = net.Pipe()
	return received, sent
}

// receive moves what body brings to the pipe until either ends.
func receive(to net.Conn, body io.Reader) {
	defer to.Close()
	io.CopyBuffer(to, body, make([]byte, streamBufferBytes))
}

// Read takes what has come.
func (s *stream) Read(p []byte) (int, error) { return s.received.Read(p) }

// Write returns when net/http has taken all of p and come back for more, so that
// what it returned for has left even if Close follows.
func (s *stream) Write(p []byte) (int, error) {
	n, err := s.sent.Write(p)
	if err == nil {
		s.sent.Write(nil) // is taken by the next read; an error comes too late for p
	}
	return n, err
}

// CloseWrite ends our half of the stream, as soon as net/http lets it: a server's
// ends when the handler returns.
func (s *stream) CloseWrite() error { return s.sent.Close() }

func (s *stream) closePipes() {
	s.received.Close()
	s.sent.Close()
}

// LocalAddr returns the address of this end of the connection under the stream.
func (s *stream) LocalAddr() net.Addr { return s.local }

// RemoteAddr returns the address of the other end.
func (s *stream) RemoteAddr() net.Addr { return s.remote }

// SetDeadline sets both deadlines.
func (s *stream) SetDeadline(t time.Time) error {
	s.received.SetDeadline(t)
	return s.sent.SetDeadline(t)
}

// SetReadDeadline limits how long Read waits; the stream lives on.
func (s *stream) SetReadDeadline(t time.Time) error { return s.received.SetDeadline(t) }

// SetWriteDeadline limits how long Write waits; the stream lives on.
func (s *stream) SetWriteDeadline(t time.Time) error { return s.sent.SetDeadline(t) }
