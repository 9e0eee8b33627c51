// Package wheel is a hashed timer wheel: one goroutine and one ticker for any
// number of coarse timers, such as keep-alives. See Varghese and Lauck,
// "Hashed and hierarchical timing wheels" (1987), scheme 6.
package wheel

import (
	"sync"
	"time"
)

const slots = 512

// Wheel runs timers at the resolution of its tick. Its goroutine lives only
// while a timer is set. All methods are safe for concurrent use.
type Wheel struct {
	tick time.Duration

	mu      sync.Mutex
	now     uint64 // ticks since the wheel was made
	slot    [slots]*Timer
	set     int
	stopped bool
	stop    chan struct{} // closed by Stop; nil when no goroutine runs
	done    chan struct{} // closed when the goroutine has ended
}

// Timer is one entry of a wheel, owned by whoever embeds it. Set Fire before
// the first Reset and leave it.
type Timer struct {
	// Fire runs on the wheel's goroutine and must not block. It may call
	// Reset and Stop.
	Fire func()

	due        uint64
	set        bool
	prev, next *Timer
}

// New returns a wheel of the given resolution.
func New(tick time.Duration) *Wheel { return &Wheel{tick: tick} }

// Reset sets t to fire once after d, late by at most two ticks, never early, whether or not
// it was set before. On a stopped wheel it does nothing.
func (w *Wheel) Reset(t *Timer, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(t)
	if w.stopped {
		return
	}
	ticks := uint64((max(d, 0) + w.tick - 1) / w.tick)
	w.link(t, w.now+ticks+1) // one more: the tick that runs has begun already
	if w.stop == nil {
		w.stop, w.done = make(chan struct{}), make(chan struct{})
		go w.run(w.stop, w.done) // ends when the last timer is gone, or by Stop
	}
}

// Cancel unsets t. A Fire that has begun is not waited for.
func (w *Wheel) Cancel(t *Timer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(t)
	if w.set == 0 && w.stop != nil {
		close(w.stop)
		w.stop = nil
	}
}

// Stop drops all timers and returns when the goroutine is gone. It must not be
// called from a Fire.
func (w *Wheel) Stop() {
	w.mu.Lock()
	w.stopped = true
	stop, done := w.stop, w.done
	w.stop = nil
	w.mu.Unlock()
	if stop != nil {
		close(stop)
	}
	if done != nil {
		<-done
	}
}

func (w *Wheel) run(stop, done chan struct{}) {
	defer close(done)
	ticker := time.NewTicker(w.tick)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		if !w.turn(stop) {
			return
		}
	}
}

// turn fires what is due and tells whether the goroutine, which that channel stops, is
// still needed: it may have been stopped, and another have taken its place, while it
// was in a Fire.
func (w *Wheel) turn(stop chan struct{}) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != stop {
		return false
	}
	w.now++
	for t := w.due(); t != nil; t = w.due() {
		w.unlink(t)
		w.mu.Unlock()
		t.Fire()
		w.mu.Lock()
	}
	if w.stop != stop {
		return false
	}
	if w.set == 0 {
		w.stop = nil
	}
	return w.set > 0
}

func (w *Wheel) due() *Timer {
	for t := w.slot[w.now%slots]; t != nil; t = t.next {
		if t.due <= w.now {
			return t
		}
	}
	return nil
}

func (w *Wheel) link(t *Timer, due uint64) {
	head := &w.slot[due%slots]
	t.due, t.set, t.prev, t.next = due, true, nil, *head
	if *head != nil {
		(*head).prev = t
	}
	*head = t
	w.set++
}

func (w *Wheel) unlink(t *Timer) {
	if !t.set {
		return
	}
	if t.prev == nil {
		w.slot[t.due%slots] = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.set, t.prev, t.next = false, nil, nil
	w.set--
}
