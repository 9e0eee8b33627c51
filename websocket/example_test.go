package websocket_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/parley-go/parley/websocket"
)

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered the request
	}
	defer c.CloseNow()
	for m, err := range c.Messages(r.Context()) { // m.Data is valid until the next turn
		if err != nil {
			return
		}
		if err := c.Write(r.Context(), m); err != nil {
			return
		}
	}
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()

	ctx := context.Background()
	c, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.Message{Type: websocket.Text, Data: []byte("hello")}); err != nil {
		fmt.Println(err)
		return
	}
	m, err := c.Read(ctx)
	fmt.Println(m.Type, string(m.Data), err)
	fmt.Println(c.Close(websocket.StatusNormalClosure, "bye"))
	// Output:
	// text hello <nil>
	// <nil>
}
