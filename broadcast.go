package parley

import (
	"context"

	"github.com/parley-go/parley/wire"
)

// broadcast is one event on its way to an audience. It is encoded once for
// each codec, and once for each protocol among its receivers; transports frame
// it once for each form (see wire.Encoded).
type broadcast struct {
	name    string
	values  []any  // what to marshal; nil when args came from another node
	id      string // of a call that everyone is to answer; empty for an event
	offset  string // see wire.Message
	aside   any    // the same; of an event to the caller of the call it is sent from
	shared  bool   // it goes to several connections
	plain   bool   // it is not to be compressed
	args    []encodedArgs
	encoded []encodedMessage
}

type encodedArgs struct {
	codec wire.Codec
	args  wire.Args
}

type encodedMessage struct {
	protocol wire.Protocol
	message  *wire.Encoded // nil when the protocol has no words for it
}

func (h *Hub) broadcast(ctx context.Context, a *Audience, name string, values []any) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b := &broadcast{name: name, values: values, plain: a.uncompressed, aside: a.aside(ctx)}
	if h.core.ctx.Err() != nil {
		return ErrShutdown
	}
	var lost error
	if h.spans(a) {
		lost = h.publish(ctx, a, b) // the members here get it all the same
	}
	if err := h.bring(a, b); err != nil {
		return err
	}
	return lost
}

// aside is that of the call of ctx, if the audience is its caller.
func (a *Audience) aside(ctx context.Context) any {
	if !a.single() {
		return nil
	}
	if c := callOf(ctx); c != nil && c.session.id == a.name && c.session.conn != nil && c.session.conn.hub == a.hub {
		return c.aside
	}
	return nil
}

// bring delivers b, and keeps it for those who were lost if that is wanted.
func (h *Hub) bring(a *Audience, b *broadcast) error {
	if k := h.keeper.Load(); k != nil {
		return k.deliver(a, b)
	}
	return h.deliver(a, b)
}

// deliver puts b into the queue of every member on this node.
func (h *Hub) deliver(a *Audience, b *broadcast) error {
	members, order := h.index.members(a)
	if len(members) == 0 {
		return h.nobody(a, b)
	}
	b.shared = len(members) > 1
	for _, s := range members {
		if err := b.encode(s.opening.Protocol); err != nil {
			return err
		}
	}
	order.lock()
	defer order.unlock()
	var last error
	for _, s := range members {
		if e := b.of(s.opening.Protocol); e != nil {
			last = s.enqueue(e, a.policy, a.key)
		}
	}
	if a.single() {
		return last
	}
	return nil
}

// nobody is a delivery to an empty audience: arguments that cannot be written
// are an error all the same.
func (h *Hub) nobody(a *Audience, b *broadcast) error {
	if a.single() {
		return ErrClosed
	}
	_, err := b.argsFor(wire.JSON)
	return err
}

func (b *broadcast) encode(p wire.Protocol) error {
	for i := range b.encoded {
		if b.encoded[i].protocol == p {
			return nil
		}
	}
	args, err := b.argsFor(p.Codec())
	if err != nil {
		return err
	}
	m := &wire.Message{Kind: wire.Call, ID: b.id, Name: b.name, Args: args, Aside: b.aside, Offset: b.offset}
	data, err := p.Append(nil, m)
	if err != nil {
		return err
	}
	one := encodedMessage{protocol: p}
	if len(data) > 0 {
		one.message = sealed(p, data, m)
		for e := one.message; e != nil; e = e.Next {
			e.Shared, e.Uncompressed = b.shared, b.plain
		}
	}
	b.encoded = append(b.encoded, one)
	return nil
}

func (b *broadcast) of(p wire.Protocol) *wire.Encoded {
	for i := range b.encoded {
		if b.encoded[i].protocol == p {
			return b.encoded[i].message
		}
	}
	return nil
}

func (b *broadcast) argsFor(c wire.Codec) (wire.Args, error) {
	for _, a := range b.args {
		if a.codec == c {
			return a.args, nil
		}
	}
	if b.values == nil && len(b.args) > 0 {
		if err := b.decode(); err != nil {
			return wire.Args{}, err
		}
	}
	args, err := c.Marshal(b.values...)
	if err != nil {
		return wire.Args{}, err
	}
	b.args = append(b.args, encodedArgs{c, args})
	return args, nil
}

// decode turns arguments that another node wrote back into values, for a
// connection with another codec.
func (b *broadcast) decode() error {
	from := b.args[0]
	b.values = make([]any, len(from.args.Values))
	for i := range b.values {
		if err := from.codec.Unmarshal(from.args, i, &b.values[i]); err != nil {
			return err
		}
	}
	return nil
}
