package classic

import "time"

// now is the time on the endpoint's clock.
func (e *endpoint) now() time.Duration { return time.Since(e.began) }

const never = time.Duration(1 << 62)

// setClock sets the connection's one timer to what comes next. The caller holds mu.
func (c *connection) setClock() {
	e := c.endpoint
	if next := c.next(); next < never && c.phase < closing {
		e.wheel.Reset(&c.timer, next-e.now())
	}
}

// next is when there is something to be done.
func (c *connection) next() time.Duration {
	o := &c.endpoint.o
	at := c.until
	if oldest, any := c.log.Oldest(); any {
		at = min(at, oldest.at+o.memory())
	}
	l := c.leg
	if l == nil {
		return min(at, c.since+c.patience())
	}
	if o.KeepAlive > 0 {
		at = min(at, l.wrote+o.KeepAlive)
		if l.kind == WebSockets {
			at = min(at, l.pinged+o.KeepAlive)
		}
	}
	if l.bounded() {
		at = min(at, l.began+o.ConnectionTimeout)
	}
	if c.phase == made {
		at = min(at, l.began+o.TransportConnectTimeout)
	}
	return at
}

// patience is how long a client may be away.
func (c *connection) patience() time.Duration {
	o := &c.endpoint.o
	if c.kind == LongPolling {
		return o.DisconnectTimeout + o.LongPollDelay
	}
	return o.DisconnectTimeout + silence
}

// bounded tells whether the stream ends after a while, for the client to come back:
// a poll, or one that would not notice that the client has gone.
func (l *leg) bounded() bool { return l.kind == LongPolling || l.endpoint.o.KeepAlive < 0 }

// tick runs on the timer wheel.
func (c *connection) tick() {
	c.mu.Lock()
	o, now := &c.endpoint.o, c.endpoint.now()
	for m, any := c.log.Oldest(); any && now >= m.at+o.memory(); m, any = c.log.Oldest() {
		c.log.Release(c.log.First())
	}
	l := c.leg
	if c.phase == closing {
		c.mute = false
		c.mu.Unlock()
		if l != nil {
			l.pipe.Close(1000, "")
		}
		return
	}
	lost := l == nil && now >= c.since+c.patience()
	if lost {
		c.phase = closing // who comes back in this very moment is too late
	}
	aged := now >= c.until
	begins := l != nil && c.phase == made && now >= l.began+o.TransportConnectTimeout
	var due []func() // not under the lock: a pipe may take at once
	if !lost {
		due = l.beat(now)
		c.setClock()
	}
	c.mu.Unlock()
	if lost {
		c.finish(errLost)
	}
	if begins {
		c.start()
	}
	if aged {
		c.close(tooOld, "The connection has reached its age limit.")
	}
	for _, do := range due {
		do()
	}
}

// beat lists what is due for the stream. The connection's mu is held.
func (l *leg) beat(now time.Duration) (due []func()) {
	if l == nil || l.answered {
		return nil
	}
	o := &l.endpoint.o
	if l.bounded() && now >= l.began+o.ConnectionTimeout {
		l.began = now // once
		if l.kind == LongPolling {
			l.due = true
			return append(due, l.pipe.Wake)
		}
		return append(due, func() { l.pipe.Close(1000, "") })
	}
	if o.KeepAlive < 0 {
		return nil
	}
	if now >= l.wrote+o.KeepAlive {
		l.wrote = now
		if l.kind == LongPolling {
			return append(due, func() { l.pipe.Ping() })
		}
		l.alive = true
		due = append(due, l.pipe.Wake)
	}
	if l.kind == WebSockets && now >= l.pinged+o.KeepAlive {
		if l.pinged = now; l.resumed == nil { // else it is not read
			due = append(due, l.listen)
		}
	}
	return due
}

// listen asks a WebSocket's other end for a sign of life, and ends one that has
// answered before and does so no more: nothing else tells when the network has gone.
func (l *leg) listen() {
	heard := time.Duration(l.heard.Load())
	if heard > 0 && l.endpoint.now()-heard > l.endpoint.o.DisconnectTimeout {
		l.pipe.CloseNow()
		return
	}
	l.pipe.Ping()
}
