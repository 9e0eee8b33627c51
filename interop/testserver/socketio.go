package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/socketio"
)

// matrix is the hubs that every version of socket.io-client is played against:
// each is a namespace with the same handlers. ../socketio/twin.mjs is the same on
// npm's server.
type matrix struct {
	limits parley.Limits
	log    *slog.Logger

	mu   sync.Mutex
	hubs []*parley.Hub
}

// mountMatrix serves them at /matrix/, there for other protocols, too, and at
// other paths with other options. Heartbeats are many at /steady/ and /quick/: at
// the first nobody is given up soon, at the second everybody.
func mountMatrix(mux *http.ServeMux, limits parley.Limits, log *slog.Logger) *matrix {
	m := &matrix{limits: limits, log: log}
	root, named := m.hub("/"), make(map[string]*parley.Hub)
	for _, name := range []string{"/chat", "/guarded", "/Grüße"} {
		named[name] = m.hub(name)
	}
	dynamic := socketio.Pattern(regexp.MustCompile(`^/dynamic-\d+$`), m.hub)
	for path, o := range map[string]*socketio.Options{
		"/matrix/": {},
		"/steady/": {PingInterval: 200 * time.Millisecond, PingTimeout: 20 * time.Second},
		"/quick/":  {PingInterval: 200 * time.Millisecond, PingTimeout: 2 * time.Second},

		"/squeezed/": {PerMessageDeflate: true, CompressFromBytes: 100},
		"/polls/":    {Transports: []string{"polling"}},
		"/sockets/":  {Transports: []string{"websocket"}},
		"/closed/":   {AllowRequest: func(*http.Request) error { return parley.Errorf("closed", "not today") }},
	} {
		o.Namespaces, o.Dynamic = named, dynamic
		mux.Handle(path, identify(socketio.Handler(root, o)))
	}
	others := http.NewServeMux()
	plain.Mount(others, "/matrix/plain", root, nil)
	signalr.Mount(others, "/matrix/signalr", root, nil)
	mux.Handle("/matrix/plain", identify(others))
	mux.Handle("/matrix/signalr", identify(others))
	mux.Handle("/matrix/signalr/", identify(others))
	return m
}

// shutdown ends all hubs.
func (m *matrix) shutdown(ctx context.Context) (err error) {
	m.mu.Lock()
	hubs := m.hubs
	m.mu.Unlock()
	for _, hub := range hubs {
		err = errors.Join(err, hub.Shutdown(ctx))
	}
	return err
}

// hub makes the one of a namespace.
func (m *matrix) hub(nsp string) *parley.Hub {
	hub := parley.NewHub(&parley.HubOptions{Limits: m.limits, Log: m.log})
	gone := &departures{at: make(map[string]*departure)}
	hub.OnConnect(func(ctx context.Context, c *parley.Conn) error { return enter(ctx, c, nsp) })
	hub.OnDisconnect(func(_ context.Context, c *parley.Conn, _ error) { gone.note(c.ID(), socketio.DisconnectReason(c)) })
	hub.Handle("gone", parley.Func(gone.wait))
	hub.Handle("describe", parley.Func(func(c *parley.Conn) map[string]any { return arrival(c, nsp) }))
	addEchoes(hub)
	addRooms(hub)
	addLists(hub)
	addFarewells(hub)
	hub.HandleOther(parley.HandlerFunc(odd))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hubs = append(m.hubs, hub)
	return hub
}

// enter is the middleware of a namespace and its listener of connections.
func enter(ctx context.Context, c *parley.Conn, nsp string) error {
	if nsp == "/guarded" && !strings.Contains(string(socketio.Auth(c)), `"token":"secret"`) {
		return &parley.Error{Message: "no token", Data: map[string]any{"code": 401, "hints": []string{"token"}}}
	}
	if why := c.Request().URL.Query().Get("refuse"); why != "" {
		refusal := &parley.Error{Message: why}
		if !strings.HasPrefix(why, "bare") {
			refusal.Data = map[string]string{"hint": "come without refuse"}
		}
		return refusal
	}
	c.Set(numbersKey{}, &numbers{})
	return c.Send(ctx, "welcome", c.ID())
}

// arrival is how a client came.
func arrival(c *parley.Conn, nsp string) map[string]any {
	h := socketio.Handshake(c)
	revision := 3
	if h.Query["EIO"] == "4" {
		revision = 4
	}
	return map[string]any{
		"id": c.ID(), "nsp": nsp, "transport": c.Transport(), "revision": revision,
		"auth": h.Auth, "header": h.Headers["x-test"], "name": h.Query["name"],
	}
}

// arguments are those of a call, of whatever kind.
func arguments(call *parley.Call) ([]any, error) {
	values := make([]any, call.Len())
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	return values, call.Scan(into...)
}

// addEchoes adds what gives back what it is given, and questions.
func addEchoes(hub *parley.Hub) {
	with := func(name string, do func(ctx context.Context, call *parley.Call, values []any) error) {
		hub.Handle(name, parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
			values, err := arguments(call)
			if err != nil {
				return err
			}
			return do(ctx, call, values)
		}))
	}
	with("echo", func(_ context.Context, call *parley.Call, values []any) error { return call.Reply(values...) })
	with("say", func(ctx context.Context, call *parley.Call, values []any) error {
		return call.Conn().Send(ctx, "said", values...)
	})
	with("ask", func(ctx context.Context, call *parley.Call, values []any) error {
		var answer any
		if err := call.Conn().Call(ctx, "question", &answer, values...); err != nil {
			return err
		}
		return call.Reply(answer)
	})
	hub.Handle("nothing", parley.Func(func() {}))
	hub.Handle("big", parley.Func(func(n int) string { return strings.Repeat("x", min(n, 1<<20)) }))
	hub.Handle("bigBytes", parley.Func(func(n int) []byte { return []byte(strings.Repeat("\x07", min(n, 1<<20))) }))
	hub.Handle("burst", parley.Func(burst))
	hub.Handle("attempt", parley.Func(func(ctx context.Context, c *parley.Conn, name string) bool { return c.Send(ctx, name, 1) == nil }))
}

// odd takes the events of all other names.
func odd(ctx context.Context, call *parley.Call) error {
	values, err := arguments(call)
	if err != nil {
		return err
	}
	return call.Conn().Send(ctx, "odd", append([]any{call.Name}, values...)...)
}
