package signalr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// ConnHandler serves connections without a hub protocol: the negotiation and
// transports of SignalR under a stream of bytes each way, as MapConnectionHandler
// does. Make one with NewConnHandler. All methods are safe for concurrent use.
type ConnHandler struct {
	endpoint *endpoint
	run      func(context.Context, *Conn) error

	mu      sync.Mutex
	conns   map[*Conn]struct{}
	over    bool
	running sync.WaitGroup // of run, and of connections
}

// NewConnHandler makes a handler that calls run for each connection, in a
// goroutine of its own. The connection ends when run returns: a WebSocket with
// code 1000, or 1011 after an error or a panic, which is logged. ctx ends when
// the connection does, or the handler is shut down. Of o, what concerns the hub
// protocol does not apply. Negotiations are answered where a request's path ends
// in /negotiate, connections everywhere else.
func NewConnHandler(run func(ctx context.Context, c *Conn) error, o *Options) *ConnHandler {
	h := &ConnHandler{endpoint: newEndpoint(o), run: run, conns: make(map[*Conn]struct{})}
	h.endpoint.o.AllowStatefulReconnect = false // there are no messages to count
	if h.endpoint.o.Binary {
		h.endpoint.without(ServerSentEvents)
	}
	if o != nil && o.Log != nil {
		h.endpoint.log = o.Log
	}
	h.endpoint.serve = h.serve
	return h
}

// ServeHTTP implements [http.Handler].
func (h *ConnHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.endpoint.ServeHTTP(w, r) }

// Mount serves h at path of mux, and the negotiations at path/negotiate.
func (h *ConnHandler) Mount(mux *http.ServeMux, path string) { h.endpoint.mount(mux, path) }

// Shutdown takes no more connections, ends those that are there, and returns
// when all their functions have returned. When ctx ends first, connections are
// cut off and its error is returned.
func (h *ConnHandler) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.over = true
	conns := make([]*Conn, 0, len(h.conns))
	for c := range h.conns {
		conns = append(conns, c)
	}
	h.mu.Unlock()
	for _, c := range conns {
		c.cancel(parley.ErrShutdown)
		c.close(1001)
	}
	ended := make(chan struct{})
	go func() { // ends with the last connection
		h.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	for _, c := range conns {
		c.pipe.CloseNow()
	}
	return ctx.Err()
}

// serve begins a connection.
func (h *ConnHandler) serve(nc *connection, r *http.Request, pipe wire.Pipe) (receiver, error) {
	c := &Conn{o: &h.endpoint.o, left: h.leave, id: nc.id, pipe: pipe, request: r.WithContext(context.WithoutCancel(r.Context()))}
	c.request.Body = http.NoBody
	if c.id == "" {
		c.id = parley.NewID()
	}
	c.changed.L = &c.mu
	ctx, cancel := context.WithCancelCause(c.request.Context())
	c.cancel = cancel
	if !h.enter(c) {
		c.cancel(parley.ErrShutdown)
		return nil, parley.ErrShutdown
	}
	if at := parley.ExpiryOf(r.Context()); h.endpoint.o.CloseOnExpiry && !at.IsZero() {
		c.expiry = time.AfterFunc(time.Until(at), func() { c.close(1000) })
	}
	h.running.Go(func() { c.close(h.call(ctx, c)) }) // ends with run, for which Shutdown waits
	return c, nil
}

// enter counts a connection in, until its pipe has ended.
func (h *ConnHandler) enter(c *Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return false
	}
	h.conns[c] = struct{}{}
	h.running.Add(1)
	return true
}

func (h *ConnHandler) leave(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
	h.running.Done()
}

// call runs the application's function, and returns the code of the goodbye.
func (h *ConnHandler) call(ctx context.Context, c *Conn) (code int) {
	defer func() {
		if p := recover(); p != nil {
			h.endpoint.log.Error("signalr: connection handler panicked", "conn", c.id, "panic", p, "stack", string(debug.Stack()))
			code = 1011
		}
	}()
	if err := h.run(ctx, c); err != nil {
		if !c.over() { // else the error is that of the end
			h.endpoint.log.Error("signalr: connection handler failed", "conn", c.id, "error", err)
		}
		return 1011
	}
	return 1000
}

// Conn is a connection without a hub protocol: a stream of bytes each way. Read
// and Write may be called concurrently with each other and with Close.
type Conn struct {
	// fixed after construction
	o       *Options
	id      string
	pipe    wire.Pipe
	request *http.Request
	cancel  context.CancelCauseFunc // ends the context of the function
	expiry  *time.Timer             // nil: never
	left    func(*Conn)             // forgets it

	mu      sync.Mutex
	changed sync.Cond
	in      bytes.Buffer    // what has come and was not read
	end     error           // why no more will come; nil while more may
	paused  bool            // the pipe is not read
	out     []*wire.Encoded // what was written and not taken
	waiting int             // bytes of out
	tail    []byte          // of the last Write: a character that has begun
	closed  bool            // from this side
}

