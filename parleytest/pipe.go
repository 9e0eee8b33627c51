package parleytest

import (
	"sync"

	"github.com/parley-go/parley/wire"
)

// pipe is one end of a pipe in memory. What one end takes, the other receives,
// on a goroutine that lives while there is something to take.
type pipe struct {
	rcv  wire.Receiver // set before start
	peer *pipe
	link *link
	from *sync.Cond // of link.mu: this end was resumed, or the other closed

	// guarded by link.mu
	started, woken, flushing, paused bool
	bye                              *wire.CloseError // Close was called
}

// link is what both ends share.
type link struct {
	mu    sync.Mutex
	ended bool
	ends  [2]*pipe
	tasks sync.WaitGroup // flushers
	over  func()         // tells the receivers; set by end
}

func newPair() (a, b *pipe) {
	l := &link{}
	a, b = &pipe{link: l}, &pipe{link: l}
	a.peer, b.peer = b, a
	a.from, b.from = sync.NewCond(&l.mu), sync.NewCond(&l.mu)
	l.ends = [2]*pipe{a, b}
	return a, b
}

// start lets messages flow once the other end has started as well.
func (p *pipe) start() {
	p.link.mu.Lock()
	p.started = true
	p.link.settle()
	p.link.mu.Unlock()
	p.Wake()
	p.peer.Wake()
}

// Transport implements wire.Pipe.
func (p *pipe) Transport() string { return "memory" }

// Wake implements wire.Pipe.
func (p *pipe) Wake() {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	p.woken = true
	p.flushSoon()
}

func (p *pipe) flushSoon() {
	if p.flushing || !p.started || !p.peer.started || p.link.ended {
		return
	}
	p.flushing = true
	p.link.tasks.Go(p.flush) // ends when nothing is left to take; end waits for it
}

func (p *pipe) flush() {
	for p.more() {
		for _, e := range p.rcv.Take(nil) {
			if !p.waitResumed() {
				return
			}
			p.peer.rcv.Receive(e.Data, e.Binary)
		}
	}
}

// more tells the flusher whether to look again. When all is said and Close was
// called, both ends are over.
func (p *pipe) more() bool {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	if p.woken {
		p.woken = false
		return !p.link.ended
	}
	p.flushing = false
	if p.bye != nil {
		p.end(p.bye)
	}
	return false
}

// waitResumed waits until the peer reads again; false when the pipe has ended.
// A goodbye does not wait for a peer that does not read.
func (p *pipe) waitResumed() bool {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	for p.peer.paused && !p.link.ended {
		if p.bye != nil {
			p.end(p.bye)
			return false
		}
		p.peer.from.Wait()
	}
	return !p.link.ended
}

// end ends both ends; p's peer is told bye. The caller holds link.mu.
func (p *pipe) end(bye *wire.CloseError) {
	l := p.link
	if l.ended {
		return
	}
	l.ended = true
	l.ends[0].from.Broadcast()
	l.ends[1].from.Broadcast()
	l.over = func() {
		l.tasks.Wait()
		p.rcv.Closed(nil)
		p.peer.rcv.Closed(reason(bye))
	}
	l.settle()
}

// settle tells the receivers of the end, once both have been set. The caller
// holds mu.
func (l *link) settle() {
	if l.over != nil && l.ends[0].started && l.ends[1].started {
		go l.over() // ends when the flushers have; the sessions wait for Closed
		l.over = nil
	}
}

func reason(bye *wire.CloseError) error {
	if bye == nil || bye.Code == 1000 || bye.Code == 1001 {
		return nil
	}
	return bye
}

// Ping implements wire.Pipe: memory is always alive.
func (p *pipe) Ping() bool {
	go p.rcv.Heard() // returns at once
	return true
}

// Pause implements wire.Pipe.
func (p *pipe) Pause() {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	p.paused = true
}

// Resume implements wire.Pipe.
func (p *pipe) Resume() {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	p.paused = false
	p.from.Broadcast()
}

// Close implements wire.Pipe.
func (p *pipe) Close(code int, reason string) {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	if p.bye == nil {
		p.bye = &wire.CloseError{Code: code, Reason: reason}
	}
	p.woken = true
	p.peer.from.Broadcast()
	p.flushSoon()
}

// CloseNow implements wire.Pipe.
func (p *pipe) CloseNow() {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	p.end(&wire.CloseError{Code: 1006})
}
