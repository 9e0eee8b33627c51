package classic

import (
	"context"
	"sync/atomic"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/pauses"
	"github.com/parley-go/parley/wire"
)

// presence is a client at one hub: a virtual pipe inside its connection.
type presence struct {
	// fixed after construction
	*connection
	hub     *served
	session *parley.Session
	quiet   bool // the client has only called the hub, and is not sent its events

	worker   wire.Worker // that a goroutine is lent to; owned by connection.hearing, fixed once it is set
	wish     pauses.Wish // owned by connection.pauses
	welcome  bool        // OnConnect has agreed; guarded by connection.mu
	calls    []item      // IDs of those that wait for that, of a quiet one; guarded by connection.mu
	refused  string      // what OnConnect has said against a quiet one; guarded by connection.mu, fixed once it is dropped
	dropped  bool        // likewise; guarded by connection.mu
	returned atomic.Bool // a hook for its coming back waits
}

// What a session sends first, when OnConnect has decided. It is not for the client.
const (
	sayAgreed  = '1'
	sayRefused = '0' // and the reason
)

// newOpening is what the sessions at a hub share. The endpoint has its own pings.
func newOpening(p wire.Protocol) *parley.Opening {
	return &parley.Opening{
		Protocol:     p,
		Welcome:      []byte{sayAgreed},
		WelcomeFirst: true,
		Refusal:      func(e *wire.Error) []byte { return append([]byte{sayRefused}, e.Message...) },
		KeepAlive:    -1,
		IdleTimeout:  -1,
		FoldNames:    true,
	}
}

// Transport implements [wire.Pipe].
func (p *presence) Transport() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return names[p.kind]
}

// names are those of pipes.
var names = map[Transports]string{
	WebSockets:       "websocket",
	ServerSentEvents: "sse",
	ForeverFrame:     "foreverframe",
	LongPolling:      "polling",
}

// Lend implements [wire.Lender]: a WebSocket lends, a POST does not. It is called
// while the connection's hearing is held, which then goes on until the worker, which
// is always the session, knows that what comes next lies elsewhere.
func (p *presence) Lend(w wire.Worker) bool {
	if p.hearer == nil || p.lent {
		return false
	}
	if p.worker != w {
		p.worker = w
	}
	lender, ok := p.hearer.pipe.(wire.Lender)
	p.lent = ok && lender.Lend(p)
	return p.lent
}

// Received implements [wire.Worker].
func (p *presence) Received() {
	p.worker.Received()
	p.lent = false
	p.hearing.Unlock()
}

// Work implements [wire.Worker].
func (p *presence) Work() { p.worker.Work() }

// Writable implements [wire.Gauge].
func (p *presence) Writable() bool {
	p.mu.Lock()
	l := p.leg
	if l == nil || l.answered {
		p.mu.Unlock()
		return false
	}
	p.mu.Unlock()
	gauge, ok := l.pipe.(wire.Gauge)
	return !ok || gauge.Writable()
}

// Wake implements [wire.Pipe].
func (p *presence) Wake() { p.wake() }

// Regrouped implements [wire.GroupWatcher].
func (p *presence) Regrouped() {
	if p.quiet {
		return
	}
	p.mu.Lock()
	p.regrouped = true
	p.mu.Unlock()
	p.wake()
}

// Ping implements [wire.Pipe]: the connection keeps itself alive.
func (p *presence) Ping() bool { return false }

// Pause implements [wire.Pipe]. The connection is not read while one of its hubs
// wants that.
func (p *presence) Pause() { p.pauses.Pause(&p.wish, p.connection) }

// Resume implements [wire.Pipe].
func (p *presence) Resume() { p.pauses.Resume(&p.wish, p.connection) }

// Close implements [wire.Pipe]: it ends the client's connection, and with it its
// presence at other hubs.
func (p *presence) Close(code int, reason string) {
	if p.quiet && code == 1008 {
		p.drop()
		return
	}
	p.close(code, reason)
}

// CloseNow implements [wire.Pipe].
func (p *presence) CloseNow() { p.cut(parley.ErrClosed) }

// back tells the application that the client is back, in the order of its calls.
// One that comes and goes meanwhile is back once.
func (p *presence) back(missed int) {
	hook := p.endpoint.o.OnReconnected
	if hook == nil || p.returned.Swap(true) {
		return
	}
	p.session.Do("OnReconnected", func(ctx context.Context, c *parley.Conn) error {
		p.returned.Store(false)
		hook(ctx, c, missed)
		return nil
	})
}
