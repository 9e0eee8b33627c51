package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/socketio"
)

// mountOld serves a hub under /old to the clients of Socket.IO 0.9 as well as to
// others, and its namespace /chat. end shuts both hubs down.
func mountOld(mux *http.ServeMux, limits parley.Limits, log *slog.Logger) (end func(context.Context) error) {
	hub, chat := newHub(limits, log), newHub(limits, log)
	for _, h := range []*parley.Hub{hub, chat} {
		h.Handle("message", parley.HandlerFunc(message))
		h.Handle("askMessage", parley.Func(func(ctx context.Context, c *parley.Conn, question any) (answer any, err error) {
			err = c.Call(ctx, "message", &answer, question)
			return answer, err
		}))
	}
	socketio.Mount(mux, "/old/socket.io/", hub, &socketio.Options{
		Protocol1:    true,
		JSONP:        true,
		PingInterval: limits.KeepAlive,
		Namespaces:   map[string]*parley.Hub{"/chat": chat},
	})
	plain.Mount(mux, "/old/plain", hub, nil)
	return func(ctx context.Context) error { return errors.Join(hub.Shutdown(ctx), chat.Shutdown(ctx)) }
}

// message sends what has been sent back, and acknowledges it.
func message(ctx context.Context, call *parley.Call) error {
	var value any
	if err := call.Scan(&value); err != nil {
		return err
	}
	return errors.Join(call.Conn().Send(ctx, "message", value), call.Reply("seen"))
}
