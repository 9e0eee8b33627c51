package engineio

import (
	"net/http"
	"sync"
	"time"

	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/internal/wheel"
	"github.com/parley-go/parley/wire"
)

// Socket is one Engine.IO connection: a [wire.Pipe] that outlives a change of
// transport. Its lock is never held while a pipe is called, for pipes call
// Take under locks of their own.
type Socket struct {
	// fixed after construction
	server *Server
	id     string
	up     Upper

	taking    sync.Mutex // held while up is asked to Take: one at a time, though there may be two pipes
	receiving sync.Mutex // held while a message is handed up: likewise. current does not change meanwhile
	timer     wheel.Timer

	pausing sync.Mutex // held while paused, or the pipe that it speaks of, changes
	paused  bool

	mu        sync.Mutex
	current   *link           // what messages travel on
	poll      *transport.Poll // the polling pipe; nil when it began as a WebSocket
	probe     *link           // a WebSocket that may become current; nil for none
	links     int             // pipes that have not ended
	polls     int             // GETs that wait
	posting   bool            // a POST is being read
	upgrading bool            // there is a probe, or it is being accepted
	beat      beat
	phase     phase
	reason    error // why it failed
}

type phase uint8

const (
	running phase = iota
	closing       // by this side: what waits is still sent
	left          // by the peer
	failed
	over // the current pipe has ended
)

func (srv *Server) newSocket() *Socket {
	s := &Socket{server: srv, id: srv.ids.New()}
	s.timer.Fire = s.tick
	s.up = srv.o.New(s)
	return s
}

// ID is the Engine.IO session ID, a secret of the peer's.
func (s *Socket) ID() string { return s.id }

