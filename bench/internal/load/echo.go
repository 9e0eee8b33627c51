//go:build linux

package load

import (
	"time"
)

// Window says how long a run lasts, and whom to tell. It is longer if nothing has
// happened by its end.
type Window struct {
	Warm, Measure time.Duration
	Begin, End    func() // called at the ends of the measured time; nil: nobody is told
}

// Result is what happened in a window.
type Result struct {
	Messages int           // answered, or delivered
	Bytes    int           // of the answers, on the wire
	Elapsed  time.Duration // the window's true length
	Idle     time.Duration // time of it that the client had nothing to do
}

// Echo keeps depth messages of each connection in flight. The run lasts until every
// connection has had an answer, and the window is over.
func (f *Fleet) Echo(depth int, w Window) (Result, error) {
	for _, c := range f.conns {
		if err := f.say(c, depth); err != nil {
			return Result{}, err
		}
	}
	return f.measure(w, func(c *conn) (int, error) {
		n, err := f.hear(c)
		if n > 0 && err == nil {
			err = f.say(c, n)
		}
		return n, err
	})
}

// measure polls through a window. React handles a connection with something to
// read and returns how many messages that were.
func (f *Fleet) measure(w Window, react func(c *conn) (int, error)) (Result, error) {
	messages := 0
	ready := func(c *conn) error {
		n, err := react(c)
		messages += n
		return err
	}
	if err := f.pollFor(w.Warm, ready); err != nil {
		return Result{}, err
	}
	if messages < len(f.conns) { // a slow server: let each connection have its first answer
		if err := f.until(ready, func() bool { return messages >= len(f.conns) }); err != nil {
			return Result{}, err
		}
	}
	call(w.Begin)
	messages, f.idle, f.bytes = 0, 0, 0
	began := time.Now()
	if err := f.pollFor(w.Measure, ready); err != nil {
		return Result{}, err
	}
	if err := f.until(ready, func() bool { return messages > 0 }); err != nil {
		return Result{}, err
	}
	r := Result{Messages: messages, Bytes: f.bytes, Elapsed: time.Since(began), Idle: f.idle}
	call(w.End)
	return r, nil
}

func call(f func()) {
	if f != nil {
		f()
	}
}

func (f *Fleet) pollFor(d time.Duration, ready func(*conn) error) error {
	for began := time.Now(); time.Since(began) < d; {
		if err := f.poll(ready); err != nil {
			return err
		}
	}
	return nil
}
