package parley

import (
	"cmp"
	"context"
	"slices"
)

// Audience says to whom a message goes, and what may happen to it when a
// member's queue is full. It is a plain value: make it, narrow it, send to it,
// keep it. A member gets a message once. Everyone in a group, and everyone on
// a hub, gets that audience's messages in the same order.
type Audience struct {
	hub *Hub
	part
	more         []part   // of a union
	except       []string // connections, by ID
	exceptGroups []string
	policy       policy
	key          string
	local        bool
	uncompressed bool
}

// part is one of the sets whose union an audience is.
type part struct {
	kind audienceKind
	name string
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
func (h *Hub) Audience() Audience { return Audience{hub: h, part: part{kind: toEveryone}} }

// Group is the connections that have joined the group of that name. A group
// exists while it has members.
func (h *Hub) Group(name string) Audience { return Audience{hub: h, part: part{toGroup, name}} }

// User is all connections of one user, see [WithUser].
func (h *Hub) User(id string) Audience { return Audience{hub: h, part: part{toUser, id}} }

// Client is the one connection of that ID. Nobody has to be there: then a message
// to it fails with ErrClosed.
func (h *Hub) Client(id string) Audience { return Audience{hub: h, part: part{toOne, id}} }

// Audience is this one connection.
func (c *Conn) Audience() Audience { return c.hub.Client(c.ID()) }

// Audience returns a itself.
func (a Audience) Audience() Audience { return a }

// And returns the union of a and others, less what any of them excepts. All else
// is as a says. It panics when they are of different hubs.
func (a Audience) And(others ...Addressable) Audience {
	a.more, a.except, a.exceptGroups = slices.Clone(a.more), slices.Clone(a.except), slices.Clone(a.exceptGroups)
	for _, other := range others {
		o := other.Audience()
		if o.hub != a.hub {
			panic("parley: an audience of two hubs")
		}
		a.more = append(append(a.more, o.part), o.more...)
		a.except = append(a.except, o.except...)
		a.exceptGroups = append(a.exceptGroups, o.exceptGroups...)
	}
	return a
}

// Except returns a without the given connections.
func (a Audience) Except(conns ...*Conn) Audience {
	a.except = slices.Clone(a.except)
	for _, c := range conns {
		a.except = append(a.except, c.ID())
	}
	return a
}

// ExceptIDs returns a without the connections of those IDs.
func (a Audience) ExceptIDs(ids ...string) Audience {
	a.except = slices.Concat(a.except, ids)
	return a
}

// ExceptGroups returns a without the members of those groups.
func (a Audience) ExceptGroups(names ...string) Audience {
	a.exceptGroups = slices.Concat(a.exceptGroups, names)
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

// Volatile returns a for messages that are of use now or never: whoever cannot be
// written to at once, because something waits or no poll is there, does not get
// them. That is Socket.IO's flag of this name.
func (a Audience) Volatile() Audience {
	a.policy, a.key = nowOrNever, ""
	return a
}

// Uncompressed returns a for messages that are not worth compressing.
func (a Audience) Uncompressed() Audience {
	a.uncompressed = true
	return a
}

// Local returns a without the connections of other nodes.
func (a Audience) Local() Audience {
	a.local = true
	return a
}

// Send calls the handlers named name of every member's client with args. It
// returns when the message is in every local member's queue; it never waits
// for a client. The error is about the arguments or a hub that has shut down;
// for a single Conn it may be ErrClosed or ErrSlow.
func (a Audience) Send(ctx context.Context, name string, args ...any) error {
	return a.hub.send(ctx, a, name, args, broadcastTo)
}

func broadcastTo(ctx context.Context, to Audience, name string, args []any) error {
	return to.hub.broadcast(ctx, &to, name, args)
}

// SendFunc sends to an audience; see [Hub.UseSend].
type SendFunc func(ctx context.Context, to Audience, name string, args []any) error

// UseSend puts middleware around all that is sent: by Send, and by Call, whose
// answers it does not see. The first given is the outermost. What comes from other nodes
// has passed theirs.
func (h *Hub) UseSend(middleware ...func(SendFunc) SendFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := middleware
	if had := h.senders.Load(); had != nil {
		all = slices.Concat(*had, middleware)
	}
	h.senders.Store(&all)
}

// send has last send it behind the middleware.
func (h *Hub) send(ctx context.Context, to Audience, name string, args []any, last SendFunc) error {
	if wraps := h.senders.Load(); wraps != nil {
		for _, wrap := range slices.Backward(*wraps) {
			last = wrap(last)
		}
	}
	return last(ctx, to, name, args)
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

// single tells whether a is one connection.
func (a *Audience) single() bool { return a.kind == toOne && len(a.more) == 0 }

// parts lists the sets of a union, each once, in one order for all unions.
func (a *Audience) parts() []part {
	all := append(slices.Clone(a.more), a.part)
	slices.SortFunc(all, func(p, q part) int {
		return cmp.Or(cmp.Compare(p.kind, q.kind), cmp.Compare(p.name, q.name))
	})
	return slices.Compact(all)
}

// Send sends to everyone on the hub; see [Audience.Send].
func (h *Hub) Send(ctx context.Context, name string, args ...any) error {
	return h.Audience().Send(ctx, name, args...)
}

// Send sends to this connection; see [Audience.Send].
func (c *Conn) Send(ctx context.Context, name string, args ...any) error {
	return c.Audience().Send(ctx, name, args...)
}
