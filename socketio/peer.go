package socketio

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/pauses"
	"github.com/parley-go/parley/internal/wheel"
	"github.com/parley-go/parley/socketio/internal/engineio"
	"github.com/parley-go/parley/wire"
)

const (
	maxAnswers = 128             // of this layer that wait to be taken
	maxJoins   = 100             // CONNECTs of one connection at once
	joinPause  = time.Second     // for one more
	maxLeft    = 100             // namespaces left that are remembered
	maxAuth    = 64 << 10        // bytes of a client's auth, which is kept for each namespace
	wheelTick  = time.Second / 4 // of the timers for CONNECT
)

// peer is one Engine.IO connection, and the namespaces that its client has
// joined: for each a session at the hub of the namespace.
type peer struct {
	// fixed after construction
	server *Server
	engine *engineio.Socket

	mu      sync.Mutex
	said    []*wire.Encoded // packets of no session, and the last ones of sessions
	spaces  []*space        // joined, or about to be; changed by making a new one
	request *http.Request   // that opened the connection; nil while a session keeps it
	idle    *wheel.Timer    // of a client that has joined nothing; else nil
	left    *[]string       // namespaces that were joined, the last ones; nil for none
	ending  *ending         // nil while only the engine knows
	joined  int64           // when the last CONNECT came, in nanoseconds since the server's start
	joins   int32           // CONNECTs that count against maxJoins
	answers int32           // packets of no session among said
	dead    bool            // the connection has ended

	opening sync.Mutex   // held while a session is opened
	pauses  pauses.Count // of spaces that want the connection not to be read; its lock is taken before mu

	assembler assembler // owned by Receive
}

// ending is how a connection ends.
type ending struct {
	why   string // in the reference's words
	cause error  // what its sessions are told when this side ends it; nil: what the engine says
}

// Open implements [engineio.Upper].
func (p *peer) Open(r *http.Request) error {
	p.request = r.WithContext(r.Context()) // a copy
	p.request.Body = http.NoBody
	if !p.server.wait(p) {
		return parley.ErrShutdown
	}
	if p.revision() < 4 { // joins without asking
		return p.connect("/", nil)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dead { // else the hub is shutting down already
		p.startIdle()
	}
	return nil
}

// startIdle gives the client so long to join something. The caller holds mu.
func (p *peer) startIdle() {
	p.idle = &wheel.Timer{Fire: p.tick}
	p.server.wheel.Reset(p.idle, p.server.connectTimeout)
}

// stopIdle is for callers that hold mu.
func (p *peer) stopIdle() {
	if p.idle != nil {
		p.server.wheel.Cancel(p.idle)
		p.idle = nil
	}
}

// revision is Engine.IO's protocol: 3 or 4.
func (p *peer) revision() int { return p.engine.Protocol() }

// tick runs when the client has joined nothing for too long.
func (p *peer) tick() {
	p.mu.Lock()
	idle := len(p.spaces) == 0
	p.mu.Unlock()
	if idle {
		p.engine.Fail(parley.ErrHandshake)
	}
}

// end ends the connection with what its sessions are told, unless it ends
// already.
func (p *peer) end(why string, cause error) {
	p.blame(why, cause)
	p.engine.Close(1000, "")
}

// blame notes why the connection ends. The first word counts.
func (p *peer) blame(why string, cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending == nil && !p.dead {
		p.ending = &ending{why, cause}
	}
}

// Receive implements [wire.Receiver]. Whatever breaks the protocol ends the
// whole connection.
func (p *peer) Receive(data []byte, binary bool) {
	var packet packet // stays on the stack
	var whole bool
	var err error
	before := p.assembler.pending
	if binary {
		whole, err = p.assembler.binary(data, &packet)
	} else {
		whole, err = p.assembler.text(data, &packet)
	}
	if after := p.assembler.pending; before != nil || after != nil {
		p.await(before, after)
	}
	if whole && err == nil {
		err = p.receive(&packet)
	}
	if err == nil {
		return
	}
	why := forcedClose
	if _, ok := err.(misplaced); ok {
		why = forcedServerClose
	}
	if err == parley.ErrShutdown {
		why = serverShuttingDown
	}
	p.fail(why, err)
}

// await gives the attachments of a packet as long as a client has for its
// first CONNECT, each.
func (p *peer) await(before, after *pending) {
	if before != nil {
		p.server.wheel.Cancel(&before.timer)
	}
	if after != nil {
		after.timer.Fire = func() { p.fail(forcedClose, malformed("attachments that never came")) }
		p.server.wheel.Reset(&after.timer, p.server.connectTimeout)
	}
}

// fail ends the connection without a goodbye.
func (p *peer) fail(why string, err error) {
	p.blame(why, err)
	p.engine.Fail(err)
}

func (p *peer) receive(packet *packet) error {
	name := packet.nsp
	var auth json.RawMessage
	if p.revision() < 4 {
		name, auth = splitQuery(name)
	}
	switch packet.kind {
	case packetConnectError:
		return misplaced{malformed("CONNECT_ERROR from a client")}
	case packetConnect:
		object, err := packet.object()
		if err != nil {
			return err
		}
		if len(object) > 0 {
			auth = object
		}
		if len(auth) > maxAuth {
			return malformed("auth too long")
		}
		return p.connect(name, auth)
	}
	s, err := p.space(name)
	if s == nil {
		return err
	}
	if packet.kind == packetDisconnect {
		s.leave()
		return nil
	}
	return s.receive(packet)
}

// space is the client's presence in a namespace, or nil. What a client sends
// before it has seen that the server ended its presence is skipped, where the
// reference ends the connection; else the error is that it has not joined.
func (p *peer) space(name string) (*space, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.find(name); s != nil {
		return s, nil
	}
	if p.left != nil && slices.Contains(*p.left, name) {
		return nil, nil
	}
	return nil, misplaced{malformed("namespace not joined")}
}

// find is for callers that hold mu.
func (p *peer) find(name string) *space {
	for _, s := range p.spaces {
		if s.name == name {
			return s
		}
	}
	return nil
}

// say queues a packet that belongs to no session.
func (p *peer) say(data []byte) error {
	p.mu.Lock()
	p.answers++
	full := p.answers > maxAnswers
	p.said = append(p.said, &wire.Encoded{Data: data, Binary: p.assembler.packed})
	p.mu.Unlock()
	if full {
		return misplaced{malformed("too many CONNECTs")}
	}
	p.engine.Wake()
	return nil
}

// wordsFor are those for a namespace that the client has not joined.
func (p *peer) wordsFor(name string) words {
	return p.server.namespaces.words(name, kind{packed: p.assembler.packed})
}

// connect takes a CONNECT.
func (p *peer) connect(name string, auth json.RawMessage) error {
	ns := p.server.namespaces.fixed[name]
	if ns == nil && p.server.namespaces.dynamic == nil {
		return p.say(p.wordsFor(name).unknown())
	}
	s, err := p.reserve(name, auth)
	switch {
	case err == errHere:
		return nil // socket.io-client says it twice when it is told to connect while it does
	case err != nil:
		return err
	case s == nil:
		return p.say(p.wordsFor(name).refused(p.revision(), &wire.Error{Message: "Too many namespaces"}))
	case ns == nil:
		go s.join() // ends when Options.Dynamic returns; nobody waits for it
		return nil
	case s.enter(ns, p.opened()):
		return nil
	case name == "/": // the others have an end, too
		return parley.ErrShutdown
	}
	s.turnAway(p.wordsFor(name).refused(p.revision(), shuttingDown))
	return nil
}

var errHere = errors.New("socketio: the namespace is joined, or about to be")

// reserve notes a CONNECT. It returns nil when the client has joined as many
// namespaces as it may.
func (p *peer) reserve(name string, auth json.RawMessage) (*space, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.mayJoin(time.Since(p.server.began)):
		return nil, misplaced{malformed("too many CONNECTs")}
	case p.find(name) != nil:
		return nil, errHere
	case len(p.spaces) >= p.server.maxNamespaces:
		return nil, nil
	}
	s := &space{peer: p, name: name, auth: string(auth), packed: p.assembler.packed, issued: time.Now().UnixMilli()}
	if p.dead {
		return s, nil
	}
	if len(p.spaces) == 0 {
		p.stopIdle()
		p.server.waitNoMore(p)
	}
	if s.alone[0] = s; len(p.spaces) == 0 {
		p.spaces = s.alone[:]
		return s, nil
	}
	p.spaces = append(slices.Clip(p.spaces), s)
	return s, nil
}