// ID is the connection's public name.
func (c *Conn) ID() string { return c.id }

// Request is the HTTP request that opened the connection, without its body.
func (c *Conn) Request() *http.Request { return c.request }

// Transport names the transport: "websocket", "sse", "polling".
func (c *Conn) Transport() string { return c.pipe.Transport() }

// Read reads what the client has sent, wherever it has cut it; it waits for
// at least one byte. After the client's goodbye the error is io.EOF, after
// Close io.ErrClosedPipe, else that of the transport.
func (c *Conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.in.Len() == 0 && c.end == nil && !c.closed && len(p) > 0 {
		c.changed.Wait()
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case c.closed:
		return 0, io.ErrClosedPipe
	case c.in.Len() == 0:
		return 0, c.end
	}
	n, _ := c.in.Read(p) // does not fail: there is something
	if c.in.Len() == 0 {
		c.in = bytes.Buffer{} // an idle connection holds no buffer
	}
	if c.paused && c.in.Len() <= c.o.InputBuffer/2 {
		c.paused = false
		c.pipe.Resume()
	}
	return n, nil
}

// Receive implements [wire.Receiver].
func (c *Conn) Receive(data []byte, _ bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.end != nil {
		return
	}
	c.in.Write(data)
	if !c.paused && c.in.Len() >= c.o.InputBuffer {
		c.paused = true
		c.pipe.Pause()
	}
	c.changed.Broadcast()
}

// Write sends p as one message, in text unless Options.Binary is set. It waits
// while Options.OutputBuffer bytes wait to be sent, and keeps nothing of p. The
// error is io.ErrClosedPipe when the connection has ended, or tells that p is no
// text; a character that it cuts is sent with the next message.
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	message, err := c.message(p)
	for err == nil && !c.closed && c.end == nil && c.waiting > 0 && c.waiting+len(message) > c.o.OutputBuffer {
		c.changed.Wait()
	}
	if err == nil && (c.closed || c.end != nil) {
		err = io.ErrClosedPipe
	}
	if err == nil && len(message) > 0 {
		c.out = append(c.out, &wire.Encoded{Data: message, Binary: c.o.Binary})
		c.waiting += len(message)
	}
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	c.pipe.Wake()
	return len(p), nil
}

// message copies what of p can be sent now. The caller holds mu.
func (c *Conn) message(p []byte) ([]byte, error) {
	if c.o.Binary {
		return bytes.Clone(p), nil
	}
	text := append(c.tail, p...)
	whole := len(text) - begun(text)
	if !utf8.Valid(text[:whole]) {
		return nil, errNoText
	}
	c.tail = bytes.Clone(text[whole:])
	return text[:whole:whole], nil
}

var errNoText = errors.New("signalr: what is written is not UTF-8, see Options.Binary")

// begun is the length of the character that text ends in the middle of.
func begun(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if last := text[len(text)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

// Take implements [wire.Receiver].
func (c *Conn) Take(batch []*wire.Encoded) []*wire.Encoded {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch = append(batch, c.out...)
	clear(c.out)
	c.out, c.waiting = c.out[:0], 0
	if cap(c.out) > keptMessages {
		c.out = nil
	}
	c.changed.Broadcast()
	return batch
}

const keptMessages = 16 // an emptied queue keeps room for so many

// Heard implements [wire.Receiver].
func (c *Conn) Heard() {}

// Close ends the connection, as soon as all that was written is sent. It does
// not wait for that.
func (c *Conn) Close() error {
	c.close(1000)
	return nil
}

func (c *Conn) close(code int) {
	c.mu.Lock()
	c.closed = true
	c.in = bytes.Buffer{}
	c.changed.Broadcast()
	c.mu.Unlock()
	c.pipe.Close(code, "") // of which only the first counts
}

// over implements [receiver]. It tells whether the connection has ended, or was closed from this side.
func (c *Conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed || c.end != nil
}

// Closed implements [wire.Receiver].
func (c *Conn) Closed(err error) {
	if c.expiry != nil {
		c.expiry.Stop()
	}
	c.mu.Lock()
	c.end = io.EOF
	if err != nil {
		c.end = fmt.Errorf("signalr: %w", err)
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	c.cancel(parley.ErrClosed)
	c.left(c)
}
