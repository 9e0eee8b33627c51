// Package replay keeps what was sent to a peer until the peer has it, so that
// a connection that broke can go on where it was: a log with positions, and
// the memory that many logs share.
package replay

import "sync/atomic"

// Log holds the last messages to one peer. They have consecutive positions,
// from 1, which never start again. The zero value is an empty log without
// limit and budget. A Log is not safe for concurrent use; its Budget is.
type Log[T any] struct {
	// Limit is the number of bytes at which the log is Full. Zero means none.
	Limit int
	// Budget is the memory shared with other logs. Nil means that there is no
	// bound. Whoever drops a log clears it first.
	Budget *Budget

	entries  []entry[T] // the messages at last-len(entries)+1 … last
	last     int64      // position of the newest message
	released int64      // up to where the peer has all
	bytes    int        // of the messages held
	carried  int64      // see Carry
	cost     int64      // taken from the budget
}

type entry[T any] struct {
	message T
	size    int
}

// cost is what a message of so many bytes takes from the budget: it may be
// held twice, as it was written and as it was framed, and has some pointers.
func cost(size int) int64 { return 2*int64(size) + 128 }

// Last is the position of the newest message; 0 when there never was one.
func (l *Log[T]) Last() int64 { return l.last }

// First is the position of the oldest message held, or of the next one when
// none is.
func (l *Log[T]) First() int64 { return l.last - int64(len(l.entries)) + 1 }

// Bytes is the size of the messages held.
func (l *Log[T]) Bytes() int { return l.bytes }

// Full tells whether the log has reached its limit.
func (l *Log[T]) Full() bool { return l.Limit > 0 && l.bytes >= l.Limit }

// Complete tells whether everything is held that was not released: what
// [Log.All] returns closes the gap.
func (l *Log[T]) Complete() bool { return l.First() <= l.released+1 }

// Append gives m, which has size bytes, the next position, and keeps it. When
// the budget does not allow that, the log lets go of all it holds, as a
// replay with a gap is none, and kept is false. It is complete again when so
// much was released.
func (l *Log[T]) Append(m T, size int) (kept bool) {
	l.last++
	if !l.take(cost(size)) {
		l.clear()
		return false
	}
	l.entries = append(l.entries, entry[T]{m, size})
	l.bytes += size
	return true
}

// Carry notes that n bytes more are kept for the peer elsewhere, in place of
// what was noted before, and tells whether the budget allows that.
func (l *Log[T]) Carry(n int) bool {
	more := int64(n) - l.carried
	if more <= 0 {
		l.give(-more)
		l.carried = int64(n)
		return true
	}
	if !l.take(more) {
		return false
	}
	l.carried = int64(n)
	return true
}

// Release lets go of the messages up to a position. It is false when there is
// no such message yet, or never; releasing once more is nothing.
func (l *Log[T]) Release(upTo int64) bool {
	if upTo < 0 || upTo > l.last {
		return false
	}
	l.released = max(l.released, upTo)
	n := max(upTo-l.First()+1, 0)
	var back int64
	for i := range l.entries[:n] {
		l.bytes -= l.entries[i].size
		back += cost(l.entries[i].size)
	}
	l.give(back)
	l.forget(int(n))
	return true
}

// forget drops the first n entries. Their room is given back when the rest
// outgrows its own.
func (l *Log[T]) forget(n int) {
	clear(l.entries[:n])
	l.entries = l.entries[n:]
	if len(l.entries) == 0 {
		l.entries = nil
	}
}

// All appends the messages held to dst, oldest first: the first is at
// position First.
func (l *Log[T]) All(dst []T) []T {
	for i := range l.entries {
		dst = append(dst, l.entries[i].message)
	}
	return dst
}

// Oldest is the oldest message held, if there is any.
func (l *Log[T]) Oldest() (m T, any bool) {
	if len(l.entries) == 0 {
		return m, false
	}
	return l.entries[0].message, true
}

// Clear lets go of everything, also of what is carried. The positions go on.
func (l *Log[T]) Clear() {
	l.clear()
	l.Carry(0)
}

func (l *Log[T]) clear() {
	l.entries, l.bytes = nil, 0
	l.give(l.cost - l.carried)
}

func (l *Log[T]) take(n int64) bool {
	if l.Budget != nil && !l.Budget.take(l.cost, n) {
		return false
	}
	l.cost += n
	return true
}

func (l *Log[T]) give(n int64) {
	if l.Budget != nil {
		l.Budget.used.Add(-n)
	}
	l.cost -= n
}

// Budget is memory that many logs share. A log may hold at most an eighth of
// what is free: as memory gets scarce, those that hold most are refused first,
// and there is always something left for a newcomer.
// (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory
// packet switches", 1998.) It is safe for concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget makes a budget of so many bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Used is the number of bytes that are taken.
func (b *Budget) Used() int64 { return b.used.Load() }

const share = 8 // see Budget

func (b *Budget) take(held, n int64) bool {
	for {
		used := b.used.Load()
		if held+n > (b.limit-used)/share {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}
