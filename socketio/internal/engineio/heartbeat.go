package engineio

import "time"

// beat says what a Socket's one timer is for. The server pings, the client
// answers (§3.4).
type beat uint8

const (
	resting   beat = iota // until the next ping
	awaiting              // the pong
	extended              // the pong still, as another packet has come meanwhile
	lingering             // a poll that crossed the client's own goodbye
)

// lingerTime is how long a client's last poll may be late.
const lingerTime = time.Second

// tick runs on the wheel when the time is up.
func (s *Socket) tick() {
	s.mu.Lock()
	now := s.beat
	if now == resting && s.phase == running {
		s.beat = awaiting
		s.server.wheel.Reset(&s.timer, s.server.o.PingTimeout)
	}
	s.mu.Unlock()
	switch now {
	case resting:
		s.say(string(packetPing))
	case awaiting, extended:
		s.overdue()
	case lingering:
		s.server.forget(s)
	}
}

// overdue ends a connection whose pong has not come, unless it is this side
// that does not read.
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
		s.server.wheel.Reset(&s.timer, s.server.o.PingTimeout)
	}
}

// hears notes a packet of the client and tells whether it still counts. A
// pong starts the time to the next ping; any other packet prolongs the wait
// for the pong, once.
func (s *Socket) hears(pong bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != running {
		return false
	}
	o := &s.server.o
	switch {
	case s.beat == resting:
	case pong:
		s.beat = resting
		s.server.wheel.Reset(&s.timer, o.PingInterval)
	case s.beat == awaiting:
		s.beat = extended
		s.server.wheel.Reset(&s.timer, o.PingTimeout)
	}
	return true
}
