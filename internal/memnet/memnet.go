// Package memnet is a network in memory, for tests: mostly for those in a bubble of
// fake time, where a goroutine that waits for a socket would be taken for busy.
package memnet

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Listener is a [net.Listener] that is dialled in memory. Connections have no buffer:
// a write waits for its reader. It is safe for concurrent use.
type Listener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

// Listen makes a listener.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements [net.Listener].
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// Dial connects to the listener, whatever the address: it is what a
// [net.Dialer]'s DialContext is elsewhere. In a bubble, ctx is one of the bubble.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Client makes an HTTP client that reaches the listener by any URL with scheme http. Whoever
// makes it closes its idle connections.
func (l *Listener) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: l.Dial}}
}