// open tells the Upper, and starts the heartbeat.
func (s *Socket) open(r *http.Request) error {
	if err := s.up.Open(r); err != nil {
		s.server.forget(s)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == running { // else the hub is shutting down already
		s.server.wheel.Reset(&s.timer, s.server.o.PingInterval)
	}
	return nil
}

// link is the receiver of one pipe of a Socket.
type link struct {
	socket *Socket
	pipe   wire.Pipe
	timer  wheel.Timer // of a probe

	words  []*wire.Encoded // packets of this layer, to go before messages; guarded by socket.mu
	probed bool            // 2probe has come; guarded by socket.mu
	began  time.Time       // of a probe; fixed after construction
}

// attach makes a pipe current whose first words are given.
func (s *Socket) attach(pipe wire.Pipe, first []byte) *link {
	l := &link{socket: s, pipe: pipe, words: []*wire.Encoded{{Data: first}}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = l
	s.links++
	return l
}

// say sends packets of this layer on the current pipe.
func (s *Socket) say(packet string) {
	s.mu.Lock()
	l := s.current
	l.words = append(l.words, word(packet))
	s.mu.Unlock()
	l.pipe.Wake()
}

// Take implements [wire.Receiver].
func (l *link) Take(batch []*wire.Encoded) []*wire.Encoded {
	s := l.socket
	s.taking.Lock()
	defer s.taking.Unlock()
	s.mu.Lock()
	batch = append(batch, l.words...)
	l.words = nil
	carries := s.current == l
	s.mu.Unlock()
	if !carries {
		return batch
	}
	return s.up.Take(batch)
}

// Receive implements [wire.Receiver].
func (l *link) Receive(data []byte, binary bool) {
	s := l.socket
	s.receiving.Lock()
	defer s.receiving.Unlock()
	s.mu.Lock()
	carries, probes := s.current == l, s.probe == l
	s.mu.Unlock()
	switch {
	case carries:
		s.receive(data, binary)
	case probes:
		l.receiveProbe(data, binary)
	}
}

// Heard implements [wire.Receiver]: only Engine.IO's own pongs count.
func (l *link) Heard() {}

// Closed implements [wire.Receiver].
func (l *link) Closed(err error) {
	s := l.socket
	s.server.wheel.Cancel(&l.timer)
	s.mu.Lock()
	s.links--
	var probe *link
	switch l {
	case s.current:
		probe = s.probe
		if s.phase == running {
			s.reason = ended(s.polling(), err)
		}
		if s.phase != left {
			s.phase = over
		}
	case s.probe:
		s.probe, s.upgrading = nil, false
	}
	ended, reason := s.links == 0 && s.phase >= left, s.reason
	s.mu.Unlock()
	if probe != nil {
		probe.pipe.CloseNow()
	}
	if ended {
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
	if !s.hears(!binary && len(data) > 0 && data[0] == packetPong) {
		return
	}
	if binary {
		s.up.Receive(data, true)
		return
	}
	if len(data) == 0 {
		s.Fail(errPacket)
		return
	}
	switch data[0] {
	case packetMessage:
		s.up.Receive(data, false)
	case packetBinary:
		s.receiveBinary(data)
	case packetClose:
		s.leave()
	case packetPing:
		s.Fail(errPing)
	case packetOpen, packetPong, packetUpgrade, packetNoop: // nothing that a client could mean by them here
	default:
		s.Fail(errPacket)
	}
}

func (s *Socket) receiveBinary(packet []byte) {
	data, err := decodeBinary(packet)
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
	l, waits := s.current, s.polls > 0
	polling := s.polling()
	if polling && !waits {
		s.beat = lingering
		s.server.wheel.Reset(&s.timer, lingerTime)
	}
	s.mu.Unlock()
	if !polling {
		l.pipe.Close(noStatus, "")
		return
	}
	if waits {
		s.server.forget(s)
	}
	l.pipe.CloseNow()
}

// polling tells whether messages travel by polls. The caller holds mu.
func (s *Socket) polling() bool { return s.poll != nil && s.current.pipe == wire.Pipe(s.poll) }

// Fail ends the connection because of err, which the Upper will be told: a
// poll that waits gets a close packet, a WebSocket an empty close frame.
func (s *Socket) Fail(err error) {
	s.mu.Lock()
	if s.phase >= left {
		s.mu.Unlock()
		return
	}
	s.phase, s.reason = failed, err
	l := s.current
	later := s.polling() && s.polls == 0 // nobody is there to be told
	s.mu.Unlock()
	s.server.forget(s)
	s.server.wheel.Cancel(&s.timer)
	if later {
		l.pipe.CloseNow()
		return
	}
	l.pipe.Close(noStatus, "")
}

// Transport implements [wire.Pipe].
func (s *Socket) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.polling() {
		return "polling"
	}
	return "websocket"
}

func (s *Socket) pipe() wire.Pipe {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current.pipe
}

// Lend implements [wire.Lender]: a WebSocket lends, a POST does not.
func (s *Socket) Lend(w wire.Worker) bool {
	lender, ok := s.pipe().(wire.Lender) // that of the Receive of the moment
	return ok && lender.Lend(w)
}

// Writable implements [wire.Gauge].
func (s *Socket) Writable() bool { return s.pipe().(wire.Gauge).Writable() }

// Wake implements [wire.Pipe].
func (s *Socket) Wake() { s.pipe().Wake() }

// Ping implements [wire.Pipe]: the socket keeps itself alive.
func (s *Socket) Ping() bool { return false }

// Pause implements [wire.Pipe].
func (s *Socket) Pause() {
	s.pausing.Lock()
	defer s.pausing.Unlock()
	s.paused = true
	s.pipe().Pause()
}

// Resume implements [wire.Pipe].
func (s *Socket) Resume() {
	s.pausing.Lock()
	defer s.pausing.Unlock()
	s.paused = false
	s.pipe().Resume()
}

// Close implements [wire.Pipe].
func (s *Socket) Close(int, string) {
	s.mu.Lock()
	if s.phase != running {
		s.mu.Unlock()
		return
	}
	s.phase = closing
	l, probe := s.current, s.probe
	s.mu.Unlock()
	s.server.wheel.Cancel(&s.timer)
	if probe != nil {
		probe.pipe.CloseNow()
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
	s.pipe().CloseNow()
}
