package websocket

import (
	"net/http"
	"syscall"
	"testing"
)

// Epoll is not asked about a connection that is paused, or the loop would spin.
func TestEpollIsNotAskedAboutAPausedConnection(t *testing.T) {
	opened := make(chan *Conn, 1)
	n := networks[0]
	peer := n.raw(t, n.serve(t, &Handler{OnOpen: func(c *Conn, _ *http.Request) { c.Pause(); opened <- c }}))
	peer.send(maskedText("hi"))
	c, roundTrips := <-opened, n.roundTrips(t)
	roundTrips()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket.interest&syscall.EPOLLIN != 0 {
		t.Error("epoll is asked for what nobody reads")
	}
}

// A loop that has just begun is watched over, also before it has ever waited.
func TestALoopThatBeginsIsWatchedOver(t *testing.T) {
	until(t, "the end of the watch before", func() bool { return !pollers.watching.Load() })
	l, err := newLoop()
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	l.start()
	watched := pollers.watching.Load()
	l.mu.Unlock()
	if !watched {
		t.Error("nobody watches over it")
	}
	until(t, "the end of a loop without members", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return !l.running
	})
	syscall.Close(l.epoll)
	syscall.Close(l.alarm)
}

// noLoopRuns reports whether all loops have stopped, as they do with their last member.
func noLoopRuns() bool {
	pollers.mu.Lock()
	defer pollers.mu.Unlock()
	for _, l := range pollers.loops {
		l.mu.Lock()
		running := l.running
		l.mu.Unlock()
		if running {
			return false
		}
	}
	return true
}
