package protocol1

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// client is one client, from its handshake on: what stands above the one pipe
// that it opens.
type client struct {
	// fixed after construction
	server *Server
	unused *time.Timer // ends a handshake that nobody follows up

	pausing sync.Mutex // held while paused changes
	paused  int        // spaces that want a pause

	mu     sync.Mutex
	token  string // of the session table
	phase  phase
	kind   string    // name of the transport
	pipe   wire.Pipe // fixed when it is opened; nil before
	spaces []*space  // of which the first is the main namespace; replaced rather than changed
	ending []*space  // have said their last words, which wait to be taken
	sought []*sought // namespaces that are being looked for
	left   bool      // the client has said goodbye
	told   bool      // it has been told not to come back
	reason error     // why this side ends it
}

type phase uint8

const (
	waiting phase = iota // for a transport
	running
	over
)

// begin gives the client its pipe, unless it has had one.
func (c *client) begin(kind string, open func() wire.Pipe) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != waiting {
		return false
	}
	c.unused.Stop()
	c.phase, c.kind, c.pipe = running, kind, open()
	return true
}

// current is the client's pipe, if its transport is of that kind.
func (c *client) current(kind string) (pipe wire.Pipe, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pipe, c.phase == running && c.kind == kind
}

// displace ends a client that comes back with its old session and another
// transport: it is told to begin anew.
func (c *client) displace() {
	c.mu.Lock()
	pipe := c.pipe
	c.mu.Unlock()
	if pipe != nil {
		pipe.CloseNow()
	}
}

// expire ends a handshake that nobody has followed up.
func (c *client) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == waiting {
		c.forget()
	}
}

// forget takes the client out of the table. The caller holds mu.
func (c *client) forget() {
	c.phase = over
	c.server.clients.Remove(c.token)
}

// open lets the client into the main namespace.
func (c *client) open(r *http.Request) error {
	o := &c.server.o
	opening := parley.Opening{KeepAlive: o.HeartbeatInterval, IdleTimeout: o.HeartbeatInterval + o.HeartbeatTimeout}
	if c.kind != WebSocket {
		opening.KeepAlive, opening.IdleTimeout = -1, -1 // polls are signs of life
	}
	err := c.enter(&space{client: c, hub: o.Hub("/")}, r, &opening)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.forget()
	}
	return err
}

// enter begins a session in a namespace.
func (c *client) enter(s *space, r *http.Request, o *parley.Opening) (err error) {
	s.session, err = s.hub.NewSession(r, s, &parley.SessionOptions{ID: c.server.o.NewID()})
	if err != nil {
		return err
	}
	c.mu.Lock()
	gone := c.phase == over
	if !gone {
		c.spaces = append(slices.Clip(c.spaces), s)
	}
	c.mu.Unlock()
	if gone {
		s.session.Closed(nil)
		return parley.ErrClosed
	}
	words := protocol{s.endpoint}
	o.Protocol, o.Welcome = words, words.welcome()
	o.Refusal = func(*wire.Error) []byte { return words.refusal() }
	s.session.Open(o)
	return nil
}

// space finds the client's presence in a namespace; nil when it has none.
func (c *client) space(endpoint string) *space {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spaces {
		if s.endpoint == endpoint {
			return s
		}
	}
	return nil
}

// Receive implements [wire.Receiver].
func (c *client) Receive(data []byte, binary bool) {
	if binary {
		c.fail(malformed("binary message"))
		return
	}
	p, err := parsePacket(data)
	if err == nil {
		err = c.receive(&p)
	}
	if err != nil {
		c.fail(err)
	}
}

func (c *client) receive(p *packet) error {
	main := c.space("")
	if main == nil {
		return nil
	}
	main.session.Heard()
	switch {
	case p.kind == packetHeartbeat, p.kind == packetError, p.kind == packetNoop:
		return nil
	case p.kind == packetConnect:
		return c.join(main, p.endpoint)
	case p.kind == packetDisconnect && p.endpoint == "":
		c.end()
		return nil
	}
	if waits, err := c.later(p); waits || err != nil {
		return err
	}
	return c.deliver(p)
}

// deliver hands a packet to its namespace. A client emits before it hears that it
// may not, or need no longer.
func (c *client) deliver(p *packet) error {
	s := c.space(p.endpoint)
	switch {
	case s == nil:
		return nil
	case p.kind == packetDisconnect:
		if c.remove(s, false) {
			s.close(nil)
		}
		return nil
	}
	return s.receive(p)
}

// end is the client's own goodbye. It closes a WebSocket itself, and polls no
// more.
func (c *client) end() {
	c.mu.Lock()
	c.left = true
	pipe, kind := c.pipe, c.kind
	c.mu.Unlock()
	if kind == WebSocket {
		pipe.Close(1000, "")
		return
	}
	pipe.CloseNow()
}

// remove takes a space away, of which last words are still to be taken or not.
// It tells whether it was there.
func (c *client) remove(s *space, last bool) bool {
	c.mu.Lock()
	at := slices.Index(c.spaces, s)
	if at >= 0 {
		c.spaces = slices.Delete(slices.Clone(c.spaces), at, at+1)
	}
	if at >= 0 && last {
		c.ending = append(c.ending, s)
	}
	c.mu.Unlock()
	if at < 0 {
		return false
	}
	s.retire()
	return true
}

// fail ends the connection because of what the client has sent.
func (c *client) fail(err error) {
	c.mu.Lock()
	if c.reason == nil {
		c.reason = err
	}
	c.mu.Unlock()
	if main := c.space(""); main != nil {
		main.session.Fail(wire.Goodbye{Code: 1002, Reason: err.Error(), Failed: true}, err)
	}
}

// Take implements [wire.Receiver].
func (c *client) Take(batch []*wire.Encoded) []*wire.Encoded {
	c.mu.Lock()
	spaces, ending := c.spaces, c.ending
	c.ending = nil
	c.mu.Unlock()
	for _, s := range ending {
		batch = s.session.Take(batch)
		go s.close(nil) // ends at once; apart, because the caller holds a lock of its pipe. The hub waits for the session
	}
	for _, s := range spaces {
		batch = s.session.Take(batch)
	}
	return batch
}

// Heard implements [wire.Receiver].
func (c *client) Heard() {}

// Closed implements [wire.Receiver].
func (c *client) Closed(err error) {
	c.mu.Lock()
	c.forget()
	spaces := append(slices.Clip(c.ending), c.spaces...)
	c.spaces, c.ending = nil, nil
	if c.reason != nil {
		err = c.reason
	}
	c.mu.Unlock()
	if errors.Is(err, transport.ErrIdle) {
		err = parley.ErrIdle
	}
	for _, s := range spaces {
		s.close(err)
	}
}
