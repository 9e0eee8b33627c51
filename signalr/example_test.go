package signalr_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/websocket"
)

// An endpoint without a hub: it sends back what it gets, over whichever
// transport the client chooses.
func ExampleNewConnHandler() {
	mux := http.NewServeMux()
	echo := signalr.NewConnHandler(func(_ context.Context, c *signalr.Conn) error {
		_, err := io.Copy(c, c)
		return err
	}, nil)
	echo.Mount(mux, "/echo")

	server := httptest.NewServer(mux)
	defer server.Close()
	defer echo.Shutdown(context.Background())
	ws, err := websocket.Dial(context.Background(), server.URL+"/echo", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ws.CloseNow()
	ws.Write(context.Background(), websocket.Message{Type: websocket.Text, Data: []byte("hello")})
	m, err := ws.Read(context.Background())
	fmt.Println(string(m.Data), err)
	// Output: hello <nil>
}

// A client in Go, here of a hub in Go, too. It falls back from WebSocket to
// event streams and long polling as @microsoft/signalr does.
func ExampleNewClient() {
	hub := parley.NewHub(nil)
	hub.Handle("greet", parley.Func(func(ctx context.Context, c *parley.Conn, name string) (int, error) {
		return len(name), c.Send(ctx, "greeted", "hello "+name)
	}))
	mux := http.NewServeMux()
	signalr.Mount(mux, "/chat", hub, nil)
	server := httptest.NewServer(mux)
	defer server.Close()
	defer hub.Shutdown(context.Background())

	ctx := context.Background()
	cl := signalr.NewClient(server.URL+"/chat", &signalr.ClientOptions{
		Protocol:    "messagepack",
		AccessToken: func(context.Context) (string, error) { return "a token", nil },
	})
	defer cl.Close(ctx)
	greeted := make(chan string, 1)
	cl.On("greeted", func(text string) { greeted <- text })
	if err := cl.Connect(ctx); err != nil {
		fmt.Println(err)
		return
	}
	var length int
	err := cl.Call(ctx, "greet", &length, "Ann")
	fmt.Println(<-greeted, length, err)
	// Output: hello Ann 3 <nil>
}
