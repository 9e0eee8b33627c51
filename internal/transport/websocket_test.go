package transport

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/internal/memnet"
	"github.com/parley-go/parley/websocket"
	"github.com/parley-go/parley/wire"
)

func newMemory(t *testing.T, h http.Handler) *memnet.Listener {
	l := memnet.Listen()
	s := &http.Server{Handler: h}
	go s.Serve(l) // ends with Close
	t.Cleanup(func() { s.Close() })
	return l
}

// openWebSocket returns a pipe that runs under b, and the client's end.
func openWebSocket(t *testing.T, b *box, o *Options) (*WebSocket, *websocket.Conn) {
	t.Helper()
	made := make(chan *WebSocket, 1)
	m := newMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pipe, err := NewAcceptor(o).WebSocket(w, r)
		if err != nil {
			t.Errorf("WebSocket: %v", err)
			return
		}
		pipe.Start(b)
		made <- pipe
	}))
	c, err := websocket.Dial(t.Context(), "ws://memory/", &websocket.DialOptions{NetDial: m.Dial})
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return <-made, c
}

func TestPeerThatNeverReads(t *testing.T) {
	for _, c := range []struct {
		name string
		act  func(p *WebSocket)
		ends time.Duration // at the latest
		want error         // nil: an ordinary end
	}{
		{"while it is written to", func(p *WebSocket) {}, 4 * time.Second, errors.New("any")},
		{"after a goodbye", func(p *WebSocket) { p.Close(1001, "going away") }, 4 * time.Second, nil},
		{"cut off", func(p *WebSocket) { p.CloseNow() }, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := newBox()
				p, _ := openWebSocket(t, b, &Options{WriteTimeout: 3 * time.Second, CloseTimeout: 2 * time.Second})
				b.put("nobody reads this")
				p.Wake()
				synctest.Wait()
				began := time.Now()
				c.act(p)
				err := <-b.closed
				if took := time.Since(began); took > c.ends {
					t.Errorf("it took %v, want at most %v", took, c.ends)
				}
				if (err == nil) != (c.want == nil) {
					t.Errorf("Closed: got %v, want %v", err, c.want)
				}
			})
		})
	}
}

func TestWebSocketGoodbyes(t *testing.T) {
	for _, c := range []struct {
		name string
		act  func(c *websocket.Conn)
		want func(error) bool
	}{
		{"done", func(c *websocket.Conn) { c.Close(1000, "") }, func(err error) bool { return err == nil }},
		{"page closed", func(c *websocket.Conn) { c.Close(1001, "") }, func(err error) bool { return err == nil }},
		{"no code", func(c *websocket.Conn) { c.Close(1005, "") }, func(err error) bool { return err == nil }},
		{"with a code", func(c *websocket.Conn) { c.Close(4321, "odd") }, func(err error) bool {
			var bye *wire.CloseError
			return errors.As(err, &bye) && bye.Code == 4321 && bye.Reason == "odd"
		}},
		{"without a word", func(c *websocket.Conn) { c.CloseNow() }, func(err error) bool {
			return err != nil && !errors.Is(err, wire.ErrProtocol)
		}},
		{"not UTF-8", func(c *websocket.Conn) {
			c.Write(context.Background(), websocket.Message{Type: websocket.Text, Data: []byte("\xff")})
			c.Read(context.Background())
		}, func(err error) bool { return errors.Is(err, wire.ErrProtocol) }},
	} {
		inBubble(t, func(t *testing.T) {
			b := newBox()
			_, conn := openWebSocket(t, b, &Options{})
			c.act(conn)
			if err := <-b.closed; !c.want(err) {
				t.Errorf("%s: Closed got %v", c.name, err)
			}
		})
	}
}

func TestWebSocketSaysGoodbyeInItsOwnWords(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p, c := openWebSocket(t, b, &Options{Goodbye: func(code int, reason string) (int, string) {
			return code + 3000, reason + "!"
		}})
		p.Close(1001, "bye")
		_, err := c.Read(context.Background())
		var bye *websocket.CloseError
		if !errors.As(err, &bye) || bye.Code != 4001 || bye.Reason != "bye!" {
			t.Errorf("the client was told %v, want 4001 and %q", err, "bye!")
		}
		wantClosed(t, b, nil)
	})
}

// TestCloseBeforeRun: a session may end before its pipe runs.
func TestCloseBeforeRun(t *testing.T) {
	for name, end := range map[string]func(*WebSocket){
		"Close":    func(p *WebSocket) { p.Close(1001, "") },
		"CloseNow": func(p *WebSocket) { p.CloseNow() },
	} {
		inBubble(t, func(t *testing.T) {
			b := newBox()
			m := newMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				pipe, err := NewAcceptor(new(Options)).WebSocket(w, r)
				if err != nil {
					return
				}
				end(pipe)
				pipe.Start(b)
			}))
			c, err := websocket.Dial(t.Context(), "ws://memory/", &websocket.DialOptions{NetDial: m.Dial})
			if err != nil {
				t.Fatalf("%s: Dial: %v", name, err)
			}
			defer c.CloseNow()
			if _, err := c.Read(context.Background()); err == nil {
				t.Errorf("%s: the client read a message", name)
			}
			wantClosed(t, b, nil)
		})
	}
}

func TestRefuse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := newMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if pipe, err := NewAcceptor(new(Options)).WebSocket(w, r); err == nil {
				pipe.Refuse(1001, "shutting down")
			}
		}))
		c, err := websocket.Dial(t.Context(), "ws://memory/", &websocket.DialOptions{NetDial: m.Dial})
		if err != nil {
			t.Fatalf("Dial: %v", err)
		}
		defer c.CloseNow()
		_, err = c.Read(context.Background())
		var bye *websocket.CloseError
		if !errors.As(err, &bye) || bye.Code != 1001 || bye.Reason != "shutting down" {
			t.Errorf("the client was told %v, want 1001", err)
		}
	})
}

func TestPingIsHeard(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		heard := &hearing{box: newBox(), heard: make(chan struct{}, 1)}
		made := make(chan *WebSocket, 1)
		m := newMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if pipe, err := NewAcceptor(new(Options)).WebSocket(w, r); err == nil {
				pipe.Start(heard)
				made <- pipe
			}
		}))
		c, err := websocket.Dial(t.Context(), "ws://memory/", &websocket.DialOptions{NetDial: m.Dial})
		if err != nil {
			t.Fatalf("Dial: %v", err)
		}
		p := <-made
		go c.Read(context.Background()) // ends with the connection
		if !p.Ping() {
			t.Error("a WebSocket has no ping")
		}
		<-heard.heard
		p.CloseNow()
		wantClosed(t, heard.box, nil)
	})
}

type hearing struct {
	*box
	heard chan struct{}
}

func (h *hearing) Heard() { h.heard <- struct{}{} }
