//go:build linux

package servers

import (
	"context"
	"net/http"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr"
)

// What the hub knows: a call with an answer, and one that becomes an event for the
// members of a group.
const (
	echo parley.Method[string, string] = "echo"
	say  parley.Command[string]        = "say"
	said parley.Event[string]          = "said"

	room = "room"
)

// hubHandler is a hub mounted for SignalR, in both of its protocols. All but the
// publisher are members of the room. No ping comes between the answers.
func hubHandler(Options) (http.Handler, error) {
	hub := parley.NewHub(nil)
	hub.OnConnect(func(_ context.Context, c *parley.Conn) error {
		if c.Request().URL.Path == PublishPath {
			return nil
		}
		return c.Join(room)
	})
	echo.Handle(hub, func(_ context.Context, _ *parley.Conn, text string) (string, error) { return text, nil })
	say.Handle(hub, func(ctx context.Context, _ *parley.Conn, text string) error {
		return said.Send(ctx, hub.Group(room), text)
	})
	options := &signalr.Options{KeepAlive: time.Hour, ClientTimeout: time.Hour}
	mux := http.NewServeMux()
	signalr.Mount(mux, "/", hub, options)
	signalr.Mount(mux, PublishPath, hub, options)
	return mux, nil
}
