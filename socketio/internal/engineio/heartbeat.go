package engineio

import "time"

// beat says what a Socket's one timer is for (§3.4). In protocol 4 the server
// pings and the client answers, in protocol 3 it is the other way round.
type beat uint8

const (
	resting   beat = iota // until the next ping of this side
	awaiting              // the pong; in protocol 3 always, and a ping
	extended              // the pong still, as another packet has come meanwhile
	lingering             // a poll that crossed the client's own goodbye
)

// lingerTime is how long a client's last poll may be late.
const lingerTime = time.Second

// now is the time on the server's clock.
func (srv *Server) now() time.Duration { return time.Since(srv.began) }

// arm sets the timer. The caller holds mu.
func (s *Socket) arm(d time.Duration) { s.armAt(s.server.now() + d) }

func (s *Socket) armAt(due time.Duration) {
	s.due = due
	s.server.wheel.Reset(&s.timer, due-s.server.now())
}

// listen starts the heartbeat, again after a sign of life that the client owed.
// The caller holds mu.
func (s *Socket) listen() {
	o := &s.server.o
	if s.protocol == 3 {
		s.beat = awaiting
		s.arm(o.PingInterval + o.PingTimeout)
		return
	}
	s.beat = resting
	s.arm(o.PingInterval)
}

// tick runs on the wheel when the time is up.
func (s *Socket) tick() {
	s.mu.Lock()
	now, early := s.beat, s.due-s.server.now()
	if early > 0 { // it was set again while this was on its way
		if s.phase == running || now == lingering {
			s.server.wheel.Reset(&s.timer, early)
		}
		s.mu.Unlock()
		return
	}
	pings := now == resting && s.phase == running
	if pings {
		s.beat = awaiting
		grace := s.server.o.PingTimeout
		s.armAt(max(s.due, s.server.now()-grace*9/10) + grace) // the time of the client runs, though the wheel is late
	}
	s.mu.Unlock()
	switch {
	case pings:
		s.say(sayPing)
	case now == awaiting, now == extended:
		s.overdue()
	case now == lingering:
		s.server.forget(s)
	}
}

// lapsed tells whether the client's sign of life is overdue although the timer,
// which is coarse, has yet to go off. Then it goes off now.
func (s *Socket) lapsed() bool {
	s.mu.Lock()
	due := s.due
	if s.beat == resting {
		due += s.server.o.PingTimeout
	}
	late := s.phase == running && s.due != 0 && s.server.now() >= due // 0: it has yet to begin
	s.mu.Unlock()
	if late {
		s.overdue()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return late && s.phase != running
}

// overdue ends a connection whose sign of life has not come, unless it is this
// side that does not read.
func (s *Socket) overdue() {
	s.pausing.Lock()
	paused := s.paused
	s.pausing.Unlock()
	if !paused {
		s.Fail(ErrPingTimeout)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == running {
		s.arm(s.server.o.PingTimeout)
	}
}

// hears notes a packet of the client and tells whether it still counts. What the
// client owes starts the time anew; in protocol 4 any other packet prolongs the
// wait for it, once.
func (s *Socket) hears(packet byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.phase != running:
		return false
	case s.beat == resting:
	case packet == s.beatOfClient():
		s.listen()
	case s.beat == awaiting && s.protocol == 4:
		s.beat = extended
		s.arm(s.server.o.PingTimeout)
	}
	return true
}

// beatOfClient is the packet that the client owes.
func (s *Socket) beatOfClient() byte {
	if s.protocol == 3 {
		return packetPing
	}
	return packetPong
}

// receiveBeat answers the client's ping in protocol 3. The other direction is a
// mistake (§3.4).
func (s *Socket) receiveBeat(packet byte) {
	switch {
	case packet != s.beatOfClient():
		s.Fail(errBeat)
	case s.protocol == 3:
		s.say(sayPong)
	}
}
