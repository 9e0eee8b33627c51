package websocket

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// While a call does what it has deferred, it gets what a later message brings.
func TestDeferredCallsOverlap(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		second, closed := make(chan string, 1), make(chan StatusCode, 1)
		over := make(chan struct{})
		c := n.dial(t, n.serve(t, &Handler{
			OnMessage: func(c *Conn, m Message) {
				switch string(m.Data) {
				case "dawdle and wait":
					dawdle()
					fallthrough
				case "wait":
					c.Defer(func() {
						before := string(m.Data)
						c.Send(Message{Text, append([]byte("got "), <-second...)})
						if string(m.Data) != before {
							t.Errorf("meanwhile %q became %q", before, m.Data)
						}
					})
				case "stay":
					c.Defer(func() { <-over })
				default:
					second <- string(m.Data)
				}
			},
			OnClose: func(_ *Conn, code StatusCode, _ string) { closed <- code },
		}))
		ctx := t.Context()
		for _, ask := range []string{"wait", "dawdle and wait", "wait", "wait"} {
			c.Write(ctx, Message{Text, []byte(ask)})
			c.Write(ctx, Message{Text, []byte("for me")})
			wantMessage(t, c, Text, "got for me")
		}
		// The end does not wait for a call either.
		c.Write(ctx, Message{Text, []byte("stay")})
		c.Close(1000, "")
		if code := <-closed; code != 1000 {
			t.Errorf("OnClose was told %d, want 1000", code)
		}
		close(over)
	})
}

// However long calls take, and whatever part of them, OnMessage is called for one
// message after the other, in order; and each call finds its own message to the end.
func TestDeferringKeepsTheOrder(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		const messages = 2000
		var calls atomic.Int32
		var begun []uint32 // owned by OnMessage
		done := make(chan struct{}, messages)
		c := n.dial(t, n.serve(t, &Handler{OnMessage: func(c *Conn, m Message) {
			if calls.Add(1) != 1 {
				t.Error("OnMessage is called twice at a time")
			}
			defer calls.Add(-1)
			number := binary.BigEndian.Uint32(m.Data)
			begun = append(begun, number)
			if number%300 == 100 {
				dawdle()
			}
			finish := func() {
				if number%300 == 200 || number%600 == 100 {
					dawdle()
				}
				if again := binary.BigEndian.Uint32(m.Data); again != number {
					t.Errorf("message %d became %d", number, again)
				}
				done <- struct{}{}
			}
			if number%7 == 0 {
				finish()
				return
			}
			c.Defer(finish)
		}}))
		for i := range uint32(messages) {
			c.Write(t.Context(), Message{Binary, binary.BigEndian.AppendUint32(nil, i)})
		}
		for range messages {
			<-done
		}
		for i, number := range begun {
			if int(number) != i {
				t.Fatalf("call %d began in place %d", number, i)
			}
		}
	})
}

func TestDeferredPanicsAndExits(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		url := n.serve(t, &Handler{
			OnError: func(*Conn, error) {},
			OnMessage: func(c *Conn, m Message) {
				switch string(m.Data) {
				case "panic":
					c.Defer(func() { panic("oops") })
				case "exit":
					c.Defer(runtime.Goexit)
				case "late exit":
					c.Defer(func() {
						dawdle()
						runtime.Goexit()
					})
				default:
					c.Defer(func() { c.Send(m) })
				}
			},
		})
		c := n.dial(t, url)
		for _, what := range []string{"exit", "late exit", "exit"} {
			c.Write(t.Context(), Message{Text, []byte(what)})
			c.Write(t.Context(), Message{Text, []byte("and on")})
			wantMessage(t, c, Text, "and on")
		}
		c.Write(t.Context(), Message{Text, []byte("panic")})
		wantCloseError(t, c, StatusInternalError, "")
	})
}

// dawdle takes long enough to lose the loop.
func dawdle() {
	for began := time.Now(); time.Since(began) < 3*patience; {
		runtime.Gosched()
	}
}

// A sender with a queue of its own: everything leaves, in order, in few writes.
func TestOnWritableEmptiesAQueue(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		var mu sync.Mutex
		var queue []string
		inside := 0
		opened := make(chan *Conn, 1)
		c := n.dial(t, n.serve(t, &Handler{
			OnOpen: func(c *Conn, _ *http.Request) { opened <- c },
			OnWritable: func(c *Conn) {
				mu.Lock()
				inside++
				if inside > 1 {
					t.Error("OnWritable is called twice at a time")
				}
				batch := queue
				queue = nil
				mu.Unlock()
				for _, s := range batch {
					c.Send(Message{Text, []byte(s)})
				}
				mu.Lock()
				inside--
				mu.Unlock()
			},
			OnMessage: func(c *Conn, m Message) {
				mu.Lock()
				queue = append(queue, string(m.Data))
				mu.Unlock()
				c.Want()
			},
		}))
		server := <-opened
		const each = 500
		go func() { // ends after its last Want
			for i := range each {
				mu.Lock()
				queue = append(queue, fmt.Sprint("own ", i))
				mu.Unlock()
				server.Want()
			}
		}()
		go func() {
			for i := range each {
				c.Write(context.Background(), Message{Text, []byte(fmt.Sprint("echo ", i))})
			}
		}()
		next := map[string]int{}
		for range 2 * each {
			m, err := c.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var who string
			var i int
			fmt.Sscan(string(m.Data), &who, &i)
			if next[who] != i {
				t.Fatalf("%s %d came, want %d", who, i, next[who])
			}
			next[who]++
		}
	})
}

// A peer that does not read: OnWritable is called again only when it does.
func TestOnWritableWaitsForThePeer(t *testing.T) {
	overEachSmall(t, func(t *testing.T, n network) {
		const piece, pieces = 64 << 10, 64
		var mu sync.Mutex
		sent, most := 0, 0
		var server *Conn
		opened := make(chan struct{})
		c := n.dial(t, n.serve(t, &Handler{
			Options: &AcceptOptions{Limits: &Limits{QueueBytes: 2 * piece}},
			OnOpen:  func(c *Conn, _ *http.Request) { server = c; close(opened) },
			OnWritable: func(c *Conn) {
				mu.Lock()
				defer mu.Unlock()
				if sent == pieces {
					return
				}
				if err := c.Send(Message{Binary, make([]byte, piece)}); err != nil {
					t.Errorf("Send: %v", err)
				}
				sent++
				c.Want()
			},
		}))
		<-opened
		server.Want()
		for got := range pieces {
			if _, err := c.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			most = max(most, sent-got)
			mu.Unlock()
		}
		if most > pieces/2 {
			t.Errorf("%d pieces were sent ahead of the reader", most)
		}
	})
}

func TestOnWritableThatPanicsEndsTheConnection(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		failed := make(chan error, 1)
		c := n.dial(t, n.serve(t, &Handler{
			OnMessage:  func(c *Conn, _ Message) { c.Want() },
			OnWritable: func(*Conn) { panic("oops") },
			OnError:    func(_ *Conn, err error) { failed <- err },
		}))
		c.Write(t.Context(), Message{Text, []byte("go")})
		wantCloseError(t, c, StatusInternalError, "")
		if err := <-failed; err == nil || err.Error() != "websocket: a handler panicked: oops" {
			t.Errorf("OnError was told %v", err)
		}
	})
}
