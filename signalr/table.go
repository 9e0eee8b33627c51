package signalr

import (
	"sync"
	"sync/atomic"
	"time"
)

// table finds connections by their tokens: those that wait for their
// transport, which they do for a bounded time, and those that have one. It
// needs no timer, as whoever looks clears out what has expired.
type table struct {
	// fixed after construction
	limit int       // of those that wait
	start time.Time // what the connections' times count from

	early atomic.Int64 // bytes that POSTs have brought for those that wait

	mu      sync.Mutex
	entries map[string]*connection
	waiting int        // connections without a transport
	order   []deadline // of those that wait, the oldest first; some have a transport since, and some have ended
}

// deadline is when it is too late for a transport. It has a name and no
// connection, which may end much earlier.
type deadline struct {
	token string
	at    time.Duration
}

// add lets a negotiated connection wait, unless too many do.
func (t *table) add(c *connection) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	if t.waiting >= t.limit {
		return false
	}
	if t.entries == nil {
		t.entries = make(map[string]*connection)
	}
	t.entries[c.token] = c
	t.waiting++
	t.order = append(t.order, deadline{c.token, c.expires})
	return true
}

// expire forgets the connections that have waited too long.
func (t *table) expire() {
	now := time.Since(t.start)
	for len(t.order) > 0 && now >= t.order[0].at {
		token := t.order[0].token
		if old := t.entries[token]; old != nil && old.expire() {
			delete(t.entries, token)
			t.waiting--
		}
		t.order[0] = deadline{}
		t.order = t.order[1:]
	}
}

// find returns the connection of a token, or nil.
func (t *table) find(token string) *connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	return t.entries[token]
}

// attached notes that a connection waits no more.
func (t *table) attached() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting--
}

// remove forgets a connection.
func (t *table) remove(token string, waited bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.entries, token)
	if waited {
		t.waiting--
	}
}

// reserve asks for room for n bytes among at most limit.
func (t *table) reserve(n, limit int) bool {
	if t.early.Add(int64(n)) <= int64(limit) {
		return true
	}
	t.release(n)
	return false
}

// release gives room back.
func (t *table) release(n int) { t.early.Add(-int64(n)) }
