package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/parley-go/parley/websocket"
)

// visit adds a connection to members, and returns its other end.
func visit(t *testing.T, members *websocket.Set) *websocket.Conn {
	t.Helper()
	server := httptest.NewServer(&websocket.Handler{OnOpen: func(c *websocket.Conn, _ *http.Request) {
		members.Add(c)
		c.Send(Text("in"))
	}})
	t.Cleanup(server.Close)
	c, err := websocket.Dial(t.Context(), server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	if m, err := c.Read(t.Context()); err != nil || string(m.Data) != "in" {
		t.Fatalf("%s, %v", m.Data, err)
	}
	return c
}

func TestGoodbyeIsSaidToAll(t *testing.T) {
	var members websocket.Set
	ended := make(chan error, 2)
	for range 2 {
		c := visit(t, &members)
		go func() { // ends with the connection
			_, err := c.Read(context.Background())
			ended <- err
		}()
	}
	if err := SayGoodbye(t.Context(), &members); err != nil {
		t.Error(err)
	}
	for range 2 {
		var closed *websocket.CloseError
		if err := <-ended; !errors.As(err, &closed) || closed.Code != websocket.StatusGoingAway {
			t.Errorf("a member ends with %v, want status 1001", err)
		}
	}
}

func TestWhoDoesNotAnswerGoodbyeIsCutOff(t *testing.T) {
	var members websocket.Set
	visit(t, &members) // and reads no more
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := SayGoodbye(ctx, &members); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that of the context", err)
	}
	if n := members.Len(); n != 0 {
		t.Errorf("%d members are left", n)
	}
}
