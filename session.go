package parley

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-go/parley/internal/wheel"
	"github.com/parley-go/parley/wire"
)

// Session is one connection from its first byte to its goodbye, as a protocol
// package drives it; applications see the [Conn]. A protocol package makes a
// session for a pipe, shakes hands, and calls Open; from then on it hands up
// messages by Receive or ReceiveData, lets the pipe Take, and tells when the
// pipe is Closed. All methods are safe for concurrent use and none blocks.
type Session struct {
	// fixed after construction
	core   *core
	pipe   wire.Pipe
	id     string
	conn   *Conn         // nil on a Client
	dialed chan struct{} // closed when a Client has taken it; nil on a hub

	opening *Opening // fixed by Open; nil before
	place   *place   // fixed after construction; nil when it cannot be recovered
	life    lifetime

	queue  queue
	calls  dispatch
	asks   pending
	timer  wheel.Timer
	pinged time.Duration // since core.start; owned by the wheel once open
	expiry atomic.Int64  // when the client's credentials expire, in nanoseconds since core.start; 0: never
	heard  atomic.Int64  // when the peer was last heard of, in nanoseconds since core.start; 0 while its idle time does not count

	mu      sync.Mutex
	reason  error // why it ends; nil after an ordinary goodbye
	late    *wire.Encoded
	pauses  int32 // how many parts of the session want the pipe paused
	phase   phase
	welcome bool // OnConnect has agreed

	returned bool // see Return; fixed after construction
}

type phase uint8

const (
	shaking phase = iota // made, not open
	open
	closing // goodbye said, pipe not yet gone
	closed
)

// SessionOptions says how a session begins.
type SessionOptions struct {
	// ID is the connection's public name; empty means 128 random bits.
	ID string
	// HandshakeTimeout bounds the time until Open. Zero means 15 seconds.
	HandshakeTimeout time.Duration
	// Late is what to send when the handshake took too long; nil for nothing.
	Late *wire.Encoded
	// Recover makes the session one that can be recovered, if the hub has been
	// told to Keep, and perhaps the one it was before. ID is then for a new one
	// only. Nil for one that cannot be recovered.
	Recover *Recover
	// Return makes the session one of a client that was connected before, where
	// nobody knows of it any more. Nil for others.
	Return *Return
}

// Opening is what a protocol package has settled when its handshake is done.
type Opening struct {
	// Protocol is how messages are written from now on.
	Protocol wire.Protocol
	// Welcome is sent before anything else, once OnConnect has agreed; nil for
	// nothing.
	Welcome []byte
	// WelcomeFirst sends it before what a recovered client has missed, too. Else
	// it comes behind that.
	WelcomeFirst bool
	// Welcoming makes the Welcome of one of the sessions that share an Opening,
	// when it is sent. Nil means Welcome.
	Welcoming func(*Session) []byte
	// Refusal words the error of an OnConnect that did not agree. It is sent
	// in place of Welcome. Nil means Welcome and then the protocol's Close.
	Refusal func(*wire.Error) []byte
	// KeepAlive is the time between two pings. Zero means the hub's option,
	// negative none.
	KeepAlive time.Duration
	// PingPipe asks for the pings of the transport rather than of the protocol.
	PingPipe bool
	// IdleTimeout closes a connection of which nothing was heard for so long.
	// Zero means the hub's option, negative none.
	IdleTimeout time.Duration
	// IdleAfterPing starts the idle time only with the peer's first Ping, as
	// SignalR does.
	IdleAfterPing bool
	// CallPrefix stands before the numbers of this side's own calls.
	CallPrefix string
	// FoldNames finds handlers without regard to case.
	FoldNames bool
}

func newSession(c *core, pipe wire.Pipe, o *SessionOptions) *Session {
	if o == nil {
		o = &SessionOptions{}
	}
	s := &Session{core: c, pipe: pipe, id: o.ID, late: o.Late}
	if s.id == "" {
		s.id = NewID()
	}
	s.queue.limits = &c.limits
	s.queue.held = true
	s.asks.last = &c.asked
	s.calls.session = s
	s.timer.Fire = s.tick
	return s
}

// ID is the connection's public name.
func (s *Session) ID() string { return s.id }

// Conn is the connection as handlers see it; nil on a [Client].
func (s *Session) Conn() *Conn { return s.conn }

// Context ends when the connection has ended.
func (s *Session) Context() context.Context { return &s.life }

