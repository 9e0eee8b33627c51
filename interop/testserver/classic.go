package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr/classic"
)

// court is what the clients of classic SignalR are judged at: three hubs at each
// endpoint, and a connection without hubs.
type court struct {
	origin   string
	key      []byte
	hubs     map[string]*parley.Hub
	raw      *parley.Hub
	lateness *gates
}

// mountClassic mounts the hubs at /classic and at all that one endpoint cannot be
// at once, and what has no hubs at /classic-raw.
func mountClassic(mux *http.ServeMux, limits parley.Limits, origin, key string, log *slog.Logger) *court {
	c := &court{origin: origin, lateness: newGates(), hubs: make(map[string]*parley.Hub)}
	if key != "" {
		c.key = []byte(key)
	}
	for _, name := range []string{"JudgeHub", "SideHub", "UsersHub"} {
		c.hubs[name] = c.open(limits, log)
	}
	c.raw = newRaw(limits, log)
	for path, o := range c.endpoints() {
		mux.Handle(path+"/", identify(classic.Handler(c.hubs, c.options(o))))
	}
	mux.Handle("/classic/guarded/", identify(authorize(classic.Handler(c.hubs, c.options(classic.Options{})))))
	for _, transport := range []string{"webSockets", "serverSentEvents"} {
		path := "/classic/deaf/" + transport + "/"
		o := c.options(classic.Options{TransportConnectTimeout: 6 * time.Second})
		mux.Handle(path, deaf(transport, classic.Handler(c.hubs, o)))
	}
	mux.HandleFunc("/classic/moved/slash/negotiate", moveToSlash)
	mux.Handle("/classic-raw/", identify(classic.PersistentHandler(c.raw, c.options(classic.Options{}))))
	return c
}

func (c *court) endpoints() map[string]classic.Options {
	return map[string]classic.Options{
		"/classic":                       {Authorize: usersOnly},
		"/classic/detailed":              {DetailedErrors: true},
		"/classic/jsonp":                 {EnableJSONP: true},
		"/classic/noproxies":             {DisableProxies: true},
		"/classic/brief":                 {KeepAlive: 3 * time.Second, DisconnectTimeout: 9 * time.Second},
		"/classic/mute":                  {KeepAlive: -1},
		"/classic/polled":                {ConnectionTimeout: 300 * time.Millisecond, LongPollDelay: 50 * time.Millisecond},
		"/classic/only/webSockets":       {Transports: classic.WebSockets},
		"/classic/only/serverSentEvents": {Transports: classic.ServerSentEvents},
		"/classic/only/longPolling":      {Transports: classic.LongPolling},
		"/classic/only/foreverFrame":     {Transports: classic.ForeverFrame},
		"/classic/moved":                 {Redirect: move},
		"/classic/circle":                {Redirect: circle},
		"/classic/closed":                {Redirect: refuse},
	}
}

// options are o, and what all endpoints have.
func (c *court) options(o classic.Options) *classic.Options {
	o.Key = c.key
	if o.TransportConnectTimeout == 0 {
		o.TransportConnectTimeout = 20 * time.Second // no client falls back because the machine is slow
	}
	if c.origin != "" {
		o.Origins = []string{c.origin}
	}
	o.OnReconnected = func(ctx context.Context, c *parley.Conn, _ int) {
		_ = c.Hub().Group("watchers").Send(ctx, "back", c.ID()) // nobody may be watching
	}
	return &o
}

func (c *court) shutdown(ctx context.Context) error {
	all := []error{c.raw.Shutdown(ctx)}
	for _, hub := range c.hubs {
		all = append(all, hub.Shutdown(ctx))
	}
	return errors.Join(all...)
}

// usersOnly keeps UsersHub for those who are somebody.
func usersOnly(r *http.Request, hub string) error {
	if hub == "UsersHub" && r.URL.Query().Get("user") == "" {
		return errors.New("users only")
	}
	return nil
}

// move sends clients to the guarded endpoint, with a token, and those that take
// it with a query in place of theirs.
func move(r *http.Request) (to, accessToken string, err error) {
	u := url.URL{Scheme: "http", Host: r.Host, Path: "/classic/guarded"}
	if r.URL.Query().Get("clientProtocol") == "2.1" {
		u.RawQuery = "to=guarded"
	}
	return u.String(), "good", nil
}

// moveToSlash is a server of somebody else's that sends clients to the guarded
// endpoint, with a slash too many.
func moveToSlash(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]string{ // a client that went away does not want it
		"ProtocolVersion": "2.0", "RedirectUrl": "http://" + r.Host + "/classic/guarded/", "AccessToken": "good",
	})
}

func circle(r *http.Request) (to, accessToken string, err error) {
	return "http://" + r.Host + "/classic/circle", "", nil
}

