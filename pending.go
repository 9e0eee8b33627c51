package parley

import (
	"context"
	"strconv"
	"sync"

	"github.com/parley-go/parley/wire"
)

// pending holds the calls that wait for an answer of the peer, by ID. Hub and
// client use the same.
type pending struct {
	mu     sync.Mutex
	last   uint64
	prefix string
	calls  map[string]*waiter
	ended  error // why no call can be added any more
}

// waiter is one call waiting for its answer.
type waiter struct {
	id    string
	done  chan struct{} // closed when result and err are set
	args  wire.Args
	err   error
	items *items // for a stream, else nil
}

func (p *pending) add(stream bool, pause func(bool)) (*waiter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		return nil, p.ended
	}
	p.last++
	w := &waiter{id: p.prefix + strconv.FormatUint(p.last, 10), done: make(chan struct{})}
	if stream {
		w.items = &items{pause: pause, more: make(chan struct{}, 1)}
	}
	if p.calls == nil {
		p.calls = make(map[string]*waiter)
	}
	p.calls[w.id] = w
	return w, nil
}

// resolve ends the call named id. Answers to unknown calls, which were
// cancelled or never made, are ignored.
func (p *pending) resolve(id string, args wire.Args, err error) {
	if w := p.remove(id); w != nil {
		w.args, w.err = args, err
		close(w.done)
	}
}

func (p *pending) remove(id string) *waiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.calls[id]
	delete(p.calls, id)
	return w
}

// item hands a stream's value to its reader.
func (p *pending) item(id string, args wire.Args) {
	p.mu.Lock()
	w := p.calls[id]
	p.mu.Unlock()
	if w != nil && w.items != nil {
		w.items.put(args.Clone())
	}
}

// end fails all calls, now and later.
func (p *pending) end(err error) {
	p.mu.Lock()
	calls := p.calls
	p.calls, p.ended = nil, err
	p.mu.Unlock()
	for _, w := range calls {
		w.err = err
		close(w.done)
	}
}

const maxItems = 256 // values of one stream that may wait for their reader before the pipe is paused

// items are the values of a stream that wait for their reader.
type items struct {
	pause func(bool)
	more  chan struct{} // has an element when values wait

	mu     sync.Mutex
	values []wire.Args
	paused bool
}

func (it *items) put(a wire.Args) {
	it.mu.Lock()
	it.values = append(it.values, a)
	full := len(it.values) >= maxItems && !it.paused
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
