package websocket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

var errHandled = errors.New("websocket: the connection is read by its Handler")

// Handler serves connections by calling functions, and needs no goroutine, no
// buffer and no timer for one that is idle (on Linux, over plain TCP; elsewhere, and
// over TLS and HTTP/2, a goroutine waits for each). It is an http.Handler:
//
//	http.Handle("/echo", &websocket.Handler{
//		OnMessage: func(c *websocket.Conn, m websocket.Message) { c.Send(m) },
//	})
//
// The functions of one connection are called one after the other: OnOpen first,
// OnMessage for each message in order, OnError at most once, OnClose last and
// exactly once if OnOpen was called. They run where the message was read, as long
// as they are quick. One that takes more than about a millisecond keeps its goroutine,
// and another goes on reading: a function may block for as long as it likes without
// holding up any other connection, nor the pings and the close of its own.
// Meanwhile its connection's messages wait, copied; when they are as long as the
// largest message may be, or a quarter of [Limits.QueueBytes], because all of them may
// be answered, reading its socket pauses.
//
// A function that panics ends its connection with status 1011; OnError gets a
// [*PanicError].
//
// A Handler must not be changed once it is in use, nor copied. Any function may be nil.
type Handler struct {
	// Options are those of Accept. Nil means the defaults.
	Options *AcceptOptions

	// OnOpen is called when the handshake is done, on the goroutine of the request.
	// r is nil for a connection that was dialled.
	OnOpen func(c *Conn, r *http.Request)

	// OnMessage is called for each message. m.Data is valid until it returns. A peer's
	// close frame is answered when it has returned for all that came before, so that
	// the peer gets its answers, or after Limits.CloseTimeout (RFC 6455 §5.5.1).
	OnMessage func(c *Conn, m Message)

	// OnError is called before OnClose if the connection did not end with a close
	// handshake: a *ProtocolError, ErrSlow, a *PanicError, or what the network said.
	OnError func(c *Conn, err error)

	// OnClose is called when the connection has ended: with the peer's status and
	// reason; with those of CloseError's kin that this end refused the peer with; or
	// with StatusAbnormal if there was no close handshake.
	OnClose func(c *Conn, code StatusCode, reason string)

	// OnPong is called for each pong the peer sends, with its payload.
	OnPong func(c *Conn, payload []byte)

	// OnWritable is called after [Conn.Want], once nothing that was sent before is
	// waiting: the place for a sender that keeps its own queue. It must not block, and
	// may be called while another function of the connection runs, but never twice at
	// a time. What it sends leaves together.
	OnWritable func(c *Conn)

	slow atomic.Int64 // when a function last took long, in Unix nanoseconds
}

// PanicError is the panic of a function of a [Handler].
type PanicError struct {
	Value any    // what was panicked with
	Stack []byte // of the goroutine, as debug.Stack formats it
}

// Error returns the value in a sentence.
func (e *PanicError) Error() string {
	return fmt.Sprintf("websocket: a handler panicked: %v", e.Value)
}

// ServeHTTP accepts the connection. It returns at once, except over HTTP/2, where a
// connection lives no longer than its request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c, err := h.Accept(w, r); err == nil {
		c.Hold()
	}
}

// Accept is the package's [Accept] for a connection that h is called for; it must
// not be read. It returns when OnOpen has.
func (h *Handler) Accept(w http.ResponseWriter, r *http.Request) (*Conn, error) {
	return h.AcceptWith(w, r)
}

// AcceptWith is Accept for a server that speaks first: the messages leave with the
// answer to the handshake, in one write, and ahead of what OnOpen sends. They are
// not compressed.
func (h *Handler) AcceptWith(w http.ResponseWriter, r *http.Request, first ...Message) (*Conn, error) {
	c, err := accept(w, r, h.Options, first)
	if err != nil {
		return nil, err
	}
	h.start(c, r)
	return c, nil
}

// Dial is the package's [Dial] for a connection that h is called for; it must not be
// read. h.Options are not used. It returns when OnOpen has.
func (h *Handler) Dial(ctx context.Context, rawURL string, o *DialOptions) (*Conn, error) {
	c, err := dial(ctx, rawURL, o)
	if err != nil {
		return nil, err
	}
	c.attach()
	h.start(c, nil)
	return c, nil
}

