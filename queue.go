package parley

import (
	"context"
	"sync"

	"github.com/parley-go/parley/wire"
)

// policy says what happens to a message that finds its queue full.
type policy uint8

const (
	closeSlow  policy = iota // the connection is closed with ErrSlow
	dropOldest               // droppable messages give way, oldest first
	keepLatest               // a waiting message of the same key is replaced; else as dropOldest
	nowOrNever               // dropped if anything waits
)

// queue holds what waits to be written to one connection: the only place
// where messages to it wait. It is bounded in bytes and messages.
type queue struct {
	limits *Limits // fixed after construction

	mu     sync.Mutex
	items  []queued
	bytes  int
	latest map[string]int // index of the waiting message of a key; nil until needed
	live   int32          // items that were not dropped
	held   bool           // nothing may be taken yet
	ended  bool           // nothing more may be put
	room   chan struct{}  // closed at the next take; nil when nobody waits
}

type queued struct {
	e      *wire.Encoded // nil when dropped
	key    string
	policy policy
}

// put adds e. It tells whether the queue took it and how many messages were
// dropped for it (itself included). full means that the policy is to close
// the connection.
func (q *queue) put(e *wire.Encoded, p policy, key string) (dropped int, full bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return 0, false, ErrClosed
	}
	switch p {
	case nowOrNever:
		if q.held || q.live > 0 {
			return 1, false, nil
		}
	case keepLatest:
		dropped += q.dropKey(key)
	}
	for !q.fits(e) {
		if q.dropOne() {
			dropped++
			continue
		}
		if p == closeSlow {
			return dropped, true, ErrSlow
		}
		return dropped + 1, false, nil
	}
	q.add(queued{e: e, key: key, policy: p})
	return dropped, false, nil
}

func (q *queue) fits(e *wire.Encoded) bool {
	return q.live == 0 || (q.bytes+e.Size() <= q.limits.QueueBytes && int(q.live) < q.limits.QueueMessages)
}

func (q *queue) add(it queued) {
	if it.policy == keepLatest {
		if q.latest == nil {
			q.latest = make(map[string]int)
		}
		q.latest[it.key] = len(q.items)
	}
	q.items = append(q.items, it)
	q.live++
	q.bytes += it.e.Size()
}

func (q *queue) dropKey(key string) int {
	i, ok := q.latest[key]
	if !ok {
		return 0
	}
	q.drop(i)
	return 1
}

// dropOne drops the oldest message that may be dropped.
func (q *queue) dropOne() bool {
	for i := range q.items {
		if it := &q.items[i]; it.e != nil && it.policy != closeSlow {
			q.drop(i)
			return true
		}
	}
	return false
}

func (q *queue) drop(i int) {
	it := &q.items[i]
	q.live--
	q.bytes -= it.e.Size()
	if it.policy == keepLatest {
		delete(q.latest, it.key)
	}
	it.e = nil
	q.compact()
}

// compact forgets dropped messages when they are the greater part, so that
// replacing a message over and over does not grow the queue.
func (q *queue) compact() {
	if len(q.items) < 64 || int(q.live) > len(q.items)/2 {
		return
	}
	kept := q.items[:0]
	for _, it := range q.items {
		if it.e == nil {
			continue
		}
		if it.policy == keepLatest {
			q.latest[it.key] = len(kept)
		}
		kept = append(kept, it)
	}
	clear(q.items[len(kept):])
	q.items = kept
}

// take appends what waits to batch, attachments behind their messages, and
// empties the queue.
func (q *queue) take(batch []*wire.Encoded) []*wire.Encoded {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held {
		return batch
	}
	for _, it := range q.items {
		for e := it.e; e != nil; e = e.Next {
			batch = append(batch, e)
		}
	}
	q.reset()
	return batch
}

const keptItems = 64 // an emptied queue keeps room for so many; a larger one is given back

func (q *queue) reset() {
	clear(q.items)
	q.items = q.items[:0]
	if cap(q.items) > keptItems {
		q.items = nil
	}
	q.live, q.bytes, q.latest = 0, 0, nil
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

// release ends a hold, with first before all that waits. The bounds do not count
// for it.
func (q *queue) release(first ...*wire.Encoded) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held = false
	if q.ended {
		return
	}
	waiting := q.items
	q.items, q.live, q.bytes, q.latest = nil, 0, 0, nil
	for _, e := range first {
		if e != nil {
			q.add(queued{e: e})
		}
	}
	for _, it := range waiting {
		if it.e != nil {
			q.add(it)
		}
	}
}

// finish adds last words, beyond all limits, after which the queue takes no
// more. With empty, what waited before is dropped; finish tells how many
// messages that were.
func (q *queue) finish(empty bool, last ...*wire.Encoded) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return 0
	}
	if empty {
		dropped = int(q.live)
		q.reset()
	}
	q.held = false
	q.ended = true
	for _, e := range last {
		if e != nil {
			q.add(queued{e: e})
		}
	}
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	return dropped
}

// putWaiting adds e when the queue is then at most half full. Streams wait here
// for their own connection, so that they never fill the queue.
func (q *queue) putWaiting(ctx context.Context, e *wire.Encoded) error {
	for {
		room, err := q.putIfRoom(e)
		if room == nil {
			return err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (q *queue) putIfRoom(e *wire.Encoded) (room chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return nil, ErrClosed
	}
	if q.live == 0 || q.bytes+e.Size() <= q.limits.QueueBytes/2 && int(q.live) < q.limits.QueueMessages/2 {
		q.add(queued{e: e})
		return nil, nil
	}
	if q.room == nil {
		q.room = make(chan struct{})
	}
	return q.room, nil
}
