package parley

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/parley-go/parley/wire"
)

// Handler answers calls. Handle runs on a goroutine of its own; for one
// connection, calls run one after the other unless HubOptions.Parallelism says
// otherwise. ctx ends when the caller cancels or the connection closes. The
// returned error goes to the caller, see [Error].
type Handler interface {
	Handle(ctx context.Context, call *Call) error
}

// HandlerFunc is a function as a [Handler].
type HandlerFunc func(ctx context.Context, call *Call) error

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, call *Call) error { return f(ctx, call) }

// Call is one call as its handler sees it. It is not safe for concurrent use.
type Call struct {
	Name string // as registered
	ID   string // the peer's name for this call; empty when no answer is wanted

	session *Session
	stream  bool
	args    wire.Args
	replied bool
	ctx     context.Context
	cancel  context.CancelCauseFunc
	hook    func() // what runs in place of a handler: the session's own work in call order
}

// size is about what a waiting call keeps in memory.
func (c *Call) size() int {
	const each = 24 // a slice's header
	return len(c.Name) + len(c.ID) + c.args.Size() + each*(len(c.args.Values)+len(c.args.Attachments))
}

// Conn is the connection that called; nil in a handler of a [Client].
func (c *Call) Conn() *Conn { return c.session.conn }

// Len is the number of arguments.
func (c *Call) Len() int { return len(c.args.Values) }

// Streaming tells whether the caller expects a stream: answer with Send, not
// with Reply.
func (c *Call) Streaming() bool { return c.stream }

// Scan reads the arguments into the variables that into points to, which must
// be as many as the arguments. The error, returned from the handler, tells the
// caller what was wrong.
func (c *Call) Scan(into ...any) error {
	if len(into) != len(c.args.Values) {
		return argumentCount(len(c.args.Values), len(into))
	}
	for i := range into {
		if err := c.scan(i, into[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *Call) scan(i int, into any) error {
	if err := c.session.codec.Unmarshal(c.args, i, into); err != nil {
		return argumentType(i, err)
	}
	return nil
}

// Reply answers the call with values: none, one, or, where the protocol can
// carry them (Socket.IO, plain), several. A handler that returns nil without
// a Reply has answered with none. The second Reply of a call is an error.
func (c *Call) Reply(values ...any) error {
	if c.stream {
		return errNotStream(c.Name)
	}
	if c.replied {
		return hubErrorf(wire.CodeInternal, "parley: call of %q answered twice", c.Name)
	}
	c.replied = true
	if c.ID == "" {
		return nil
	}
	args, err := c.session.codec.Marshal(values...)
	if err != nil {
		c.replied = false
		return err
	}
	return c.session.send(&wire.Message{Kind: wire.Result, ID: c.ID, Name: c.Name, Args: args})
}

// Send adds a value to the stream that answers the call, waiting while the
// connection's queue is more than half full. It fails when ctx of the call has
// ended.
func (c *Call) Send(value any) error {
	if !c.stream {
		return errStreaming(c.Name)
	}
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	args, err := c.session.codec.Marshal(value)
	if err != nil {
		return err
	}
	return c.session.sendWaiting(c.ctx, &wire.Message{Kind: wire.Item, ID: c.ID, Args: args})
}

// answers says how a handler answers, where that is known before it runs.
type answers uint8

const (
	withEither answers = iota
	withResult
	withStream
)

// answering is a Handler that knows how it answers.
type answering interface {
	Handler
	answers() answers
}

// entry is one registered handler with all middleware around it.
type entry struct {
	name    string // empty for the handler of all other names
	handler Handler
	answers answers
}

// registry holds handlers by name. Reading is lock-free.
type registry struct {
	mu    sync.Mutex
	raw   map[string]Handler
	other Handler // for all other names; nil for none
	wraps []func(Handler) Handler
	built atomic.Pointer[table]
}

type table struct {
	exact  map[string]*entry
	folded map[string]*entry // by lower-case name, for protocols that ignore case
	other  *entry
}

// add registers h, replacing nothing: a second handler of one name is a
// programmer's error.
func (r *registry) add(name string, h Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name == "" || h == nil {
		panic("parley: a handler needs a name and a function")
	}
	if _, taken := r.raw[name]; taken {
		panic("parley: two handlers named " + name)
	}
	if r.raw == nil {
		r.raw = make(map[string]Handler)
	}
	r.raw[name] = h
	r.build()
}

func (r *registry) addOther(h Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.other = h
	r.build()
}

func (r *registry) use(wraps []func(Handler) Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wraps = append(r.wraps, wraps...)
	r.build()
}

func (r *registry) build() {
	t := &table{exact: make(map[string]*entry), folded: make(map[string]*entry)}
	for name, h := range r.raw {
		e := r.wrap(h)
		e.name = name
		t.exact[name], t.folded[strings.ToLower(name)] = e, e
	}
	if r.other != nil {
		t.other = r.wrap(r.other)
	}
	r.built.Store(t)
}

func (r *registry) wrap(h Handler) *entry {
	e := &entry{handler: h}
	if a, ok := h.(answering); ok {
		e.answers = a.answers()
	}
	for i := len(r.wraps) - 1; i >= 0; i-- {
		e.handler = r.wraps[i](e.handler)
	}
	return e
}

func (r *registry) find(name string, fold bool) *entry {
	t := r.built.Load()
	if t == nil {
		return nil
	}
	if e := t.exact[name]; e != nil {
		return e
	}
	if e := t.folded[strings.ToLower(name)]; e != nil && fold {
		return e
	}
	return t.other
}
