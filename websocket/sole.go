package websocket

import (
	"context"
	"sync/atomic"
)

// sole is a right that one goroutine has at a time. Taking a free one costs next to
// nothing; one who waits can be interrupted.
type sole struct {
	state atomic.Int32  // one of the below
	freed chan struct{} // with room for one
}

const (
	soleFree int32 = iota
	soleTaken
	soleAwaited // taken, and somebody may be waiting
)

func newSole() sole { return sole{freed: make(chan struct{}, 1)} }

// try takes the right if it is free.
func (s *sole) try() bool { return s.state.CompareAndSwap(soleFree, soleTaken) }

// take takes the right, unless ctx or done ends first.
func (s *sole) take(ctx context.Context, done <-chan struct{}) bool {
	for s.state.Swap(soleAwaited) != soleFree {
		select {
		case <-s.freed:
		case <-ctx.Done():
			return false
		case <-done:
			return false
		}
	}
	return true
}

// leave gives the right back.
func (s *sole) leave() {
	if s.state.Swap(soleFree) == soleAwaited {
		signal(s.freed)
	}
}
