package parley

import (
	"context"
	"errors"

	"github.com/parley-go/parley/wire"
)

// Join makes every member of a join groups, on all nodes. The error is ErrLimit
// when a member of this node is in too many groups, or that of the backplane.
func (a Audience) Join(ctx context.Context, groups ...string) error {
	return a.act(ctx, &action{Join: groups})
}

// Leave makes every member of a leave groups, on all nodes. The error is that of
// the backplane.
func (a Audience) Leave(ctx context.Context, groups ...string) error {
	return a.act(ctx, &action{Leave: groups})
}

// Close ends the connection of every member of a, on all nodes: see [Conn.Close].
// The error is that of the backplane.
func (a Audience) Close(ctx context.Context, reason string) error {
	return a.act(ctx, &action{Close: true, Reason: reason})
}

// CloseNow ends the connection of every member of a, on all nodes, without a
// goodbye: see [Conn.CloseNow]. The error is that of the backplane.
func (a Audience) CloseNow(ctx context.Context) error {
	return a.act(ctx, &action{CloseNow: true})
}

// action is what is to be done with the members of an audience.
type action struct {
	Join     []string `json:"j,omitempty"`
	Leave    []string `json:"l,omitempty"`
	Close    bool     `json:"c,omitempty"`
	CloseNow bool     `json:"n,omitempty"`
	Reason   string   `json:"r,omitempty"`
}

func (a *Audience) act(ctx context.Context, do *action) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := do.on(a)
	if a.hub.backplane == nil || a.local {
		return err
	}
	e := a.hub.letter(a)
	e.Do = do
	if lost := a.hub.post(ctx, e); lost != nil {
		return lost
	}
	return err
}

// on does it with the members on this node. The error is the last of a member
// that could not join.
func (do *action) on(a *Audience) (err error) {
	for _, c := range a.Conns() {
		for _, group := range do.Join {
			if failed := c.Join(group); failed == ErrLimit {
				err = failed
			}
		}
		for _, group := range do.Leave {
			c.Leave(group)
		}
		switch {
		case do.CloseNow:
			c.CloseNow()
		case do.Close:
			c.Close(do.Reason)
		}
	}
	return err
}

// Answer is what one member of an audience has answered.
type Answer struct {
	Conn *Conn
	Err  error // an *[Error] of the client's, or ErrClosed when it was lost first

	args  wire.Args
	codec wire.Codec
}

// Scan reads the answer's value into the variable that into points to; without
// a value, that stays as it is. The error is Err, or about the value.
func (a *Answer) Scan(into any) error {
	if a.Err != nil {
		return a.Err
	}
	return readAnswer(a.codec, a.args, into)
}

// Call asks every member on this node and returns what they have answered, in
// the order of its coming. Members that are lost first have answered with
// ErrClosed. When not all have answered by ctx's deadline, or without one within
// Limits.AskTimeout, the error is ErrTimeout, and the answers are those that have
// come.
func (a Audience) Call(ctx context.Context, name string, args ...any) ([]Answer, error) {
	var answers []Answer
	err := a.hub.send(ctx, a, name, args, func(ctx context.Context, a Audience, name string, args []any) (err error) {
		answers, err = a.hub.survey(ctx, &a, name, args)
		return err
	})
	return answers, err
}

// survey is Audience.Call behind the middleware.
func (h *Hub) survey(ctx context.Context, a *Audience, name string, values []any) ([]Answer, error) {
	if c := callOf(ctx); c != nil {
		c.session.calls.yield(c)
	}
	ctx, cancel := h.bounded(ctx)
	defer cancel()
	if ctx.Err() != nil {
		return nil, callEnded(ctx)
	}
	members, order := h.index.members(a)
	q := &question{answered: make(chan *asked, len(members))}
	defer q.end()
	if err := q.put(members, order, &broadcast{name: name, values: values, shared: true, plain: a.uncompressed}); err != nil {
		return nil, err
	}
	answers := make([]Answer, 0, len(q.asked))
	for range q.asked {
		select {
		case one := <-q.answered:
			answers = append(answers, Answer{one.session.conn, one.waiter.err, one.waiter.args, one.session.codec()})
		case <-ctx.Done():
			return answers, callEnded(ctx)
		}
	}
	return answers, nil
}

// bounded is ctx with the deadline of a call that has none.
func (h *Hub) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, h.core.limits.AskTimeout)
}

// question is one call that several connections are to answer.
type question struct {
	asked    []*asked
	answered chan *asked // has room for all
}

// asked is one of them.
type asked struct {
	session  *Session
	waiter   *waiter
	answered func() // ends the crowd's patience: see dispatch.ask
}

// put sends the question to all, written once for each protocol among them.
func (q *question) put(members []*Session, order order, b *broadcast) error {
	ids := make(map[string]*broadcast) // by the prefix of a protocol's call IDs
	for _, s := range members {
		own := ids[*s.asks.prefix]
		if own == nil {
			own = &broadcast{name: b.name, values: b.values, id: s.asks.nextID(), shared: true, plain: b.plain, args: b.args}
			ids[*s.asks.prefix] = own
		}
		if err := own.encode(s.opening.Protocol); err != nil {
			return err
		}
		b.args = own.args
	}
	order.lock()
	defer order.unlock()
	for _, s := range members {
		own := ids[*s.asks.prefix]
		q.ask(s, own.id, own.of(s.opening.Protocol))
	}
	return nil
}

func (q *question) ask(s *Session, id string, e *wire.Encoded) {
	one := &asked{session: s, waiter: &waiter{id: id, done: make(chan struct{})}, answered: s.calls.ask()}
	one.waiter.then = func() { q.answered <- one }
	q.asked = append(q.asked, one)
	if err := s.asks.wait(one.waiter); err != nil {
		one.waiter.end(wire.Args{}, err)
		return
	}
	err := errWordless
	if e != nil {
		err = s.enqueue(e, closeSlow, "")
	}
	if err != nil && s.asks.remove(id) != nil { // else it has ended already
		one.waiter.end(wire.Args{}, err)
	}
}

var errWordless = errors.New("parley: the client's protocol has no words for calls")

// end lets go of those who have not answered.
func (q *question) end() {
	for _, one := range q.asked {
		one.session.abandon(one.waiter)
		one.answered()
	}
}
