package signalr

import (
	"context"
	"sync"
	"time"
)

// comeback opens the next WebSocket of a connection with stateful reconnect
// when one is lost: once, and at once.
type comeback struct {
	// fixed after construction
	resume *resumable
	link   *clientLink
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc

	tasks sync.WaitGroup // the attempt of the moment

	mu   sync.Mutex
	over bool      // no attempt may begin
	last time.Time // when the last one began
}

func newComeback(l *clientLink) *comeback {
	b := &comeback{link: l}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	// The patience is never spent: an attempt ends before.
	b.resume = newResumable(l, l.o.StatefulReconnectBuffer, nil, 2*l.o.HandshakeTimeout+soonest)
	b.resume.rewind, b.resume.left = l.rewind, b.begin
	return b
}

// soonest is how long after an attempt the next one begins: a server that lets
// in and drops is not run down.
const soonest = time.Second

// begin begins an attempt.
func (b *comeback) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return
	}
	wait := max(time.Until(b.last.Add(soonest)), 0)
	b.last = time.Now().Add(wait)
	b.tasks.Go(func() { b.try(wait) }) // ends with its WebSocket opened or not; the connection's end waits for it
}

// try opens a WebSocket at the address of the first, without a negotiation and
// without a handshake (docs/protocols/signalr.md, "Stateful reconnect").
func (b *comeback) try(wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, b.link.o.HandshakeTimeout)
	defer cancel()
	pipe, err := b.link.webSocket(ctx)
	if err != nil {
		b.resume.abandon(err)
		return
	}
	if !b.resume.attach(pipe) {
		pipe.Refuse(1000, "")
	}
}

// end calls then, once no attempt is under way.
func (b *comeback) end(then func()) {
	b.mu.Lock()
	b.over = true
	b.mu.Unlock()
	b.cancel()
	go func() { // ends with the attempt; the session waits for then
		b.tasks.Wait()
		then()
	}()
}
