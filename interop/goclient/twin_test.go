package goclient

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
)

// twin is what server.mjs is, on Parley.
type twin struct {
	main, other, secret *parley.Hub

	mu      sync.Mutex
	reasons map[string]string        // why those that have left did
	waiting map[string]chan struct{} // for those
}

// startParley starts Parley's servers and returns their addresses by kind. One
// endpoint speaks both parsers.
func startParley(t *testing.T) map[string]string {
	t.Helper()
	plain := startTwin(t, &socketio.Options{})
	addresses := map[string]string{"json": plain, "msgpack": plain}
	for _, which := range []string{" recovering", " recovering too"} {
		at := startTwin(t, &socketio.Options{Recovery: &socketio.Recovery{}})
		addresses["json"+which], addresses["msgpack"+which] = at, at
	}
	return addresses
}

func startTwin(t *testing.T, o *socketio.Options) (url string) {
	t.Helper()
	w := &twin{reasons: make(map[string]string), waiting: make(map[string]chan struct{})}
	for _, hub := range []**parley.Hub{&w.main, &w.other, &w.secret} {
		*hub = parley.NewHub(&parley.HubOptions{Limits: parley.Limits{QueueBytes: 4 << 20}})
	}
	w.secret.OnConnect(func(_ context.Context, c *parley.Conn) error {
		var auth struct{ Token *string }
		json.Unmarshal(socketio.Auth(c), &auth)
		if auth.Token != nil && *auth.Token == "let me in" {
			return nil
		}
		return &parley.Error{Message: "who are you?", Data: map[string]any{"asked": "token", "got": auth.Token}}
	})
	for _, hub := range []*parley.Hub{w.main, w.other, w.secret} {
		w.attend(hub)
	}
	o.Namespaces = map[string]*parley.Hub{"/other": w.other, "/secret": w.secret}
	mux := http.NewServeMux()
	socketio.Mount(mux, "", w.main, o)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		for _, hub := range []*parley.Hub{w.main, w.other, w.secret} {
			if err := hub.Shutdown(context.WithoutCancel(t.Context())); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		}
	})
	return server.URL
}

func (w *twin) attend(hub *parley.Hub) {
	hub.OnDisconnect(func(_ context.Context, c *parley.Conn, _ error) { w.left(c.ID(), socketio.DisconnectReason(c)) })
	handle := func(name string, fn any) { hub.Handle(name, parley.Func(fn)) }
	hub.Handle("echo", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
		args, err := arguments(call)
		if err != nil {
			return err
		}
		return call.Reply(args...)
	}))
	hub.Handle("say", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		args, err := arguments(call)
		if err != nil {
			return err
		}
		return call.Conn().Send(ctx, "said", args...)
	}))
	handle("ask", func(ctx context.Context, c *parley.Conn, q string) (answer string, err error) {
		err = c.Call(ctx, "question", &answer, q)
		return answer, err
	})
	handle("leave", func(c *parley.Conn) { c.Close("") })
	handle("cut", func(c *parley.Conn) { c.CloseNow() })
	handle("idle", func(string) {}) // a cut that is not noticed does not matter
	handle("join", func(c *parley.Conn, room string) error { return c.Join(room) })
	handle("why", w.why)
	handle("who", w.who)
	hub.Handle("publish", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		args, err := arguments(call)
		if err != nil {
			return err
		}
		if err := hub.Group(args[0].(string)).Send(ctx, args[1].(string), args[2:]...); err != nil {
			return err
		}
		return call.Reply()
	}))
}

func arguments(call *parley.Call) ([]any, error) {
	args, into := make([]any, call.Len()), make([]any, call.Len())
	for i := range args {
		into[i] = &args[i]
	}
	return args, call.Scan(into...)
}

func (w *twin) left(id, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reasons[id] = reason
	if found := w.waiting[id]; found != nil {
		close(found)
		delete(w.waiting, id)
	}
}

func (w *twin) why(ctx context.Context, id string) (string, error) {
	w.mu.Lock()
	if why, ok := w.reasons[id]; ok {
		w.mu.Unlock()
		return why, nil
	}
	found := w.waiting[id]
	if found == nil {
		found = make(chan struct{})
		w.waiting[id] = found
	}
	w.mu.Unlock()
	select {
	case <-found:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reasons[id], nil
}

func (w *twin) who(c *parley.Conn) (who, error) {
	is := who{
		ID: c.ID(), Query: c.Request().URL.Query().Get("color"), Header: c.Request().Header.Get("X-Color"),
		Transport: c.Transport(), Recovered: c.Recovered(), Namespace: "/",
	}
	for name, hub := range map[string]*parley.Hub{"/other": w.other, "/secret": w.secret} {
		if hub.Conn(c.ID()) == c {
			is.Namespace = name
		}
	}
	return is, json.Unmarshal([]byte(cmp.Or(string(socketio.Auth(c)), "{}")), &is.Auth)
}
