package parley

import (
	"math"
	"time"

	"github.com/parley-go/parley/wire"
)

// A session has one timer on the wheel, for whichever comes first: the end of
// the time for its handshake, the next ping, the end of its idle time.

// await starts the clock of the handshake.
func (s *Session) await(o *SessionOptions) {
	timeout := 15 * time.Second
	if o != nil && o.HandshakeTimeout > 0 {
		timeout = o.HandshakeTimeout
	}
	s.core.wheel.Reset(&s.timer, timeout)
}

// startClock starts the clock of an open session.
func (s *Session) startClock() {
	s.core.wheel.Cancel(&s.timer)
	s.setClock(time.Now())
}

// setClock sets the timer to the next deadline, if there is any.
func (s *Session) setClock(now time.Time) {
	for {
		expiry := s.expiry.Load()
		if next := min(s.untilPing(now), s.untilIdle(now), s.untilExpiry(now)); next < forever {
			s.core.wheel.Reset(&s.timer, next)
		}
		if s.expiry.Load() == expiry { // else Expire has set the timer too early
			return
		}
	}
}

const forever = time.Duration(math.MaxInt64)

func (s *Session) untilPing(now time.Time) time.Duration {
	interval := orDefault(s.opening.KeepAlive, s.core.limits.KeepAlive)
	if interval <= 0 {
		return forever
	}
	return interval - (now.Sub(s.core.start) - s.pinged)
}

func (s *Session) untilIdle(now time.Time) time.Duration {
	limit := orDefault(s.opening.IdleTimeout, s.core.limits.IdleTimeout)
	if limit <= 0 {
		return forever
	}
	heard := s.heard.Load()
	if heard == 0 { // the time does not count yet: look again later
		return limit
	}
	return limit - now.Sub(s.core.start.Add(time.Duration(heard)))
}

func (s *Session) untilExpiry(now time.Time) time.Duration {
	at := s.expiry.Load()
	if at == 0 {
		return forever
	}
	return time.Duration(at) - now.Sub(s.core.start)
}

// Expire is [Conn.Expire].
func (s *Session) Expire(at time.Time) {
	if at.IsZero() {
		s.expiry.Store(0)
		return
	}
	s.expiry.Store(max(1, int64(at.Sub(s.core.start))))
	s.mu.Lock()
	running := s.phase == open
	s.mu.Unlock()
	if running { // before, Open sets the clock
		s.core.wheel.Reset(&s.timer, 0)
	}
}

// Heard notes a sign of life of the peer.
func (s *Session) Heard() { s.heard.Store(int64(max(time.Since(s.core.start), 1))) }

// spare starts the idle time again for a peer that this side does not read.
func (s *Session) spare() {
	if s.heard.Load() != 0 {
		s.Heard()
	}
}

// tick runs on the timer wheel.
func (s *Session) tick() {
	s.mu.Lock()
	phase := s.phase
	if s.pauses > 0 {
		s.spare()
	}
	s.mu.Unlock()
	now := time.Now()
	switch {
	case phase == shaking:
		s.Fail(wire.Goodbye{Code: 1008, Reason: "handshake timeout", Failed: true}, ErrHandshake)
	case phase == open && s.untilExpiry(now) <= 0:
		s.Fail(wire.Goodbye{Code: 1000, Reconnect: true}, ErrExpired)
	case phase == open && s.untilIdle(now) <= 0:
		s.Fail(wire.Goodbye{Code: 1001, Reason: "not heard of in time", Failed: true, Reconnect: true}, ErrIdle)
	case phase == open:
		s.pingIfDue(now)
		s.setClock(now)
	}
}

func (s *Session) pingIfDue(now time.Time) {
	if s.untilPing(now) > 0 {
		return
	}
	s.pinged = now.Sub(s.core.start)
	if s.opening.PingPipe {
		s.pipe.Ping()
		return
	}
	s.send(&wire.Message{Kind: wire.Ping})
}
