package parley

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/parley-go/parley/wire"
)

// pending holds the calls that wait for an answer of the peer, and the streams
// that calls of the peer have brought, each by ID. Hub and client use the same.
type pending struct {
	last   *atomic.Uint64 // counts the names of this side; fixed after construction
	prefix *string        // of them; fixed when the session opens

	mu      sync.Mutex
	calls   map[string]*waiter
	brought map[string]*waiter
	kept    int   // streams of calls that have not ended, nor left them
	ended   error // why no call can be added any more
}

// waiter is one call waiting for its answer, or a stream waiting for its end.
type waiter struct {
	id    string
	done  chan struct{} // closed when result and err are set
	args  wire.Args
	err   error
	items *items // for a stream, else nil
	then  func() // called once done is closed; must not block. Nil for nothing
}

// end gives the waiter its answer.
func (w *waiter) end(args wire.Args, err error) {
	w.args, w.err = args, err
	close(w.done)
	if w.then != nil {
		w.then()
	}
}

func (p *pending) add(stream bool, pause func(bool)) (*waiter, error) {
	w := &waiter{id: p.nextID(), done: make(chan struct{})}
	if stream {
		w.items = newItems(maxItems, pause)
	}
	return w, p.wait(w)
}

// wait makes w one of the calls that wait.
func (p *pending) wait(w *waiter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		return p.ended
	}
	if p.calls == nil {
		p.calls = make(map[string]*waiter)
	}
	p.calls[w.id] = w
	return nil
}

// nextID is a name for a call or a stream of this side. No two of one hub are
// alike, as several connections may be asked by one.
func (p *pending) nextID() string { return *p.prefix + strconv.FormatUint(p.last.Add(1), 10) }

// expect makes room for a stream that a call of the peer brings.
func (p *pending) expect(id string, l *Limits, pause func(bool)) (*waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ended != nil:
		return nil, p.ended
	case p.kept >= l.Streams:
		return nil, hubErrorf(wire.CodeBusy, "too many streams on this connection")
	case p.brought[id] != nil:
		return nil, hubErrorf(wire.CodeDuplicate, "stream ID %q is already in use", id)
	}
	w := &waiter{id: id, done: make(chan struct{}), items: newItems(l.UploadItems, pause)}
	if p.brought == nil {
		p.brought = make(map[string]*waiter)
	}
	p.brought[id] = w
	p.kept++
	return w, nil
}

// resolve ends the call named id, or else the stream. Answers to unknown
// calls, which were cancelled or never made, are ignored.
func (p *pending) resolve(id string, args wire.Args, err error) {
	if w := p.removeAny(id); w != nil {
		w.end(args, err)
	}
}

// remove takes the call named id out, if it still waits.
func (p *pending) remove(id string) *waiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.calls[id]
	delete(p.calls, id)
	return w
}

func (p *pending) removeAny(id string) *waiter {
	if w := p.remove(id); w != nil {
		return w
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.brought[id]
	delete(p.brought, id)
	return w
}

// drop forgets a stream that nobody reads any more.
func (p *pending) drop(w *waiter) {
	p.mu.Lock()
	if p.brought[w.id] == w {
		delete(p.brought, w.id)
	}
	if w.items.close() {
		p.kept--
	}
	p.mu.Unlock()
	w.items.takeAll()
}

// item hands a stream's value to its reader.
func (p *pending) item(id string, args wire.Args) {
	p.mu.Lock()
	w := p.calls[id]
	if w == nil {
		w = p.brought[id]
	}
	p.mu.Unlock()
	if w != nil && w.items != nil {
		w.items.put(args.Clone())
	}
}

// end fails all calls, now and later.
func (p *pending) end(err error) {
	p.mu.Lock()
	calls, brought := p.calls, p.brought
	p.calls, p.brought, p.ended = nil, nil, err
	p.mu.Unlock()
	for _, some := range []map[string]*waiter{calls, brought} {
		for _, w := range some {
			w.end(wire.Args{}, err)
		}
	}
}

const maxItems = 256 // values of a stream that answers a call of this side, as limit below

// items are the values of a stream that wait for their reader.
type items struct {
	limit int // so many may wait before the pipe is paused
	pause func(bool)
	more  chan struct{} // has an element when values wait

	mu     sync.Mutex
	values []wire.Args
	paused bool
	closed bool // nobody reads any more
}

func newItems(limit int, pause func(bool)) *items {
	return &items{limit: limit, pause: pause, more: make(chan struct{}, 1)}
}

// close drops what comes. It tells whether it was the first to do so.
func (it *items) close() (first bool) {
	it.mu.Lock()
	defer it.mu.Unlock()
	first = !it.closed
	it.closed = true
	return first
}

func (it *items) put(a wire.Args) {
	it.mu.Lock()
	if it.closed {
		it.mu.Unlock()
		return
	}
	it.values = append(it.values, a)
	full := len(it.values) > it.limit && !it.paused
	it.paused = it.paused || full
	it.mu.Unlock()
	if full {
		it.pause(true)
	}
	select {
	case it.more <- struct{}{}:
	default:
	}
}

func (it *items) takeAll() []wire.Args {
	it.mu.Lock()
	values, paused := it.values, it.paused
	it.values, it.paused = nil, false
	it.mu.Unlock()
	if paused {
		it.pause(false)
	}
	return values
}

// next returns the values that have come since the last call, waiting for at
// least one; none when the stream has ended.
func (w *waiter) next(ctx context.Context) ([]wire.Args, error) {
	for {
		if values := w.items.takeAll(); len(values) > 0 {
			return values, nil
		}
		select {
		case <-w.items.more:
		case <-w.done:
			return w.items.takeAll(), w.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
