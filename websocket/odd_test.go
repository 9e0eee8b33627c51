package websocket

import (
	"bytes"
	"runtime"
	"sync/atomic"
	"testing"
)

// A call that panics late, in what it has deferred, leaves the next one alone.
func TestDeferredPanicBesideTheNextCall(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		var begun, ran atomic.Int32
		second, closed := make(chan struct{}), make(chan struct{})
		c := n.dial(t, n.serve(t, &Handler{
			OnError: func(*Conn, error) {},
			OnClose: func(*Conn, StatusCode, string) { close(closed) },
			OnMessage: func(c *Conn, m Message) {
				begun.Add(1)
				switch string(m.Data) {
				case "panic":
					c.Defer(func() {
						ran.Add(1)
						<-second
						panic("oops")
					})
				case "second":
					close(second)
					fallthrough
				default:
					c.Defer(func() { ran.Add(1) })
				}
			},
		}))
		c.Write(t.Context(), Message{Text, []byte("panic")})
		c.Write(t.Context(), Message{Text, []byte("second")})
		for c.Write(t.Context(), Message{Text, []byte("more")}) == nil && ran.Load() < 100 {
		}
		<-closed
		if b, r := begun.Load(), ran.Load(); b != r {
			t.Errorf("of %d calls, %d have done what they deferred", b, r)
		}
	})
}

// What a call has deferred is done also when it ends its goroutine, and by nobody
// else's call.
func TestDeferBeforeAnExit(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		c := n.dial(t, n.serve(t, &Handler{
			OnMessage: func(c *Conn, m Message) {
				switch string(m.Data) {
				case "dawdle":
					dawdle()
				case "dawdle and exit":
					dawdle()
					fallthrough
				case "exit":
					c.Defer(func() { c.Send(Message{Text, append([]byte("after "), m.Data...)}) })
					runtime.Goexit()
				default:
					c.Send(m)
				}
			},
		}))
		write := func(what string) { c.Write(t.Context(), Message{Text, []byte(what)}) }
		for _, what := range []string{"exit", "dawdle and exit", "exit"} {
			write(what)
			wantMessage(t, c, Text, "after "+what)
			write("and on")
			wantMessage(t, c, Text, "and on")
		}
		write("dawdle") // and what comes meanwhile waits
		write("exit")
		wantMessage(t, c, Text, "after exit")
		write("and on")
		wantMessage(t, c, Text, "and on")
	})
}

// The end of a connection in the middle of a slow call is told when all calls are
// over.
func TestNoCallAfterTheEnd(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		type state struct {
			calls  atomic.Int32
			closed atomic.Bool
			ended  chan struct{}
			first  bool
		}
		states := make(chan *state, 1)
		url := n.serve(t, &Handler{
			OnMessage: func(c *Conn, m Message) {
				if c.Value == nil {
					c.Value = <-states
				}
				s := c.Value.(*state)
				if s.calls.Add(1) != 1 || s.closed.Load() {
					t.Error("a call beside another, or after the end")
				}
				if !s.first {
					s.first = true
					dawdle()
					c.CloseNow()
				}
				if s.closed.Load() {
					t.Error("the end comes in the middle of a call")
				}
				s.calls.Add(-1)
			},
			OnClose: func(c *Conn, _ StatusCode, _ string) {
				s := c.Value.(*state)
				s.closed.Store(true)
				if s.calls.Load() != 0 {
					t.Error("the end comes in the middle of a call")
				}
				close(s.ended)
			},
		})
		for range 20 {
			s := &state{ended: make(chan struct{})}
			states <- s
			c := n.dial(t, url)
			for range 30 {
				if c.Write(t.Context(), Message{Binary, bytes.Repeat([]byte{1}, 100)}) != nil {
					break
				}
			}
			<-s.ended
			c.CloseNow()
		}
	})
}
