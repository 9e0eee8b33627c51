package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
)

// gauge counts the writes that reach a network.
type gauge struct {
	net.Conn
	writes atomic.Int32
}

func (g *gauge) Write(p []byte) (int, error) {
	g.writes.Add(1)
	return g.Conn.Write(p)
}

// echoing returns a server on nc that answers every message, by its handler or by
// reading.
func echoing(nc net.Conn, handled bool) *Conn {
	c := newConn(nc, false, nil, nil)
	if handled {
		(&Handler{OnMessage: func(c *Conn, m Message) { c.Send(m) }}).start(c, nil)
		return c
	}
	go func() {
		for m, err := range c.Messages(context.Background()) {
			if err != nil || c.Write(context.Background(), m) != nil {
				return
			}
		}
	}()
	return c
}

func TestAnswersToOneReadLeaveInOneWrite(t *testing.T) {
	for _, handled := range []bool{false, true} {
		t.Run(fmt.Sprintf("handled %v", handled), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				a, b := memoryNetwork(64 << 10)
				g, peer := &gauge{Conn: a}, &rawPeer{t, b}
				c := echoing(g, handled)
				var frames []byte
				for i := range 100 {
					frames = append(frames, maskedText(fmt.Sprintf("message %d", i))...)
				}
				for round := range int32(3) {
					peer.send(frames)
					for i := range 100 {
						if f, want := peer.receive(), fmt.Sprintf("message %d", i); string(f.payload) != want {
							t.Fatalf("got %q, want %q", f.payload, want)
						}
					}
					if got := g.writes.Load(); got != round+1 {
						t.Errorf("round %d: %d writes so far, want %d", round, got, round+1)
					}
				}
				c.CloseNow()
			})
		})
	}
}

// With real sockets the writes cannot be seen, but what one read of the peer brings can:
// in some round it is everything.
func TestAnswersToOneReadLeaveTogether(t *testing.T) {
	const messages, rounds = 50, 20
	overEach(t, func(t *testing.T, n network) {
		for _, handled := range []bool{false, true} {
			t.Run(fmt.Sprintf("handled %v", handled), func(t *testing.T) {
				peer := n.raw(t, n.serveEcho(t, handled))
				var frames []byte
				for range messages {
					frames = append(frames, maskedText("hello")...)
				}
				reads := 0
				for range rounds {
					peer.send(frames)
					for have := 0; have < messages*7; reads++ {
						k, err := peer.nc.Read(make([]byte, 64<<10))
						if err != nil {
							t.Fatal(err)
						}
						have += k
					}
				}
				if reads > rounds*messages/4 {
					t.Errorf("%d answers came in %d reads, want a few for each %d", rounds*messages, reads, messages)
				}
			})
		}
	})
}

// serveEcho serves answers to everything.
func (n network) serveEcho(t *testing.T, handled bool) string {
	t.Helper()
	if handled {
		return n.serve(t, &Handler{OnMessage: func(c *Conn, m Message) { c.Send(m) }})
	}
	return n.serveReader(t, nil, func(c *Conn) {
		for m, err := range c.Messages(context.Background()) {
			if err != nil || c.Write(context.Background(), m) != nil {
				return
			}
		}
	})
}

// serveReader serves connections to a function that reads them.
func (n network) serveReader(t *testing.T, o *AcceptOptions, f func(c *Conn)) string {
	t.Helper()
	return n.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, o)
		if err != nil {
			return
		}
		defer c.CloseNow()
		f(c)
	}))
}

