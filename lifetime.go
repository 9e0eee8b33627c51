package parley

import (
	"context"
	"sync"
	"time"
)

// lifetime is the context of a connection. It differs from one of package
// context in what an idle connection pays for it: no channel before somebody
// asks for it, and no place in a parent's list.
type lifetime struct {
	mu     sync.Mutex
	done   chan struct{} // nil until asked for
	cause  error         // why it has ended
	afters *after        // what is to be called then
}

// after is a link in a list of what is to be called.
type after struct {
	f    func()
	next *after
}

// Deadline implements [context.Context].
func (l *lifetime) Deadline() (at time.Time, ok bool) { return at, false }

// Done implements [context.Context].
func (l *lifetime) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == nil {
		l.done = make(chan struct{})
		if l.cause != nil {
			close(l.done)
		}
	}
	return l.done
}

// Err implements [context.Context].
func (l *lifetime) Err() error {
	if l.ended() != nil {
		return context.Canceled
	}
	return nil
}

// Value implements [context.Context]. Package context asks it for a context that
// carries the cause.
func (l *lifetime) Value(key any) any {
	cause := l.ended()
	if cause == nil {
		return nil
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return ctx.Value(key)
}

// AfterFunc is how contexts made of this one learn of its end: package context
// looks for it.
func (l *lifetime) AfterFunc(f func()) (stop func() bool) {
	return l.then(func() { go f() }) // ends with f, which package context keeps short
}

// then calls f at the end, or now if that has come. f must not block.
func (l *lifetime) then(f func()) (stop func() bool) {
	l.mu.Lock()
	if l.cause != nil {
		l.mu.Unlock()
		f()
		return func() bool { return false }
	}
	defer l.mu.Unlock()
	a := &after{f, l.afters}
	l.afters = a
	return func() bool { return l.forget(a) }
}

func (l *lifetime) forget(a *after) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at := &l.afters; *at != nil; at = &(*at).next {
		if *at == a {
			*at = a.next
			return true
		}
	}
	return false
}

// ended is why it has ended; nil before.
func (l *lifetime) ended() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// end ends it. Only the first call counts.
func (l *lifetime) end(cause error) {
	l.mu.Lock()
	if l.cause != nil {
		l.mu.Unlock()
		return
	}
	l.cause = cause
	if l.done != nil {
		close(l.done)
	}
	afters := l.afters
	l.afters = nil
	l.mu.Unlock()
	for a := afters; a != nil; a = a.next {
		a.f()
	}
}
