package engineio

import (
	"net/http"
	"time"

	"github.com/parley-go/parley/wire"
)

// probeTick is how often a poll that waits is answered during a probe, so
// that the client can pause its polls (§3.5).
const probeTick = 100 * time.Millisecond

// serveUpgrade takes a WebSocket for a connection that polls. A second one is
// accepted and closed at once (§3.5).
func (s *Socket) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	first := s.beginUpgrade() // before the client sees the 101
	pipe, err := s.server.sockets.WebSocket(w, r)
	if err != nil {
		s.failUpgrade(first)
		return
	}
	l := &link{socket: s, pipe: pipe, began: time.Now()}
	l.timer.Fire = l.tick
	if !first || !s.attachProbe(l) {
		pipe.Refuse(noStatus, "")
		return
	}
	pipe.Start(l)
}

// beginUpgrade tells whether this is the one WebSocket that the polls may be
// changed for.
func (s *Socket) beginUpgrade() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upgrading || !s.polling() {
		return false
	}
	s.upgrading = true
	return true
}

func (s *Socket) failUpgrade(first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upgrading = s.upgrading && !first
}

// attachProbe makes l the pipe that may become current, if the connection
// still lives.
func (s *Socket) attachProbe(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != running {
		return false
	}
	s.links++
	s.probe = l
	s.server.wheel.Reset(&l.timer, probeTick)
	return true
}

// receiveProbe takes a packet of a pipe that is not yet current.
func (l *link) receiveProbe(data []byte, binary bool) {
	switch {
	case !binary && string(data) == "2probe":
		l.answerProbe()
	case !binary && string(data) == string(packetUpgrade): // without a probe, too
		l.upgrade()
	default:
		l.pipe.Close(noStatus, "") // and the polls go on
	}
}

func (l *link) answerProbe() {
	s := l.socket
	s.mu.Lock()
	l.probed = true
	l.words = append(l.words, word("3probe"))
	s.mu.Unlock()
	l.pipe.Wake()
}

// tick runs on the wheel while the probe lasts.
func (l *link) tick() {
	s := l.socket
	s.mu.Lock()
	probes := s.probe == l
	waits := probes && l.probed && s.polls > 0
	s.mu.Unlock()
	if !probes {
		return
	}
	if time.Since(l.began) >= s.server.o.UpgradeTimeout {
		l.pipe.Close(noStatus, "")
		return
	}
	if waits {
		s.say(string(packetNoop))
	}
	s.server.wheel.Reset(&l.timer, probeTick)
}

// upgrade makes the probe current. What waits in the queue above is simply
// taken by the new pipe. The caller holds receiving, so that no packet of the old
// pipe is on its way up.
func (l *link) upgrade() {
	s := l.socket
	s.pausing.Lock()
	defer s.pausing.Unlock()
	s.mu.Lock()
	if s.probe != l || s.phase != running {
		s.mu.Unlock()
		return
	}
	old := s.current
	s.current, s.probe = l, nil
	l.words = append(l.words, pings(old.words)...)
	old.words = nil
	s.mu.Unlock()
	s.server.wheel.Cancel(&l.timer)
	if s.paused {
		l.pipe.Pause()
	}
	old.pipe.CloseNow()
	l.pipe.Wake()
}

// pings are the words of an old pipe that the new one must say instead.
func pings(words []*wire.Encoded) []*wire.Encoded {
	var kept []*wire.Encoded
	for _, e := range words {
		if e.Data[0] == packetPing {
			kept = append(kept, e)
		}
	}
	return kept
}
