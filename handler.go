package parley

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/wire"
)

// Handler answers calls. For one connection, they run one after the other
// unless Limits.Parallelism says otherwise; Handle may take its time and holds
// up no other connection. ctx ends when the caller cancels or the connection
// closes. The returned error goes to the caller, see [Error].
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

	// fixed after construction
	session *Session
	headers map[string]string
	aside   any       // see wire.Message
	uploads []*waiter // the streams it brings
	entry   *entry    // nil when there was none of that name
	hook    func()    // what runs in place of a handler: the session's own work in call order

	// owned by the handler
	ctx     callContext
	args    wire.Args
	values  [2][]byte // room for args
	replied bool

	stream bool // fixed after construction; it stands here as a call is the smaller for it

	// guarded by dispatch.mu
	owned   bool   // args are the call's own, not the pipe's
	loan    uint32 // of the goroutine that was lent, and keeps args as they are until it returns
	yielded bool   // it has given back its place
	over    bool   // it has ended, and so has its place
}

// size is about what a waiting call keeps in memory.
func (c *Call) size() int {
	const each = 24 // a slice's header
	n := len(c.Name) + len(c.ID) + c.args.Size() + each*(len(c.args.Values)+len(c.args.Attachments))
	for name, value := range c.headers {
		const entry = 64 // in a map
		n += entry + len(name) + len(value)
	}
	return n
}

// Conn is the connection that called; nil in a handler of a [Client].
func (c *Call) Conn() *Conn { return c.session.conn }

// Len is the number of arguments.
func (c *Call) Len() int { return len(c.args.Values) }

// Headers are those of the call, where the protocol has any (SignalR); nil when
// there are none.
func (c *Call) Headers() map[string]string { return c.headers }

// own makes the arguments independent of the pipe's buffer.
func (c *Call) own() {
	if !c.owned {
		c.args, c.owned, c.loan = c.args.Clone(), true, 0
	}
}

// quick tells whether the call may run on a goroutine that was lent.
func (c *Call) quick() bool {
	return c.hook == nil && (c.entry == nil || !c.entry.slow(c.session.core.start))
}

// release lets go what only a call that runs needs.
func (c *Call) release() {
	c.ctx.end()
	for _, w := range c.uploads {
		c.session.asks.drop(w)
	}
}

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
	if err := c.session.codec().Unmarshal(c.args, i, into); err != nil {
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
	if len(values) == 1 {
		return c.reply(values[0])
	}
	if c.replied {
		return errTwice(c.Name)
	}
	c.replied = true
	if c.ID == "" {
		return nil
	}
	args, err := c.session.codec().Marshal(values...)
	if err != nil {
		c.replied = false
		return err
	}
	return c.session.send(&wire.Message{Kind: wire.Result, ID: c.ID, Name: c.Name, Args: args, Aside: c.aside})
}

func errTwice(name string) error {
	return hubErrorf(wire.CodeInternal, "parley: call of %q answered twice", name)
}

// reply is Reply with one value, of a call that is no stream.
func (c *Call) reply(value any) error {
	if c.replied {
		return errTwice(c.Name)
	}
	if c.ID == "" {
		c.replied = true
		return nil
	}
	err := c.session.sendValue(wire.Message{Kind: wire.Result, ID: c.ID, Name: c.Name, Aside: c.aside}, value)
	unwritable, is := err.(*valueError)
	if is {
		return unwritable.error
	}
	c.replied = true
	return err
}

// Send adds a value to the stream that answers the call, waiting while the
// connection's queue is more than half full. It fails when ctx of the call has
// ended.
func (c *Call) Send(value any) error {
	if !c.stream {
		return errStreaming(c.Name)
	}
	if c.ctx.Err() != nil {
		return c.ctx.cause()
	}
	args, err := c.session.codec().Marshal(value)
	if err != nil {
		return err
	}
	return c.session.sendWaiting(&c.ctx, &wire.Message{Kind: wire.Item, ID: c.ID, Args: args})
}

// Progress tells the caller how far its call has come, where its protocol has words
// for that (classic ASP.NET SignalR); other callers are not told. ctx is the
// handler's, or made of it. The error says that it is not, that the call has been
// answered, or that value cannot be written. Progress is not safe for use at the
// same time as a Reply.
func Progress(ctx context.Context, value any) error {
	c := callOf(ctx)
	switch {
	case c == nil:
		return errors.New("parley: progress outside a call")
	case c.replied || c.ctx.ended():
		return errors.New("parley: progress of " + c.Name + " after its end")
	case c.ID == "":
		return nil
	}
	err := c.session.sendValue(wire.Message{Kind: wire.Progress, ID: c.ID, Name: c.Name, Aside: c.aside}, value)
	if unwritable, is := err.(*valueError); is {
		return unwritable.error
	}
	return err
}

// Aside is what the caller's protocol keeps of the call beside its arguments, for
// that protocol's package to ask: see [wire.Message]. ctx is the handler's, or made
// of it; Aside is nil for any other.
func Aside(ctx context.Context) any {
	if c := callOf(ctx); c != nil {
		return c.aside
	}
	return nil
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
	brings() int // how many streams a call must bring; negative: any number
}

// entry is one registered handler with all middleware around it.
type entry struct {
	name    string // empty for the handler of all other names
	handler Handler
	answers answers
	uploads int          // how many streams a call must bring; negative: any number
	runs    atomic.Int64 // on goroutines that were lent
	slows   atomic.Int64 // of them took long
	until   atomic.Int64 // as long as it is taken for slow: nanoseconds since core.start
}

// A handler that takes longer than slowTime more often than once in rareRuns does
// not run on the goroutine of a pipe's loop for careTime: the loop would wait for
// it, for about a millisecond each time, which is as dear as a thousand goroutines.
// What is rarer may be the machine's mood.
const (
	slowTime = 500 * time.Microsecond
	rareRuns = 1000
	careTime = time.Second
)

// took notes how long the handler has kept a goroutine that was lent.
func (e *entry) took(d time.Duration, start time.Time) {
	runs := e.runs.Add(1)
	if d <= slowTime {
		return
	}
	slow := e.slows.Add(1)
	if slow < 2 {
		return
	}
	if slow*rareRuns > runs {
		e.waits(start)
	}
	e.runs.Store(0)
	e.slows.Store(0)
}

// waits notes that the handler takes its time. e may be nil.
func (e *entry) waits(start time.Time) {
	if e != nil {
		e.until.Store(int64(time.Since(start) + careTime))
	}
}

func (e *entry) slow(start time.Time) bool {
	until := e.until.Load()
	return until != 0 && int64(time.Since(start)) < until
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
	e := &entry{handler: h, uploads: -1}
	if a, ok := h.(answering); ok {
		e.answers, e.uploads = a.answers(), a.brings()
	}
	for i := len(r.wraps) - 1; i >= 0; i-- {
		e.handler = r.wraps[i](e.handler)
	}
	return e
}

func (r *registry) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.raw))
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
