package parley

import "sync/atomic"

// Stats is a snapshot of a hub's counters since NewHub. Received and Sent
// count messages of all kinds, pings included.
type Stats struct {
	Conns    int   // connected now
	Opened   int64 // connections that OnConnect let in
	Refused  int64 // connections that OnConnect refused
	Received int64 // messages
	Sent     int64 // messages handed to a transport
	Panics   int64 // handlers that panicked

	// Dropped counts messages that were queued but never sent, by reason:
	// "slow" (their connection was closed for it), "oldest", "latest" and
	// "volatile" (as their Audience allowed).
	Dropped map[string]int64
	// Closed counts connections that ended, by reason: "bye", "lost", "slow",
	// "idle", "protocol", "shutdown", "expired".
	Closed map[string]int64
}

type counters struct {
	opened, refused, received, sent, panics atomic.Int64
	slow, oldest, latest, volatile          atomic.Int64
	closed                                  [len(closeReasons)]atomic.Int64
}

var closeReasons = [...]string{"bye", "lost", "slow", "idle", "protocol", "shutdown", "expired"}

func (c *counters) drop(p policy, n int) {
	switch {
	case n == 0:
	case p == keepLatest:
		c.latest.Add(int64(n))
	case p == nowOrNever:
		c.volatile.Add(int64(n))
	default:
		c.oldest.Add(int64(n))
	}
}

func (c *counters) snapshot() Stats {
	s := Stats{
		Opened:   c.opened.Load(),
		Refused:  c.refused.Load(),
		Received: c.received.Load(),
		Sent:     c.sent.Load(),
		Panics:   c.panics.Load(),
		Dropped:  map[string]int64{"slow": c.slow.Load(), "oldest": c.oldest.Load(), "latest": c.latest.Load(), "volatile": c.volatile.Load()},
		Closed:   make(map[string]int64),
	}
	for i, reason := range closeReasons {
		s.Closed[reason] = c.closed[i].Load()
	}
	return s
}
