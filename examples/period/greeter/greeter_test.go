package greeter

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/parley-go/parley/websocket"
)

const forAll = "This is for all connected clients..."

func start(t *testing.T) (*App, *httptest.Server) {
	t.Helper()
	app, mux := New(nil), http.NewServeMux()
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

func enter(t *testing.T, server *httptest.Server, path string) *websocket.Conn {
	t.Helper()
	c, err := websocket.Dial(t.Context(), server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func hears(t *testing.T, c *websocket.Conn, want ...string) {
	t.Helper()
	for _, want := range want {
		if m, err := c.Read(t.Context()); err != nil || string(m.Data) != want {
			t.Fatalf("heard %q, %v, want %q", m.Data, err, want)
		}
	}
}

func TestANewcomerIsAnnouncedToAllAndGreeted(t *testing.T) {
	app, server := start(t)
	first := enter(t, server, Handler)
	hears(t, first, forAll, "Hello from: 127.0.0.1")
	second := enter(t, server, Controller)
	hears(t, second, forAll, "Hello from: 127.0.0.1")
	hears(t, first, forAll)

	members := slices.Collect(app.Clients().All())
	second.Close(websocket.StatusNormalClosure, "")
	first.CloseNow() // without a word
	for _, c := range members {
		<-c.Done()
	}
	if n := app.Clients().Len(); n != 0 {
		t.Errorf("%d of those who left are still members", n)
	}
}

func TestPlainHTTPIsABadRequest(t *testing.T) {
	_, server := start(t)
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"GET", Handler, 400},
		{"POST", Handler, 400},
		{"DELETE", Handler, 400},
		{"GET", Controller, 400},
		{"POST", Controller, 405},
	} {
		req, err := http.NewRequest(tt.method, server.URL+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.path, resp.StatusCode, tt.want)
		}
	}
}