// What is held back leaves soon, even if the program that reads is busy with something
// else: here it waits for the peer to have it.
func TestWhatIsHeldBackLeaves(t *testing.T) {
	answer := Message{Text, []byte("answer")}
	tests := []struct {
		name string
		send []byte
		f    func(c *Conn, t *testing.T)
		want byte
	}{
		{"a Write", join(maskedText("one"), maskedText("two")), func(c *Conn, t *testing.T) {
			wantMessage(t, c, Text, "one")
			c.Write(context.Background(), answer)
		}, 0x81},
		{"a Send", join(maskedText("one"), maskedText("two")), func(c *Conn, t *testing.T) {
			wantMessage(t, c, Text, "one")
			c.Send(answer)
		}, 0x81},
		{"a prepared message", join(maskedText("one"), maskedText("two")), func(c *Conn, t *testing.T) {
			wantMessage(t, c, Text, "one")
			c.SendPrepared(Prepare(answer))
		}, 0x81},
		{"a Write before the last message", join(maskedText("one"), maskedText("two")), func(c *Conn, t *testing.T) {
			wantMessage(t, c, Text, "one")
			c.Write(context.Background(), answer)
			wantMessage(t, c, Text, "two")
		}, 0x81},
		{"a pong before a message", join(masked(0x89, []byte("answer")), maskedText("one")), func(c *Conn, t *testing.T) {
			wantMessage(t, c, Text, "one")
		}, 0x8A},
		{"a pong before two messages", join(masked(0x89, []byte("answer")), maskedText("one"), maskedText("two")), func(c *Conn, t *testing.T) {
			wantMessage(t, c, Text, "one")
		}, 0x8A},
		{"a pong between two messages", join(maskedText("one"), masked(0x89, []byte("answer")), maskedText("two")), func(c *Conn, t *testing.T) {
			wantMessage(t, c, Text, "one")
			wantMessage(t, c, Text, "two")
		}, 0x8A},
	}
	overEach(t, func(t *testing.T, n network) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				arrived := make(chan struct{})
				peer := n.raw(t, n.serveReader(t, nil, func(c *Conn) {
					tt.f(c, t)
					<-arrived
				}))
				peer.send(tt.send)
				if f := peer.receive(); f.first != tt.want || string(f.payload) != "answer" {
					t.Errorf("got %#x %q, want the answer", f.first, f.payload)
				}
				close(arrived)
			})
		}
	})
}

// CloseNow loses nothing that was written: it was only held back for a moment. On a
// net.Conn it is given a millisecond, which a machine with other things to do may let pass:
// so one time in ten must do.
func TestCloseNowLosesNothingThatWasWritten(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		url := n.serveReader(t, nil, func(c *Conn) {
			wantMessage(t, c, Text, "one")
			c.Write(context.Background(), Message{Text, []byte("answer")})
			c.CloseNow()
			if _, err := c.Read(context.Background()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read: got %v, want net.ErrClosed", err)
			}
		})
		for range 10 {
			peer := n.raw(t, url)
			peer.send(join(maskedText("one"), maskedText("two")))
			got, _ := io.ReadAll(peer.nc) // the end may be a reset: not all was read
			if string(got) == "\x81\x06answer" {
				return
			}
		}
		t.Error("the answer did not arrive in ten times")
	})
}

// A Write that is held back for a peer which takes nothing does not pile up.
func TestHoldingBackIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := memoryNetwork(1 << 20)
		g := &gauge{Conn: a}
		c, peer := newConn(g, false, nil, nil), &rawPeer{t, b}
		defer c.CloseNow()
		peer.send(join(maskedText("one"), maskedText("two")))
		wantMessage(t, c, Text, "one")
		for range 20 {
			c.Write(t.Context(), Message{Binary, make([]byte, 16<<10)})
		}
		c.mu.Lock()
		waits := 0
		if c.out.queue != nil {
			waits = c.out.queue.bytes
		}
		c.mu.Unlock()
		if waits > corkBytes || g.writes.Load() == 0 {
			t.Errorf("%d bytes wait and %d writes were made, want at most %d bytes", waits, g.writes.Load(), corkBytes)
		}
		for range 20 {
			if f := peer.receive(); len(f.payload) != 16<<10 {
				t.Errorf("got %d bytes, want 16 KiB", len(f.payload))
			}
		}
	})
}
