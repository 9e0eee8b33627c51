package webapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parley-go/parley/examples/web"
	"github.com/parley-go/parley/websocket"
)

func start(t *testing.T) (*App, *httptest.Server) {
	t.Helper()
	app, mux := New(), http.NewServeMux()
	app.Mount(mux, "")
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		app.Shutdown(ctx) // the clients of the tests have gone, or never answer
	})
	return app, server
}

// enter returns somebody who is a member: they say "here", and have heard something.
func enter(t *testing.T, server *httptest.Server, query string) *websocket.Conn {
	t.Helper()
	c, err := websocket.Dial(t.Context(), server.URL+"/api/chat"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	say(t, c, "here")
	if _, err := c.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func say(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.Write(t.Context(), web.Text(text)); err != nil {
		t.Fatal(err)
	}
}

// hear returns what is said next, but that somebody is here.
func hear(t *testing.T, c *websocket.Conn) (string, error) {
	for {
		m, err := c.Read(t.Context())
		if err != nil || !strings.HasSuffix(string(m.Data), ": here") {
			return string(m.Data), err
		}
	}
}

func TestBothSeeWhatBothSay(t *testing.T) {
	app, server := start(t)
	one, two := enter(t, server, "?username=user1"), enter(t, server, "?username=user2")
	say(t, one, "Hi")
	for _, c := range []*websocket.Conn{one, two} {
		if got, err := hear(t, c); got != "user1: Hi" {
			t.Fatalf("heard %q, %v", got, err)
		}
	}
	say(t, two, "I'm here, too")
	for _, c := range []*websocket.Conn{one, two} {
		if got, err := hear(t, c); got != "user2: I'm here, too" {
			t.Fatalf("heard %q, %v", got, err)
		}
	}

	members := slices.Collect(app.Clients().All())
	one.Close(websocket.StatusNormalClosure, "")
	two.Close(websocket.StatusNormalClosure, "")
	for _, c := range members {
		<-c.Done()
	}
	if n := app.Clients().Len(); n != 0 {
		t.Errorf("%d of those who left are still members", n)
	}
}

func TestAllHearOneOrder(t *testing.T) {
	const speakers, lines = 4, 50
	_, server := start(t)
	var all []*websocket.Conn
	for i := range speakers {
		all = append(all, enter(t, server, fmt.Sprintf("?username=user%d", i)))
	}
	heard := make([][]string, speakers)
	var group sync.WaitGroup
	for i, c := range all {
		group.Go(func() { // ends with the last line
			for range speakers * lines {
				text, err := hear(t, c)
				if err != nil {
					t.Error(err)
					return
				}
				heard[i] = append(heard[i], text)
			}
		})
		group.Go(func() {
			for n := range lines {
				if err := c.Write(t.Context(), web.Text(fmt.Sprint(n))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for i := range all {
		if !slices.Equal(heard[i], heard[0]) {
			t.Errorf("user%d heard another order than user0", i)
		}
	}
}

func TestWhatIsNotForTheChatIsRefused(t *testing.T) {
	_, server := start(t)
	_, err := websocket.Dial(t.Context(), server.URL+"/api/chat?username="+strings.Repeat("x", MaxName+1), nil)
	if err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("a long name: %v, want 400", err)
	}
	resp, err := http.Get(server.URL + "/api/chat?username=user1")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("plain HTTP: %d, want 426", resp.StatusCode)
	}
	c := enter(t, server, "?username=user1")
	if err := c.Write(t.Context(), websocket.Message{Type: websocket.Binary, Data: []byte{1}}); err != nil {
		t.Fatal(err)
	}
	var closed *websocket.CloseError
	if _, err := hear(t, c); !errors.As(err, &closed) || closed.Code != websocket.StatusUnsupportedData {
		t.Errorf("after bytes: %v, want status 1003", err)
	}
}
