package socketio

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/memnet"
	"github.com/parley-go/parley/websocket"
	"github.com/parley-go/parley/wire"
)

// goClient makes a Go client of the world's server, which the end of the test
// closes.
func (w *world) goClient(o *ClientOptions) *parley.Client {
	if o == nil {
		o = &ClientOptions{}
	}
	o.HTTPClient = w.client
	return NewClient("http://server", o)
}

func (w *world) connect(cl *parley.Client) {
	w.Helper()
	if err := cl.Connect(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func (w *world) closeClient(cl *parley.Client) {
	w.Helper()
	if err := cl.Close(w.Context()); err != nil {
		w.Errorf("Close: %v", err)
	}
}

func TestClientCallsAndIsCalled(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.hub.Handle("add", parley.Func(func(a, b int) int { return a + b }))
		w.hub.Handle("fail", parley.Func(func() error { return parley.Errorf("full", "no room") }))
		w.hub.Handle("ask", parley.Func(func(ctx context.Context, c *parley.Conn, q string) (string, error) {
			var a string
			err := c.Call(ctx, "question", &a, q)
			return a, err
		}))
	}, func(w *world) {
		cl := w.goClient(nil)
		defer w.closeClient(cl)
		said := make(chan string, 10)
		cl.On("said", func(from, text string) { said <- from + ": " + text })
		cl.Handle("question", parley.Func(func(q string) string { return q + "!" }))
		w.connect(cl)

		var sum int
		if err := cl.Call(w.Context(), "add", &sum, 2, 3); err != nil || sum != 5 {
			t.Errorf("add: %d, %v", sum, err)
		}
		var failed *parley.Error
		if err := cl.Call(w.Context(), "fail", nil); !errors.As(err, &failed) || failed.Code != "full" || failed.Message != "no room" {
			t.Errorf("fail: %v", err)
		}
		var answer string
		if err := cl.Call(w.Context(), "ask", &answer, "so"); err != nil || answer != "so!" {
			t.Errorf("ask: %q, %v", answer, err)
		}
		w.hub.Send(w.Context(), "said", "ann", "hi")
		w.want(<-said, "ann: hi")
		for _, err := range cl.Stream(w.Context(), "count", 3) {
			if err == nil || !strings.Contains(err.Error(), "no words") {
				t.Errorf("stream: %v", err)
			}
		}
		if err := cl.Send(w.Context(), "disconnect"); err == nil {
			t.Error("a reserved name was sent")
		}
	})
}

func TestClientAuth(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.hub.OnConnect(func(_ context.Context, c *parley.Conn) error {
			if got := string(Auth(c)); got != `{"token":"x"}` {
				return &parley.Error{Code: "auth", Message: "who are you?", Data: got}
			}
			return nil
		})
	}, func(w *world) {
		cl := w.goClient(&ClientOptions{Auth: map[string]string{"token": "x"}})
		w.connect(cl)
		w.closeClient(cl)
		var refused *parley.Error
		cl = w.goClient(nil)
		if err := cl.Connect(w.Context()); !errors.As(err, &refused) || refused.Message != "who are you?" {
			t.Errorf("refused with %v", err)
		}
		w.closeClient(cl)
		for _, auth := range []any{"text", 1, []int{1}, func() {}} {
			cl = w.goClient(&ClientOptions{Auth: auth})
			if err := cl.Connect(w.Context()); err == nil || !strings.HasPrefix(err.Error(), "socketio: connect: ") {
				t.Errorf("auth %v: %v", auth, err)
			}
			w.closeClient(cl)
		}
	})
}

func TestClientStaysConnectedAndComesBack(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.hub.Handle("kick", parley.Func(func(c *parley.Conn) { c.Close("") }))
		w.hub.Handle("cut", parley.Func(func(c *parley.Conn) { c.CloseNow() }))
	}, func(w *world) {
		connected := make(chan bool, 10)
		cl := w.goClient(&ClientOptions{ClientOptions: parley.ClientOptions{
			OnConnect: func(context.Context) { connected <- true },
		}})
		w.connect(cl)
		<-connected
		w.sleep(10 * time.Minute)
		if err := cl.Call(w.Context(), "message-with-ack", nil); err != nil {
			t.Errorf("after ten quiet minutes: %v", err)
		}
		cl.Send(w.Context(), "cut")
		<-connected
		w.wantEnds(parley.ErrClosed)
		cl.Send(w.Context(), "kick") // an ordinary goodbye: it stays away
		<-cl.Done()
		if cl.Err() != nil {
			t.Errorf("the client ended with %v", cl.Err())
		}
		w.closeClient(cl)
	})
}

