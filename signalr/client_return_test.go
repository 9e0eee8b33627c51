package signalr

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
)

// cutting is a network whose connections break.
type cutting struct {
	mu    sync.Mutex
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	after func() int64 // bytes until a new connection breaks; negative: it does not
	conns []net.Conn
}

func (c *cutting) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *cutting) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	var dial func(ctx context.Context, network, addr string) (net.Conn, error)
	c.change(func() { dial = c.dial })
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	b := &breaking{Conn: conn}
	c.change(func() {
		c.conns = append(c.conns, conn)
		b.left.Store(c.after())
	})
	return b, nil
}

// cut breaks every connection there is.
func (c *cutting) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

// breaking is a connection that breaks in the middle of what is sent.
type breaking struct {
	net.Conn
	left atomic.Int64
}

func (b *breaking) Write(p []byte) (int, error) {
	if n := b.spend(len(p)); n < len(p) {
		b.Conn.Write(p[:n])
		b.Conn.Close()
		return n, io.ErrClosedPipe
	}
	return b.Conn.Write(p)
}

func (b *breaking) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if kept := b.spend(n); kept < n {
		b.Conn.Close()
		return kept, io.ErrUnexpectedEOF
	}
	return n, err
}

// spend returns how many of n bytes get through.
func (b *breaking) spend(n int) int {
	if b.left.Load() < 0 {
		return n
	}
	return int(min(max(b.left.Add(-int64(n))+int64(n), 0), int64(n)))
}

// resuming runs body with a client of s that has connected with stateful
// reconnect, and the network between them.
func resuming(t *testing.T, protocol string, body func(s *server, cl *parley.Client, c *cutting, lost <-chan departure)) {
	serve(t, &Options{AllowStatefulReconnect: true}, func(s *server) {
		s.handle()
		c := &cutting{dial: s.listener.Dial, after: func() int64 { return -1 }}
		lost := make(chan departure, 10)
		transport := &http.Transport{DialContext: c.DialContext}
		cl := NewClient("http://hub/chat", &ClientOptions{
			StatefulReconnect: true, Protocol: protocol, HTTPClient: &http.Client{Transport: transport},
			ClientOptions: parley.ClientOptions{OnDisconnect: func(err error, again bool) { lost <- departure{err, again} }},
		})
		connect(s.t, cl)
		synctest.Wait()
		body(s, cl, c, lost)
		if err := cl.Close(s.t.Context()); err != nil {
			s.t.Errorf("Close: %v", err)
		}
		transport.CloseIdleConnections()
	})
}

// TestAResumingClientLosesNothing: whatever breaks, all messages arrive, once
// and in order, and nobody notices.
func TestAResumingClientLosesNothing(t *testing.T) {
	const many = 1000
	for _, protocol := range []string{"json", "messagepack"} {
		resuming(t, protocol, func(s *server, cl *parley.Client, c *cutting, lost <-chan departure) {
			rnd, pauses := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4))
			cuts := 0
			c.change(func() { c.after = func() int64 { cuts++; return 2000 + rnd.Int64N(3000) } })
			var up, down []int
			over := make(chan struct{}, 2)
			note := func(list *[]int) func(int) {
				return func(n int) {
					if *list = append(*list, n); n == many {
						over <- struct{}{}
					}
				}
			}
			s.hub.Handle("up", parley.Func(note(&up)))
			cl.On("down", note(&down))
			conn := s.hub.Audience().Conns()[0]
			c.cut()
			for i := range many {
				if err := cl.Send(s.t.Context(), "up", i+1); err != nil {
					s.t.Fatalf("%s: up %d: %v", protocol, i, err)
				}
				if err := conn.Send(s.t.Context(), "down", i+1); err != nil {
					s.t.Fatalf("%s: down %d: %v", protocol, i, err)
				}
				pass(time.Duration(pauses.IntN(20)) * time.Millisecond)
			}
			<-over
			<-over
			for way, got := range map[string][]int{"up": up, "down": down} {
				if len(got) != many || !slices.IsSorted(got) || got[0] != 1 {
					s.t.Errorf("%s: %s: %d messages came, want %d, in order", protocol, way, len(got), many)
				}
			}
			c.change(func() {
				if cuts < 10 {
					s.t.Errorf("%s: the network broke %d times, want more", protocol, cuts)
				}
			})
			if len(lost) > 0 {
				s.t.Errorf("%s: the client was told of a loss: %+v", protocol, <-lost)
			}
			var sum int
			if err := cl.Call(s.t.Context(), "add", &sum, 1, 2); err != nil || sum != 3 {
				s.t.Errorf("%s: add: got %d %v", protocol, sum, err)
			}
		})
	}
}

// TestAResumingClientThatIsForgotten: one attempt to go on, then all over
// again.
func TestAResumingClientThatIsForgotten(t *testing.T) {
	resuming(t, "json", func(s *server, cl *parley.Client, c *cutting, lost <-chan departure) {
		waiting := make(chan error, 1)
		go func() { waiting <- cl.Call(s.t.Context(), "wait", nil) }() // ends with the connection
		synctest.Wait()
		id := s.hub.Audience().Conns()[0].ID()
		c.change(func() {
			c.dial = func(context.Context, string, string) (net.Conn, error) { return nil, io.ErrClosedPipe }
		})
		c.cut()
		if gone := <-lost; !gone.again || gone.err == nil || !strings.Contains(gone.err.Error(), "closed pipe") {
			s.t.Errorf("got %+v, want why the attempt failed, and to come back", gone)
		}
		if err := <-waiting; err == nil {
			s.t.Error("a call survived")
		}
		c.change(func() { c.dial = s.listener.Dial })
		pass(time.Minute)
		if now := s.hub.Audience().Conns(); len(now) != 1 || now[0].ID() == id {
			s.t.Errorf("%d connections, want one, and a new one", len(now))
		}
	})
}

// TestAResumingClientLeaves while it has no WebSocket.
func TestAResumingClientLeaves(t *testing.T) {
	resuming(t, "json", func(s *server, cl *parley.Client, c *cutting, lost <-chan departure) {
		c.change(func() {
			c.dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		c.cut()
		synctest.Wait()
		began := time.Now()
		if err := cl.Close(s.t.Context()); err != nil || time.Since(began) > 0 {
			s.t.Errorf("Close: %v after %v, want at once", err, time.Since(began))
		}
		if gone := <-lost; gone.again {
			s.t.Error("a closed client means to come back")
		}
	})
}

// TestAServerThatDropsWhomItLetsIn is not run down with attempts.
func TestAServerThatDropsWhomItLetsIn(t *testing.T) {
	resuming(t, "json", func(s *server, cl *parley.Client, c *cutting, lost <-chan departure) {
		dials := 0
		c.change(func() {
			c.after = func() int64 {
				if dials++; dials >= 10 {
					return -1
				}
				return 600 // more than the WebSocket's handshake has
			}
		})
		began := time.Now()
		cl.On("said", func(string) {})
		conn := s.hub.Audience().Conns()[0]
		c.cut()
		for range 20 {
			conn.Send(s.t.Context(), "said", strings.Repeat("x", 600))
			pass(time.Second)
		}
		c.change(func() {
			if len(lost) > 0 || dials != 10 || time.Since(began) < 9*time.Second {
				s.t.Errorf("%d attempts, %d losses", dials, len(lost))
			}
		})
	})
}