// start makes c one of h's connections.
func (h *Handler) start(c *Conn, r *http.Request) {
	early := c.reading.chunk
	c.handler, c.reading = h, nil
	c.detached.Store(true) // until OnOpen has returned
	c.paused.Store(pausedByOpening)
	opened := false
	defer func() {
		if !opened {
			c.CloseNow() // OnOpen panicked; net/http says so
		}
		c.begin(early)
	}()
	if h.OnOpen != nil {
		h.OnOpen(c, r)
	}
	opened = true
}

// begin starts the reading, after early, which may be nil.
func (c *Conn) begin(early *buffer) {
	c.detached.Store(false)
	if early != nil {
		c.countIn(len(early.b))
	}
	c.mu.Lock()
	if early != nil {
		c.more().early = early
		c.paused.Or(pausedByEarly)
	}
	c.resumeLocked(pausedByOpening)
	if c.link == nil && c.err != nil {
		c.scheduleLocked()
	}
	c.mu.Unlock()
	if c.link != nil {
		startSolo(c)
	}
}

// message calls OnMessage, or OnPong.
func (h *Handler) message(c *Conn, m Message) {
	f := h.OnMessage
	if f == nil && m.Type != MessageType(opPong) {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			c.recovered(v)
			c.runPromised()
		}
	}()
	if m.Type == MessageType(opPong) {
		h.OnPong(c, m.Data)
		return
	}
	f(c, m)
}

// closed calls OnError and OnClose.
func (h *Handler) closed(c *Conn, err error) {
	code, reason := closedWith(err), ""
	var closed *CloseError
	var broken *ProtocolError
	switch {
	case errors.As(err, &closed):
		reason, err = closed.Reason, nil
	case errors.As(err, &broken):
		reason = broken.Reason
	case errors.Is(err, net.ErrClosed):
		err = nil
	}
	if err != nil && h.OnError != nil {
		h.call(func() { h.OnError(c, err) })
	}
	if h.OnClose != nil {
		h.call(func() { h.OnClose(c, code, reason) })
	}
}

