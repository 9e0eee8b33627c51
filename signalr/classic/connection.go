package classic

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/pauses"
	"github.com/parley-go/parley/internal/replay"
	"github.com/parley-go/parley/internal/wheel"
	"github.com/parley-go/parley/wire"
)

// connection is one client, with the same ID for as long as it says so itself:
// streams come and go below, and above it has a [presence] at each of its hubs. What
// it was sent is kept in a log for as long as the client may ask for it again; what
// waits to be sent waits in the queues of the sessions.
type connection struct {
	// fixed after construction
	endpoint *endpoint
	id       string
	epoch    string // of its cursors

	entering sync.Mutex  // held while sessions are made or opened; taken first
	ready    atomic.Bool // they are open

	hearing sync.Mutex // held while a message is handed up: one at a time, though POSTs and a WebSocket may bring them
	hearer  *leg       // that brings it; nil: a POST does. Owned by hearing
	lent    bool       // its goroutine is lent, and hearing is held on. Owned by hearing

	pauses pauses.Count

	mu        sync.Mutex
	phase     phase
	leg       *leg          // the stream of the moment; nil while there is none
	legs      uint32        // how many there were
	opened    *http.Request // that made the sessions; nil before, and where one of these keeps it
	barred    []*served     // hubs that are not for the client
	kind      Transports    // of the last one
	since     time.Duration // when it ended, or the connection began
	presences []*presence   // changed by making a new list
	unsettled int           // presences that OnConnect has not decided about
	settled   chan struct{} // closed when it has about all, or the connection ends; nil until it is asked
	refused   string        // what it said against one of them
	asking    int           // requests that wait for that
	mute      bool          // closing, and nothing is to be said before they are answered
	stays     bool          // a session has said that the client is to stay away
	log       replay.Log[kept]
	sent      int64         // position of the last message that a stream was given
	held      [][]byte      // messages that POSTs have brought before the client said where it is
	heldBytes int           // of them
	said      []item        // answers to calls that have reached no session
	saidBytes int           // of them
	token     string        // of its groups, as it was sent last
	regrouped bool          // they have changed since
	farewell  *farewell     // why it closes
	resumed   chan struct{} // closed by Resume; nil when not paused
	timer     wheel.Timer
}

type phase uint8

const (
	empty    phase = iota // it is known that there is such a client, and no more
	made                  // it has its sessions
	starting              // OnConnect is asked
	started
	closing // goodbye is said
	over
)

// kept is a message in the log: an element of M.
type kept struct {
	data []byte
	at   time.Duration // when it was taken
}

func (e *endpoint) newConnection(id string) *connection {
	c := &connection{endpoint: e, id: id, epoch: newEpoch(), since: e.now()}
	c.log.Limit, c.log.Budget = e.o.BufferBytes, e.budget
	c.timer.Fire = c.tick
	c.setClock()
	return c
}

// enter makes the sessions of a connection that has none: with back, those of a
// client that was here before.
func (c *connection) enter(q *request, back bool) *refused {
	if !c.isEmpty() {
		return nil
	}
	returns := make([]*parley.Return, len(q.hubs))
	for i, h := range q.hubs { // before the lock, as the application is asked
		returns[i] = c.returning(q, h, back)
	}
	request, barred := q.discreet(), c.endpoint.barred(q)
	c.entering.Lock()
	defer c.entering.Unlock()
	if !c.isEmpty() {
		return nil
	}
	var list []*presence
	var err error
	for i, h := range q.hubs {
		var p *presence
		if p, err = c.present(h, request, returns[i]); err != nil {
			break
		}
		list = append(list, p)
	}
	if c.adopt(request, barred, list, err) {
		return nil
	}
	for _, p := range list {
		p.session.Closed(parley.ErrShutdown)
	}
	c.finish(nil)
	return leaving
}

// isEmpty tells whether the connection has not been given its sessions.
func (c *connection) isEmpty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == empty
}

// adopt makes the presences the connection's own. It is false when there is an
// error, or the connection has ended meanwhile.
func (c *connection) adopt(r *http.Request, barred []*served, list []*presence, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || c.phase != empty {
		return false
	}
	c.phase, c.presences, c.barred = made, list, barred
	if len(list) == 0 {
		c.opened = r
	}
	return true
}

// returning is what a client that was here before may have of it at a hub; nil for
// one that is new.
func (c *connection) returning(q *request, h *served, back bool) *parley.Return {
	if !back {
		return nil
	}
	e := c.endpoint
	var groups []string
	for _, g := range e.keys.openGroups(q.param("groupsToken"), c.id) {
		if hub, name, _ := strings.Cut(g, "\x00"); strings.EqualFold(hub, h.name) {
			groups = append(groups, name)
		}
	}
	if choose := e.o.RejoiningGroups; choose != nil {
		groups = choose(q.Request, h.name, groups)
	}
	c.mu.Lock()
	c.regrouped = c.regrouped || len(groups) > 0
	c.mu.Unlock()
	return &parley.Return{Groups: groups}
}

// present makes a presence.
func (c *connection) present(h *served, r *http.Request, back *parley.Return) (*presence, error) {
	const never = 1 << 62 // the endpoint has its own clock
	p := &presence{connection: c, hub: h}
	var err error
	p.session, err = h.hub.NewSession(r, p, &parley.SessionOptions{ID: c.id, HandshakeTimeout: never, Return: back})
	return p, err
}

