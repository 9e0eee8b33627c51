package classic

import (
	"sync"
	"time"
)

// table finds connections by their IDs, and remembers for a while those that are
// over, so that a request which crossed the end does not begin them anew.
type table struct {
	// fixed after construction
	limit  int
	memory time.Duration // of what is over
	began  time.Time

	mu      sync.Mutex
	entries map[string]*connection
	over    map[string]*farewell
	order   []departed // what is over, the oldest first
	closed  bool       // takes nobody any more
}

// farewell is why a connection is over, for those requests of its client that
// still come.
type farewell struct {
	reason string // for the client
	stays  bool   // the client is to stay away
}

type departed struct {
	id string
	at time.Duration
}

// find returns the connection of that ID, or why it is over; neither when nobody
// knows it.
func (t *table) find(id string) (*connection, *farewell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget()
	return t.entries[id], t.over[id]
}

// claim is find that makes a connection where there is none, unless the request is to
// be refused.
func (t *table) claim(id string, make func() *connection) (*connection, *farewell, *refused) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget()
	c, f := t.entries[id], t.over[id]
	switch {
	case c != nil || f != nil:
		return c, f, nil
	case t.closed:
		return nil, nil, leaving
	case len(t.entries) >= t.limit:
		return nil, nil, full
	}
	c = make()
	t.entries[id] = c
	return c, nil, nil
}

// remove forgets a connection, and remembers why, if f is not nil.
func (t *table) remove(c *connection, f *farewell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries[c.id] != c {
		return
	}
	delete(t.entries, c.id)
	if f != nil {
		t.remember(c.id, f)
	}
}

// bury remembers that a connection is over of which nobody here knows.
func (t *table) bury(id string, f *farewell) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget()
	if t.over[id] == nil && t.entries[id] == nil {
		t.remember(id, f)
	}
}

func (t *table) remember(id string, f *farewell) {
	if t.closed {
		return
	}
	if len(t.order) >= t.limit {
		t.drop()
	}
	t.over[id] = f
	t.order = append(t.order, departed{id, time.Since(t.began) + t.memory})
}

// forget forgets what was over long ago. The caller holds mu.
func (t *table) forget() {
	now := time.Since(t.began)
	for len(t.order) > 0 && now >= t.order[0].at {
		t.drop()
	}
}

func (t *table) drop() {
	delete(t.over, t.order[0].id)
	t.order[0] = departed{}
	if t.order = t.order[1:]; len(t.order) == 0 {
		t.order = nil
	}
}

// close lets nobody in any more, and lists who is there.
func (t *table) close() []*connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.over, t.order = nil, nil
	list := make([]*connection, 0, len(t.entries))
	for _, c := range t.entries {
		list = append(list, c)
	}
	return list
}

// len is the number of connections.
func (t *table) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.entries)
}
