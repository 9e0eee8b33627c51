package parley

import (
	"context"
	"slices"
)

// Audience says to whom a message goes, and what may happen to it when a
// member's queue is full. It is a plain value: make it, narrow it, send to it,
// keep it. A member gets a message once. Everyone in a group, and everyone on
// a hub, gets that audience's messages in the same order.
type Audience struct {
	hub    *Hub
	kind   audienceKind
	name   string
	except []string
	policy policy
	key    string
}

type audienceKind uint8

const (
	toEveryone audienceKind = iota
	toGroup
	toUser
	toOne
)

// Addressable is whatever a message can be sent to: a [Hub], meaning everyone
// on it, a [Conn], or an [Audience].
type Addressable interface{ Audience() Audience }

// Audience is everyone connected to the hub.
func (h *Hub) Audience() Audience { return Audience{hub: h, kind: toEveryone} }

// Group is the connections that have joined the group of that name. A group
// exists while it has members.
func (h *Hub) Group(name string) Audience { return Audience{hub: h, kind: toGroup, name: name} }

// User is all connections of one user, see [WithUser].
func (h *Hub) User(id string) Audience { return Audience{hub: h, kind: toUser, name: id} }

// Audience is this one connection.
func (c *Conn) Audience() Audience { return Audience{hub: c.hub, kind: toOne, name: c.ID()} }

// Audience returns a itself.
func (a Audience) Audience() Audience { return a }

// Except returns a without the given connections.
func (a Audience) Except(conns ...*Conn) Audience {
	a.except = slices.Clone(a.except)
	for _, c := range conns {
		a.except = append(a.except, c.ID())
	}
	return a
}

// DropOldest returns a for messages that need not arrive: where a queue is
// full, the oldest such message gives way, and if there is none, the new one.
func (a Audience) DropOldest() Audience {
	a.policy, a.key = dropOldest, ""
	return a
}

// KeepLatest returns a for messages of which only the newest counts, such as a
// position: one that still waits in a member's queue gives way to the next of
// the same key. Where a queue is full, it acts as DropOldest.
func (a Audience) KeepLatest(key string) Audience {
	a.policy, a.key = keepLatest, key
	return a
}

// Send calls the handlers named name of every member's client with args. It
// returns when the message is in every local member's queue; it never waits
// for a client. The error is about the arguments or a hub that has shut down;
// for a single Conn it may be ErrClosed or ErrSlow.
func (a Audience) Send(ctx context.Context, name string, args ...any) error {
	return a.hub.broadcast(ctx, &a, name, args)
}

// Conns lists the members connected to this node, in no particular order.
func (a Audience) Conns() []*Conn {
	list, _ := a.hub.index.members(&a)
	conns := make([]*Conn, len(list))
	for i, s := range list {
		conns[i] = s.conn
	}
	return conns
}

func (a *Audience) excepts(id string) bool {
	return len(a.except) > 0 && slices.Contains(a.except, id)
}

// Send sends to everyone on the hub; see [Audience.Send].
func (h *Hub) Send(ctx context.Context, name string, args ...any) error {
	return h.Audience().Send(ctx, name, args...)
}

// Send sends to this connection; see [Audience.Send].
func (c *Conn) Send(ctx context.Context, name string, args ...any) error {
	return c.Audience().Send(ctx, name, args...)
}
