package main

import (
	"context"
	"net/http"
	"sync"

	"github.com/parley-go/parley/websocket"
)

// echo sends back what comes over a bare WebSocket, without a hub.
type echo struct {
	running sync.WaitGroup // handlers; added to under mu

	mu     sync.Mutex
	live   map[*websocket.Conn]struct{}
	closed bool
}

// Mount serves the echo at /echo, which needs no npm modules.
func (e *echo) Mount(mux *http.ServeMux, _ string) { mux.Handle("/echo", e) }

// ServeHTTP implements [http.Handler].
func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered the request
	}
	if !e.enter(c) {
		c.Close(websocket.StatusGoingAway, "server shutting down")
		return
	}
	defer e.leave(c)
	for m, err := range c.Messages(r.Context()) { // m.Data is valid until the next turn
		if err != nil {
			return
		}
		if err := c.Write(r.Context(), m); err != nil {
			return
		}
	}
}

// enter tells whether a connection may stay.
func (e *echo) enter(c *websocket.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	if e.live == nil {
		e.live = make(map[*websocket.Conn]struct{})
	}
	e.live[c] = struct{}{}
	e.running.Add(1)
	return true
}

func (e *echo) leave(c *websocket.Conn) {
	c.CloseNow()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.live, c)
	e.running.Done()
}

// Shutdown says goodbye on every connection and returns when all have ended.
// What has not ended with ctx is cut off.
func (e *echo) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	for c := range e.live {
		go c.Close(websocket.StatusGoingAway, "server shutting down") // ends with the connection, whose handler is waited for
		stop := context.AfterFunc(ctx, func() { c.CloseNow() })
		defer stop()
	}
	e.mu.Unlock()
	e.running.Wait()
	return ctx.Err()
}
