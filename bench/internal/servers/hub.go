//go:build linux

package servers

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/socketio"
)

// What the hub knows: a call with an answer, and one that becomes an event for the
// members of a group.
const (
	echo parley.Method[string, string] = "echo"
	say  parley.Command[string]        = "say"
	said parley.Event[string]          = "said"

	room    = "room"
	speaker = "speaker" // the user who publishes
)

// newHub is a hub where all but the publisher are members of the room.
func newHub() *parley.Hub {
	hub := parley.NewHub(nil)
	hub.OnConnect(func(_ context.Context, c *parley.Conn) error {
		if c.User() == speaker {
			return nil
		}
		return c.Join(room)
	})
	echo.Handle(hub, func(_ context.Context, _ *parley.Conn, text string) (string, error) { return text, nil })
	say.Handle(hub, func(ctx context.Context, _ *parley.Conn, text string) error {
		return said.Send(ctx, hub.Group(room), text)
	})
	return hub
}

// hubHandler is the hub mounted for SignalR, in both of its protocols. No ping comes
// between the answers.
func hubHandler(Options) (http.Handler, error) {
	hub := newHub()
	options := &signalr.Options{KeepAlive: time.Hour, ClientTimeout: time.Hour}
	mux := http.NewServeMux()
	signalr.Mount(mux, "/", hub, options)
	signalr.Mount(mux, PublishPath, hub, options)
	return identify(mux), nil
}

// socketIOHandler is the hub mounted for Socket.IO; the rig's clients begin with a
// WebSocket. No ping comes between the answers.
func socketIOHandler(Options) (http.Handler, error) {
	hub := newHub()
	options := &socketio.Options{PingInterval: time.Hour}
	mux := http.NewServeMux()
	socketio.Mount(mux, "/", hub, options)
	socketio.Mount(mux, PublishPath, hub, options)
	return identify(mux), nil
}

// identify tells who publishes, as an application's middleware tells who users are.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, PublishPath) {
			r = r.WithContext(parley.WithUser(r.Context(), speaker))
		}
		next.ServeHTTP(w, r)
	})
}
