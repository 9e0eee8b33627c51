package signalr

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// connection is what a token stands for: negotiated first, then with a
// transport, until that has ended. It is the receiver above its transport.
type connection struct {
	receiver // what the endpoint serves; set while the transport attaches

	// fixed after construction
	endpoint *endpoint
	id       string        // public
	token    string        // secret; empty: it skipped the negotiation, and nobody can name it
	expires  time.Duration // when it is too late for a transport, since the endpoint was made
	resume   *resumable    // set while a WebSocket attaches; nil: the connection ends with it
	stateful bool          // stateful reconnect was granted

	// guarded by mu
	kind  Transports // of the transport; 0 until one has come
	state state
	mu    sync.Mutex
	user  string // who negotiated, or came first
	inlet *inlet // nil unless there were POSTs, or may be
}

type state uint8

const (
	negotiated state = iota // waits for its transport
	attaching               // the transport is being put under it
	active                  // has its transport
	ended
)

// receiver is what an endpoint serves, above a transport.
type receiver interface {
	wire.Receiver

	// over tells whether it wants nothing more. It is called like Receive.
	over() bool
}

// poster is a pipe that POSTs bring data to.
type poster interface {
	wire.Pipe
	Receive(data []byte, binary bool) error
	Do(fn func() error) error
}

// claim asks for the place of the transport; first tells whether it was free.
// Polls come again to the one there is, and so may WebSockets. A status other
// than 0 refuses the request.
func (c *connection) claim(kind Transports) (first bool, status int, why string) {
	first, status, why = c.place(kind)
	if first && c.token != "" {
		c.endpoint.table.attached()
	}
	return first, status, why
}

func (c *connection) place(kind Transports) (first bool, status int, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state == ended:
		return false, http.StatusNotFound, ""
	case c.state == negotiated:
		c.state, c.kind = attaching, kind
		return true, 0, ""
	case c.kind != kind:
		return false, http.StatusBadRequest, "Cannot change transports mid-connection"
	case kind == LongPolling && c.state == active:
		return false, 0, ""
	case c.resume != nil && c.state == active:
		return false, c.resume.status(), ""
	}
	return false, http.StatusConflict, ""
}

// attach puts what the endpoint serves on a pipe that r has brought, and lets
// it have what POSTs have brought before.
func (c *connection) attach(r *http.Request, pipe wire.Pipe) error {
	upper, err := c.endpoint.serve(c, discreet(r), pipe)
	if err != nil {
		c.end()
		return err
	}
	c.receiver = upper
	if early := c.early(); len(early) > 0 {
		c.Receive(early, false)
	}
	if !c.activate(pipe) {
		pipe.CloseNow()
	}
	return nil
}

// activate lets in the POSTs that wait. It tells whether the connection has
// not ended meanwhile.
func (c *connection) activate(pipe wire.Pipe) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != attaching {
		return false
	}
	c.state = active
	if posts, ok := pipe.(poster); ok {
		c.makeInlet().pipe = posts
	}
	c.inlet.open()
	return true
}

// end forgets the connection.
func (c *connection) end() {
	c.mu.Lock()
	was := c.state
	c.leave()
	c.mu.Unlock()
	if was != ended && c.token != "" {
		c.endpoint.table.remove(c.token, was == negotiated)
	}
}

// expire ends a connection for which no transport has come. The table, which
// calls it, forgets it.
func (c *connection) expire() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != negotiated {
		return false
	}
	c.leave()
	return true
}

// leave ends the connection for those who hold mu.
func (c *connection) leave() {
	c.state = ended
	c.drain()
	c.inlet.open()
}

// transport is what claims have led to: the kind, and the pipe, if it is one
// that needs POSTs and has not ended.
func (c *connection) transport() (kind Transports, pipe poster) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == ended || c.inlet == nil {
		return c.kind, nil
	}
	return c.kind, c.inlet.pipe
}

// isOf tells whether a request of user may belong to the connection: that of
// another one than the first does not, even if it knows the token.
func (c *connection) isOf(user string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.user == "" {
		c.user = user
	}
	return user == "" || user == c.user
}

// served is what stands on the connection, or nil while it has no transport.
func (c *connection) served() receiver {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != active {
		return nil
	}
	return c.receiver
}

// finish ends the connection and its transport without a word.
func (c *connection) finish() {
	_, pipe := c.transport()
	c.end()
	if pipe != nil {
		pipe.CloseNow()
	}
}

// Closed implements [wire.Receiver].
func (c *connection) Closed(err error) {
	c.end()
	if c.receiver == nil {
		return
	}
	if errors.Is(err, transport.ErrIdle) {
		err = parley.ErrIdle
	}
	c.receiver.Closed(err)
}
