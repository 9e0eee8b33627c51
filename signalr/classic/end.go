package classic

import (
	"fmt"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// close says goodbye, in the name of one of the sessions, and ends all of them: the
// client has only one connection. Only the first call counts.
func (c *connection) close(code int, reason string) {
	c.mu.Lock()
	if c.phase >= closing {
		c.mu.Unlock()
		return
	}
	c.collect(true) // what they have said before, and perhaps that the client is to stay away
	f := &farewell{reason: reason, stays: c.stays || code == tooOld}
	if c.refused != "" {
		f = &farewell{reason: c.refused, stays: true}
	}
	c.farewell, c.phase = f, closing
	c.settle()
	l, list := c.leg, c.presences
	c.mute = l != nil && c.asking > 0
	if c.mute {
		c.endpoint.wheel.Reset(&c.timer, courtesy)
	}
	mute := c.mute
	c.mu.Unlock()
	if f.stays {
		c.endpoint.table.remove(c, f)
	} else {
		c.endpoint.table.remove(c, nil)
	}
	for _, p := range list {
		p.session.Fail(wire.Goodbye{Code: code, Reason: reason, Reconnect: !f.stays}, causeOf(code))
	}
	switch {
	case l == nil:
		c.finish(nil)
	case !mute:
		l.pipe.Close(closeCode(code), "")
	}
}

// courtesy is how long a client that is refused has for the answer to its request for
// the start before it is told by its stream: after that it would not look at the
// answer.
const courtesy = 2 * time.Second

// causeOf is why the other sessions of a connection end that one of them has closed.
func causeOf(code int) error {
	switch code {
	case 1001:
		return parley.ErrShutdown
	case 1013:
		return parley.ErrSlow
	case tooOld:
		return parley.ErrExpired
	}
	return nil
}

// tooOld is the code of a connection whose token has ended. It is for this package
// alone.
const tooOld = 4000

// closeCode is what is said in the close frame of a WebSocket. Clients only look
// whether there is one.
func closeCode(code int) int {
	if code == 1001 || code == 1011 {
		return code
	}
	return 1000
}

// cut ends the connection without a word.
func (c *connection) cut(err error) {
	l := c.end(err, nil)
	if l != nil {
		l.pipe.CloseNow()
	}
}

// leave is the client's goodbye.
func (c *connection) leave() {
	l := c.end(nil, &farewell{})
	if l != nil {
		l.pipe.Close(1000, "")
	}
}

// finish ends the connection.
func (c *connection) finish(err error) { c.end(err, nil) }

// end tells the sessions that it is over, and returns the stream that is left.
// Requests of the client that still come are answered by f.
func (c *connection) end(err error, f *farewell) *leg {
	c.mu.Lock()
	if c.phase == over {
		c.mu.Unlock()
		return nil
	}
	c.phase = over
	c.settle()
	l, list := c.leg, c.presences
	c.leg, c.presences, c.said, c.held = nil, nil, nil, nil
	c.log.Clear()
	if c.resumed != nil {
		close(c.resumed)
		c.resumed = nil
	}
	c.mu.Unlock()
	c.endpoint.wheel.Cancel(&c.timer)
	c.endpoint.table.remove(c, f)
	for _, p := range list {
		p.session.Closed(err)
	}
	return l
}

// parting is what a client is told that comes to a connection which has just ended,
// though it may still be in the table.
func (c *connection) parting() *farewell {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.farewell != nil {
		return c.farewell
	}
	return &farewell{}
}

// errLost is why a connection ended whose client did not come back.
var errLost = fmt.Errorf("classic: the client did not come back: %w", parley.ErrIdle)