// inFakeServer runs a test against a server that talks as script does, with
// each connection.
func inFakeServer(t *testing.T, script func(c *websocket.Conn), test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, net: memnet.Listen()}
		w.client = w.net.Client()
		server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(rw, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.CloseNow()
			script(c)
		})}
		go server.Serve(w.net) // ends with Close
		test(w)
		server.Close()
		time.Sleep(time.Second) // for the wheel, as in inWorld
	})
}

func say(c *websocket.Conn, packets ...string) {
	for _, p := range packets {
		c.Write(context.Background(), websocket.Message{Type: websocket.Text, Data: []byte(p)})
	}
}

const openFast = `0{"sid":"x","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}`

// A server that is silent for longer than its pings allow is gone.
func TestClientNoticesASilentServer(t *testing.T) {
	inFakeServer(t, func(c *websocket.Conn) {
		say(c, openFast)
		if _, err := c.Read(context.Background()); err != nil { // its CONNECT
			return
		}
		say(c, `40{"sid":"y"}`, "2")
		for _, err := range c.Messages(context.Background()) {
			if err != nil {
				return
			}
		}
	}, func(w *world) {
		lost := make(chan error, 1)
		cl := w.goClient(&ClientOptions{Transports: []string{"websocket"}, ClientOptions: parley.ClientOptions{
			Reconnect:    parley.Backoff{Off: true},
			OnDisconnect: func(err error, _ bool) { lost <- err },
		}})
		w.connect(cl)
		before := time.Now()
		if err := <-lost; !errors.Is(err, parley.ErrIdle) {
			t.Errorf("lost with %v, want ErrIdle", err)
		}
		if waited := time.Since(before); waited < 500*time.Millisecond || waited > 10*time.Second {
			t.Errorf("noticed after %v", waited)
		}
		w.closeClient(cl)
	})
}

// What a server should not say ends the attempt or the connection, and
// nothing else.
func TestClientOfABrokenServer(t *testing.T) {
	for _, script := range [][]string{
		{},
		{""},
		{"garbage"},
		{"0"},
		{"0{}"},
		{`0{"pingInterval":-1,"pingTimeout":1e300}`},
		{openFast, openFast},
		{openFast, "4"},
		{openFast, "47"},
		{openFast, `44`},
		{openFast, `44{"message":"go away","data":[1]}`},
		{openFast, `44"go away"`},
		{openFast, "41"},
		{openFast, "bAQID"},
		{`40{"sid":"y"}`, "1"},
		{openFast, "1"},
	} {
		inFakeServer(t, func(c *websocket.Conn) {
			say(c, script...)
			c.Close(1000, "")
		}, func(w *world) {
			cl := w.goClient(&ClientOptions{Transports: []string{"websocket"}})
			if err := cl.Connect(w.Context()); err == nil || !strings.HasPrefix(err.Error(), "socketio: connect: ") {
				t.Errorf("%q: %v, want an error", script, err)
			}
			w.closeClient(cl)
		})
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"http://h", "http://h/socket.io/"},
		{"https://h:1/", "https://h:1/socket.io/"},
		{"ws://h/my/path/?name=Ann#part", "http://h/my/path/?name=Ann"},
		{"wss://h/?b=1", "https://h/socket.io/?b=1"},
	} {
		if got, err := address(c.url, nil); err != nil || got.String() != c.want {
			t.Errorf("%s: %q, %v, want %q", c.url, got, err, c.want)
		}
	}
	got, err := address("http://h/?a=1&b=2", url.Values{"b": {"3"}, "c": {"4", "5"}})
	if want := "http://h/socket.io/?a=1&b=3&c=4&c=5"; err != nil || got.String() != want {
		t.Errorf("with a query: %q, %v, want %q", got, err, want)
	}
	for _, url := range []string{"", "hub", "ftp://hub/", "http://", "://", "http://hub:secret/"} {
		cl := NewClient(url, nil)
		err := cl.Connect(t.Context())
		if err == nil || strings.Contains(err.Error(), "hub") {
			t.Errorf("%q: got %v, want an error that does not tell it", url, err)
		}
		cl.Close(t.Context())
	}
}

func TestClientDeclinesSoManyNamespaces(t *testing.T) {
	v := &visit{manager: &Manager{}, said: make([]*wire.Encoded, maxAnswers)} // of a server that does not read
	if err := v.packet(&packet{kind: packetConnect, nsp: "/unwanted"}); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("got %v, want ErrProtocol", err)
	}
	if len(v.said) > maxAnswers {
		t.Errorf("%d packets wait", len(v.said))
	}
}
