package websocket

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// isExtendedConnect reports whether r asks for a WebSocket over HTTP/2: method
// CONNECT, and "websocket" in the pseudo-header :protocol (RFC 8441 §4 and §5),
// which net/http keeps among the others.
func isExtendedConnect(r *http.Request) bool {
	protocol := r.Header[":protocol"]
	return r.ProtoMajor == 2 && r.Method == http.MethodConnect && len(protocol) == 1 && protocol[0] == "websocket"
}

// checkExtendedConnect goes through RFC 8441 §5: what RFC 6455 §4.2.1 wants, but
// for what has become a matter of HTTP/2.
func checkExtendedConnect(r *http.Request) *refusal {
	refuse := func(status int, reason string) *refusal { return &refusal{status: status, err: errors.New(reason)} }
	version := r.Header["Sec-Websocket-Version"]
	switch {
	case !isExtendedConnect(r):
		return refuse(http.StatusUpgradeRequired, notExtended())
	case r.Host == "":
		return refuse(http.StatusBadRequest, "the :authority is missing")
	case len(version) != 1 || version[0] != "13":
		return refuse(http.StatusUpgradeRequired, "only version 13 of the protocol is spoken here")
	case r.ContentLength >= 0:
		return refuse(http.StatusBadRequest, "a WebSocket has no Content-Length")
	}
	return nil
}

func notExtended() string {
	const want = "this is a WebSocket endpoint: over HTTP/2 it takes the extended CONNECT of RFC 8441"
	if strings.Contains(os.Getenv("GODEBUG"), "http2xconnect=1") {
		return want
	}
	return want + ", which is switched off on this server (GODEBUG=http2xconnect=1 switches it on)"
}

// serverStream is the server's end of a WebSocket over HTTP/2. net/http lends the
// stream to the handler and takes it back when that returns.
type serverStream struct {
	stream
	r      *http.Request
	w      http.ResponseWriter // owned by the goroutine that sends, once open has started it
	movers sync.WaitGroup      // the two goroutines that use r.Body and w
	forget func() bool         // stops watching the handler

	mu      sync.Mutex
	closed  bool // w must not be used any more
	writing bool // w is in use
}

// newServerStream lifts the deadlines the HTTP server set for the request.
func newServerStream(w http.ResponseWriter, r *http.Request) (*serverStream, error) {
	control := http.NewResponseController(w)
	if err := errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})); err != nil {
		return nil, err
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		local = streamAddr("")
	}
	return &serverStream{stream: stream{local: local, remote: parseAddr(r.RemoteAddr)}, r: r, w: w}, nil
}

// open answers the request, which completes the handshake (RFC 8441 §5): status
// 200, and nothing that proves the key was understood.
func (s *serverStream) open(subprotocol, extensions string, timeout time.Duration) error {
	h := s.w.Header()
	for name := range ourHeaders {
		h.Del(name)
	}
	if subprotocol != "" {
		h.Set("Sec-WebSocket-Protocol", subprotocol)
	}
	if extensions != "" {
		h.Set("Sec-WebSocket-Extensions", extensions)
	}
	control := http.NewResponseController(s.w)
	if err := control.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	s.w.WriteHeader(http.StatusOK)
	if err := control.Flush(); err != nil {
		return err
	}
	if err := control.SetWriteDeadline(time.Time{}); err != nil {
		return err
	}
	s.start()
	return nil
}

// start starts the goroutines that move bytes. They end with Close, or with the
// stream.
func (s *serverStream) start() {
	received, sent := s.connect()
	s.forget = context.AfterFunc(s.r.Context(), func() { // the stream has ended
		s.leaveWriter()
		s.sent.Close()
	})
	s.movers.Add(2)
	go func() {
		defer s.movers.Done()
		receive(received, s.r.Body)
	}()
	go func() {
		defer s.movers.Done()
		s.send(sent)
	}()
}

// send moves what the pipe brings to w until either ends.
func (s *serverStream) send(from net.Conn) {
	defer from.Close()
	buf := make([]byte, streamBufferBytes)
	for {
		n, err := from.Read(buf)
		if err != nil || n > 0 && !s.write(buf[:n]) {
			return
		}
	}
}

func (s *serverStream) write(p []byte) (ok bool) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return false
	}
	s.writing = true
	s.mu.Unlock()
	defer func() {
		if recover() != nil { // the handler is just returning, against the rules of Accept: net/http panics
			ok = false
		}
		s.mu.Lock()
		s.writing = false
		s.mu.Unlock()
	}()
	if _, err := s.w.Write(p); err != nil {
		return false
	}
	return http.NewResponseController(s.w).Flush() == nil
}

// leaveWriter keeps the goroutine that sends from using w again.
func (s *serverStream) leaveWriter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// breakOff is leaveWriter that does not wait for the write of the moment. That cannot
// return meanwhile, nor can Hold then, and the handler must not have: w would be gone.
func (s *serverStream) breakOff() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if !s.writing {
		return
	}
	defer func() { recover() }() // the handler has returned all the same: see write
	http.NewResponseController(s.w).SetWriteDeadline(longAgo)
}

// Close lets go of the stream, which ends when the handler returns. A write that
// is stuck is broken off, and resets the stream.
func (s *serverStream) Close() error {
	if s.forget == nil { // it was not opened
		return nil
	}
	s.forget()
	s.breakOff()
	s.closePipes()
	s.r.Body.Close()
	s.movers.Wait()
	return nil
}

// Hold returns when c no longer uses what the handler of its request was lent: at
// once, unless c is a server's stream of HTTP/2, and then when c has ended. Until then
// that handler must not return. It may be called at any time by any goroutine.
func (c *Conn) Hold() {
	if c.link == nil {
		return
	}
	if s, ok := c.link.nc.(*serverStream); ok {
		<-c.Done()
		s.movers.Wait()
	}
}

func parseAddr(s string) net.Addr {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return net.TCPAddrFromAddrPort(a)
	}
	return streamAddr(s)
}

// streamAddr is an address that is not an IP address and a port.
type streamAddr string

func (streamAddr) Network() string  { return "tcp" }
func (a streamAddr) String() string { return string(a) }
