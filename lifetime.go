package parley

import (
	"context"
	"slices"
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
	afters []*func()     // what package context wants to be called
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

// Value implements [context.Context].
func (l *lifetime) Value(any) any { return nil }

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
	l.afters = append(l.afters, &f)
	return func() bool { return l.forget(&f) }
}

func (l *lifetime) forget(f *func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.afters, f)
	if i < 0 {
		return false
	}
	if l.afters = slices.Delete(l.afters, i, i+1); len(l.afters) == 0 {
		l.afters = nil
	}
	return true
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
	for _, f := range afters {
		(*f)()
	}
}