// Open ends the handshake. OnConnect runs next, in call order; until it has
// agreed, nothing is sent and calls wait. Open may be called once. o is kept, and
// may be shared by many sessions.
func (s *Session) Open(o *Opening) {
	s.opening = o
	s.asks.prefix = &o.CallPrefix
	s.mu.Lock()
	if s.phase != shaking {
		s.mu.Unlock()
		return
	}
	s.phase, s.pinged = open, time.Since(s.core.start)
	s.mu.Unlock()
	if !o.IdleAfterPing {
		s.Heard()
	}
	s.startClock()
	if s.core.onConnect() == nil {
		s.connect()
		return
	}
	s.calls.push(&Call{session: s, hook: s.connect, owned: true})
}

// connect asks OnConnect and then lets the queue flow.
func (s *Session) connect() {
	hook := s.core.onConnect()
	missed, entered, err := s.enter(hook == nil)
	if err != nil { // it comes again, and is told that it is new
		s.Fail(wire.Goodbye{Code: 1012, Reason: "not recovered", Reconnect: true}, err)
	}
	if !entered || err != nil {
		return
	}
	if s.conn == nil { // a client's OnConnect may call: its peer has let it in
		s.flow(nil)
	}
	err = errExited
	defer func() {
		if err != nil {
			s.refuse(err)
		}
	}()
	if err = s.askConnect(hook); err != nil {
		return
	}
	s.mu.Lock()
	s.welcome = true
	s.mu.Unlock()
	s.core.stats.opened.Add(1)
	if s.conn != nil {
		s.conn.hub.watchConnected(s.conn)
		s.flow(missed)
	}
}

// Do runs fn as a handler runs: in call order, and not before OnConnect has agreed
// or after the end. name stands for it in the log, if it fails.
func (s *Session) Do(name string, fn func(ctx context.Context, c *Conn) error) {
	s.calls.push(&Call{session: s, owned: true, hook: func() {
		if !s.admitted() {
			return
		}
		err := s.protect(name, func() error { return fn(&s.life, s.conn) })
		if err == nil {
			return
		}
		if _, meant := s.outward(name, err); !meant { // a panic is in the log
			s.core.log.Error("parley: "+name+" failed", "conn", s.id, "error", err)
		}
	}})
}

// enter lets others find the session, unless it is ending, and returns what it has
// missed while it was away. The error is that of what was missed.
func (s *Session) enter(welcome bool) (missed []*wire.Encoded, entered bool, err error) {
	s.place.lock()
	defer s.place.unlock()
	entered = s.whileOpen(func() { s.core.enter(s); s.conn.enterAgain(); s.welcome = welcome })
	if entered && s.place != nil {
		missed, err = s.place.enter()
	}
	return missed, entered, err
}

// flow lets the queue flow, the welcome and what was missed first.
func (s *Session) flow(missed []*wire.Encoded) {
	at := len(missed)
	if s.opening.WelcomeFirst {
		at = 0
	}
	s.queue.release(slices.Insert(missed, at, s.greeting())...)
	s.pipe.Wake()
}

// admitted tells whether calls may run: OnConnect has agreed, and neither side
// has broken off for a fault.
func (s *Session) admitted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.welcome && (s.phase == open || s.grace(s.reason, true) > 0)
}

// whileOpen runs fn unless the session is ending, so that what fn registers is
// there when the end takes it away again.
func (s *Session) whileOpen(fn func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != open {
		return false
	}
	fn()
	return true
}

func (s *Session) askConnect(hook func(context.Context, *Conn) error) error {
	if hook == nil {
		return nil
	}
	if s.dialed != nil { // the client's calls find their session once the dial has returned
		select {
		case <-s.dialed:
		case <-s.life.Done():
			return ErrClosed
		}
	}
	return s.protect("OnConnect", func() error { return hook(&s.life, s.conn) })
}

func (s *Session) refuse(err error) {
	s.core.stats.refused.Add(1)
	e, meant := s.outward("OnConnect", err)
	if !meant && !errors.Is(err, ErrClosed) {
		s.core.log.Error("parley: OnConnect failed", "conn", s.id, "error", err)
	}
	bye := wire.Goodbye{Code: 1008, Reason: e.Message, Failed: true}
	if s.opening.Refusal != nil {
		s.finish(bye, err, s.encoded(s.opening.Refusal(e)))
		return
	}
	s.finish(bye, err, s.greeting(), s.goodbye(bye))
}

