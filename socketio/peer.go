package socketio

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio/internal/engineio"
	"github.com/parley-go/parley/wire"
)

const (
	maxWords = 64  // answers of this layer that wait to be taken
	maxJoins = 100 // CONNECTs of one connection; then the client has to open another
)

// peer is one Engine.IO connection, and what its client has joined. It always
// has a session at the hub: one that waits for CONNECT, or is connected.
type peer struct {
	// fixed after construction
	server  *Server
	engine  *engineio.Socket
	request *http.Request // set by Open

	assembler assembler // owned by Receive

	pausing sync.Mutex // held while the pause, or the space it is of, changes; taken before mu

	mu     sync.Mutex
	words  []*wire.Encoded // packets of no session
	space  *space          // of the session of the moment
	ending []*space        // have said their last words, which wait to be taken
	joins  int
	dead   bool // the connection has ended
}

// space is the client's presence in a namespace: a virtual pipe inside the
// engine's.
type space struct {
	*peer
	session *parley.Session
	joined  bool // CONNECT has come; guarded by peer.mu
}

// Open implements [engineio.Upper].
func (p *peer) Open(r *http.Request) error {
	p.request = r
	s, err := p.newSpace()
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.space, p.request = s, s.session.Request()
	p.mu.Unlock()
	return nil
}

// newSpace makes a session that waits for CONNECT. One that waits too long
// ends the whole connection.
func (p *peer) newSpace() (*space, error) {
	s := &space{peer: p}
	session, err := p.server.hub.NewSession(p.request, s, &parley.SessionOptions{ID: p.server.ids.New(), HandshakeTimeout: p.server.connectTimeout})
	s.session = session
	return s, err
}

// Receive implements [wire.Receiver]. Whatever breaks the protocol ends the
// whole connection.
func (p *peer) Receive(data []byte, binary bool) {
	var packet packet // stays on the stack
	var whole bool
	var err error
	if binary {
		whole, err = p.assembler.binary(data, &packet)
	} else {
		whole, err = p.assembler.text(data, &packet)
	}
	if whole && err == nil {
		err = p.receive(&packet)
	}
	if err != nil {
		p.engine.Fail(err)
	}
}

func (p *peer) receive(packet *packet) error {
	switch {
	case packet.nsp != "/" && packet.kind == packetConnect:
		return p.say(protocol{nsp: packet.nsp}.unknown())
	case packet.nsp != "/":
		return malformed("namespace not joined")
	case packet.kind == packetConnect:
		return p.join(packet.payload)
	case packet.kind == packetConnectError:
		return malformed("CONNECT_ERROR from a client")
	}
	s, err := p.joined()
	if s == nil {
		return err
	}
	if packet.kind == packetDisconnect {
		return s.leave()
	}
	var m wire.Message
	if err := packet.message(&m); err != nil {
		return err
	}
	s.session.Receive(&m)
	return nil
}

// say queues a packet that belongs to no session.
func (p *peer) say(data []byte) error {
	p.mu.Lock()
	full := len(p.words) >= maxWords
	p.words = append(p.words, &wire.Encoded{Data: data})
	p.mu.Unlock()
	if full {
		return malformed("too many CONNECTs")
	}
	p.engine.Wake()
	return nil
}

// joined is the client's presence, or nil. What a client sends before it has
// seen that the server ended its presence is skipped, where the reference ends
// the connection; else the error is that it has not joined.
func (p *peer) joined() (*space, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.space != nil && p.space.joined:
		return p.space, nil
	case p.joins > 0:
		return nil, nil
	}
	return nil, malformed("namespace not joined")
}

type authKey struct{}

// Auth is what the client gave as its auth, an object in JSON, or nil. It is
// there when OnConnect runs.
func Auth(c *parley.Conn) json.RawMessage {
	auth, _ := c.Value(authKey{}).(json.RawMessage)
	return auth
}

// join takes a CONNECT.
func (p *peer) join(auth []byte) error {
	p.mu.Lock()
	s := p.space
	p.joins++
	again, often := s.joined, p.joins > maxJoins
	s.joined = true
	p.mu.Unlock()
	if again {
		return malformed("CONNECT to a namespace that is joined")
	}
	if often {
		return malformed("too many CONNECTs")
	}
	if len(auth) > 0 {
		s.session.Conn().Set(authKey{}, json.RawMessage(append([]byte(nil), auth...)))
	}
	words := protocol{nsp: "/"}
	s.session.Open(&parley.Opening{
		Protocol:    words,
		Welcome:     words.connected(4, s.session.ID(), ""),
		Refusal:     func(e *wire.Error) []byte { return words.refused(4, e) },
		KeepAlive:   -1, // the engine's
		IdleTimeout: -1,
	})
	return nil
}

