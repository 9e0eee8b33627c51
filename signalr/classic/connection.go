package classic

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/internal/pauses"
	"github.com/parley-go/parley/internal/replay"
	"github.com/parley-go/parley/internal/wheel"
)

// connection is one client, with the same ID for as long as it says so itself:
// streams come and go below, and above it has a [presence] at each of its hubs. What
// it was sent is kept in a log for as long as the client may ask for it again; what
// waits to be sent waits in the queues of the sessions.
type connection struct {
	// fixed after construction
	endpoint *endpoint
	id       string
	epoch    string        // of its cursors
	until    time.Duration // when its token ends

	entering sync.Mutex  // held while sessions are made or opened; taken first
	ready    atomic.Bool // they are open
	asked    atomic.Bool // the client has shown that it has got something: it has asked for the start, sent a message, or named a cursor

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

func (e *endpoint) newConnection(id string, until time.Duration) *connection {
	c := &connection{endpoint: e, id: id, epoch: newEpoch(), until: until, since: e.now()}
	c.log.Limit, c.log.Budget = e.o.BufferBytes, e.budget
	c.timer.Fire = c.tick
	c.setClock()
	return c
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
		c.leg.lives()
		c.leg.pipe.Resume()
	}
}
