package signalr_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

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
