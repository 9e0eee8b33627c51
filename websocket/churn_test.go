package websocket

import (
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// churnEnv asks for connections that come and go for as long as it says, such as "1m",
// instead of a fixed number of them.
const churnEnv = "PARLEY_CHURN"

// Connections that come and go leave no descriptor, no goroutine and no member behind.
func TestConnectionsThatComeAndGoLeaveNothing(t *testing.T) {
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return 0 // not here: goroutines and members tell
		}
		return len(entries)
	}
	overEach(t, func(t *testing.T, n network) {
		t.Run("first", func(t *testing.T) { n.roundTrips(t)() }) // makes what is made once
		until(t, "earlier tests to have left", noLoopRuns)
		goroutines, files := runtime.NumGoroutine(), descriptors()
		t.Run("then", func(t *testing.T) {
			var stats Stats
			url := n.serve(t, &Handler{Options: &AcceptOptions{Stats: &stats}, OnMessage: func(c *Conn, m Message) { c.Send(m) }})
			churn(t, n, url)
			until(t, "the server's ends", func() bool { return stats.Snapshot().Open == 0 })
		})
		until(t, "the loops to stop", noLoopRuns)
		until(t, "goroutines and descriptors to go", func() bool {
			return runtime.NumGoroutine() <= goroutines && descriptors() <= files+1 // of a watchdog's timer, perhaps
		})
	})
}

// churn opens and closes connections, each after one message, in every way to close.
func churn(t *testing.T, n network, url string) {
	next := make(chan int)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range next {
				c, err := Dial(t.Context(), url, n.options())
				if err != nil {
					t.Errorf("Dial: %v", err)
					continue
				}
				if err := c.Write(t.Context(), Message{Text, []byte("hello")}); err != nil {
					t.Errorf("Write: %v", err)
				}
				if _, err := c.Read(t.Context()); err != nil {
					t.Errorf("Read: %v", err)
				}
				if i%2 == 0 {
					c.Close(StatusNormalClosure, "")
				}
				c.CloseNow()
			}
		})
	}
	length, err := time.ParseDuration(os.Getenv(churnEnv))
	for i, start := 0, time.Now(); err == nil && time.Since(start) < length || err != nil && i < 500; i++ {
		next <- i
	}
	close(next)
	all.Wait()
}
