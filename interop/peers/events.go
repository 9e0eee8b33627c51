package peers

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"

	"github.com/parley-go/parley/websocket"
)

// window is how many messages are under way when each echo brings the next.
const window = 8

// events has the conversation by Handler. Its methods are called by the engine,
// one at a time; all they do, they do inline.
type events struct {
	plan  Plan
	next  func() (websocket.Message, bool) // to send
	want  func() (websocket.Message, bool) // to be echoed
	stop  []func()
	heard int
	err   error
	ended chan error

	underWay int // bytes sent and not yet echoed
}

func (p Plan) newEvents() *events {
	e := &events{plan: p, ended: make(chan error, 1)}
	var stopNext, stopWant func()
	e.next, stopNext = iter.Pull(p.messages())
	e.want, stopWant = iter.Pull(p.messages())
	e.stop = []func(){stopNext, stopWant}
	return e
}

func (e *events) handler(o *websocket.AcceptOptions) *websocket.Handler {
	return &websocket.Handler{
		Options:   o,
		OnOpen:    e.opened,
		OnMessage: e.message,
		OnError:   e.failed,
		OnClose:   e.closed,
	}
}

// wait returns when the connection has ended.
func (e *events) wait(ctx context.Context, c *websocket.Conn) error {
	defer c.CloseNow()
	select {
	case err := <-e.ended:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (e *events) opened(c *websocket.Conn, _ *http.Request) {
	for range window {
		e.sendNext(c)
	}
}

func (e *events) message(c *websocket.Conn, m websocket.Message) {
	i := e.heard
	e.heard++
	want, ok := e.want()
	if !ok {
		e.giveUp(c, fmt.Errorf("after all echoes: one more message of %d bytes", len(m.Data)))
		return
	}
	if err := compare(m, want); err != nil {
		e.giveUp(c, fmt.Errorf("echo %d of %d: %w", i, e.plan.Messages, err))
		return
	}
	e.underWay -= len(m.Data)
	if e.plan.pings(i) && e.mayPing() {
		if err := c.Ping(context.Background()); err != nil {
			e.giveUp(c, fmt.Errorf("ping after echo %d: %w", i, err))
			return
		}
	}
	e.sendNext(c)
	if e.heard == e.plan.Messages && !e.plan.PeerCloses {
		e.note(c.Close(OurCode, OurReason))
	}
}

// mayPing tells whether a pong will come to a handler that waits for it. What comes
// before waits for the handler, and reading stops at maxBytes. A peer that closes is
// gone after its last echo.
func (e *events) mayPing() bool {
	return e.underWay < maxBytes/2 && (!e.plan.PeerCloses || e.heard+window < e.plan.Messages)
}

func (e *events) sendNext(c *websocket.Conn) {
	m, ok := e.next()
	if !ok {
		return
	}
	e.underWay += len(m.Data)
	var err error
	if e.heard%4 == 3 {
		err = c.SendPrepared(websocket.Prepare(m))
	} else {
		err = c.Send(m)
	}
	if err != nil {
		e.giveUp(c, fmt.Errorf("message after echo %d: %w", e.heard, err))
	}
}

func (e *events) note(err error) { e.err = errors.Join(e.err, err) }

func (e *events) giveUp(c *websocket.Conn, err error) {
	e.note(err)
	c.CloseNow()
}

func (e *events) failed(_ *websocket.Conn, err error) { e.note(err) }

func (e *events) closed(_ *websocket.Conn, code websocket.StatusCode, reason string) {
	if e.heard < e.plan.Messages {
		e.note(fmt.Errorf("closed with %d %q after echo %d of %d", code, reason, e.heard, e.plan.Messages))
	}
	for _, stop := range e.stop {
		stop()
	}
	e.ended <- errors.Join(e.err, e.plan.checkClose(code, reason))
}
