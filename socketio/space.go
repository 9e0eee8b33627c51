package socketio

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/pauses"
	"github.com/parley-go/parley/wire"
)

// space is the client's presence in a namespace: a virtual pipe inside the
// engine's.
type space struct {
	// fixed after construction
	*peer
	name   string
	auth   string // an object in JSON; empty for none
	issued int64  // when the CONNECT came, in milliseconds since 1970

	ns      *namespace                     // fixed before session is there
	session atomic.Pointer[parley.Session] // nil before the namespace is found

	ended  *string     // why, in the reference's words; guarded by peer.mu
	alone  [1]*space   // the spaces of a connection that has no other; fixed after construction
	ready  atomic.Bool // session is open
	gone   bool        // ended; guarded by peer.mu
	bye    bool        // a goodbye was taken, after which the client stays away; guarded by peer.mu
	paused pauses.Wish // owned by peer.pauses
	packed bool        // the client speaks MessagePack; fixed after construction
}

// authJSON is nil for none.
func (s *space) authJSON() json.RawMessage {
	if s.auth == "" {
		return nil
	}
	return json.RawMessage(s.auth)
}

// join finds the namespace and enters it.
func (s *space) join() {
	n := &s.server.namespaces
	w := n.words(s.name, kind{packed: s.packed})
	n.begin(s.name)
	defer n.end(s.name)
	request := s.opened()
	if request == nil { // the connection has ended
		return
	}
	for range 3 { // a hub that it finds may be shut down in that moment
		hub, err := n.seek(request, s.name)
		if err != nil {
			e, meant := shown(err, w.Codec())
			if !meant {
				s.server.log().Error("socketio: Options.Dynamic failed", "namespace", s.name, "error", err)
			}
			s.turnAway(w.refused(s.revision(), e))
			return
		}
		if hub == nil {
			s.turnAway(w.unknown())
			return
		}
		if s.enter(n.enter(s.name, hub), request) {
			return
		}
	}
	s.turnAway(w.refused(s.revision(), shuttingDown))
}

var shuttingDown = &wire.Error{Message: serverShuttingDown}

// enter makes the session, and lets OnConnect decide. It tells whether the hub
// takes any. The request is nil when the connection has ended.
func (s *space) enter(ns *namespace, request *http.Request) bool {
	if request == nil {
		s.server.namespaces.leave(ns)
		return true
	}
	session, err := ns.hub.NewSession(request, s, &parley.SessionOptions{ID: s.newID(), Recover: s.recovery()})
	if err != nil {
		s.server.namespaces.leave(ns)
		return false
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	s.mu.Lock()
	s.ns = ns
	s.session.Store(session)
	over := s.gone || s.dead
	s.gone = over
	if !over {
		s.peer.request = nil // the session keeps it
	}
	s.mu.Unlock()
	if over {
		s.finish(nil)
		return true
	}
	session.Open(ns.opening(kind{
		packed:   s.packed,
		recovers: session.RecoveryID() != "",
		old:      s.revision() < 4,
		polls:    s.Transport() == "polling",
	}))
	s.ready.Store(true)
	return true
}

// newID is the public name of a new session. Clients of protocol 4 make it
// themselves, of Engine.IO's.
func (s *space) newID() string {
	switch {
	case s.revision() >= 4:
		return s.server.ids.New()
	case s.name == "/":
		return s.engine.ID()
	}
	return s.name + "#" + s.engine.ID()
}

// rooms are where the arguments of an event are noted while a session takes it,
// which keeps nothing of that: a tenth of what an event allocates.
var rooms = sync.Pool{New: func() any { return new([4][]byte) }}

// receive takes a packet of the session.
func (s *space) receive(packet *packet) error {
	session := s.session.Load()
	if !s.ready.Load() { // the namespaces of Options.Dynamic are opened elsewhere
		s.opening.Lock()
		session = s.session.Load()
		s.opening.Unlock()
	}
	if session == nil {
		return misplaced{malformed("namespace not yet joined")}
	}
	room := rooms.Get().(*[4][]byte)
	defer rooms.Put(room)
	m := wire.Message{Args: wire.Args{Values: room[:0]}}
	if err := packet.message(&m); err != nil {
		return err
	}
	session.Receive(&m)
	clear(room[:])
	return nil
}

// leave takes a DISCONNECT: the connection stays, and is not answered.
func (s *space) leave() {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return
	}
	s.part(clientNamespaceDisconnect)
	session := s.session.Load()
	s.mu.Unlock()
	if session == nil {
		return // enter sees it
	}
	session.Receive(&wire.Message{Kind: wire.Close})
	s.finish(nil)
}