// visitor is the request that made the sessions, or nil, and whether its client may
// have that hub.
func (c *connection) visitor(h *served) (r *http.Request, allowed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r = c.opened; len(c.presences) > 0 {
		r = c.presences[0].session.Request()
	}
	return r, !slices.Contains(c.barred, h)
}

// start opens the sessions, once, and returns what is closed when OnConnect has
// decided.
func (c *connection) start() (settled <-chan struct{}) {
	c.entering.Lock()
	defer c.entering.Unlock()
	c.mu.Lock()
	if c.phase != made {
		defer c.mu.Unlock()
		return c.settled
	}
	list, done := c.presences, make(chan struct{})
	c.phase, c.settled, c.unsettled = starting, done, len(list)
	if len(list) == 0 {
		c.settle()
	}
	c.mu.Unlock()
	for _, p := range list {
		p.session.Open(p.hub.opening)
	}
	c.ready.Store(true)
	return done
}

// settle ends the start. The caller holds mu.
func (c *connection) settle() {
	if c.phase == starting {
		c.phase = started
	}
	if c.settled != nil && c.unsettled >= 0 {
		c.unsettled = -1
		close(c.settled)
	}
}

// verdict is how the start has ended: an empty text means well.
func (c *connection) verdict() (refused string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == "" && c.phase != started {
		return "The connection has ended.", false
	}
	return c.refused, c.phase == started
}

// find returns the presence at a hub, or nil.
func (c *connection) find(hub string) *presence {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.presences {
		if strings.EqualFold(p.hub.name, hub) {
			return p
		}
	}
	return nil
}

// close says goodbye, in the name of one of the sessions, and ends all of them: the
// client has only one connection. Only the first call counts.
func (c *connection) close(code int, reason string) {
	c.mu.Lock()
	if c.phase >= closing {
		c.mu.Unlock()
		return
	}
	c.collect(true) // what they have said before, and perhaps that the client is to stay away
	f := &farewell{reason: reason, stays: c.stays}
	if c.refused != "" {
		f = &farewell{reason: c.refused, stays: true}
	}
	c.farewell, c.phase = f, closing
	c.settle()
	l, list := c.leg, c.presences
	c.mute = l != nil && c.asking > 0
	if c.mute {
		c.endpoint.wheel.Reset(&c.timer, courtesy)
	}
	mute := c.mute
	c.mu.Unlock()
	if f.stays {
		c.endpoint.table.remove(c, f)
	} else {
		c.endpoint.table.remove(c, nil)
	}
	for _, p := range list {
		p.session.Fail(wire.Goodbye{Code: code, Reason: reason, Reconnect: !f.stays}, causeOf(code))
	}
	switch {
	case l == nil:
		c.finish(nil)
	case !mute:
		l.pipe.Close(closeCode(code), "")
	}
}

// courtesy is how long a client that is refused has for the answer to its request for
// the start before it is told by its stream: after that it would not look at the
// answer.
const courtesy = 2 * time.Second

// causeOf is why the other sessions of a connection end that one of them has closed.
func causeOf(code int) error {
	switch code {
	case 1001:
		return parley.ErrShutdown
	case 1013:
		return parley.ErrSlow
	}
	return nil
}

// closeCode is what is said in the close frame of a WebSocket. Clients only look
// whether there is one.
func closeCode(code int) int {
	if code == 1001 || code == 1011 {
		return code
	}
	return 1000
}

// cut ends the connection without a word.
func (c *connection) cut(err error) {
	l := c.end(err, nil)
	if l != nil {
		l.pipe.CloseNow()
	}
}

// leave is the client's goodbye.
func (c *connection) leave() {
	l := c.end(nil, &farewell{})
	if l != nil {
		l.pipe.Close(1000, "")
	}
}

// finish ends the connection.
func (c *connection) finish(err error) { c.end(err, nil) }

// end tells the sessions that it is over, and returns the stream that is left.
// Requests of the client that still come are answered by f.
func (c *connection) end(err error, f *farewell) *leg {
	c.mu.Lock()
	if c.phase == over {
		c.mu.Unlock()
		return nil
	}
	c.phase = over
	c.settle()
	l, list := c.leg, c.presences
	c.leg, c.presences, c.said, c.held = nil, nil, nil, nil
	c.log.Clear()
	if c.resumed != nil {
		close(c.resumed)
		c.resumed = nil
	}
	c.mu.Unlock()
	c.endpoint.wheel.Cancel(&c.timer)
	c.endpoint.table.remove(c, f)
	for _, p := range list {
		p.session.Closed(err)
	}
	return l
}

// Pause implements [pauses.Pipe].
func (c *connection) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == over || c.resumed != nil {
		return
	}
	c.resumed = make(chan struct{})
	if c.leg != nil {
		c.leg.pipe.Pause()
	}
}

// Resume implements [pauses.Pipe].
func (c *connection) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resumed == nil {
		return
	}
	close(c.resumed)
	c.resumed = nil
	if c.leg != nil {
		c.leg.pipe.Resume()
	}
}

// errLost is why a connection ended whose client did not come back.
var errLost = fmt.Errorf("classic: the client did not come back: %w", parley.ErrIdle)
