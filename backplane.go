package parley

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/parley-go/parley/wire"
)

// Backplane moves bytes between the nodes of a cluster and knows nothing of
// what they mean. Package backplanetest checks an implementation. All methods
// are safe for concurrent use.
type Backplane interface {
	// Publish hands data to all subscribers of subject, on this node too. It
	// may return before they have it, and keeps nothing of data. Messages of
	// one publisher on one subject arrive in order or not at all.
	Publish(ctx context.Context, subject string, data []byte) error

	// Subscribe calls receive for each message on subject, one at a time,
	// until stop is called; after stop has returned, no call begins. A
	// backplane that is not connected subscribes when it is. receive does not
	// block and keeps nothing of data.
	Subscribe(subject string, receive func(data []byte)) (stop func())
}

// envelope is what travels between nodes: a broadcast, its arguments written
// as JSON and with the codecs that connections of other nodes may have, or what
// is to be done with an audience.
type envelope struct {
	Node         string            `json:"n"`
	Kind         audienceKind      `json:"k"`
	To           string            `json:"t,omitempty"`
	More         []others          `json:"m,omitempty"`
	Except       []string          `json:"x,omitempty"`
	ExceptGroups []string          `json:"xg,omitempty"`
	Policy       policy            `json:"p,omitempty"`
	Key          string            `json:"l,omitempty"`
	Plain        bool              `json:"u,omitempty"`
	Name         string            `json:"e"`
	Args         []json.RawMessage `json:"a"`
	Also         []written         `json:"w,omitempty"`
	Do           *action           `json:"d,omitempty"` // in place of a broadcast
}

// others is a part of a union as it travels.
type others struct {
	Kind audienceKind `json:"k"`
	To   string       `json:"t,omitempty"`
}

// letter is an envelope to a.
func (h *Hub) letter(a *Audience) *envelope {
	e := &envelope{
		Node: h.node, Kind: a.kind, To: a.name, Except: a.except, ExceptGroups: a.exceptGroups,
		Policy: a.policy, Key: a.key, Plain: a.uncompressed,
	}
	for _, p := range a.more {
		e.More = append(e.More, others{p.kind, p.name})
	}
	return e
}

// audience is to whom e goes on this node.
func (e *envelope) audience(h *Hub) *Audience {
	a := &Audience{
		hub: h, part: part{e.Kind, e.To}, except: e.Except, exceptGroups: e.ExceptGroups,
		policy: e.Policy, key: e.Key, uncompressed: e.Plain,
	}
	for _, o := range e.More {
		a.more = append(a.more, part{o.Kind, o.To})
	}
	return a
}

// spans tells whether a may have members on other nodes that a message reaches.
func (h *Hub) spans(a *Audience) bool { return h.backplane != nil && !a.local && !a.single() }

// written are the arguments as a codec has written them.
type written struct {
	Codec       string   `json:"c"`
	Values      [][]byte `json:"v"`
	Attachments [][]byte `json:"b,omitempty"`
}

// UseCodec tells the hub of a codec that sessions of this node and of others
// may have. With a [Backplane], what is sent to many is written with it before
// it leaves for other nodes, so that it arrives everywhere as it was meant:
// JSON alone has no words for bytes or times, and has its own names. Protocol
// packages call it for their codecs; nobody needs to for wire.JSON.
func (h *Hub) UseCodec(c wire.Codec) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c != wire.JSON && !slices.Contains(h.codecs, c) {
		h.codecs = append(h.codecs, c)
	}
}

func (h *Hub) usedCodecs() []wire.Codec {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clip(h.codecs)
}

func (h *Hub) subject() string { return "parley." + h.name }

func (h *Hub) joinBackplane(b Backplane) {
	if b == nil {
		return
	}
	h.backplane = b
	h.leaveBus = b.Subscribe(h.subject(), h.receive)
}

func (h *Hub) leaveBackplane() {
	if h.leaveBus != nil {
		h.leaveBus()
	}
}

func (h *Hub) publish(ctx context.Context, a *Audience, b *broadcast) error {
	args, err := b.argsFor(wire.JSON)
	if err != nil {
		return err
	}
	e := h.letter(a)
	e.Name = b.name
	for _, v := range args.Values {
		e.Args = append(e.Args, v)
	}
	for _, c := range h.usedCodecs() {
		other, err := b.argsFor(c)
		if err != nil {
			return err
		}
		if len(other.Attachments) > 0 || !slices.EqualFunc(other.Values, args.Values, bytes.Equal) {
			e.Also = append(e.Also, written{c.Name(), other.Values, other.Attachments})
		}
	}
	return h.post(ctx, e)
}

func (h *Hub) post(ctx context.Context, e *envelope) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return h.backplane.Publish(ctx, h.subject(), data)
}

// receive delivers what another node has published.
func (h *Hub) receive(data []byte) {
	var e envelope
	if err := json.Unmarshal(data, &e); err != nil {
		h.core.log.Error("parley: backplane brought an unreadable envelope", "error", err)
		return
	}
	if e.Node == h.node {
		return
	}
	args := wire.Args{}
	for _, v := range e.Args {
		args.Values = append(args.Values, v)
	}
	a := e.audience(h)
	if e.Do != nil {
		e.Do.on(a)
		return
	}
	b := &broadcast{name: e.Name, plain: e.Plain, args: append([]encodedArgs{{wire.JSON, args}}, h.known(&e)...)}
	if err := h.bring(a, b); err != nil {
		h.core.log.Error("parley: delivery from another node failed", "event", e.Name, "error", err)
	}
}

// known are the arguments in the codecs of this node.
func (h *Hub) known(e *envelope) (args []encodedArgs) {
	for _, c := range h.usedCodecs() {
		for _, w := range e.Also {
			if w.Codec == c.Name() && len(w.Values) == len(e.Args) {
				args = append(args, encodedArgs{c, wire.Args{Values: w.Values, Attachments: w.Attachments}})
			}
		}
	}
	return args
}

// MemoryBackplane joins hubs within one process, each standing for a node: for
// tests, and for programs with several hubs. The zero value is ready.
type MemoryBackplane struct {
	mu   sync.Mutex
	subs map[string][]*memorySubscription
}

type memorySubscription struct {
	mu      sync.Mutex // held during receive: one at a time, and stop waits
	receive func([]byte)
	stopped bool
}

// Publish calls the subscribers before it returns.
func (b *MemoryBackplane) Publish(_ context.Context, subject string, data []byte) error {
	b.mu.Lock()
	subs := b.subs[subject]
	b.mu.Unlock()
	for _, s := range subs {
		s.call(data)
	}
	return nil
}

func (s *memorySubscription) call(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.receive(data)
	}
}

// Subscribe implements [Backplane].
func (b *MemoryBackplane) Subscribe(subject string, receive func([]byte)) (stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs == nil {
		b.subs = make(map[string][]*memorySubscription)
	}
	s := &memorySubscription{receive: receive}
	b.subs[subject] = append(b.subs[subject][:len(b.subs[subject]):len(b.subs[subject])], s)
	return func() { b.unsubscribe(subject, s) }
}

func (b *MemoryBackplane) unsubscribe(subject string, s *memorySubscription) {
	b.mu.Lock()
	var rest []*memorySubscription
	for _, other := range b.subs[subject] {
		if other != s {
			rest = append(rest, other)
		}
	}
	b.subs[subject] = rest
	b.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
}
