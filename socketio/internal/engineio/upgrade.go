package engineio

import (
	"net/http"
	"time"

	"github.com/parley-go/parley/internal/wheel"
	"github.com/parley-go/parley/wire"
)

// probeTick is how long a poll is held during a probe before it is answered, so
// that the client can pause its polls (§3.5). One that has crossed the client's
// last word about the upgrade is refused instead, as if it had come behind that.
const probeTick = 100 * time.Millisecond

// change is a pipe that may take the place of the polls. There is one at a time,
// and it goes when it is over.
type change struct {
	// fixed after construction
	socket *Socket
	form   form
	began  time.Time
	timer  wheel.Timer

	// guarded by socket.mu
	link   *link // nil: it is being accepted
	probed bool  // 2probe has come
	owed   bool  // and waits for its answer
}

// serveUpgrade takes a WebSocket for a connection that polls. A second one is
// accepted and closed at once (§3.5).
func (s *Socket) serveUpgrade(w http.ResponseWriter, q *request) {
	c := s.beginChange(q.form()) // before the client sees the 101
	pipe, err := s.server.sockets.WebSocket(w, q.Request)
	if err != nil {
		c.drop()
		return
	}
	l := c.attach(pipe)
	if l == nil {
		pipe.Refuse(noStatus, "")
		return
	}
	pipe.Start(l)
}

// beginChange returns nil unless there is something to change from, and no other
// change.
func (s *Socket) beginChange(f form) *change {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.change != nil || s.polls == nil {
		return nil
	}
	c := &change{socket: s, form: f, began: time.Now()}
	c.timer.Fire = c.tick
	s.change = c
	return c
}

// drop ends a change whose pipe has not come.
func (c *change) drop() {
	if c == nil {
		return
	}
	c.socket.mu.Lock()
	defer c.socket.mu.Unlock()
	c.socket.endChange()
}

// endChange forgets the change. The caller holds mu.
func (s *Socket) endChange() {
	s.server.wheel.Cancel(&s.change.timer)
	s.change = nil
}

// attach gives the change its pipe, if the connection still lives.
func (c *change) attach(pipe wire.Pipe) *link {
	if c == nil {
		return nil
	}
	s := c.socket
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != running {
		s.endChange()
		return nil
	}
	s.links++
	c.link = &link{s, pipe}
	s.server.wheel.Reset(&c.timer, probeTick/2)
	return c.link
}

// receive takes a packet of a pipe that is not yet current. The caller holds
// receiving.
func (c *change) receive(data []byte, binary bool) {
	switch {
	case !binary && string(data) == "2probe":
		c.answerProbe()
	case !binary && string(data) == string(packetUpgrade): // without a probe, too
		c.finish()
	default:
		c.link.pipe.Close(noStatus, "") // and the polls go on
	}
}

func (c *change) answerProbe() {
	s := c.socket
	s.mu.Lock()
	c.probed, c.owed = true, true
	s.mu.Unlock()
	c.link.pipe.Wake()
}

// tick runs on the wheel while the change lasts.
func (c *change) tick() {
	s := c.socket
	s.mu.Lock()
	lasts := s.change == c
	held := lasts && c.probed && s.polls.waiting > 0 && time.Since(s.polls.since) >= probeTick
	s.mu.Unlock()
	if !lasts {
		return
	}
	if time.Since(c.began) >= s.server.o.UpgradeTimeout {
		c.link.pipe.Close(noStatus, "")
		return
	}
	if held {
		s.say(sayNoop)
	}
	s.server.wheel.Reset(&c.timer, probeTick/2)
}

// finish makes the pipe current. What waits in the queue above is simply taken
// by it, and the polls are over. If this side is closing the pipe brings the last
// words in place of a poll, for which the client would no longer come. The caller
// holds receiving, so that no packet of theirs is on its way up.
func (c *change) finish() {
	s, l := c.socket, c.link
	s.pausing.Lock()
	defer s.pausing.Unlock()
	s.mu.Lock()
	if s.change != c || s.phase > closing {
		s.mu.Unlock()
		return
	}
	closes := s.phase == closing
	old := s.current.Swap(l)
	s.form, s.polls = c.form, nil
	s.owed &^= sayNoop
	s.endChange()
	s.mu.Unlock()
	if s.paused {
		l.pipe.Pause()
	}
	old.pipe.CloseNow()
	if closes {
		l.pipe.Close(noStatus, "")
		return
	}
	l.pipe.Wake()
}
