package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// until waits for what another goroutine brings about and nothing tells of.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for start := time.Now(); !happened(); <-time.After(100 * time.Microsecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// roundTrips returns a function that lets every loop make some turns.
func (n network) roundTrips(t *testing.T) func() {
	t.Helper()
	url := n.serve(t, &Handler{OnMessage: func(c *Conn, m Message) { c.Send(m) }})
	var clients []*Conn
	for range 2 * runtime.GOMAXPROCS(0) {
		clients = append(clients, n.dial(t, url))
	}
	return func() {
		for range 3 {
			for _, c := range clients {
				c.Write(context.Background(), Message{Text, []byte("round")})
				if m, err := c.Read(context.Background()); err != nil {
					t.Errorf("a round trip: %v, %v", m, err)
				}
			}
		}
	}
}

func TestOnOpenSends(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		h := &Handler{
			OnOpen: func(c *Conn, r *http.Request) {
				c.Value = r.URL.Path
				c.Send(Message{Text, []byte("welcome")})
				if err := c.Write(r.Context(), Message{Text, []byte("to the house")}); err != nil {
					t.Errorf("Write: %v", err)
				}
			},
			OnMessage: func(c *Conn, m Message) { c.Send(Message{Text, fmt.Append(nil, c.Value, " ", string(m.Data))}) },
		}
		c := n.dial(t, n.serve(t, h)+"/hall")
		wantMessage(t, c, Text, "welcome")
		wantMessage(t, c, Text, "to the house")
		c.Write(t.Context(), Message{Text, []byte("hello")})
		wantMessage(t, c, Text, "/hall hello")
	})
}

// OnClose is the last call, after OnOpen has returned, however it ends.
func TestOnOpenEndsTheConnection(t *testing.T) {
	tests := []struct {
		name       string
		open       func(c *Conn)
		want, peer StatusCode // that OnClose is called with, and that the peer is told
	}{
		{"Close", func(c *Conn) { c.Close(4000, "not today") }, 4000, 4000},
		{"CloseNow", func(c *Conn) { c.CloseNow() }, StatusAbnormal, StatusAbnormal},
		{"a panic", func(*Conn) { panic("oh") }, StatusAbnormal, StatusAbnormal},
		{"CloseNow and a panic", func(c *Conn) { c.CloseNow(); panic("oh") }, StatusAbnormal, StatusAbnormal},
		{"Pause and CloseNow", func(c *Conn) { c.Pause(); c.CloseNow() }, StatusAbnormal, StatusAbnormal},
		{"Pause and Close", func(c *Conn) { c.Pause(); c.Close(4000, "") }, 4000, 4000},
	}
	overEach(t, func(t *testing.T, n network) {
		roundTrips := n.roundTrips(t)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				var order calls
				ended := make(chan StatusCode, 1)
				c := n.dial(t, n.serve(t, &Handler{
					OnOpen: func(c *Conn, _ *http.Request) {
						defer order.note("opened")
						defer roundTrips() // time for an OnClose that comes too early
						tt.open(c)
					},
					OnClose: func(_ *Conn, code StatusCode, _ string) {
						order.note("closed")
						ended <- code
					},
				}))
				if _, err := c.Read(t.Context()); closedWith(err) != tt.peer {
					t.Errorf("the peer got %v, want status %d", err, tt.peer)
				}
				if got := <-ended; got != tt.want {
					t.Errorf("OnClose was called with %d, want %d", got, tt.want)
				}
				if got := order.String(); got != "opened; closed" {
					t.Errorf("got %q, want OnClose after OnOpen", got)
				}
			})
		}
	})
}

func TestCloseNowInOnMessageIsTheEnd(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		var l calls
		h := l.handler()
		h.OnMessage = func(c *Conn, m Message) {
			l.note("%s", m.Data)
			c.Send(m)
			c.CloseNow()
			if err := c.Send(m); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Send after CloseNow: got %v, want net.ErrClosed", err)
			}
		}
		peer := n.raw(t, n.serve(t, h))
		peer.send(join(maskedText("one"), maskedText("two"), masked(0x88, nil)))
		l.want(t, "open /; one; close 1006 ")
	})
}

