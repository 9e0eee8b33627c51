package parley

import (
	"slices"

	"github.com/parley-go/parley/wire"
)

// Pipe is what carries the connection: its protocol package finds its own things
// again by it.
func (c *Conn) Pipe() wire.Pipe { return c.session.pipe }

// WhenShutdown calls f once when [Hub.Shutdown] begins, or now if it has begun,
// unless forget has been called: a protocol package lets go of clients that
// have no session yet. f must not block.
func (h *Hub) WhenShutdown(f func()) (forget func()) {
	h.mu.Lock()
	if h.shutdown {
		h.mu.Unlock()
		f()
		return func() {}
	}
	defer h.mu.Unlock()
	h.ends = append(h.ends, &f)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ends = slices.DeleteFunc(h.ends, func(other *func()) bool { return other == &f })
	}
}

// announce tells those who wait for it that Shutdown has begun.
func (h *Hub) announce() {
	h.mu.Lock()
	h.shutdown = true
	ends := h.ends
	h.ends = nil
	h.mu.Unlock()
	for _, f := range ends {
		(*f)()
	}
}