func (s *Session) greeting() *wire.Encoded {
	if make := s.opening.Welcoming; make != nil {
		return s.encoded(make(s))
	}
	return s.encoded(s.opening.Welcome)
}

func (s *Session) encoded(data []byte) *wire.Encoded {
	if len(data) == 0 {
		return nil
	}
	return &wire.Encoded{Data: data, Binary: s.opening != nil && s.opening.Protocol.Binary()}
}

// ReceiveData parses one whole message and receives it. A message that breaks
// the protocol closes the connection with code 1002. One that comes before
// Open is dropped.
func (s *Session) ReceiveData(data []byte) {
	if s.opening == nil {
		return
	}
	var m wire.Message
	if err := s.opening.Protocol.Parse(data, &m); err != nil {
		s.Fail(wire.Goodbye{Code: 1002, Reason: err.Error(), Failed: true}, errors.Join(ErrProtocol, err))
		return
	}
	s.Receive(&m)
}

// Receive takes one message of the peer. It keeps nothing of m. Before Open it
// drops it.
func (s *Session) Receive(m *wire.Message) {
	if s.opening == nil {
		return
	}
	s.core.stats.received.Add(1)
	if s.heard.Load() != 0 || m.Kind == wire.Ping {
		s.Heard()
	}
	switch m.Kind {
	case wire.Call, wire.StreamCall:
		s.called(m)
	case wire.Result, wire.End:
		s.answered(m)
	case wire.Item:
		s.asks.item(m.ID, m.Args)
	case wire.Cancel:
		s.calls.cancel(m.ID)
	case wire.Ping:
		s.send(&wire.Message{Kind: wire.Pong, ID: m.ID})
	case wire.Close:
		s.peerClosed(m.Bye)
	}
}

func (s *Session) called(m *wire.Message) {
	c := &Call{Name: m.Name, ID: m.ID, session: s, stream: m.Kind == wire.StreamCall, headers: m.Headers, aside: m.Aside}
	c.args = wire.Args{Values: append(c.values[:0], m.Args.Values...), Attachments: m.Args.Attachments}
	c.ctx.parent, c.ctx.call = &s.life, c
	c.entry = s.core.handlers.find(m.Name, s.opening.FoldNames)
	if err := s.bring(c, m.Streams); err != nil {
		s.answer(c, err)
		c.release()
		return
	}
	s.calls.push(c)
}

func (s *Session) answered(m *wire.Message) {
	if m.Err != nil {
		s.asks.resolve(m.ID, wire.Args{}, inward(m.Err, s.codec()))
		return
	}
	s.asks.resolve(m.ID, m.Args.Clone(), nil)
}

// lend asks the pipe for the goroutine of the Receive of the moment.
func (s *Session) lend() bool {
	lender, ok := s.pipe.(wire.Lender)
	return ok && lender.Lend(s)
}

// Received tells that the Receive which was lent a goroutine has returned: see
// [wire.Lender].
func (s *Session) Received() { s.calls.received() }

// Work runs the calls that have come by the Receive of the moment, on the
// goroutine that the pipe has lent: see [wire.Lender].
func (s *Session) Work() { s.calls.workLent() }

func (s *Session) peerClosed(bye wire.Goodbye) {
	var reason error
	if bye.Failed {
		reason = &wire.CloseError{Code: bye.Code, Reason: bye.Reason}
	}
	if s.core.peerBye != nil {
		s.core.peerBye(bye)
	}
	s.Fail(wire.Goodbye{Code: 1000}, reason)
}

// Take is the pipe's: see [wire.Receiver].
func (s *Session) Take(batch []*wire.Encoded) []*wire.Encoded {
	n := len(batch)
	batch = s.queue.take(batch)
	s.core.stats.sent.Add(int64(len(batch) - n))
	return batch
}

// Send queues bytes that the protocol package has written itself.
func (s *Session) Send(e *wire.Encoded) error { return s.enqueue(e, closeSlow, "") }

// send writes m in the connection's protocol and queues it.
func (s *Session) send(m *wire.Message) error {
	data, err := s.opening.Protocol.Append(nil, m)
	if err == nil && len(data) == 0 && (m.Kind == wire.Call || m.Kind == wire.StreamCall) {
		return fmt.Errorf("parley: the protocol %s has no words for this call", s.opening.Protocol.Name())
	}
	if err != nil || len(data) == 0 {
		return err
	}
	return s.enqueue(sealed(s.opening.Protocol, data, m), closeSlow, "")
}

