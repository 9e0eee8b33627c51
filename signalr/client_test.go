package signalr

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
	"github.com/parley-go/parley/wire"
)

// client makes a client that reaches the server.
func (n *network) client(o ClientOptions) *parley.Client {
	o.HTTPClient = n.http
	return NewClient("http://hub/chat?name=Ann", &o)
}

func connect(t *testing.T, cl *parley.Client) {
	t.Helper()
	if err := cl.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestClient(t *testing.T) {
	for _, skip := range []bool{false, true} {
		serve(t, nil, func(s *server) {
			s.handle()
			cl := s.client(ClientOptions{SkipNegotiation: skip, Header: http.Header{"X-User": {"ann"}}})
			said := make(chan string, 1)
			cl.On("said", func(text string) { said <- text })
			cl.Handle("confirm", parley.Func(func(q string) (string, error) {
				if q == "" {
					return "", parley.Errorf("", "no question")
				}
				return q + "!", nil
			}))
			connect(s.t, cl)
			ctx := s.t.Context()

			var who []string
			if err := cl.Call(ctx, "who", &who); err != nil || !slices.Equal(who, []string{"ann", "Ann", "ann", "websocket", "json"}) {
				t.Errorf("who: got %v %v", who, err)
			}
			var answer string
			if err := cl.Call(ctx, "ask", &answer, "sure"); err != nil || answer != "sure!" {
				t.Errorf("ask: got %q %v, want sure!", answer, err)
			}
			wantError(t, cl.Call(ctx, "ask", nil, ""), parley.Error{Code: "error", Message: "no question"})
			wantError(t, cl.Call(ctx, "fail", nil), parley.Error{Code: "error", Message: "no such room"})
			wantError(t, cl.Call(ctx, "nope", nil), parley.Error{Code: wire.CodeNotFound,
				Message: "Failed to invoke 'nope' due to an error on the server. HubException: Method does not exist."})
			var got []int
			for v, err := range parley.Stream[int, int]("count").Call(ctx, cl, 3) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, v)
			}
			if !slices.Equal(got, []int{1, 2, 3}) {
				t.Errorf("count: got %v, want 1 2 3", got)
			}
			for range cl.Stream(ctx, "endless") {
				break // cancels it, so that Shutdown does not wait
			}
			if err := cl.Send(ctx, "join", "g"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := s.hub.Group("g").Send(ctx, "Said", "hi"); err != nil {
				t.Fatal(err)
			}
			if text := <-said; text != "hi" {
				t.Errorf("said: got %q, want hi", text)
			}
			if err := cl.Close(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

func wantError(t *testing.T, err error, want parley.Error) {
	t.Helper()
	var got *parley.Error
	if !errors.As(err, &got) || got.Code != want.Code || got.Message != want.Message {
		t.Errorf("got %#v, want %#v", err, want)
	}
}

func TestClientStaysWhileNothingHappens(t *testing.T) {
	serve(t, nil, func(s *server) {
		lost := make(chan error, 1)
		cl := s.client(ClientOptions{ClientOptions: parley.ClientOptions{OnDisconnect: func(err error, _ bool) { lost <- err }}})
		connect(s.t, cl)
		pass(10 * time.Minute)
		select {
		case err := <-lost:
			t.Errorf("lost the connection: %v", err)
		default:
		}
		cl.Close(s.t.Context())
	})
}

func TestClientComesBack(t *testing.T) {
	serve(t, nil, func(s *server) {
		s.handle()
		connected := make(chan struct{}, 2)
		cl := s.client(ClientOptions{ClientOptions: parley.ClientOptions{OnConnect: func(context.Context) { connected <- struct{}{} }}})
		connect(s.t, cl)
		<-connected
		for _, c := range s.hub.Audience().Conns() {
			c.CloseNow()
		}
		<-connected
		synctest.Wait()
		if err := cl.Call(s.t.Context(), "nothing", nil); err != nil {
			t.Errorf("after a reconnect: %v", err)
		}
		for _, c := range s.hub.Audience().Conns() {
			c.Close("do not come back")
		}
		<-cl.Done()
		cl.Close(s.t.Context())
	})
}

func TestClientTimesOutASilentServer(t *testing.T) {
	answers := []string{`{}␞`}
	fake(t, answers, func(n *network) {
		lost := make(chan error, 1)
		cl := n.client(ClientOptions{SkipNegotiation: true, ClientOptions: parley.ClientOptions{
			Reconnect:    parley.Backoff{Off: true},
			OnDisconnect: func(err error, _ bool) { lost <- err },
		}})
		start := time.Now()
		connect(n.t, cl)
		err := <-lost
		if took := time.Since(start); !errors.Is(err, parley.ErrIdle) || took < 30*time.Second || took > 46*time.Second {
			t.Errorf("got %v after %v, want ErrIdle after 30 to 45 s", err, took)
		}
		cl.Close(n.t.Context())
	})
}

// fake runs body with a server that sends answers to whoever connects, then
// reads until the end.
func fake(t *testing.T, answers []string, body func(n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		handler := func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer c.CloseNow()
			for _, a := range answers {
				c.Write(context.Background(), websocket.Message{Type: websocket.Text, Data: []byte(raw(a))})
			}
			for range c.Messages(context.Background()) {
			}
		}
		serveHTTP(t, http.HandlerFunc(handler), body)
	})
}

func TestClientRefusesHandshakes(t *testing.T) {
	for _, c := range []struct{ answer, want string }{
		{`{"error":"The protocol 'json' is not supported."}␞`, "The protocol 'json' is not supported."},
		{`{"type":6}␞`, "expected a handshake response"},
		{`hello␞`, "not JSON"},
		{`{"error":5}␞`, "expected 'error' to be a string"},
		{strings.Repeat("x", 2000), "maximum message size"},
	} {
		fake(t, []string{c.answer}, func(n *network) {
			cl := n.client(ClientOptions{SkipNegotiation: true, MaxMessageBytes: 1000})
			if err := cl.Connect(n.t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.60s: got %v, want %q", c.answer, err, c.want)
			}
			cl.Close(n.t.Context())
		})
	}
}

func TestClientGivesUpWithItsContext(t *testing.T) {
	fake(t, nil, func(n *network) {
		ctx, cancel := context.WithTimeout(n.t.Context(), time.Second)
		defer cancel()
		cl := n.client(ClientOptions{SkipNegotiation: true})
		if err := cl.Connect(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		cl.Close(n.t.Context())
	})
}

func TestClientWaitsForTheHandshakeSoLong(t *testing.T) {
	fake(t, nil, func(n *network) {
		cl := n.client(ClientOptions{SkipNegotiation: true, HandshakeTimeout: 2 * time.Second})
		if err := cl.Connect(n.t.Context()); !errors.Is(err, parley.ErrHandshake) {
			t.Errorf("got %v, want ErrHandshake", err)
		}
		cl.Close(n.t.Context())
	})
}