// deaf lets who connects by one transport wait.
func deaf(transport string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/connect") && r.URL.Query().Get("transport") == transport {
			<-r.Context().Done()
			return
		}
		next.ServeHTTP(w, r)
	})
}

// open opens one of the hubs.
func (c *court) open(limits parley.Limits, log *slog.Logger) *parley.Hub {
	hub := newHub(limits, log)
	hub.OnConnect(greet)
	hub.OnDisconnect(func(ctx context.Context, c *parley.Conn, _ error) {
		_ = hub.Group("watchers").Send(ctx, "gone", c.ID()) // nobody may be watching
	})
	hub.Handle("watch", parley.Func(func(c *parley.Conn) error { return c.Join("watchers") }))
	hub.Handle("drizzle", parley.Func(drizzle))
	hub.Handle("later", parley.Func(later))
	hub.Handle("isNull", parley.Func(func(value any) bool { return value == nil }))
	addBag(hub)
	hub.Handle("work", parley.Func(work))
	hub.Handle("workLate", parley.Func(c.workLate))
	hub.Handle("lateness", parley.Func(func(ctx context.Context, name string) (string, error) {
		err := c.lateness.hold(ctx, name)
		return strings.Join(c.lateness.noted(name), "\n"), err
	}))
	return hub
}

// greet refuses whoever asks for it, tells a client that returns from another
// process so, and welcomes everybody else, some with a list of numbers.
func greet(ctx context.Context, c *parley.Conn) error {
	query := c.Request().URL.Query()
	if why := query.Get("refuse"); why != "" {
		return &parley.Error{Message: why}
	}
	if c.Recovered() {
		return c.Send(ctx, "returned", c.ID())
	}
	if n, err := strconv.Atoi(query.Get("greet")); err == nil {
		if err := burst(ctx, c, n); err != nil {
			return err
		}
	}
	return c.Send(ctx, "welcome", c.ID())
}

// drizzle sends numbers to a group, every so many milliseconds one.
func drizzle(ctx context.Context, c *parley.Conn, group string, from, to, ms int) error {
	for i := from; i <= to; i++ {
		if err := c.Hub().Group(group).Send(ctx, "drop", i); err != nil {
			return err
		}
		if err := later(ctx, ms); err != nil {
			return err
		}
	}
	return nil
}

func later(ctx context.Context, ms int) error {
	if ms == 0 {
		return nil
	}
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// addBag adds what reads and writes the state of the caller.
func addBag(hub *parley.Hub) {
	set := func(ctx context.Context, name string, value any) error { return classic.State(ctx).Set(name, value) }
	hub.Handle("stateNames", parley.Func(func(ctx context.Context) []string { return classic.State(ctx).Names() }))
	hub.Handle("stateGet", parley.Func(func(ctx context.Context, name string) (value any) {
		classic.State(ctx).Get(name, &value)
		return value
	}))
	hub.Handle("stateSet", parley.Func(set))
	hub.Handle("stateSetAndFail", parley.Func(func(ctx context.Context, name string, value any) error {
		return errors.Join(set(ctx, name, value), &parley.Error{Message: "No luck."})
	}))
	hub.Handle("stateAndTell", parley.Func(func(ctx context.Context, c *parley.Conn, group, name string, value any) error {
		return errors.Join(set(ctx, name, value), c.Send(ctx, "heard", name), hub.Group(group).Send(ctx, "shouted", name))
	}))
}

// work tells how far it has come.
func work(ctx context.Context, n int) (string, error) {
	for i := range n {
		if err := parley.Progress(ctx, map[string]int{"done": i + 1}); err != nil {
			return "", err
		}
	}
	return fmt.Sprint("did ", n), nil
}

// workLate goes on to tell after its end, and notes what comes of it.
func (c *court) workLate(ctx context.Context, name string) (string, error) {
	if err := parley.Progress(ctx, "in time"); err != nil {
		return "", err
	}
	go func() { // ends when the call has
		<-ctx.Done()
		c.lateness.note(name, fmt.Sprint(parley.Progress(ctx, "late")))
		c.lateness.free(name)
	}()
	return "early", nil
}

// newRaw is the hub of connections without hubs, which answers what it is sent,
// but for "join group" and "tell group word".
func newRaw(limits parley.Limits, log *slog.Logger) *parley.Hub {
	hub := parley.NewHub(&parley.HubOptions{Limits: limits, Log: log})
	hub.Handle(classic.Message, parley.Func(func(ctx context.Context, c *parley.Conn, text string) error {
		words := strings.Fields(text)
		switch {
		case len(words) == 2 && words[0] == "join":
			return errors.Join(c.Join(words[1]), c.Send(ctx, classic.Message, "joined"))
		case len(words) == 3 && words[0] == "tell":
			return hub.Group(words[1]).Send(ctx, classic.Message, words[2])
		}
		return c.Send(ctx, classic.Message, map[string]string{"echo": text})
	}))
	return hub
}
