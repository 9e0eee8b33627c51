package parley

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"

	"github.com/parley-go/parley/wire"
)

// dispatch runs the calls that come in on one connection: in order, a bounded
// number at a time, each until its end.
type dispatch struct {
	session *Session // fixed after construction

	mu         sync.Mutex
	waiting    []*Call
	bytes      int              // of the waiting calls
	workers    int              // goroutines that run calls
	streams    int              // goroutines that run streams
	asking     int              // calls of this side that wait for the peer's answer
	connecting bool             // OnConnect runs: calls wait, whatever the parallelism
	active     map[string]*Call // running or waiting calls that have an ID
	paused     bool             // the pipe was asked to pause
	last       func()           // runs once all is done; set by finish
}

// push takes a call: it runs at once if fewer than the allowed number run,
// else it waits for its turn. It does not block.
func (d *dispatch) push(c *Call) {
	d.mu.Lock()
	if d.last != nil {
		d.mu.Unlock()
		return
	}
	if refusal := d.admit(c); refusal != nil {
		d.mu.Unlock()
		d.session.answer(c, refusal)
		c.cancel(nil)
		return
	}
	if d.workers < d.session.core.limits.Parallelism && !d.connecting {
		d.workers++
		d.connecting = c.hook != nil
		d.mu.Unlock()
		go d.work(c) // ends when no call waits; Session.Closed waits for it
		return
	}
	d.waiting = append(d.waiting, c)
	d.bytes += c.size()
	pause := !d.paused && d.crowded()
	d.paused = d.paused || pause
	d.mu.Unlock()
	if pause {
		d.session.pause(true)
	}
}

// admit notes the call's ID. Only streams insist on theirs being free:
// Socket.IO clients may use an ack ID again.
func (d *dispatch) admit(c *Call) error {
	if c.ID == "" {
		return nil
	}
	if _, taken := d.active[c.ID]; taken {
		if c.stream {
			return hubErrorf(wire.CodeDuplicate, "call ID %q is already in use", c.ID)
		}
		return nil
	}
	if d.active == nil {
		d.active = make(map[string]*Call)
	}
	d.active[c.ID] = c
	return nil
}

// crowded tells whether the pipe should pause. While the peer is asked
// something, more may wait: its answer comes behind its calls.
func (d *dispatch) crowded() bool {
	l, factor := &d.session.core.limits, 1
	if d.asking > 0 {
		factor = 4
	}
	return len(d.waiting) >= factor*l.WaitingCalls || d.bytes >= factor*l.WaitingBytes
}

// ask notes that the peer is asked something, until the function it returns is
// called.
func (d *dispatch) ask() (answered func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asking++
	if d.paused && !d.crowded() {
		d.paused = false
		d.session.pause(false)
	}
	return d.answered
}

func (d *dispatch) answered() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asking--
	if !d.paused && d.crowded() {
		d.paused = true
		d.session.pause(true)
	}
}

func (d *dispatch) work(c *Call) {
	defer func() { // c is nil unless a handler ended its goroutine, as t.FailNow does
		if c == nil {
			return
		}
		if c = d.next(); c != nil {
			go d.work(c) // in place of the one that ends
		}
	}()
	for c != nil {
		d.run(c)
		c = d.next()
	}
}

// next takes the call whose turn it is, or ends the worker.
func (d *dispatch) next() *Call {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 {
		d.workers--
		d.endIfDone()
		return nil
	}
	return d.shift()
}

// shift takes the first waiting call. The caller holds mu.
func (d *dispatch) shift() *Call {
	c := d.waiting[0]
	d.waiting[0] = nil
	d.waiting = d.waiting[1:]
	d.bytes -= c.size()
	l := &d.session.core.limits
	if d.paused && len(d.waiting) <= l.WaitingCalls/2 && d.bytes <= l.WaitingBytes/2 {
		d.paused = false
		d.session.pause(false)
	}
	return c
}

func (d *dispatch) run(c *Call) {
	if c.hook != nil {
		defer d.connected()
		c.hook()
		return
	}
	if !c.stream {
		defer d.forget(c)
		d.session.serve(c)
		return
	}
	if !d.startStream() {
		d.session.answer(c, hubErrorf(wire.CodeBusy, "too many streams on this connection"))
		d.forget(c)
		return
	}
	go func() { // ends with the stream; Session.Closed waits for it
		defer d.endStream(c)
		d.session.serve(c)
	}()
}

func (d *dispatch) endStream(c *Call) {
	d.forget(c)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.streams--
	d.endIfDone()
}