// call calls what cannot end the connection any more.
func (h *Handler) call(f func()) {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("websocket: a handler panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// recovered turns a panic into the end of the connection.
func (c *Conn) recovered(v any) {
	err := &PanicError{Value: v, Stack: debug.Stack()}
	if c.handler.OnError == nil {
		slog.Error(err.Error(), "stack", string(err.Stack))
	}
	c.abort(err, StatusInternalError)
}

// patience is how long a function may run before its goroutine is left to it.
const patience = time.Millisecond

// copyTime is how long the messages of a Handler are copied out of the loop's buffer
// after one of its functions has taken long: the buffer need not be replaced then.
const copyTime = int64(time.Second)

// runner calls handlers. Whoever watches over it may take it over in the middle of a
// call: the goroutine that called finds out when it returns, and another has gone on
// with the runner meanwhile.
type runner struct {
	run func() // goes on with it in a new goroutine

	// turn is odd during a call, and grows by two with each.
	turn atomic.Uint64

	// taken is the last turn whose runner was taken over, and nothing of it is
	// needed any more.
	taken atomic.Uint64

	// Owned by the goroutine of the moment.
	cur    *Conn   // whose handler is called; nil: none is
	next   *behind // what is to be handed on after the call
	chunk  *buffer // what was read last
	copied bool    // the message does not lie in chunk
	leftBy *Conn   // whose call was left behind, for the goroutine that goes on
	left   []byte  // and what it has to hand on
	now    int64   // about now, in Unix nanoseconds
}

// behind is what lies behind the call of a turn, by the second bit of turn. It stays
// with its goroutine: one whose runner was taken over may still write what does not
// count any more.
type behind [2]struct {
	rest []byte
	free bool // the call was deferred: the connection's next may begin
}

func (b *behind) set(turn uint64, rest []byte, free bool) {
	at := &b[turn>>1&1]
	at.rest, at.free = rest, free
}

// begin starts a call, after which rest is to be handed on.
func (r *runner) begin(c *Conn, rest []byte, copied bool) (turn uint64, next *behind) {
	turn = r.turn.Load() + 1
	r.cur, r.copied = c, copied
	if r.next == nil {
		r.next = new(behind)
	}
	next = r.next
	next.set(turn, rest, false)
	r.turn.Store(turn)
	return turn, next
}

// defers begins what the call of turn has deferred. It reports false when the runner
// was taken over before.
func (r *runner) defers(turn uint64, next *behind, rest []byte) (uint64, bool) {
	next.set(turn+2, rest, true)
	if r.turn.CompareAndSwap(turn, turn+2) {
		return turn + 2, true
	}
	return turn, false
}

// end reports whether the runner is still the caller's.
func (r *runner) end(turn uint64) bool { return r.turn.CompareAndSwap(turn, turn+1) }

// serve hands on what lies in p. It reports false when the runner was taken over.
func (r *runner) serve(c *Conn, p []byte) bool {
	for !c.deaf.Load() {
		if c.paused.Load()&pausedByBacklog != 0 && len(p) > 0 {
			c.putAside(p)
			return true
		}
		var mine bool
		if p, mine = r.serveUsual(c, p); !mine {
			return false
		}
		if c.deaf.Load() {
			return true
		}
		e, rest, err := c.next(p)
		switch {
		case err != nil:
			c.fail(err)
			return true
		case e.op == opContinuation:
			return true
		case e.op.isControl() && !c.handleControl(e, len(rest) > 0):
		case !r.message(c, e, rest):
			return false
		}
		p = rest
	}
	return true
}

// serveUsual hands on messages for as long as they are usual ones, and returns what is
// behind them. Calls follow each other without an end between them: a message is taken
// apart while the call before may still be taken away, and nothing is changed until it
// was not.
func (r *runner) serveUsual(c *Conn, p []byte) (rest []byte, mine bool) {
	op, begin, end := c.usual(p)
	if end == 0 || c.in.part != nil || c.handler.OnMessage == nil || c.detached.Load() || c.quiet.Load() || c.deaf.Load() || r.now-c.handler.slow.Load() < copyTime {
		return p, true
	}
	chunk, count, free := r.chunk, int64(0), false
	turn, next := r.begin(c, p[end:], false)
	panics := true
	defer func() {
		if !panics {
			return
		}
		if v := recover(); v != nil {
			c.recovered(v)
			if !free { // else it is what was deferred that has panicked
				c.runPromised()
			}
			rest, mine = nil, r.leave(c, turn, chunk, free)
			return
		}
		r.exited(c, turn, free)
	}()
	for {
		m := Message{MessageType(op), p[begin:end:end]}
		c.unmask(p, begin, end)
		if op == opText && !utf8.Valid(m.Data) {
			c.fail(errNotUTF8)
			break
		}
		p = p[end:]
		count++
		c.handler.OnMessage(c, m)
		if f := c.takeDeferred(); f != nil {
			if turn, free = r.defers(turn, next, p); !free {
				panics = false
				c.stats.received(count, count, 0)
				r.leaveDeferring(c, turn, chunk, f)
				return nil, false
			}
			f()
		}
		if op, begin, end = c.usual(p); end == 0 || c.quiet.Load() || c.deaf.Load() {
			break
		}
		next.set(turn+2, p[end:], false)
		if !r.turn.CompareAndSwap(turn, turn+2) {
			break
		}
		turn, free = turn+2, false
	}
	panics = false
	if mine = r.leave(c, turn, chunk, free); mine {
		c.in.frames += count
		c.in.messages += count
	} else {
		c.stats.received(count, count, 0)
	}
	return p, mine
}

// leave ends the call of turn. If the runner was taken over, the goroutine deals with
// what has come for it.
func (r *runner) leave(c *Conn, turn uint64, chunk *buffer, free bool) (mine bool) {
	if r.end(turn) {
		return true
	}
	r.awaitTakeOver(turn)
	if chunk != nil {
		putBuffer(chunk)
	}
	if !free {
		c.workOff()
	}
	return false
}

// awaitTakeOver waits for who took the runner over to have copied what it needs.
func (r *runner) awaitTakeOver(turn uint64) {
	for r.taken.Load() < turn {
		time.Sleep(time.Microsecond)
	}
}

// leaveDeferring is leave for a goroutine whose runner was taken over during a call
// that has deferred f.
func (r *runner) leaveDeferring(c *Conn, turn uint64, chunk *buffer, f func()) {
	r.awaitTakeOver(turn)
	go c.workOff() // ends when there is nothing left for c's handler
	c.runDeferred(f)
	if chunk != nil {
		putBuffer(chunk)
	}
}

// Defer has f run when the OnMessage that calls it has returned, on the same
// goroutine. The message's Data stays valid until then, and while f runs, however
// long, the connection's next messages are handed on and its end is told. Only
// OnMessage may call it, and once.
func (c *Conn) Defer(f func()) { c.deferred = f }

func (c *Conn) takeDeferred() func() {
	f := c.deferred
	if f != nil {
		c.deferred = nil
	}
	return f
}

// runPromised runs what a call that panicked has deferred.
func (c *Conn) runPromised() {
	if f := c.takeDeferred(); f != nil {
		c.runDeferred(f)
	}
}

// runDeferred runs f where nobody else sees to its panics.
func (c *Conn) runDeferred(f func()) {
	defer func() {
		if v := recover(); v != nil {
			c.recovered(v)
		}
	}()
	f()
}

// message calls the handler, or leaves the message to the one that is running.
func (r *runner) message(c *Conn, e event, rest []byte) bool {
	if c.quiet.Load() { // we have said goodbye
		if e.buf != nil {
			putBuffer(e.buf)
		}
		return true
	}
	m, buf, err := c.complete(e)
	if err != nil {
		c.fail(err)
		return true
	}
	if c.detached.Load() && c.leaveBehind(m, buf) {
		return true
	}
	if c.deaf.Load() { // who was running may just have told the end
		if buf != nil {
			putBuffer(buf)
		}
		return true
	}
	if buf == nil && (e.op == opPong || r.now-c.handler.slow.Load() < copyTime) {
		buf = getBuffer(len(m.Data))
		buf.b = append(buf.b, m.Data...)
		m.Data = buf.b
	}
	chunk, kept := r.chunk, buf
	if buf != nil {
		chunk = nil // it stays the runner's
	} else {
		kept = chunk
	}
	turn, next := r.begin(c, rest, buf != nil)
	returned, free := false, false
	defer func() {
		if !returned {
			r.exited(c, turn, free)
		}
	}()
	c.handler.message(c, m)
	if f := c.takeDeferred(); f != nil {
		if turn, free = r.defers(turn, next, rest); !free {
			returned = true
			r.leaveDeferring(c, turn, kept, f)
			return false
		}
		c.runDeferred(f)
	}
	returned = true
	if buf != nil {
		putBuffer(buf)
	}
	return r.leave(c, turn, chunk, free)
}

// takeOver takes the runner away from the call that turn stands for, if it is still
// running. The caller then starts a goroutine that goes on.
func (r *runner) takeOver(turn uint64) bool {
	if turn%2 == 0 || !r.turn.CompareAndSwap(turn, turn+1) {
		return false
	}
	c := r.cur
	if c == nil {
		r.taken.Store(turn)
		return true // it was writing
	}
	r.now = time.Now().UnixNano()
	c.handler.slow.Store(r.now)
	behind := r.next[turn>>1&1]
	r.leftBy, r.left, r.next = c, behind.rest, nil
	if !r.copied && r.chunk != nil { // the old one is the handler's
		r.chunk = getBuffer(max(chunkBytes, len(r.left)))
		r.left = append(r.chunk.b, r.left...)
	}
	if !behind.free {
		c.detached.Store(true)
	}
	r.taken.Store(turn)
	return true
}

// resume goes on behind the call that was left behind.
func (r *runner) resume() bool {
	c, left := r.leftBy, r.left
	if c == nil {
		return true
	}
	r.leftBy, r.left = nil, nil
	if !r.serve(c, left) {
		return false
	}
	c.earlyServed()
	c.uncork()
	return true
}

// exited is called when a goroutine ends in the middle of the call of turn, by
// runtime.Goexit: another goes on with the runner, and one with what comes for c.
func (r *runner) exited(c *Conn, turn uint64, free bool) {
	var promised func()
	if !free {
		promised = c.takeDeferred()
	}
	if r.takeOver(turn) {
		go r.run() // as the goroutine that ends
	}
	if !free {
		go c.workOff() // ends when there is nothing left for c's handler
	}
	if promised != nil {
		c.runDeferred(promised)
	}
}

// finish tells the handler that the connection has ended.
func (r *runner) finish(c *Conn) bool {
	err, mine := c.claimEnd()
	if !mine {
		return true
	}
	turn, _ := r.begin(c, nil, true)
	returned := false
	defer func() {
		if !returned {
			r.exited(c, turn, false)
		}
	}()
	c.handler.closed(c, err)
	returned = true
	return r.end(turn)
}

// claimEnd returns why the connection has ended, once, when no function is running.
func (c *Conn) claimEnd() (error, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil || c.phase == phaseEnded || c.detached.Load() {
		return nil, false
	}
	c.phase = phaseEnded
	return c.err, true
}

// waitingMessage waits for the handler that is running.
type waitingMessage struct {
	m   Message
	buf *buffer
}

// leaveBehind leaves a message to the goroutine whose handler takes its time. It
// reports false when that has just ended.
func (c *Conn) leaveBehind(m Message, buf *buffer) bool {
	if buf == nil {
		buf = getBuffer(len(m.Data))
		buf.b = append(buf.b, m.Data...)
		m.Data = buf.b
	}
	c.mu.Lock()
	if !c.detached.Load() {
		c.mu.Unlock()
		return false
	}
	x := c.more()
	x.backlog = append(x.backlog, waitingMessage{m, buf})
	x.backSize += len(m.Data) + backlogOverhead
	if int64(x.backSize) > min(c.bounds.message, int64(c.bounds.queue/4)) {
		c.pauseLocked(pausedByBacklog) // before the backlog can be empty again
	}
	c.mu.Unlock()
	return true
}

// backlogOverhead is what a waiting message counts beside its bytes.
const backlogOverhead = 512

// awaitTakeOver waits for who took the runner over to be done with that.
func (c *Conn) awaitTakeOver() {
	for !c.detached.Load() {
		time.Sleep(time.Microsecond)
	}
}

// workOff calls the handler for what has come while it was running.
func (c *Conn) workOff() {
	c.awaitTakeOver()
	returned := false
	defer func() {
		if returned {
			return
		}
		promised := c.takeDeferred()
		go c.workOff() // a handler has called runtime.Goexit
		if promised != nil {
			c.runDeferred(promised)
		}
	}()
	w, ok, end := c.nextBehind()
	for ; ok; w, ok, end = c.nextBehind() {
		if !c.quiet.Load() {
			c.handler.message(c, w.m)
		}
		if f := c.takeDeferred(); f != nil {
			returned = true
			go c.workOff() // goes on, as this one will not
			c.runDeferred(f)
			putBuffer(w.buf)
			return
		}
		putBuffer(w.buf)
	}
	returned = true
	c.resumeFrom(pausedByBacklog)
	c.part()
	if end != nil {
		c.handler.closed(c, end)
	}
}

// nextBehind returns the next message of the backlog. When there is none, the
// handler is called by who reads again, unless the connection has ended: then the
// caller is to say so.
func (c *Conn) nextBehind() (w waitingMessage, ok bool, end error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.more()
	if len(x.backlog) == 0 {
		x.backlog, x.backSize = nil, 0
		c.detached.Store(false)
		if c.err != nil && c.phase != phaseEnded {
			c.phase, end = phaseEnded, c.err
		}
		return w, false, end
	}
	w = x.backlog[0]
	x.backlog[0] = waitingMessage{}
	x.backlog = x.backlog[1:]
	x.backSize -= len(w.m.Data) + backlogOverhead
	return w, true, nil
}
