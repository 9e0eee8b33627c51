package websocket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// This file is how the connections of a Handler, which nobody waits for, go
// through the phases of closing. close.go is the same for those that are read.

// Why a connection is not read.
const (
	pausedByBacklog uint32 = 1 << iota
	pausedByOwner
	pausedByOutput
	pausedByOpening
	pausedByEarly // until what was put aside has been handed on
)

// Pause stops the reading of a connection of a [Handler]; messages that have been read are
// still handed on. Pings and a close are not noticed meanwhile either. It may be called
// at any time.
func (c *Conn) Pause() { c.pause(pausedByOwner) }

// Resume goes on with reading after [Conn.Pause].
func (c *Conn) Resume() { c.resumeFrom(pausedByOwner) }

func (c *Conn) pause(why uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pauseLocked(why)
}

// pauseLocked stops the reading, unless that is over. The caller has mu.
func (c *Conn) pauseLocked(why uint32) {
	if c.handler != nil && c.phase == phaseOpen && c.paused.Or(why) == 0 && c.link == nil {
		c.readable(false)
	}
}

func (c *Conn) resumeFrom(why uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resumeLocked(why)
}

// resumeLocked goes on with reading if why was what held it up. The caller has mu.
func (c *Conn) resumeLocked(why uint32) {
	old := c.paused.And(^why)
	if old&why == 0 {
		return
	}
	rest := old &^ why
	switch {
	case c.link != nil:
		if x := c.extra; x != nil && x.resumed != nil {
			signal(x.resumed)
		}
	case rest == pausedByEarly:
		c.scheduleLocked()
	default:
		c.readable(rest == 0)
	}
}

// putAside keeps p, which has been read, until reading goes on.
func (c *Conn) putAside(p []byte) {
	early := getBuffer(len(p))
	early.b = append(early.b, p...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.more().early = early
	if c.paused.Or(pausedByEarly) == 0 && c.link == nil { // the reason has gone meanwhile
		c.readable(false)
		c.scheduleLocked()
	}
}

// takeEarly returns what was put aside, if nothing else stands against handing it on.
// The caller has mu.
func (c *Conn) takeEarly() *buffer {
	x := c.extra
	if x == nil || x.early == nil || c.paused.Load() != pausedByEarly {
		return nil
	}
	early := x.early
	x.early = nil
	return early
}

// earlyServed goes on with reading behind what was put aside, unless some of it was
// again.
func (c *Conn) earlyServed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.extra; x == nil || x.early == nil {
		c.resumeLocked(pausedByEarly)
	}
}

// cork holds back what is sent while what was read is being handled.
func (c *Conn) cork() {
	c.mu.Lock()
	c.out.corked = true
	c.mu.Unlock()
}

// uncork lets it go.
func (c *Conn) uncork() {
	c.offer()
	c.mu.Lock()
	c.out.corked = false
	if c.out.queue == nil || c.out.turn || c.out.blocked {
		c.offerSoon()
		c.mu.Unlock()
		return
	}
	c.out.turn = true
	c.finishTurn()
}

// handleControl does what a control frame asks for. It reports whether the handler
// wants to hear of it. more tells that the peer has sent something behind it.
func (c *Conn) handleControl(e event, more bool) bool {
	switch e.op {
	case opPing:
		c.answerPing(e.data)
	case opPong:
		c.pongArrived(e.data)
		return c.handler.OnPong != nil
	case opClose:
		c.peerCloses(e.data, more)
	}
	return false
}

// peerCloses answers the peer's close frame, if it is not itself the answer to ours
// (RFC 6455 §5.5.1). Then a server closes the socket at once, a client after the
// server (§7.1.1). Where the handler takes its time with what came before, the answer
// waits, as nothing can follow it.
func (c *Conn) peerCloses(payload []byte, more bool) {
	c.countIn(0)
	received, err := c.parseClose(payload)
	if err != nil {
		c.fail(err)
		return
	}
	p := &parting{why: received, code: c.reply(received.Code), linger: c.client || more}
	if !c.waitParting(p) {
		c.sayGoodbye(p.why, p.code, "", p.linger)
	}
}

// parting is the answer to the peer's close frame.
type parting struct {
	why    error
	code   StatusCode
	linger bool
	timer  *time.Timer // it waits no longer than a closing handshake may take
}

// waitParting keeps p until the handler has dealt with what came before. It reports
// false when it has.
func (c *Conn) waitParting(p *parting) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.detached.Load() || c.phase != phaseOpen || c.err != nil {
		return false
	}
	c.deaf.Store(true)
	c.phase, c.why = phaseParting, p.why
	c.more().parting = p
	p.timer = time.AfterFunc(c.bounds.close, c.part)
	return true
}

// part gives the answer that has waited, if there is one.
func (c *Conn) part() {
	c.mu.Lock()
	var p *parting
	if x := c.extra; x != nil {
		p, x.parting = x.parting, nil
	}
	c.mu.Unlock()
	if p != nil {
		p.timer.Stop()
		c.sayGoodbye(p.why, p.code, "", p.linger)
	}
}