// part ends the presence and leaves the connection. The caller holds mu.
func (s *space) part(why string) {
	s.gone, s.ended = true, &why
	s.drop(s, true)
}

// finish is the last act of a presence that is gone and had a session.
func (s *space) finish(err error) {
	s.pauses.Leave(&s.paused, s.engine) // its calls may go on for a while
	s.session.Load().Closed(err)
	s.server.namespaces.leave(s.ns)
}

// lost ends the presence with its connection.
func (s *space) lost(err error) {
	s.mu.Lock()
	first := !s.gone
	if first {
		s.gone, s.ended = true, &s.peer.ending.why
	}
	session := s.session.Load()
	s.mu.Unlock()
	if first && session != nil { // else enter sees it
		s.finish(err)
	}
}

// turnAway answers a CONNECT for which there is no session.
func (s *space) turnAway(words []byte) {
	s.mu.Lock()
	over := s.gone || s.dead
	if !over {
		s.gone = true
		s.drop(s, false)
	}
	s.mu.Unlock()
	if over {
		return
	}
	if err := s.say(words); err != nil {
		s.fail(forcedServerClose, err)
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

// Pause implements [wire.Pipe]. The connection is not read while one of its
// namespaces wants that.
func (s *space) Pause() { s.pauses.Pause(&s.paused, s.engine) }

// Resume implements [wire.Pipe].
func (s *space) Resume() { s.pauses.Resume(&s.paused, s.engine) }

// Close implements [wire.Pipe]. A goodbye after which the client is to stay
// away, and the refusal of OnConnect, end the presence in the namespace and
// leave the connection. After any other the client is to come back, for which
// it has to lose the connection, and with it all its namespaces.
func (s *space) Close(code int, _ string) {
	s.mu.Lock()
	session := s.session.Load()
	if s.gone || s.dead {
		s.mu.Unlock()
		return
	}
	s.said = s.take(s.said) // its last words
	stays := session != nil && (code == 1008 || s.bye)
	if stays {
		s.part(serverNamespaceDisconnect)
	}
	s.mu.Unlock()
	switch {
	case stays:
		s.engine.Wake()
		s.finish(nil)
	case code == 1001:
		s.end(serverShuttingDown, nil)
	case code == 1013:
		s.end(forcedServerClose, parley.ErrSlow)
	default:
		s.end(forcedServerClose, nil)
	}
}

// take takes what the session has to send. The caller holds mu: the goodbye may
// be taken before the session calls Close.
func (s *space) take(batch []*wire.Encoded) []*wire.Encoded {
	session, n := s.session.Load(), len(batch)
	if session == nil {
		return batch
	}
	if batch = session.Take(batch); len(batch) > n && batch[len(batch)-1].Kind == wire.Close {
		s.bye = true
	}
	return batch
}

// CloseNow implements [wire.Pipe]. It ends the connection, unless that has been
// left to the client's other namespaces.
func (s *space) CloseNow() {
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if gone {
		return
	}
	s.blame(forcedServerClose, parley.ErrClosed)
	s.engine.CloseNow()
}

// shown is how a client sees err, and whether it was meant for it.
func shown(err error, codec wire.Codec) (e *wire.Error, meant bool) {
	var own *parley.Error
	if !errors.As(err, &own) {
		return &wire.Error{Message: "The server failed to handle this call."}, false
	}
	e = &wire.Error{Message: own.Message}
	if own.Data == nil {
		return e, true
	}
	if a, err := codec.Marshal(own.Data); err == nil && len(a.Attachments) == 0 {
		e.Data = a.Values[0]
	}
	return e, true
}
