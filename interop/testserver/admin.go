package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/socketio"
	"github.com/parley-go/parley/socketio/admin"
)

// mountAdmin serves a chat under /watched that an Admin looks in on. The password
// is "open sesame". end shuts both hubs down.
func mountAdmin(mux *http.ServeMux) (end func(context.Context) error, err error) {
	watch, err := admin.New(&admin.Options{Password: "open sesame", ServerID: "watched"})
	if err != nil {
		return nil, err
	}
	hub := parley.NewHub(nil)
	hub.Handle("join", parley.Func(func(c *parley.Conn, room string) error { return c.Join(room) }))
	hub.Handle("say", parley.Func(func(ctx context.Context, room, text string) error {
		return hub.Group(room).Send(ctx, "said", text)
	}))
	watch.Show("/", hub)
	socketio.Mount(mux, "/watched/socket.io/", hub, &socketio.Options{
		Namespaces: map[string]*parley.Hub{"/admin": watch.Hub()},
	})
	signalr.Mount(mux, "/watched/signalr", hub, nil)
	plain.Mount(mux, "/watched/plain", hub, nil)
	return func(ctx context.Context) error { return errors.Join(hub.Shutdown(ctx), watch.Hub().Shutdown(ctx)) }, nil
}