// fail fails the connection (RFC 6455 §7.1.7) because of err.
func (c *Conn) fail(err error) {
	var broken *ProtocolError
	if !errors.As(err, &broken) {
		c.end(err)
		return
	}
	c.sayGoodbye(err, broken.Code, c.refusal(broken), true)
}

// abort ends the connection for a reason of this end.
func (c *Conn) abort(err error, code StatusCode) {
	if err == ErrSlow || c.handler == nil { // there is no room for a close frame
		c.end(err)
		return
	}
	c.quiet.Store(true)
	c.sayGoodbye(err, code, "", true)
}

// sayGoodbye sends the last close frame, unless one was sent, and hangs up when it
// has left. why is what the connection will have ended with.
func (c *Conn) sayGoodbye(why error, code StatusCode, reason string, linger bool) {
	c.deaf.Store(true)
	c.mu.Lock()
	if c.phase >= phaseHangUp || c.err != nil {
		c.mu.Unlock()
		return
	}
	c.phase, c.why = phaseHangUp, why
	c.resumeLocked(pausedByBacklog | pausedByOwner)
	c.more().linger = linger
	c.setDeadline(time.Now().Add(c.bounds.close), dropCloseTimeout)
	if !c.out.closeSent {
		c.put(header{op: opClose}, appendClose(nil, code, reason))
		c.out.closeSent = true
	}
	c.mu.Unlock()
	c.flushLast()
}

// flushLast lets the rest of the queue go, and hangs up if there is none.
func (c *Conn) flushLast() {
	c.mu.Lock()
	if c.out.turn || c.out.blocked || c.err != nil {
		c.mu.Unlock()
		return
	}
	c.out.turn = true
	c.finishTurn()
}

// startClose says goodbye first.
func (c *Conn) startClose(code StatusCode, reason string) {
	c.quiet.Store(true)
	c.mu.Lock()
	if c.phase == phaseParting {
		c.mu.Unlock()
		c.part()
		return
	}
	if c.err != nil || c.out.closeSent {
		c.mu.Unlock()
		return
	}
	c.phase = phaseClosing
	c.resumeLocked(pausedByBacklog | pausedByOwner) // the peer's answer is to be seen
	c.why = fmt.Errorf("websocket: the close handshake took more than %v: %w", c.bounds.close, net.ErrClosed)
	c.setDeadline(time.Now().Add(c.bounds.close), dropCloseTimeout)
	c.put(header{op: opClose}, appendClose(nil, code, reason))
	c.out.closeSent = true
	c.queued()
}

// hangUp is called when everything has left that had to.
func (c *Conn) hangUp() {
	c.mu.Lock()
	if c.phase != phaseHangUp || c.err != nil {
		c.mu.Unlock()
		return
	}
	why := c.why
	if !c.extra.linger {
		c.mu.Unlock()
		c.closeWrite()
		c.end(why)
		return
	}
	c.phase = phaseLinger
	c.setDeadline(time.Now().Add(min(lingerTime, c.bounds.close/2)), dropNone)
	c.mu.Unlock()
	c.closeWrite()
}

// streamEnded deals with the end of the peer's stream.
func (c *Conn) streamEnded() {
	c.mu.Lock()
	why := c.why
	if c.phase < phaseParting {
		why = lostError("read", errEOF)
	}
	c.mu.Unlock()
	c.end(why)
}

// lost deals with a network that failed.
func (c *Conn) lost(doing string, err error) {
	c.mu.Lock()
	why := c.why
	if c.phase < phaseParting {
		why = lostError(doing, err)
	}
	c.mu.Unlock()
	c.end(why)
}

// setDeadline has expire called at t. The caller has mu.
func (c *Conn) setDeadline(t time.Time, what reason) {
	x := c.more()
	x.deadline, x.expired = t, what
	switch {
	case c.link != nil && x.timer == nil:
		x.timer = time.AfterFunc(time.Until(t), func() { c.expire(time.Now()) })
	case c.link != nil:
		x.timer.Reset(time.Until(t))
	case !x.waitsDue:
		x.waitsDue = true
		c.loop.becomesDue(c)
	}
}

// expire ends what has waited until its deadline, and reports whether it is to be
// asked again.
func (c *Conn) expire(now time.Time) bool {
	c.mu.Lock()
	x := c.extra
	if c.err != nil || x.deadline.IsZero() {
		x.waitsDue = false
		c.mu.Unlock()
		return false
	}
	if now.Before(x.deadline) {
		c.mu.Unlock()
		return true
	}
	x.waitsDue = false
	what, why := x.expired, c.why
	c.mu.Unlock()
	if what == dropWriteTimeout {
		why = c.stalled(os.ErrDeadlineExceeded)
	} else {
		c.drop(what)
	}
	c.end(why)
	return false
}

// ending is called when a connection of a Handler has ended: the handler is told by
// who calls it.
func (c *Conn) ending() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.extra; x != nil && x.timer != nil {
		x.timer.Stop()
	}
	if x := c.extra; x != nil && x.parting != nil {
		x.parting.timer.Stop()
		x.parting = nil
	}
	if c.link == nil {
		c.scheduleLocked()
	} else if x := c.extra; x != nil && x.resumed != nil {
		signal(x.resumed)
	}
}
