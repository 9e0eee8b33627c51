package engineio

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/internal/wheel"
	"github.com/parley-go/parley/wire"
)

// Socket is one Engine.IO connection: a [wire.Pipe] that outlives a change of
// transport. Its lock is never held while a pipe is called, for pipes call
// Take under locks of their own.
type Socket struct {
	// fixed after construction
	server   *Server
	up       Upper
	id       [idBytes]byte
	protocol uint8 // 3 or 4

	paused  bool       // guarded by pausing
	pausing sync.Mutex // held while paused, or the pipe that it speaks of, changes

	receiving sync.Mutex // held while a message is handed up: one at a time, though there may be two pipes. current does not change meanwhile
	taking    sync.Mutex // held while up is asked to Take: likewise

	begin   link                 // that of a connection that does not begin with polls, which it is to forget; fixed once it is current
	current atomic.Pointer[link] // what messages travel on; nil: the 101 is on its way. Changed under mu

	mu     sync.Mutex
	owed   saying // to go before messages
	form   form   // of binary messages on a current WebSocket
	beat   beat
	phase  phase
	links  uint8         // pipes that have not ended
	change *change       // a WebSocket that may become current; nil: none
	polls  *polling      // current is its link; nil: a WebSocket is
	reason error         // why it failed
	timer  wheel.Timer   // the heartbeat's
	due    time.Duration // when it goes off
}

type phase uint8

const (
	running phase = iota
	closing       // by this side: what waits is still sent
	left          // by the peer
	failed
	over     // the current pipe has ended
	rejected // by the Upper, which is told no more
)

func (srv *Server) newSocket(protocol int) *Socket {
	s := &Socket{server: srv, id: srv.ids.next(), protocol: uint8(protocol)}
	s.timer.Fire = s.tick
	s.up = srv.o.New(s)
	return s
}

// ID is the Engine.IO session ID, a secret of the peer's.
func (s *Socket) ID() string { return string(s.id[:]) }

// Protocol is the revision of Engine.IO that the client speaks: 4 or 3.
func (s *Socket) Protocol() int { return int(s.protocol) }

// open tells the Upper, and starts the heartbeat.
func (s *Socket) open(r *http.Request) error {
	s.mu.Lock()
	gone := s.phase != running
	s.mu.Unlock()
	err := error(ErrForcedClose)
	if !gone {
		err = s.up.Open(r)
	}
	if err != nil {
		s.server.forget(s)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.phase = rejected
	case s.phase == running: // else the hub is shutting down already
		s.listen()
	}
	return err
}

// link is the receiver of one pipe of a Socket.
type link struct {
	socket *Socket
	pipe   wire.Pipe
}

// attach makes a pipe current on which this is to be said first.
func (s *Socket) attach(pipe wire.Pipe, f form, first saying) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin = link{s, pipe}
	s.carry(&s.begin, f, first)
	return &s.begin
}

// carry makes l current, with which the connection begins. The caller holds mu.
func (s *Socket) carry(l *link, f form, first saying) {
	s.current.Store(l)
	s.form, s.owed = f, first
	s.links++
}

// say sends packets of this layer on the current pipe.
func (s *Socket) say(w saying) {
	s.mu.Lock()
	s.owed |= w
	l := s.current.Load()
	s.mu.Unlock()
	l.pipe.Wake()
}

// Take implements [wire.Receiver].
func (l *link) Take(batch []*wire.Encoded) []*wire.Encoded {
	s := l.socket
	s.taking.Lock()
	defer s.taking.Unlock()
	s.mu.Lock()
	carries, form := s.current.Load() == l, s.form
	switch c := s.change; {
	case carries:
		batch = s.takeOwed(batch)
	case c != nil && c.link == l && c.owed:
		c.owed = false
		batch = append(batch, &s.server.words.probed)
	}
	s.mu.Unlock()
	if !carries {
		return batch
	}
	n := len(batch)
	batch = s.up.Take(batch)
	form.dress(batch[n:], int(s.protocol))
	return batch
}

// takeOwed takes the packets of this layer. The caller holds mu.
func (s *Socket) takeOwed(batch []*wire.Encoded) []*wire.Encoded {
	w := s.owed
	s.owed = 0
	if w&sayOpen != 0 {
		batch = append(batch, &wire.Encoded{Data: s.openPacket()})
	}
	return s.server.words.appendTo(batch, w)
}

// openPacket is the connection's first. The caller holds mu.
func (s *Socket) openPacket() []byte {
	upgrades := []string{}
	if s.polls != nil {
		upgrades = s.server.upgrades()
	}
	return openPacket(s.ID(), upgrades, &s.server.o)
}

// Receive implements [wire.Receiver].
func (l *link) Receive(data []byte, binary bool) {
	s := l.socket
	s.receiving.Lock()
	defer s.receiving.Unlock()
	if s.current.Load() == l {
		s.receive(data, binary)
		return
	}
	s.mu.Lock()
	c := s.change
	changes := c != nil && c.link == l
	s.mu.Unlock()
	if changes {
		c.receive(data, binary)
	}
}

// Heard implements [wire.Receiver]: only Engine.IO's own heartbeat counts.
func (l *link) Heard() {}

// Closed implements [wire.Receiver].
func (l *link) Closed(err error) {
	s := l.socket
	s.mu.Lock()
	s.links--
	c := s.change
	var orphan *link
	switch {
	case l == s.current.Load():
		if s.phase == running {
			s.reason = ended(s.polls != nil, err)
		}
		if s.phase != left && s.phase != rejected {
			s.phase = over
		}
		if c != nil {
			orphan = c.link
		}
	case c != nil && c.link == l:
		s.endChange()
	}
	done, reason := s.links == 0 && s.phase >= left && s.phase != rejected, s.reason
	s.mu.Unlock()
	if orphan != nil {
		orphan.pipe.CloseNow()
	}
	if done {
		s.end(reason)
	}
}

