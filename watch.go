package parley

import "slices"

// Watcher is told what becomes of a hub's connections on this node. Nil fields are
// not called. They are called in the order of what happens to one connection, at
// the same time for several, and must not block.
type Watcher struct {
	// Connected tells that OnConnect has let a client in.
	Connected func(c *Conn)
	// Disconnected tells that it has ended, after OnDisconnect; reason is as there.
	Disconnected func(c *Conn, reason error)
	// Joined and Left tell of its groups; when it ends, it is in those that it has
	// not left.
	Joined, Left func(c *Conn, group string)
}

// Watch has w told of what happens from now on, until stop is called.
func (h *Hub) Watch(w *Watcher) (stop func()) {
	h.changeWatchers(func(all []*Watcher) []*Watcher { return append(all, w) })
	return func() {
		h.changeWatchers(func(all []*Watcher) []*Watcher {
			return slices.DeleteFunc(all, func(other *Watcher) bool { return other == w })
		})
	}
}

func (h *Hub) changeWatchers(change func([]*Watcher) []*Watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []*Watcher
	if had := h.watchers.Load(); had != nil {
		all = slices.Clone(*had)
	}
	all = change(all)
	if len(all) == 0 {
		h.watchers.Store(nil)
		return
	}
	h.watchers.Store(&all)
}

// watched calls tell for each watcher.
func (h *Hub) watched(tell func(*Watcher)) {
	if all := h.watchers.Load(); all != nil {
		for _, w := range *all {
			tell(w)
		}
	}
}

func (h *Hub) watchConnected(c *Conn) {
	h.watched(func(w *Watcher) {
		if w.Connected != nil {
			w.Connected(c)
		}
	})
}

func (h *Hub) watchDisconnected(c *Conn, reason error) {
	h.watched(func(w *Watcher) {
		if w.Disconnected != nil {
			w.Disconnected(c, reason)
		}
	})
}

func (h *Hub) watchGroup(c *Conn, group string, joined bool) {
	h.watched(func(w *Watcher) {
		tell := w.Left
		if joined {
			tell = w.Joined
		}
		if tell != nil {
			tell(c, group)
		}
	})
}
