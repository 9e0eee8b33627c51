package websocket

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"runtime"
	"slices"
	"testing"
)

// What came to light when the engine was read as an adversary would.

func TestLimitsOfAClientCountNoAddress(t *testing.T) {
	n := networks[0]
	o := n.options()
	o.Limits = &Limits{ConnsPerAddress: 3}
	c, err := Dial(t.Context(), n.serve(t, &Handler{}), o)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	if len(o.Limits.conns) != 0 {
		t.Errorf("counted: %v, want nothing", o.Limits.conns)
	}
}

func TestTheLargestNumbersAreNoLimit(t *testing.T) {
	l := &Limits{ControlFrames: math.MaxInt, Fragments: math.MaxInt, EmptyFragments: math.MaxInt, PendingPongs: math.MaxInt}
	b := l.bounds()
	for _, got := range []int32{b.controls, b.fragments, b.empties, b.pongs} {
		if got != math.MaxInt32 {
			t.Errorf("got a limit of %d, want %d", got, math.MaxInt32)
		}
	}
}

// A handler that ends its goroutine, as testing.T.FailNow does, costs the connection
// nothing but that call, and others nothing at all: at once, or after it was left
// behind.
func TestAHandlerThatEndsItsGoroutine(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		block, closed := make(chan struct{}), make(chan struct{})
		url := n.serve(t, &Handler{
			OnMessage: func(c *Conn, m Message) {
				switch string(m.Data) {
				case "block and exit":
					<-block
					runtime.Goexit()
				case "exit":
					runtime.Goexit()
				}
				c.Send(m)
			},
			OnClose: func(_ *Conn, code StatusCode, _ string) {
				if code == 4000 {
					close(closed)
				}
			},
		})
		other, c := n.dial(t, url), n.dial(t, url)
		say := func(c *Conn, texts ...string) {
			for _, text := range texts {
				if err := c.Write(t.Context(), Message{Text, []byte(text)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		say(c, "exit", "one", "block and exit", "two")
		wantMessage(t, c, Text, "one")
		say(other, "meanwhile")
		wantMessage(t, other, Text, "meanwhile")
		close(block)
		wantMessage(t, c, Text, "two")
		c.Close(4000, "")
		<-closed
		say(other, "afterwards")
		wantMessage(t, other, Text, "afterwards")
	})
}

func TestACompressedWriteBesideTheCorkLeaves(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		answer := bytes.Repeat([]byte("the quick brown fox "), 1500)
		o := n.options()
		o.Compression = &Compression{ContextTakeover: true}
		c, err := Dial(t.Context(), n.serve(t, &Handler{
			Options: &AcceptOptions{Compression: o.Compression},
			OnMessage: func(c *Conn, m Message) {
				started := make(chan struct{})
				go func() { // it compresses while the handler returns
					close(started)
					if err := c.Write(context.Background(), Message{Text, answer}); err != nil {
						t.Errorf("Write: %v", err)
					}
				}()
				<-started
			},
		}), o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		for range 100 {
			if err := c.Write(t.Context(), Message{Text, []byte("go")}); err != nil {
				t.Fatal(err)
			}
			wantMessage(t, c, Text, string(answer))
		}
	})
}

func TestAPongInTwoPiecesIsTheHandlers(t *testing.T) {
	n := networks[0]
	got, release := make(chan string), make(chan struct{})
	opened := make(chan *Conn, 1)
	peer := n.raw(t, n.serve(t, &Handler{
		OnOpen: func(c *Conn, _ *http.Request) { opened <- c },
		OnPong: func(_ *Conn, payload []byte) {
			<-release
			got <- string(payload)
		},
	}))
	c := <-opened
	pong := masked(0x8A, []byte("payload of the pong"))
	peer.send(pong[:10])
	n.roundTrips(t)()
	peer.send(pong[10:])
	until(t, "the handler to be left behind", c.detached.Load)
	peer.send(maskedText("x"), masked(0x89, []byte("ping")))
	peer.receive()
	close(release)
	if got, want := <-got, "payload of the pong"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBombsBehindASlowHandlerStayInTheirBounds(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		opened, release := make(chan *Conn, 1), make(chan struct{})
		o := n.options()
		o.Compression = &Compression{}
		c, err := Dial(t.Context(), n.serve(t, &Handler{
			Options: &AcceptOptions{Compression: o.Compression},
			OnOpen:  func(c *Conn, _ *http.Request) { opened <- c },
			OnMessage: func(_ *Conn, m Message) {
				if len(m.Data) < 10 {
					<-release
				}
			},
		}), o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		defer close(release)
		server := <-opened
		if err := c.Write(t.Context(), Message{Text, []byte("block")}); err != nil {
			t.Fatal(err)
		}
		bombs := slices.Repeat([]*Prepared{Prepare(Message{Binary, make([]byte, 1<<20)})}, 60)
		if err := c.WriteBatch(t.Context(), bombs); err != nil {
			t.Fatal(err)
		}
		until(t, "the pause", func() bool { return server.paused.Load()&pausedByEarly != 0 })
		server.mu.Lock()
		defer server.mu.Unlock()
		if got := server.extra.backSize; got > 2<<20+2*backlogOverhead {
			t.Errorf("%d bytes wait, want no more than the limit and one message", got)
		}
	})
}