// mayJoin counts a CONNECT. The caller holds mu.
func (p *peer) mayJoin(now time.Duration) bool {
	rested := max(0, (now-time.Duration(p.joined))/joinPause)
	p.joins = int32(max(0, time.Duration(p.joins)-rested)) + 1
	p.joined = int64(now)
	return p.joins <= maxJoins
}

// drop forgets a space that is among spaces. What still comes for one that was
// joined will be skipped. The caller holds mu.
func (p *peer) drop(s *space, joined bool) {
	p.keepRequest(s)
	p.spaces = slices.DeleteFunc(slices.Clone(p.spaces), func(other *space) bool { return other == s })
	if joined {
		p.remember(s.name)
	}
	if len(p.spaces) == 0 && !p.dead {
		p.startIdle()
		p.server.wait(p)
	}
}

// remember notes that a namespace was joined. The caller holds mu.
func (p *peer) remember(name string) {
	if p.left == nil {
		p.left = new([]string)
	}
	left := *p.left
	if slices.Contains(left, name) {
		return
	}
	if len(left) == maxLeft {
		left = slices.Delete(left, 0, 1)
	}
	*p.left = append(left, name)
}

// keepRequest sees to it that the request is not lost with s. The caller holds
// mu.
func (p *peer) keepRequest(s *space) {
	if p.request != nil {
		return
	}
	for _, other := range p.spaces {
		if other != s && other.session.Load() != nil {
			return
		}
	}
	p.request = s.session.Load().Request()
}

// opened is the request that opened the connection; nil when that has ended.
func (p *peer) opened() *http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.request != nil {
		return p.request
	}
	for _, s := range p.spaces {
		if session := s.session.Load(); session != nil {
			return session.Request()
		}
	}
	return nil
}

// Take implements [wire.Receiver]: all that waits goes, of every namespace, so
// that none waits for another.
func (p *peer) Take(batch []*wire.Encoded) []*wire.Encoded {
	p.mu.Lock()
	defer p.mu.Unlock()
	batch = append(batch, p.said...)
	p.said, p.answers = nil, 0
	for _, s := range p.spaces {
		batch = s.take(batch)
	}
	return batch
}

// Heard implements [wire.Receiver].
func (p *peer) Heard() {}

// Closed implements [wire.Receiver].
func (p *peer) Closed(err error) {
	p.mu.Lock()
	p.dead = true
	if p.ending == nil {
		p.ending = &ending{why: reasonOf(err)}
	}
	if p.ending.cause != nil {
		err = p.ending.cause
	}
	spaces := p.spaces
	p.spaces, p.said = nil, nil
	p.stopIdle()
	p.await(p.assembler.pending, nil)
	p.server.waitNoMore(p)
	p.mu.Unlock()
	if err == engineio.ErrTransportClose {
		err = nil // an ordinary goodbye
	}
	for _, s := range spaces {
		s.lost(err)
	}
}
