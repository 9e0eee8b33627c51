package engineio

import (
	"context"
	"time"

	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/wire"
)

// beginUpgrade tries to change from polls to a WebSocket (§3.5). Until it is
// there, and when it does not come, the polls go on.
func (d *Dialed) beginUpgrade() {
	d.mu.Lock()
	over := d.over
	if !over {
		d.links++
	}
	d.mu.Unlock()
	if !over {
		go d.upgrade() // ends with the WebSocket opened or not; the connection's end cancels it, and waits for it
	}
}

func (d *Dialed) upgrade() {
	ctx, cancel := context.WithTimeout(d.ctx, d.o.ConnectTimeout)
	defer cancel()
	pipe, err := transport.DialWebSocket(ctx, d.address("websocket"), d.o.Dialing, d.limits(1))
	if err != nil {
		d.release()
		return
	}
	l := &dialLink{socket: d, pipe: pipe, words: []*wire.Encoded{word("2probe")}}
	l.clock = time.AfterFunc(d.o.ConnectTimeout, l.tooLate)
	d.mu.Lock()
	if !d.over && !d.closing {
		d.probe = l
	}
	probes := d.probe == l
	d.mu.Unlock()
	pipe.Start(l)
	if !probes {
		pipe.CloseNow()
	}
}

// tooLate ends a probe that lasts too long.
func (l *dialLink) tooLate() {
	d := l.socket
	d.mu.Lock()
	probes := d.probe == l
	d.mu.Unlock()
	if probes {
		l.pipe.CloseNow()
	}
}

// receiveProbe takes a message of a WebSocket that is not yet current.
func (l *dialLink) receiveProbe(data []byte, binary bool) {
	if binary || string(data) != "3probe" {
		l.pipe.CloseNow() // and the polls go on
		return
	}
	d := l.socket
	d.mu.Lock()
	polls := d.current.polls
	quit := !d.quitting && !d.closing && !d.over
	d.quitting = d.quitting || quit
	d.mu.Unlock()
	if quit {
		polls.Quit()
	}
}

// swap takes the end of polls that were quit: the probe is current then, and
// says so; if it was lost meanwhile, polls begin anew. It tells whether l was
// such.
func (d *Dialed) swap(l *dialLink, err error) bool {
	d.pausing.Lock()
	defer d.pausing.Unlock()
	d.mu.Lock()
	if d.current != l || !d.quitting || d.cut || err != nil {
		d.mu.Unlock()
		return false
	}
	next := d.probe
	d.quitting, d.probe = false, nil
	d.links--
	if next != nil {
		next.clock.Stop()
		next.words = append(next.words, word(string(packetUpgrade)))
		d.current = next
	}
	d.mu.Unlock()
	d.goOn(next)
	return true
}

// goOn continues on next, or on new polls if it is nil. The caller holds
// pausing.
func (d *Dialed) goOn(next *dialLink) {
	upgraded := next != nil
	if !upgraded {
		next = d.startPolls(nil)
	}
	if d.paused {
		next.pipe.Pause()
	}
	next.pipe.Wake()
	d.mu.Lock()
	closing, cut := d.closing, d.cut
	d.mu.Unlock()
	switch { // as it was not yet current
	case cut:
		next.pipe.CloseNow()
	case closing:
		next.pipe.Close(noStatus, "")
	}
	if upgraded && d.o.Upgraded != nil {
		d.o.Upgraded()
	}
}
