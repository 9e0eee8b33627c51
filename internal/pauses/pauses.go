// Package pauses joins the wishes of those who share a pipe: it is paused while one
// of them wants that.
package pauses

import "sync"

// Pipe is what is paused.
type Pipe interface {
	Pause()
	Resume()
}

// Count is that of the wishes for one pipe. The zero value has none. It is safe for
// concurrent use; the pipe is called under its lock.
type Count struct {
	mu sync.Mutex
	n  int32
}

// Wish is that of one of those who share the pipe. It belongs to their Count.
type Wish uint8

const (
	open   Wish = iota
	paused      // the pipe is, for this one
	gone        // it shares the pipe no more
)

// Pause makes the wish, unless it is made, or whose it is has left.
func (c *Count) Pause(w *Wish, p Pipe) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *w != open {
		return
	}
	*w = paused
	if c.n++; c.n == 1 {
		p.Pause()
	}
}

// Resume takes the wish back, if there is one.
func (c *Count) Resume(w *Wish, p Pipe) { c.change(w, open, p) }

// Leave takes it back for good.
func (c *Count) Leave(w *Wish, p Pipe) { c.change(w, gone, p) }

func (c *Count) change(w *Wish, to Wish, p Pipe) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := *w
	if was == gone {
		return
	}
	*w = to
	if was != paused {
		return
	}
	if c.n--; c.n == 0 {
		p.Resume()
	}
}