// sealed is a message as p has written it, with its attachments behind it.
func sealed(p wire.Protocol, data []byte, m *wire.Message) *wire.Encoded {
	e := &wire.Encoded{Data: data, Binary: p.Binary(), Kind: m.Kind}
	last := e
	for _, part := range m.Args.Attachments {
		last.Next = &wire.Encoded{Data: part, Binary: true}
		last = last.Next
	}
	return e
}

// sendWaiting is send for a stream's value, which waits for room.
func (s *Session) sendWaiting(ctx context.Context, m *wire.Message) error {
	data, err := s.opening.Protocol.Append(nil, m)
	if err != nil || len(data) == 0 {
		return err
	}
	if err := s.queue.putWaiting(ctx, sealed(s.opening.Protocol, data, m)); err != nil {
		return err
	}
	s.pipe.Wake()
	return nil
}

func (s *Session) enqueue(e *wire.Encoded, p policy, key string) error {
	if p == nowOrNever && !s.writable() {
		s.core.stats.drop(p, 1)
		return nil
	}
	dropped, full, err := s.queue.put(e, p, key)
	s.core.stats.drop(p, dropped)
	if full {
		s.core.stats.slow.Add(1) // e itself; Fail counts what waited before it
		s.Fail(wire.Goodbye{Code: 1013, Reason: "too slow", Failed: true, Reconnect: true}, ErrSlow)
	}
	if err != nil {
		return err
	}
	s.pipe.Wake()
	return nil
}

// writable tells whether the pipe would write at once.
func (s *Session) writable() bool {
	g, ok := s.pipe.(wire.Gauge)
	return !ok || g.Writable()
}

// Fail ends the connection from this side: with the protocol's goodbye, then
// the transport's. reason is what OnDisconnect will be told; nil for an
// ordinary end. Only the first call counts.
func (s *Session) Fail(bye wire.Goodbye, reason error) {
	s.finish(bye, reason, s.goodbye(bye))
}

// Refuse ends the connection with the protocol's own last words, such as a
// handshake error.
func (s *Session) Refuse(words []byte, bye wire.Goodbye, reason error) {
	s.finish(bye, reason, s.encoded(words))
}

func (s *Session) finish(bye wire.Goodbye, reason error, last ...*wire.Encoded) {
	s.mu.Lock()
	if s.phase >= closing {
		s.mu.Unlock()
		return
	}
	s.phase, s.reason = closing, reason
	slow, connecting := errors.Is(reason, ErrSlow), !s.welcome
	s.mu.Unlock()
	if p := s.place; p != nil && (connecting || !mayReturn(reason, true)) {
		p.keeper.lose(p, false)
	}
	s.core.leave(s)
	dropped := s.queue.finish(slow || connecting, last...)
	if slow {
		s.core.stats.slow.Add(int64(dropped))
	}
	s.pipe.Close(bye.Code, cut(bye.Reason))
}

// cutOff ends the connection without a word.
func (s *Session) cutOff() {
	s.mu.Lock()
	if s.phase < closing {
		s.phase, s.reason = closing, ErrClosed
	}
	s.mu.Unlock()
	s.core.leave(s)
	s.pipe.CloseNow()
}

func (s *Session) goodbye(bye wire.Goodbye) *wire.Encoded {
	s.mu.Lock()
	opened := s.phase == open // one that ended during its handshake has no protocol
	s.mu.Unlock()
	if !opened {
		return s.late // s.opening belongs to an Open that may be running
	}
	data, err := s.opening.Protocol.Append(nil, &wire.Message{Kind: wire.Close, Bye: bye})
	if err != nil || len(data) == 0 {
		return nil
	}
	return &wire.Encoded{Data: data, Binary: s.opening.Protocol.Binary(), Kind: wire.Close}
}

