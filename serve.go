package parley

import (
	"errors"
	"runtime/debug"
	"time"

	"github.com/parley-go/parley/wire"
)

var errCancelled = hubErrorf(wire.CodeCancelled, "the call was cancelled")

// errExited is the failure of a handler that ends its goroutine, as t.FailNow
// does.
var errExited = errors.New("the handler has ended its goroutine")

// serve runs the handler of a call and answers it.
func (s *Session) serve(c *Call) {
	err := errExited
	defer func() { s.answer(c, err) }()
	err = s.handle(c)
}

// serveTimed is serve on a goroutine that was lent: a handler that keeps it for
// long is not given one again for a while.
func (s *Session) serveTimed(c *Call) {
	began := time.Now()
	s.serve(c)
	if c.entry != nil {
		c.entry.took(time.Since(began), s.core.start)
	}
}

func (s *Session) handle(c *Call) error {
	if !s.admitted() {
		return ErrClosed
	}
	e := c.entry
	if e == nil {
		e = s.core.handlers.find(c.Name, s.opening.FoldNames)
	}
	if e == nil {
		if c.unasked(errCancelled) {
			return nil
		}
		return hubErrorf(wire.CodeNotFound, "no handler named %q", c.Name)
	}
	if e.name != "" {
		c.Name = e.name
	}
	if err := e.suits(c); err != nil {
		return err
	}
	if c.ctx.Err() != nil {
		return c.ctx.cause()
	}
	return s.run(e, c)
}

// run runs the handler.
func (s *Session) run(e *entry, c *Call) (err error) {
	defer s.caught(c.Name, &err)
	return e.handler.Handle(&c.ctx, c)
}

// suits tells what is wrong with the way in which c calls the handler.
func (e *entry) suits(c *Call) error {
	switch {
	case c.stream && e.answers == withResult:
		return errNotStream(c.Name)
	case !c.stream && e.answers == withStream:
		return errStreaming(c.Name)
	case e.uploads >= 0 && e.uploads != len(c.uploads):
		return hubErrorf(wire.CodeStreams, "Client sent %d stream(s), Hub method expects %d.", len(c.uploads), e.uploads)
	}
	return nil
}

// protect runs user code; a panic becomes a logged error.
func (s *Session) protect(name string, fn func() error) (err error) {
	defer s.caught(name, &err)
	return fn()
}

// caught turns a panic into an error; it is to be deferred.
func (s *Session) caught(name string, err *error) {
	if p := recover(); p != nil {
		s.core.log.Error("parley: handler panicked", "handler", name, "conn", s.id, "panic", p, "stack", string(debug.Stack()))
		s.core.stats.panics.Add(1)
		*err = hubErrorf(wire.CodeInternal, failedSentence)
	}
}

// answer tells the caller how the call ended, unless it has been told.
func (s *Session) answer(c *Call, err error) {
	if err == nil && (c.replied || c.unasked(nil)) {
		return
	}
	if err != nil && c.ctx.cause() == errCancelled {
		err = cancelledAnswer(c)
	}
	m := &wire.Message{Kind: wire.Result, ID: c.ID, Name: c.Name, Aside: c.aside}
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
	if s.protect(name, func() error { e, meant = outward(err, s.codec()); return nil }) != nil {
		return &wire.Error{Code: wire.CodeInternal, Message: failedSentence, Hub: true}, true
	}
	return e, meant
}

// report turns a handler's error into what the caller sees, and logs what the
// caller must not see.
func (s *Session) report(c *Call, err error) *wire.Error {
	e, meant := s.outward(c.Name, err)
	if !meant && s.life.ended() == nil && !errors.Is(err, ErrClosed) {
		s.core.log.Error("parley: handler failed", "handler", c.Name, "conn", s.id, "error", err)
	}
	return e
}
