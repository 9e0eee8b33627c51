package protocol1

import (
	"sync/atomic"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// space is a client's presence in a namespace: a virtual pipe inside its own.
type space struct {
	// fixed after construction
	*client
	hub      *parley.Hub
	endpoint string
	session  *parley.Session
	left     func() // to be called in the end; nil for nothing

	apart bool // packets come from another goroutine than the pipe's; owned by who hands them up

	waits, gone bool // it wants a pause; it no longer counts. Guarded by client.pausing
	over        atomic.Bool
}

// receive takes a packet of the namespace. One that asks for no more is
// acknowledged as soon as it has come.
func (s *space) receive(p *packet) error {
	var m wire.Message
	if err := p.message(&m); err != nil {
		return err
	}
	if m.Kind == wire.Call && p.id != "" && !p.withData {
		if err := s.session.Send(&wire.Encoded{Data: protocol{s.endpoint}.appendAck(nil, p.id, nil)}); err != nil {
			return nil // it is ending
		}
	}
	s.session.Receive(&m)
	return nil
}

// close is the end of it.
func (s *space) close(err error) {
	s.over.Store(true)
	s.session.Closed(err)
	if s.left != nil {
		s.left()
	}
}

// Transport implements [wire.Pipe].
func (s *space) Transport() string { return s.pipe.Transport() }

// Wake implements [wire.Pipe].
func (s *space) Wake() { s.pipe.Wake() }

// Ping implements [wire.Pipe]: heartbeats are packets.
func (s *space) Ping() bool { return false }

// Lend implements [wire.Lender].
func (s *space) Lend(w wire.Worker) bool {
	lender, ok := s.pipe.(wire.Lender)
	return ok && !s.apart && lender.Lend(w)
}

// Pause implements [wire.Pipe]: a namespace that does not read stops them all.
func (s *space) Pause() { s.hold(true) }

// Resume implements [wire.Pipe].
func (s *space) Resume() { s.hold(false) }

func (s *space) hold(on bool) {
	s.pausing.Lock()
	defer s.pausing.Unlock()
	s.holdLocked(on)
}

func (s *space) holdLocked(on bool) {
	if s.gone || s.waits == on {
		return
	}
	s.waits = on
	if on {
		s.paused++
		s.pipe.Pause()
		return
	}
	if s.paused--; s.paused == 0 {
		s.pipe.Resume()
	}
}

// retire ends the space's say in what the connection does.
func (s *space) retire() {
	s.pausing.Lock()
	defer s.pausing.Unlock()
	s.holdLocked(false)
	s.gone = true
}

// Close implements [wire.Pipe]. An ordinary goodbye to a namespace, and the
// refusal of its OnConnect, leave the connection; the end of the main one, and
// any other goodbye, such as 1001 of a shutdown, end it all.
func (s *space) Close(code int, reason string) {
	if s.endpoint != "" && (code == 1000 || code == 1008) {
		if s.remove(s, true) {
			s.pipe.Wake()
		}
		return
	}
	s.pipe.Close(code, reason)
}

// CloseNow implements [wire.Pipe]. It ends the connection, unless that has been
// left to the client's other namespaces.
func (s *space) CloseNow() {
	if !s.over.Load() {
		s.pipe.CloseNow()
	}
}