func TestPauseAndResume(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		opened, got := make(chan *Conn, 1), make(chan string, 16)
		peer := n.raw(t, n.serve(t, &Handler{
			OnOpen: func(c *Conn, _ *http.Request) {
				c.Pause()
				opened <- c
			},
			OnMessage: func(c *Conn, m Message) {
				if string(m.Data) == "pause" {
					c.Pause()
				}
				got <- string(m.Data)
			},
		}))
		c, roundTrips := <-opened, n.roundTrips(t)
		wantNothing := func() {
			t.Helper()
			roundTrips()
			if len(got) > 0 || c.ended() != nil {
				t.Errorf("a paused connection: got %d messages and %v, want none", len(got), c.ended())
			}
		}
		peer.send(maskedText("pause"))
		wantNothing()
		c.Resume()
		if text := <-got; text != "pause" {
			t.Errorf("got %q, want the message sent first", text)
		}
		peer.send(maskedText("meanwhile"), masked(0x89, []byte("ping")))
		wantNothing()
		c.Pause() // twice is once
		c.Resume()
		c.Resume()
		if text := <-got; text != "meanwhile" {
			t.Errorf("got %q, want the message sent meanwhile", text)
		}
		if f := peer.receive(); f.first != 0x8A {
			t.Errorf("got %#x, want the pong", f.first)
		}
	})
}

// A pause may come at any moment, also when the loop is about to read.
func TestPauseAtAnyMoment(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		const messages = 1000
		opened, all := make(chan *Conn, 1), make(chan struct{})
		count := 0
		l := &Handler{
			OnOpen: func(c *Conn, _ *http.Request) { opened <- c },
			OnMessage: func(c *Conn, m Message) {
				if count++; count == messages {
					close(all)
				}
			},
			OnClose: func(c *Conn, code StatusCode, _ string) {
				if count < messages {
					t.Errorf("the connection ended with %v after %d messages", c.ended(), count)
					close(all)
				}
			},
		}
		peer := n.raw(t, n.serve(t, l))
		c := <-opened
		go func() {
			for range messages {
				peer.nc.Write(maskedText("hi"))
			}
		}()
		for done := false; !done; {
			c.Pause()
			runtime.Gosched()
			c.Resume()
			select {
			case <-all:
				done = true
			default:
			}
		}
	})
}

func TestAPausedConnectionCanBeClosed(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		opened, closed := make(chan *Conn, 1), make(chan StatusCode, 1)
		client := n.dial(t, n.serve(t, &Handler{
			Options:   &AcceptOptions{Limits: &Limits{CloseTimeout: time.Hour}},
			OnOpen:    func(c *Conn, _ *http.Request) { c.Pause(); opened <- c },
			OnMessage: func(*Conn, Message) { t.Error("a message was handed on after Close") },
			OnClose:   func(_ *Conn, code StatusCode, _ string) { closed <- code },
		}))
		c := <-opened
		client.Write(t.Context(), Message{Text, []byte("too late")})
		c.Close(4001, "")
		wantCloseError(t, client, 4001, "")
		if code := <-closed; code != 4001 {
			t.Errorf("OnClose was called with %d, want 4001: the peer has answered", code)
		}
	})
}

func TestAPausedConnectionThatIsLostEnds(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		if n.unix || n.tls { // only TCP resets, and only epoll tells of it
			return
		}
		opened, closed := make(chan *Conn, 1), make(chan StatusCode, 1)
		peer := n.raw(t, n.serve(t, &Handler{
			OnOpen:  func(c *Conn, _ *http.Request) { c.Pause(); opened <- c },
			OnClose: func(_ *Conn, code StatusCode, _ string) { closed <- code },
		}))
		<-opened
		peer.nc.(*net.TCPConn).SetLinger(0)
		peer.nc.Close()
		if code := <-closed; code != StatusAbnormal {
			t.Errorf("OnClose was called with %d, want %d", code, StatusAbnormal)
		}
	})
}

