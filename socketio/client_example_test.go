package socketio_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
)

func ExampleNewManager() {
	hub, admin := parley.NewHub(nil), parley.NewHub(nil)
	hub.Handle("add", parley.Func(func(a, b int) int { return a + b }))
	admin.OnConnect(func(_ context.Context, c *parley.Conn) error {
		if string(socketio.Auth(c)) != `{"token":"let me in"}` {
			return parley.Errorf("auth", "who are you?")
		}
		return nil
	})
	admin.Handle("clients", parley.Func(func() int { return len(hub.Audience().Conns()) }))
	namespaces := map[string]*parley.Hub{"/admin": admin}
	server := httptest.NewServer(socketio.Handler(hub, &socketio.Options{Namespaces: namespaces}))
	ctx := context.Background()
	defer server.Close()
	defer admin.Shutdown(ctx)
	defer hub.Shutdown(ctx)

	m := socketio.NewManager(server.URL, nil)
	main, boss := m.Client("/", nil), m.Client("/admin", &socketio.ClientOptions{
		Auth: map[string]string{"token": "let me in"},
	})
	defer main.Close(ctx)
	defer boss.Close(ctx)
	var sum, clients int
	for _, step := range []func() error{
		func() error { return main.Connect(ctx) },
		func() error { return main.Call(ctx, "add", &sum, 2, 3) },
		func() error { return boss.Connect(ctx) }, // on the same connection
		func() error { return boss.Call(ctx, "clients", &clients) },
	} {
		if err := step(); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(sum, clients)
	// Output: 5 1
}
