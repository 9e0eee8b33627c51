package parley

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/wire"
)

// Conn is a client at the hub, whatever protocol and transport it speaks. All
// methods are safe for concurrent use.
type Conn struct {
	// fixed after construction
	hub     *Hub
	session *Session
	user    string

	request atomic.Pointer[keptRequest] // see Session.Renew

	// guarded by mu
	mu     sync.Mutex
	groups []string // sorted
	values map[any]any
}

// ID is the connection's public name, unique on its hub.
func (c *Conn) ID() string { return c.session.id }

// Hub is where the connection is.
func (c *Conn) Hub() *Hub { return c.hub }

// User is who the client is, as decided by [WithUser]; empty when nobody
// decided.
func (c *Conn) User() string { return c.user }

// Request is the HTTP request that opened the connection, or that has renewed
// its credentials, without its body and the Sec-WebSocket fields: a copy at
// each call. Its RemoteAddr is a proxy's if there is one, or, with package forwarded
// around the endpoints, the client's.
func (c *Conn) Request() *http.Request { return c.request.Load().request() }

// Transport names the transport of the moment, such as "websocket".
func (c *Conn) Transport() string { return c.session.pipe.Transport() }

// Protocol names the protocol, such as "json".
func (c *Conn) Protocol() string { return c.session.opening.Protocol.Name() }

// Context ends when the connection has ended.
func (c *Conn) Context() context.Context { return &c.session.life }

// Join makes the connection a member of a group. Joining twice is joining
// once. The error is ErrClosed when the connection has ended, or ErrLimit when
// it is in too many groups.
func (c *Conn) Join(group string) error {
	joined, err := c.joinLocked(group)
	if joined {
		c.regrouped(group, true)
	}
	return err
}

func (c *Conn) joinLocked(group string) (joined bool, err error) {
	err = ErrClosed
	p := c.session.place
	p.lock()
	defer p.unlock()
	c.session.whileOpen(func() { joined, err = c.join(group) })
	if joined {
		p.joins(group)
	}
	return joined, err
}

// join tells whether the connection was no member before.
func (c *Conn) join(group string) (joined bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, in := slices.BinarySearch(c.groups, group)
	if in {
		return false, nil
	}
	if len(c.groups) >= c.hub.core.limits.Groups {
		return false, ErrLimit
	}
	if c.groups == nil {
		c.groups = make([]string, 0, 1)
	}
	c.groups = slices.Insert(c.groups, at, group)
	c.hub.index.join(group, c.session)
	return true, nil
}

// Leave ends a membership. Leaving a group one is not in does nothing.
func (c *Conn) Leave(group string) {
	if c.leave(group) {
		c.regrouped(group, false)
	}
}

// regrouped tells of a membership that has begun or ended.
func (c *Conn) regrouped(group string, joined bool) {
	if w, ok := c.session.pipe.(wire.GroupWatcher); ok {
		w.Regrouped()
	}
	c.hub.watchGroup(c, group, joined)
}

func (c *Conn) leave(group string) bool {
	p := c.session.place
	p.lock()
	defer p.unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	at, in := slices.BinarySearch(c.groups, group)
	if in {
		c.groups = slices.Delete(c.groups, at, at+1)
		c.hub.index.leave(group, c.session)
		p.leaves(group)
	}
	return in
}

// Groups lists the groups the connection is in, sorted. In OnDisconnect, those
// it was in.
func (c *Conn) Groups() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.groups)
}

// inAny tells whether the connection is in one of those groups.
func (c *Conn) inAny(groups []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(groups, func(name string) bool {
		_, in := slices.BinarySearch(c.groups, name)
		return in
	})
}

// Set keeps a value with the connection; nil forgets it.
func (c *Conn) Set(key, value any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if value == nil {
		delete(c.values, key)
		return
	}
	if c.values == nil {
		c.values = make(map[any]any)
	}
	c.values[key] = value
}

// Value is what Set has kept, or nil.
func (c *Conn) Value(key any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.values[key]
}

// Call asks the client: it calls its handler named name and reads the answer
// into the variable out points to; a nil out discards it. Without a deadline
// in ctx, Limits.AskTimeout applies. The error is an *[Error] when the client
// failed the call, ErrTimeout, ErrClosed when the connection ended, or
// ErrConnecting inside OnConnect. A handler that calls with its own ctx lets the
// next call of its connection run meanwhile.
func (c *Conn) Call(ctx context.Context, name string, out any, args ...any) error {
	s := c.session
	s.mu.Lock()
	connecting := !s.welcome && s.phase == open
	s.mu.Unlock()
	if connecting {
		return ErrConnecting
	}
	ctx, cancel := c.hub.bounded(ctx)
	defer cancel()
	var answer wire.Args
	err := c.hub.send(ctx, c.Audience(), name, args, func(ctx context.Context, to Audience, name string, args []any) (err error) {
		answer, err = s.call(ctx, name, args)
		return err
	})
	if err != nil {
		return err
	}
	return readAnswer(s.codec(), answer, out)
}

// readAnswer reads the first value of an answer; without one, out stays as it
// is.
func readAnswer(codec wire.Codec, answer wire.Args, out any) error {
	if out == nil || len(answer.Values) == 0 {
		return nil
	}
	return codec.Unmarshal(answer, 0, out)
}

// Close ends the connection with a goodbye that asks the client not to come
// back by itself. OnDisconnect is told nil.
func (c *Conn) Close(reason string) {
	c.session.Fail(wire.Goodbye{Code: 1000, Reason: reason}, nil)
}

// CloseNow ends the connection without a goodbye. OnDisconnect is told
// ErrClosed.
func (c *Conn) CloseNow() { c.session.cutOff() }

// Expire closes the connection at that time, without an error and asking the
// client back: its credentials are not valid any more. The zero time means
// never. It may be called again; OnDisconnect is told ErrExpired.
func (c *Conn) Expire(at time.Time) { c.session.Expire(at) }

type userKey struct{}

// WithUser returns a context that says who makes a request. HTTP middleware
// around a mounted hub calls it; the connection's [Conn.User] is the result.
func WithUser(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, userKey{}, id)
}

// UserOf is what WithUser has put into ctx, or empty.
func UserOf(ctx context.Context) string {
	id, _ := ctx.Value(userKey{}).(string)
	return id
}

type expiryKey struct{}

// WithExpiry returns a context that says until when the credentials of a
// request are valid. HTTP middleware calls it; see the protocols' options for
// what becomes of connections whose time is over.
func WithExpiry(ctx context.Context, at time.Time) context.Context {
	return context.WithValue(ctx, expiryKey{}, at)
}

// ExpiryOf is what WithExpiry has put into ctx, or the zero time.
func ExpiryOf(ctx context.Context) time.Time {
	at, _ := ctx.Value(expiryKey{}).(time.Time)
	return at
}