// What comes for a handler that blocks is bounded: then its connection is not read
// until it has dealt with it.
func TestAFullBacklogPausesReading(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		const messages, size = 400, 1 << 10
		opened, block, all := make(chan *Conn, 1), make(chan struct{}), make(chan struct{})
		count := 0
		peer := n.raw(t, n.serve(t, &Handler{
			Options: &AcceptOptions{Limits: &Limits{MessageBytes: 8 << 10}},
			OnOpen:  func(c *Conn, _ *http.Request) { opened <- c },
			OnMessage: func(c *Conn, m Message) {
				if len(m.Data) != size || m.Data[0] != byte(count) {
					t.Errorf("message %d: got %d bytes, the first %d", count, len(m.Data), m.Data[0])
				}
				if count%100 == 0 {
					<-block
				}
				if count++; count == messages {
					close(all)
				}
			},
		}))
		c := <-opened
		go func() {
			for i := range messages {
				peer.nc.Write(masked(0x82, bytes.Repeat([]byte{byte(i)}, size)))
			}
		}()
		for range messages / 100 {
			until(t, "the pause", func() bool { return c.paused.Load()&pausedByBacklog != 0 })
			c.mu.Lock()
			waiting := c.extra.backSize
			c.mu.Unlock()
			if waiting > 8<<10+size+backlogOverhead {
				t.Errorf("%d bytes wait, want no more than the limit and one message", waiting)
			}
			block <- struct{}{}
		}
		<-all
	})
}

func TestOnPongIsToldOfTheAnswer(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		pongs := make(chan string, 4)
		h := &Handler{
			OnOpen: func(c *Conn, _ *http.Request) {
				if err := c.SendPing(make([]byte, 126)); err == nil {
					t.Error("SendPing of 126 bytes: got no error")
				}
				if err := c.SendPing([]byte("are you there?")); err != nil {
					t.Errorf("SendPing: %v", err)
				}
			},
			OnPong: func(c *Conn, payload []byte) { pongs <- string(payload) },
		}
		peer := n.raw(t, n.serve(t, h))
		if f := peer.receive(); f.first != 0x89 || string(f.payload) != "are you there?" {
			t.Errorf("got %#x %q, want the ping", f.first, f.payload)
		}
		peer.send(masked(0x8A, []byte("I am")), masked(0x8A, nil))
		for _, want := range []string{"I am", ""} {
			if got := <-pongs; got != want {
				t.Errorf("OnPong was called with %q, want %q", got, want)
			}
		}
	})
}

// A handler may call what waits: somebody else reads meanwhile.
func TestAHandlerMayWaitForAPong(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		c := n.dial(t, n.serve(t, &Handler{OnMessage: func(c *Conn, m Message) {
			if err := c.Ping(context.Background()); err != nil {
				t.Errorf("Ping: %v", err)
			}
			c.Write(context.Background(), m)
		}}))
		c.Write(t.Context(), Message{Text, []byte("ping me")})
		wantMessage(t, c, Text, "ping me")
	})
}

func TestAHandlerDials(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		var l calls
		h := l.handler()
		h.OnOpen = func(c *Conn, r *http.Request) {
			l.note("open %v", r == nil)
			c.Send(Message{Text, []byte("hello")})
		}
		h.OnMessage = func(c *Conn, m Message) {
			l.note("%s", m.Data)
			c.Close(StatusNormalClosure, "enough")
		}
		url := n.serve(t, &Handler{
			OnMessage: func(c *Conn, m Message) { c.Send(m) },
			OnClose:   func(_ *Conn, code StatusCode, reason string) { l.note("the server: %d %s", code, reason) },
		})
		c, err := h.Dial(t.Context(), url, n.options())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(t.Context()); err != errHandled {
			t.Errorf("Read: got %v, want %v", err, errHandled)
		}
		<-l.done
		until(t, "both ends", func() bool { return strings.Contains(l.String(), "the server") })
		got := strings.Split(l.String(), "; ")
		if len(got) != 4 || got[0] != "open true" || got[1] != "hello" || !strings.Contains(l.String(), "the server: 1000 enough") || !strings.Contains(l.String(), "close 1000 ") {
			t.Errorf("got %q", got)
		}
	})
}

func TestAHandlerThatCannotDialIsNotCalled(t *testing.T) {
	var l calls
	if c, err := l.handler().Dial(t.Context(), "ws://[::1]:1/", nil); err == nil || c != nil || l.String() != "" {
		t.Errorf("got %v, %v and %q", c, err, l.String())
	}
}

