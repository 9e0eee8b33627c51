package transport

import (
	"crypto/rand"
	"errors"
	"sync"
)

// ErrFull means that a table has reached its limit.
var ErrFull = errors.New("transport: too many sessions")

// Table finds sessions by their secret token. It is safe for concurrent use.
type Table[T any] struct {
	limit int // fixed after construction

	mu      sync.Mutex
	entries map[string]T
}

// NewTable makes a table of at most limit sessions; zero means 65,536.
func NewTable[T any](limit int) *Table[T] {
	if limit == 0 {
		limit = 1 << 16
	}
	return &Table[T]{limit: limit, entries: make(map[string]T)}
}

// Add puts v into the table and returns its token: at least 128 random bits in
// 26 letters and digits. The error is ErrFull.
func (t *Table[T]) Add(v T) (token string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.entries) >= t.limit {
		return "", ErrFull
	}
	token = rand.Text()
	t.entries[token] = v
	return token, nil
}

// Get finds what Add was given.
func (t *Table[T]) Get(token string) (v T, found bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v, found = t.entries[token]
	return v, found
}

// Remove forgets a token. Removing what is not there does nothing.
func (t *Table[T]) Remove(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.entries, token)
}

// Len is the number of sessions in the table.
func (t *Table[T]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.entries)
}
