package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/socketio"
)

// judges are hubs for what is asked of Socket.IO's clients and, in the same
// rooms, of others. interop/socketio/reference.mjs has the same on npm's server.
type judges struct {
	limits parley.Limits
	log    *slog.Logger

	mu   sync.Mutex
	hubs []*parley.Hub
}

// courts are what one endpoint of Socket.IO cannot be at once.
func courts() map[string]socketio.Options {
	return map[string]socketio.Options{
		"/judge/socket.io/": {Protocol1: true},
		"/judge/cookie/":    {Cookie: &http.Cookie{}},
		"/judge/deflate/":   {PerMessageDeflate: true, CompressFromBytes: 100},
		"/judge/polling/":   {Transports: []string{"polling"}},
		"/judge/jsonp/":     {JSONP: true},
		"/judge/bare":       {},
		"/judge/brief/":     {ConnectTimeout: 3 * time.Second, UpgradeTimeout: time.Second, CloseTimeout: time.Second},
		"/judge/recovery/":  {Recovery: &socketio.Recovery{}},
		"/judge/forgetful/": {Recovery: &socketio.Recovery{MaxDisconnectionDuration: 300 * time.Millisecond}},
	}
}

// mountJudges serves Socket.IO at every path of courts, and the hub of the main
// one in two other protocols.
func mountJudges(mux *http.ServeMux, limits parley.Limits, origin string, log *slog.Logger) *judges {
	j := &judges{limits: limits, log: log}
	for path, o := range courts() {
		hub := j.mount(mux, path, origin, o)
		if path == "/judge/socket.io/" {
			signalr.Mount(mux, "/judge/signalr", hub, nil)
			plain.Mount(mux, "/judge/plain", hub, nil)
		}
	}
	return j
}

// mount serves an endpoint with namespaces: /side, /quiet where nobody is
// welcomed, /closed where nobody gets in, and /child-1 and so on.
func (j *judges) mount(mux *http.ServeMux, path, origin string, o socketio.Options) *parley.Hub {
	hub := j.open(receive)
	o.PingInterval, o.PingTimeout = j.limits.KeepAlive, j.limits.IdleTimeout
	o.Namespaces = map[string]*parley.Hub{"/side": j.open(receive), "/quiet": j.open(nil), "/closed": j.open(turnAway)}
	o.Dynamic = socketio.Pattern(regexp.MustCompile(`^/child-\d+$`), func(string) *parley.Hub { return j.open(receive) })
	o.ServeClient = os.DirFS("interop/node_modules/socket.io-client/dist")
	if origin != "" {
		o.Origins = []string{origin}
	}
	socketio.Mount(mux, path, hub, &o)
	return hub
}

func (j *judges) open(connect func(context.Context, *parley.Conn) error) *parley.Hub {
	hub := newHub(j.limits, j.log)
	hub.OnConnect(func(ctx context.Context, c *parley.Conn) error {
		if connect == nil {
			return nil
		}
		return connect(ctx, c)
	})
	hub.OnDisconnect(func(ctx context.Context, c *parley.Conn, _ error) {
		hub.Group("watchers").Send(ctx, "gone", c.ID(), socketio.DisconnectReason(c)) // nobody may be watching
	})
	addJudged(hub)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.hubs = append(j.hubs, hub)
	return hub
}

func (j *judges) all() []*parley.Hub {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.hubs)
}

func (j *judges) shutdown(ctx context.Context) error {
	var all []error
	for _, hub := range j.all() {
		all = append(all, hub.Shutdown(ctx))
	}
	return errors.Join(all...)
}

// receive refuses who asks for it, in its query or in its auth, and greets
// everybody else.
func receive(ctx context.Context, c *parley.Conn) error {
	var auth struct {
		Refuse string `json:"refuse"`
	}
	_ = json.Unmarshal(socketio.Auth(c), &auth) // whatever else it may be refuses nobody
	if why := cmp.Or(c.Request().URL.Query().Get("refuse"), auth.Refuse); why != "" {
		return &parley.Error{Message: why, Data: map[string]string{"code": "refused", "hint": "come without refuse"}}
	}
	if c.Recovered() {
		return nil
	}
	if err := c.Join("everyone"); err != nil {
		return err
	}
	return c.Send(ctx, "welcome", c.ID())
}

func turnAway(context.Context, *parley.Conn) error {
	return &parley.Error{Message: "Members only.", Data: map[string]any{"code": "members", "level": 3}}
}

// addJudged adds what the reference's twin has, besides what all hubs have.
func addJudged(hub *parley.Hub) {
	hub.Handle("back", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		values, err := scanAll(call)
		if err != nil {
			return err
		}
		return call.Conn().Send(ctx, "back", values...)
	}))
	hub.Handle("say", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		values, err := scanAll(call)
		if err != nil {
			return err
		}
		if len(values) == 0 {
			return errors.New("say takes a group")
		}
		return hub.Group(fmt.Sprint(values[0])).Send(ctx, "said", values[1:]...)
	}))
	hub.Handle("came", parley.Func(func(c *parley.Conn) *socketio.HandshakeDetails { return socketio.Handshake(c) }))
	hub.Handle("groups", parley.Func(func(c *parley.Conn) []string { return slices.Sorted(slices.Values(c.Groups())) }))
	hub.Handle("remember", parley.Func(func(c *parley.Conn, value any) { c.Set(memory{}, value) }))
	hub.Handle("remembered", parley.Func(func(c *parley.Conn) any { return c.Value(memory{}) }))
	hub.Handle("deluge", parley.Func(deluge))
}

// memory is the key of what a connection was asked to remember.
type memory struct{}

func scanAll(call *parley.Call) ([]any, error) {
	values, into := make([]any, call.Len()), make([]any, call.Len())
	for i := range values {
		into[i] = &values[i]
	}
	return values, call.Scan(into...)
}

// deluge sends n numbered events to a group or to the client of that ID, fifty at
// a time, and some that may be lost.
func deluge(ctx context.Context, c *parley.Conn, group, id string, n int) error {
	var asked sync.WaitGroup
	defer asked.Wait()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := 1; i <= n; i++ {
		if i%50 == 1 {
			// It is as well if nobody can take it.
			_ = c.Hub().Group(group).Volatile().Send(ctx, "mist", i, "a string that is no offset")
		}
		if i%5 == 4 {
			asked.Go(func() { askWhoMayBeAway(ctx, c.Hub().Client(id), i) }) // deluge's own; ends with the answer or a time limit
		}
		if err := drop(ctx, c.Hub(), group, id, i); err != nil {
			return parley.Errorf("lost", "event %d: %v", i, err)
		}
		if i%50 != 0 {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// drop sends one of deluge's events, of one kind or another.
func drop(ctx context.Context, hub *parley.Hub, group, id string, i int) error {
	switch i % 5 {
	case 1:
		return hub.Client(id).Send(ctx, "drop", i)
	case 2:
		return hub.Group(group).Send(ctx, "drop", i, "ends in a string")
	case 3:
		return hub.Client(id).Send(ctx, "drop", i, map[string][]byte{"bytes": {byte(i)}})
	default:
		return hub.Group(group).Send(ctx, "drop", i)
	}
}

// askWhoMayBeAway asks a client that may be away.
func askWhoMayBeAway(ctx context.Context, who parley.Audience, i int) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, _ = who.Call(ctx, "asked", i, "a string that is no offset") // it may be away
}
