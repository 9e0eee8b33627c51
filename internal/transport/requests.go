package transport

import (
	"errors"
	"sync"

	"github.com/parley-go/parley/wire"
)

// ErrGone means a request to a pipe that has ended.
var ErrGone = errors.New("transport: connection has ended")

// requests is what the pipes made of HTTP requests have in common: it counts
// the requests, hands up what POSTs bring, and ends when the last one has.
type requests struct {
	gate                   // holds POSTs back
	rcv     wire.Receiver  // fixed after construction
	turn    chan struct{}  // has an element while a message is handed up: one at a time
	running sync.WaitGroup // requests inside the pipe
	wake    chan struct{}  // has an element when there may be something to take
	gone    chan struct{}  // closed when the pipe has ended

	mu    sync.Mutex
	bye   bool // Close was called
	ended bool
}

func newRequests(rcv wire.Receiver) requests {
	return requests{
		rcv:  rcv,
		turn: make(chan struct{}, 1),
		wake: make(chan struct{}, 1),
		gone: make(chan struct{}),
	}
}

// enter counts a request in, unless the pipe has ended.
func (q *requests) enter() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return ErrGone
	}
	q.running.Add(1)
	return nil
}

// Do runs fn as a request does: the receiver is told of the end only when it
// has returned. The error is ErrGone, or that of fn.
func (q *requests) Do(fn func() error) error {
	if err := q.enter(); err != nil {
		return err
	}
	defer q.running.Done()
	return fn()
}

// Receive hands up a message that a POST has brought, waiting while the pipe
// is paused. The error is ErrGone.
func (q *requests) Receive(data []byte, binary bool) error {
	if err := q.enter(); err != nil {
		return err
	}
	defer q.running.Done()
	select {
	case q.turn <- struct{}{}:
	case <-q.gone:
		return ErrGone
	}
	defer func() { <-q.turn }()
	if !q.wait(q.gone) {
		return ErrGone
	}
	q.rcv.Receive(data, binary)
	return nil
}

// end ends the pipe for the reason err, which no longer matters after a Close.
// Only the first call counts.
func (q *requests) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.endLocked(err)
}

// endLocked is end for a caller that holds mu.
func (q *requests) endLocked(err error) {
	if q.ended {
		return
	}
	q.ended = true
	if q.bye {
		err = nil
	}
	close(q.gone)
	go func() { // ends with the last request; the receiver's session waits for Closed
		q.running.Wait()
		q.rcv.Closed(err)
	}()
}

// Wake implements [wire.Pipe].
func (q *requests) Wake() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