// replace puts a new space in the place of s, which may have last words. It
// tells whether the connection goes on.
func (p *peer) replace(s *space, last bool) bool {
	next, err := p.newSpace()
	if err != nil {
		return false
	}
	goesOn, mine := p.swap(s, next, last)
	if !mine { // both sides left at the same time
		next.session.Closed(nil)
	}
	return goesOn
}

// swap tells whether the connection goes on, and whether next has taken the
// place of s.
func (p *peer) swap(s, next *space, last bool) (goesOn, mine bool) {
	p.pausing.Lock()
	defer p.pausing.Unlock()
	p.mu.Lock()
	goesOn = !p.dead
	mine = goesOn && p.space == s
	if mine {
		p.space = next
	}
	if mine && last {
		p.ending = append(p.ending, s)
	}
	p.mu.Unlock()
	if mine {
		p.engine.Resume()
	}
	return goesOn, mine
}

// leave takes a DISCONNECT: the connection stays, and is not answered.
func (s *space) leave() error {
	if !s.replace(s, false) {
		s.engine.Close(1001, "")
		return nil
	}
	s.session.Closed(nil)
	return nil
}

// Take implements [wire.Receiver].
func (p *peer) Take(batch []*wire.Encoded) []*wire.Encoded {
	p.mu.Lock()
	batch = append(batch, p.words...)
	s, ending := p.space, p.ending
	p.words, p.ending = nil, nil
	p.mu.Unlock()
	for _, e := range ending {
		batch = e.session.Take(batch)
		go e.session.Closed(nil) // ends at once; apart, because the caller holds a lock of its pipe. The hub waits for the session
	}
	if s == nil {
		return batch
	}
	return s.session.Take(batch)
}

// Heard implements [wire.Receiver].
func (p *peer) Heard() {}

// Closed implements [wire.Receiver].
func (p *peer) Closed(err error) {
	if err == engineio.ErrTransportClose {
		err = nil // an ordinary goodbye
	}
	p.mu.Lock()
	p.dead = true
	ending, s := p.ending, p.space
	p.ending = nil
	p.mu.Unlock()
	for _, e := range ending {
		e.session.Closed(err)
	}
	if s != nil {
		s.session.Closed(err)
	}
}

// Transport implements [wire.Pipe].
func (s *space) Transport() string { return s.engine.Transport() }

// Lend implements [wire.Lender].
func (s *space) Lend(w wire.Worker) bool { return s.engine.Lend(w) }

// Writable implements [wire.Gauge].
func (s *space) Writable() bool { return s.engine.Writable() }

// Wake implements [wire.Pipe].
func (s *space) Wake() { s.engine.Wake() }

// Ping implements [wire.Pipe]: the engine keeps itself alive.
func (s *space) Ping() bool { return false }

// Pause implements [wire.Pipe].
func (s *space) Pause() { s.whileCurrent(s.engine.Pause) }

// Resume implements [wire.Pipe].
func (s *space) Resume() { s.whileCurrent(s.engine.Resume) }

// whileCurrent runs fn unless another has taken the place of s, whose calls may
// go on for a while: the connection's pause is the other's then.
func (s *space) whileCurrent(fn func()) {
	s.pausing.Lock()
	defer s.pausing.Unlock()
	s.mu.Lock()
	current := s.space == s
	s.mu.Unlock()
	if current {
		fn()
	}
}

// Close implements [wire.Pipe]. An ordinary goodbye, and the refusal of
// OnConnect, end the presence in the namespace and leave the connection; any
// other, such as 1001 of a shutdown, ends it all.
func (s *space) Close(code int, reason string) {
	s.mu.Lock()
	stays := s.joined && (code == 1000 || code == 1008)
	s.mu.Unlock()
	if stays && s.replace(s, true) {
		s.engine.Wake()
		return
	}
	s.engine.Close(code, reason)
}

// CloseNow implements [wire.Pipe].
func (s *space) CloseNow() { s.engine.CloseNow() }