// end is the last act.
func (s *Socket) end(reason error) {
	s.mu.Lock()
	lingers := s.phase == left && s.beat == lingering
	s.mu.Unlock()
	if !lingers {
		s.server.forget(s)
		s.server.wheel.Cancel(&s.timer)
	}
	s.up.Closed(reason)
}

// receive takes one packet of the current pipe. The caller holds receiving.
func (s *Socket) receive(data []byte, binary bool) {
	kind := byte(packetMessage)
	switch {
	case binary:
	case len(data) == 0:
		kind = packetNoop
	default:
		kind = data[0]
	}
	if !s.hears(kind) {
		return
	}
	switch {
	case binary:
		s.receiveBinary(data)
	case len(data) == 0:
		s.Fail(errPacket)
	default:
		s.receiveText(data)
	}
}

func (s *Socket) receiveText(packet []byte) {
	switch kind := packet[0]; kind {
	case packetMessage:
		s.up.Receive(packet, false)
	case packetBinary:
		s.receiveBase64(packet)
	case packetClose:
		s.leave()
	case packetPing, packetPong:
		s.receiveBeat(kind)
	case packetOpen, packetUpgrade, packetNoop: // nothing that a client could mean by them here
	default:
		s.Fail(errPacket)
	}
}

func (s *Socket) receiveBinary(data []byte) {
	if s.protocol == 3 {
		if len(data) == 0 || data[0] != binaryMessage {
			s.Fail(errPacket)
			return
		}
		data = data[1:]
	}
	s.up.Receive(data, true)
}

func (s *Socket) receiveBase64(packet []byte) {
	data, err := decodeBase64(packet, int(s.protocol))
	if err != nil {
		s.Fail(err)
		return
	}
	s.up.Receive(data, true)
}

// leave is the client's goodbye: a poll that waits gets a noop (§3.6). On a
// WebSocket, where the reference ignores it, it ends the connection as well.
func (s *Socket) leave() {
	s.mu.Lock()
	if s.phase != running {
		s.mu.Unlock()
		return
	}
	s.phase, s.reason = left, ErrTransportClose
	l, p := s.current.Load(), s.polls
	waits := p != nil && p.waiting > 0
	if p != nil && !waits {
		s.beat = lingering
		s.arm(lingerTime)
	}
	s.mu.Unlock()
	if p == nil {
		l.pipe.Close(noStatus, "")
		return
	}
	if waits {
		s.server.forget(s)
	}
	l.pipe.CloseNow()
}

// Fail ends the connection because of err, which the Upper will be told: a
// poll that waits gets a close packet, a WebSocket an empty close frame.
func (s *Socket) Fail(err error) {
	s.mu.Lock()
	if s.phase >= left {
		s.mu.Unlock()
		return
	}
	s.phase, s.reason = failed, err
	l := s.current.Load()
	alone := s.polls != nil && s.polls.waiting == 0 // nobody is there to be told
	s.mu.Unlock()
	s.server.forget(s)
	s.server.wheel.Cancel(&s.timer)
	if alone {
		l.pipe.CloseNow()
		return
	}
	l.pipe.Close(noStatus, "")
}

// Transport implements [wire.Pipe].
func (s *Socket) Transport() string {
	l := s.link()
	if l == nil {
		return "websocket"
	}
	return l.pipe.Transport()
}

func (s *Socket) link() *link { return s.current.Load() }

// Lend implements [wire.Lender]: a WebSocket lends, a POST does not.
func (s *Socket) Lend(w wire.Worker) bool {
	lender, ok := s.link().pipe.(wire.Lender) // that of the Receive of the moment
	return ok && lender.Lend(w)
}

// Writable implements [wire.Gauge].
func (s *Socket) Writable() bool {
	gauge, ok := s.link().pipe.(wire.Gauge)
	return !ok || gauge.Writable()
}

// Wake implements [wire.Pipe].
func (s *Socket) Wake() {
	if l := s.link(); l != nil { // else the 101 is on its way
		l.pipe.Wake()
	}
}

// Ping implements [wire.Pipe]: the socket keeps itself alive.
func (s *Socket) Ping() bool { return false }

// Pause implements [wire.Pipe].
func (s *Socket) Pause() {
	s.pausing.Lock()
	defer s.pausing.Unlock()
	s.paused = true
	s.link().pipe.Pause()
}

// Resume implements [wire.Pipe].
func (s *Socket) Resume() {
	s.pausing.Lock()
	defer s.pausing.Unlock()
	s.paused = false
	s.link().pipe.Resume()
}

// Close implements [wire.Pipe].
func (s *Socket) Close(int, string) {
	s.mu.Lock()
	if s.phase != running {
		s.mu.Unlock()
		return
	}
	s.phase = closing
	l, c := s.current.Load(), s.change
	aborts := c != nil && c.link != nil && !c.probed // else the client may have paused its polls for good, and finish closes
	s.mu.Unlock()
	s.server.wheel.Cancel(&s.timer)
	if aborts {
		c.link.pipe.CloseNow()
	}
	l.pipe.Close(noStatus, "")
}

// CloseNow implements [wire.Pipe].
func (s *Socket) CloseNow() {
	s.mu.Lock()
	if s.phase == running {
		s.phase = closing
	}
	s.mu.Unlock()
	if l := s.link(); l != nil { // else open finds out
		l.pipe.CloseNow()
	}
}
