package parley

import (
	"context"
	"sync"
	"time"
)

// callContext is the context of a call. As most calls end before anybody waits
// for their cancellation, it makes a cancellable context only when asked for
// its Done.
type callContext struct {
	parent *lifetime // fixed after construction
	call   *Call     // fixed after construction

	mu      sync.Mutex
	inner   context.Context // nil until needed
	cancel  context.CancelCauseFunc
	unwatch func() bool // ends the watch over parent
	over    bool        // the call has ended
}

// Deadline implements [context.Context].
func (c *callContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }

// Done implements [context.Context].
func (c *callContext) Done() <-chan struct{} { return c.full().Done() }

// Err implements [context.Context].
func (c *callContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.inner != nil:
		return c.inner.Err()
	case c.over:
		return context.Canceled
	}
	return c.parent.Err()
}

type callKey struct{}

// Value implements [context.Context]. Package context asks it for the context
// that carries the cause.
func (c *callContext) Value(key any) any {
	if _, ours := key.(callKey); ours {
		return c.call
	}
	if c.Err() != nil {
		return c.full().Value(key)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner != nil {
		return c.inner.Value(key)
	}
	return c.parent.Value(key)
}

// full is the cancellable context.
func (c *callContext) full() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner != nil {
		return c.inner
	}
	inner, cancel := context.WithCancelCause(context.Background())
	c.inner, c.cancel = inner, cancel
	if c.over {
		cancel(nil)
		return inner
	}
	parent := c.parent
	c.unwatch = parent.then(func() { cancel(parent.ended()) })
	return inner
}

// cause is why the context has ended; nil before.
func (c *callContext) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.inner != nil:
		return context.Cause(c.inner)
	case c.over:
		return context.Canceled
	}
	return c.parent.ended()
}

// stop cancels the context for the reason cause.
func (c *callContext) stop(cause error) {
	c.full()
	c.cancel(cause)
}

// ended tells whether the call has.
func (c *callContext) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// end cancels it after the call, when the reason is of no interest.
func (c *callContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.cancel != nil {
		c.cancel(nil)
		c.unwatch()
	}
}

// callOf is the call whose handler was given ctx, or a context made of it; nil
// elsewhere.
func callOf(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}