// connected lets the calls go that have waited for OnConnect; the worker that
// ran it takes one itself.
func (d *dispatch) connected() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.connecting = false
	for len(d.waiting) > 1 && d.workers < d.session.core.limits.Parallelism {
		d.workers++
		go d.work(d.shift()) // ends when no call waits; Session.Closed waits for it
	}
}

// startStream reserves a place: streams run beside the ordered calls.
func (d *dispatch) startStream() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.streams >= d.session.core.limits.Streams {
		return false
	}
	d.streams++
	return true
}

func (d *dispatch) forget(c *Call) {
	c.cancel(nil)
	if c.ID == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.active[c.ID] == c {
		delete(d.active, c.ID)
	}
}

// cancel ends the context of a running or waiting call.
func (d *dispatch) cancel(id string) {
	d.mu.Lock()
	c := d.active[id]
	d.mu.Unlock()
	if c != nil {
		c.cancel(errCancelled)
	}
}

// finish runs last after the calls that run, and, with drain, after those that
// wait. Streams end. It tells whether there is anything to wait for.
func (d *dispatch) finish(drain bool, last func()) (busy bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.active {
		if c.stream {
			c.cancel(ErrClosed)
		}
	}
	if !drain {
		d.waiting, d.bytes = nil, 0
	}
	d.last = last
	busy = d.workers > 0 || d.streams > 0
	d.endIfDone()
	return busy
}

func (d *dispatch) endIfDone() {
	if d.last != nil && d.workers == 0 && d.streams == 0 {
		go d.last() // the last goroutine of the session; the hub's Shutdown waits for it
	}
}

var errCancelled = hubErrorf(wire.CodeCancelled, "the call was cancelled")

// serve runs the handler of a call and answers it.
func (s *Session) serve(c *Call) {
	s.answer(c, s.handle(c))
}

func (s *Session) handle(c *Call) error {
	if !s.admitted() {
		return ErrClosed
	}
	e := s.core.handlers.find(c.Name, s.opening.FoldNames)
	if e == nil {
		if c.unasked(errCancelled) {
			return nil
		}
		return hubErrorf(wire.CodeNotFound, "no handler named %q", c.Name)
	}
	if e.name != "" {
		c.Name = e.name
	}
	if c.stream && e.answers == withResult {
		return errNotStream(c.Name)
	}
	if !c.stream && e.answers == withStream {
		return errStreaming(c.Name)
	}
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	return s.protect(c.Name, func() error { return e.handler.Handle(c.ctx, c) })
}

// protect runs user code; a panic becomes a logged error.
func (s *Session) protect(name string, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.core.log.Error("parley: handler panicked", "handler", name, "conn", s.id, "panic", p, "stack", string(debug.Stack()))
			s.core.stats.panics.Add(1)
			err = hubErrorf(wire.CodeInternal, failedSentence)
		}
	}()
	return fn()
}

// answer tells the caller how the call ended, unless it has been told.
func (s *Session) answer(c *Call, err error) {
	if c.ctx != nil && context.Cause(c.ctx) == errCancelled {
		err = cancelledAnswer(c)
	}
	m := &wire.Message{Kind: wire.Result, ID: c.ID, Name: c.Name}
	if c.stream {
		m.Kind = wire.End
	}
	if err != nil {
		m.Err = s.report(c, err)
	}
	if c.replied || c.unasked(err) {
		return
	}
	s.send(m)
}

// unasked tells whether the peer wants no word of how the call ended. Clients
// hear of the failure even of a call that wants no answer, if their protocol
// has words for that; a server does not.
func (c *Call) unasked(err error) bool {
	return c.ID == "" && (err == nil || c.session.conn == nil)
}

// cancelledAnswer is how a cancelled call ends: a stream just ends, a plain
// call says that there is no value.
func cancelledAnswer(c *Call) error {
	if c.stream {
		return nil
	}
	return errCancelled
}

// outward is the function of that name; an error whose own code panics is
// logged as a panic of the handler.
func (s *Session) outward(name string, err error) (e *wire.Error, meant bool) {
	if s.protect(name, func() error { e, meant = outward(err, s.codec); return nil }) != nil {
		return &wire.Error{Code: wire.CodeInternal, Message: failedSentence, Hub: true}, true
	}
	return e, meant
}

// report turns a handler's error into what the caller sees, and logs what the
// caller must not see.
func (s *Session) report(c *Call, err error) *wire.Error {
	e, meant := s.outward(c.Name, err)
	if !meant && s.ctx.Err() == nil && !errors.Is(err, ErrClosed) {
		s.core.log.Error("parley: handler failed", "handler", c.Name, "conn", s.id, "error", err)
	}
	return e
}