// What comes with the handshake is handed on like everything else, also to a function
// that blocks.
func TestMessagesThatComeWithTheHandshake(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		t.Run("to a server", func(t *testing.T) {
			var l calls
			peer := n.raw(t, n.serve(t, l.handler()), maskedText("early"), masked(0x89, nil), maskedText("bird")[:7])
			peer.send(maskedText("bird")[7:], masked(0x88, nil))
			for _, want := range []string{"early", "", "bird"} {
				if f := peer.receive(); string(f.payload) != want {
					t.Errorf("got %#x %q, want %q", f.first, f.payload, want)
				}
			}
			l.want(t, "open /; text early; text bird; close 1005 ")
		})
		t.Run("to functions that block", func(t *testing.T) {
			block, last := make(chan struct{}), make(chan struct{}, 16)
			defer close(block)
			url := n.serve(t, &Handler{
				OnMessage: func(c *Conn, m Message) { <-block },
				OnClose:   func(*Conn, StatusCode, string) { last <- struct{}{} },
			})
			for range 8 {
				peer := n.raw(t, url, maskedText("early"))
				peer.send(masked(0x89, []byte("still?")))
				if f := peer.receive(); string(f.payload) != "still?" {
					t.Errorf("got %#x %q, want the pong", f.first, f.payload)
				}
			}
		})
		t.Run("to Read", func(t *testing.T) {
			url := n.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c, err := Accept(w, r, nil); err == nil {
					for m, err := range c.Messages(r.Context()) {
						if err == nil {
							c.Write(r.Context(), m)
						}
					}
				}
			}))
			peer := n.raw(t, url, maskedText("early"), maskedText("bird")[:7])
			peer.send(maskedText("bird")[7:])
			for _, want := range []string{"early", "bird"} {
				if f := peer.receive(); string(f.payload) != want {
					t.Errorf("got %#x %q, want %q", f.first, f.payload, want)
				}
			}
		})
	})
}

func TestAMessageComesWithTheServersAnswer(t *testing.T) {
	for _, blocking := range []bool{false, true} {
		t.Run(fmt.Sprintf("read %v", blocking), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				nc, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Errorf("Hijack: %v", err)
					return
				}
				defer nc.Close()
				fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n\x81\x05early\x88\x00",
					acceptKey(r.Header.Get("Sec-WebSocket-Key")))
				nc.Read(make([]byte, 100))
			}))
			url := "ws://" + l.Addr().String()
			if blocking {
				c, err := Dial(t.Context(), url, nil)
				if err != nil {
					t.Fatal(err)
				}
				wantMessage(t, c, Text, "early")
				c.CloseNow()
				return
			}
			var got calls
			h := got.handler()
			h.OnOpen = nil
			if _, err := h.Dial(t.Context(), url, nil); err != nil {
				t.Fatal(err)
			}
			got.want(t, "text early; close 1005 ")
		})
	}
}

// Text that is not UTF-8 must not be handed on, nor anything made of it: masked twice
// this one would be "hello".
func TestBrokenTextIsNeverHandedOn(t *testing.T) {
	key := [4]byte{0xFF, 0xFE, 0xFD, 0xFC}
	frame := append([]byte{0x81, 0x85, key[0], key[1], key[2], key[3]}, "hello"...) // unmasked, this is no UTF-8
	overEach(t, func(t *testing.T, n network) {
		var l calls
		peer := n.raw(t, n.serve(t, l.handler()))
		peer.send(frame)
		if code, _ := peer.receiveClose(); code != StatusInvalidPayload {
			t.Errorf("got close %d, want %d", code, StatusInvalidPayload)
		}
		peer.nc.Close()
		l.want(t, "open /; error websocket: a text message is not UTF-8 (status 1007); close 1007 a text message is not UTF-8")
	})
}

func TestAHandlerWritesCompressed(t *testing.T) {
	text := strings.Repeat("again and ", 100)
	overEach(t, func(t *testing.T, n network) {
		for _, takeover := range []bool{false, true} {
			o := n.options()
			o.Compression = &Compression{ContextTakeover: takeover}
			c, err := Dial(t.Context(), n.serve(t, &Handler{
				Options: &AcceptOptions{Compression: o.Compression},
				OnMessage: func(c *Conn, m Message) {
					c.Write(context.Background(), m)
					c.Send(m)
					c.SendPrepared(Prepare(m))
					c.WriteBatch(context.Background(), []*Prepared{Prepare(m), Prepare(Message{Text, []byte("short")})})
				},
			}), o)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				c.Write(t.Context(), Message{Text, []byte(text)})
				for range 4 {
					wantMessage(t, c, Text, text)
				}
				wantMessage(t, c, Text, "short")
			}
			c.CloseNow()
		}
	})
}