// Closed is the pipe's last call: see [wire.Receiver].
func (s *Session) Closed(err error) {
	s.mu.Lock()
	if s.phase == closed {
		s.mu.Unlock()
		return
	}
	goodbye := s.phase == closing
	if !goodbye {
		s.reason = err
	}
	s.phase = closed
	reason, connected := s.reason, s.welcome // an OnConnect that still runs may yet agree
	s.mu.Unlock()
	if p := s.place; p != nil {
		p.keeper.lose(p, (connected || p.was) && mayReturn(reason, goodbye))
	}
	s.core.wheel.Cancel(&s.timer)
	s.core.leave(s)
	s.queue.finish(true)
	s.asks.end(ErrClosed)
	grace := s.grace(reason, connected)
	last := func() {
		s.life.end(ErrClosed)
		s.mu.Lock()
		connected := s.welcome
		s.mu.Unlock()
		s.core.gone(s, reason, connected)
	}
	if !s.calls.finish(grace > 0, last) || grace <= 0 {
		s.life.end(ErrClosed)
		return
	}
	stop := time.AfterFunc(grace, func() { s.life.end(ErrClosed) })
	s.life.then(func() { stop.Stop() })
}

// grace is how long the calls of a connection that has ended may go on.
func (s *Session) grace(reason error, connected bool) time.Duration {
	if connected && (reason == nil || errors.Is(reason, ErrShutdown)) {
		return s.core.limits.Grace
	}
	return 0
}

// pause counts the parts of the session that want the pipe to stop reading.
func (s *Session) pause(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on {
		s.pauses++
	} else {
		s.pauses--
	}
	if on && s.pauses == 1 {
		s.pipe.Pause()
	}
	if !on && s.pauses == 0 {
		s.spare()
		s.pipe.Resume()
	}
}

// call asks the peer and waits for the answer.
func (s *Session) call(ctx context.Context, name string, args []any) (wire.Args, error) {
	if c := callOf(ctx); c != nil {
		c.session.calls.yield(c)
	}
	defer s.calls.ask()()
	w, err := s.begin(ctx, wire.Call, name, args)
	if err != nil {
		return wire.Args{}, err
	}
	select {
	case <-w.done:
		return w.args, w.err
	case <-ctx.Done():
		s.abandon(w)
		return wire.Args{}, callEnded(ctx)
	}
}

// begin sends a call that wants an answer, unless ctx has ended: then nobody waits for it.
func (s *Session) begin(ctx context.Context, kind wire.Kind, name string, args []any) (*waiter, error) {
	if ctx.Err() != nil {
		return nil, callEnded(ctx)
	}
	args, uploads := s.uploads(args)
	values, err := s.codec().Marshal(args...)
	if err != nil {
		return nil, err
	}
	w, err := s.asks.add(kind == wire.StreamCall, s.pause)
	if err != nil {
		return nil, err
	}
	m := &wire.Message{Kind: kind, ID: w.id, Name: name, Args: values, Headers: headersOf(ctx), Streams: ids(uploads)}
	if err := s.send(m); err != nil {
		s.asks.remove(w.id)
		return nil, err
	}
	s.upload(uploads, w.done)
	return w, nil
}

// tell sends a call that wants no answer.
func (s *Session) tell(ctx context.Context, name string, args []any) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	args, uploads := s.uploads(args)
	values, err := s.codec().Marshal(args...)
	if err != nil {
		return err
	}
	err = s.send(&wire.Message{Kind: wire.Call, Name: name, Args: values, Headers: headersOf(ctx), Streams: ids(uploads)})
	if err == nil {
		s.upload(uploads, nil)
	}
	return err
}

// abandon tells the peer that the answer is no longer wanted.
func (s *Session) abandon(w *waiter) {
	gone := s.asks.remove(w.id) == nil
	if w.items != nil {
		w.items.takeAll() // also after the End: they may have paused the pipe
	}
	if gone {
		return
	}
	s.send(&wire.Message{Kind: wire.Cancel, ID: w.id})
}

func callEnded(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errors.Join(ErrTimeout, ctx.Err())
	}
	return context.Cause(ctx)
}

// codec is how the connection's values are written.
func (s *Session) codec() wire.Codec { return s.opening.Protocol.Codec() }

// Request is the HTTP request that opened the connection, or renewed it last,
// without its body, in a copy; nil on a [Client].
func (s *Session) Request() *http.Request {
	if s.conn == nil {
		return nil
	}
	return s.conn.Request()
}

// Renew makes r the connection's request, for instance because it has brought
// fresh credentials. User and groups stay as they are.
func (s *Session) Renew(r *http.Request) {
	if s.conn != nil {
		s.conn.request.Store(keep(r))
	}
}
