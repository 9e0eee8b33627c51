package classic

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// hear takes a message of the client, which l has brought, or a POST when that is
// nil. The error says that it was none, or for nobody.
func (c *connection) hear(data []byte, l *leg) error {
	c.asked.Store(true)
	if !c.ready.Load() { // some clients do not ask for the start
		c.start()
	}
	c.hearing.Lock()
	defer func() {
		if c.hearer = nil; !c.lent { // else the worker does
			c.hearing.Unlock()
		}
	}()
	c.hearer = l
	if l != nil && !l.current() {
		return nil // it is being closed
	}
	if c.endpoint.raw != nil {
		if p := c.find(c.endpoint.raw.name); p != nil {
			p.session.ReceiveData(data)
		}
		return nil
	}
	return c.invoke(data, l)
}

func (c *connection) invoke(data []byte, l *leg) error {
	socket := uint32(0)
	if l != nil && l.kind == WebSockets {
		socket = l.number
	}
	in, err := parseInvocation(data)
	if err != nil {
		return c.answer(&in, err, err.Error(), socket)
	}
	p := c.find(in.hub)
	if p == nil && c.ended() {
		return nil
	}
	if p == nil {
		if p, err = c.visit(in.hub); err != nil {
			said := unresolvedHub(brief(in.hub))
			if errors.Is(err, errNotAllowed) {
				said = unauthorized(in.hub, brief(in.method))
			}
			return c.answer(&in, err, said, socket)
		}
	}
	var m wire.Message
	hubProtocol{names: c.endpoint.o.JSONNames}.message(&in, &m)
	if bag, ok := m.Aside.(*Bag); ok {
		bag.socket = socket
	}
	if p.quiet && !p.expect(&in, socket) {
		return c.answer(&in, errNotAllowed, p.refused, socket)
	}
	p.session.Receive(&m)
	return nil
}

const mostExpected = 100 // calls whose failure is told when OnConnect refuses

// expect notes a call that may have to wait for OnConnect. It is false when that has
// refused already.
func (p *presence) expect(in *invocation, socket uint32) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if in.hasID && !p.welcome && len(p.calls) < mostExpected {
		p.calls = append(p.calls, item{data: []byte(in.id), socket: socket})
	}
	return !p.dropped
}

// ended tells whether goodbye has been said.
func (c *connection) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase >= closing
}

var (
	errNoHub      = errors.New("the hub does not exist")
	errNotAllowed = errors.New("the hub is not for this client")
)

// visit makes a presence at a hub that the client has not subscribed to: JavaScript
// leaves out those of which it wants no events, and calls them all the same.
func (c *connection) visit(name string) (*presence, error) {
	c.mu.Lock()
	list := c.presences
	c.mu.Unlock()
	h := c.endpoint.hubs[strings.ToLower(name)]
	r, allowed := c.visitor(h)
	switch {
	case h == nil || r == nil:
		return nil, errNoHub
	case len(list) >= c.endpoint.o.MaxHubs:
		return nil, fmt.Errorf("the connection has %d hubs: %w", len(list), errNoHub)
	case !allowed:
		return nil, errNotAllowed
	}
	p, err := c.present(h, r, nil, true)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	if c.phase >= closing {
		c.mu.Unlock()
		p.session.Closed(parley.ErrClosed)
		return nil, errNoHub
	}
	c.presences = append(c.presences[:len(c.presences):len(c.presences)], p)
	c.mu.Unlock()
	p.session.Open(h.opening)
	return p, nil
}

// drop forgets a presence that OnConnect has refused to a client that did not ask
// for it.
func (p *presence) drop() {
	c := p.connection
	c.mu.Lock()
	c.collect(true) // the refusal
	c.presences = slices.DeleteFunc(slices.Clone(c.presences), func(other *presence) bool { return other == p })
	calls, said := p.calls, p.refused
	p.dropped = true
	c.mu.Unlock()
	c.pauses.Leave(&p.wish, c)
	p.session.Closed(nil)
	for _, call := range calls {
		c.answer(&invocation{id: string(call.data), hasID: true}, nil, said, call.socket)
	}
}

// brief is as much of a name as is worth repeating.
func brief(name string) string {
	const most = 100
	if len(name) > most {
		return strings.ToValidUTF8(name[:most], "") + "…"
	}
	return name
}

const maxSaid = 1000 // answers to calls without a hub that wait to be taken

// current tells whether l is the stream of the moment.
func (l *leg) current() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.connection.leg == l
}

// answer tells of a call that reaches no session because of err. That is all the
// caller needs to hear; if no answer is wanted, the error is returned.
func (c *connection) answer(in *invocation, err error, said string, socket uint32) error {
	if !in.hasID {
		return err
	}
	data := appendFailure(nil, in.id, said)
	c.mu.Lock()
	full := len(c.said) >= maxSaid || c.saidBytes+len(data) > c.endpoint.o.BufferBytes
	if !full && c.phase < closing {
		c.said, c.saidBytes = append(c.said, item{data: data, socket: socket}), c.saidBytes+len(data)
	}
	c.mu.Unlock()
	if full {
		c.close(1013, "too many calls of hubs that do not exist")
		return err
	}
	c.wake()
	return nil
}
