package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"testing"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/guide"
	"github.com/parley-go/parley/parleytest"
	"github.com/parley-go/parley/socketio"
	"github.com/parley-go/parley/socketio/admin"
)

// This file has the lines of docs/socketio.md, so that they are compiled, and sees to it that the guide shows no
// others.

type Line struct{ User, Text string }

const Said parley.Event[Line] = "said"

type userKey struct{}

func show(text string) {}

func showLine(context.Context, Line) {}

func sure(question string) bool { return question == "sure?" }

func headers(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("X-Served-By", r.Host)
	return nil
}

func seek(r *http.Request, name string) (*parley.Hub, error) { return nil, nil }

func anything(ctx context.Context, call *parley.Call) error { return call.Reply(call.Name) }

func say(ctx context.Context, c *parley.Conn, room, text string) error {
	return c.Hub().Group(room).Send(ctx, "said", text)
}

func connected(ctx context.Context, c *parley.Conn) error {
	var auth struct{ Name string }
	if err := json.Unmarshal(socketio.Auth(c), &auth); err != nil || auth.Name == "" {
		details := map[string]string{"name": "missing"}
		return &parley.Error{Message: "no", Data: details}
	}
	return c.Join("lobby")
}

func disconnected(ctx context.Context, c *parley.Conn, reason error) {
	c.Hub().Log().Debug("gone", "why", socketio.DisconnectReason(c), "error", reason, "groups", c.Groups())
}

func joined(c *parley.Conn, group string) { c.Hub().Log().Debug("joined", "group", group) }

func logged(next parley.Handler) parley.Handler {
	return parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		call.Conn().Hub().Log().Debug(call.Name, "arguments", call.Len(), "answered", call.ID != "")
		return next.Handle(ctx, call)
	})
}

func logSent(next parley.SendFunc) parley.SendFunc {
	return func(ctx context.Context, to parley.Audience, name string, args []any) error {
		return next(ctx, to, name, args)
	}
}

// mounted has the lines about hubs.
func mounted(t *testing.T, mux *http.ServeMux, logger *slog.Logger, b parley.Backplane) *parley.Hub {
	hub, admins := parley.NewHub(&parley.HubOptions{Log: logger}), parley.NewHub(&parley.HubOptions{Backplane: b})
	rooms := regexp.MustCompile(`^/room-\d+$`)
	open := func(name string) *parley.Hub { return parley.NewHub(&parley.HubOptions{Name: name}) }
	socketio.Mount(mux, "/socket.io/", hub, nil)
	mux.Handle("/other/", socketio.Handler(hub, nil))
	secret := "secret"
	watch, err := admin.New(&admin.Options{Password: secret})
	if err != nil {
		t.Fatal(err)
	}
	watch.Show("/", hub)
	for path, o := range map[string]*socketio.Options{
		"/1/": {Namespaces: map[string]*parley.Hub{"/admin": admins}},
		"/2/": {Dynamic: socketio.Pattern(rooms, open)},
		"/3/": {Dynamic: seek, Middleware: headers},
		"/4/": {Namespaces: map[string]*parley.Hub{"/admin": watch.Hub()}, ServeClient: os.DirFS("node_modules/socket.io-client/dist")},
	} {
		socketio.Mount(mux, path, hub, o)
	}
	t.Cleanup(func() {
		err := errors.Join(admins.Shutdown(context.Background()), watch.Hub().Shutdown(context.Background()))
		if err != nil {
			t.Error(err)
		}
	})
	hub.OnConnect(connected)
	hub.OnDisconnect(disconnected)
	hub.Handle("say", parley.Func(say))
	hub.HandleOther(parley.HandlerFunc(anything))
	hub.Use(logged)
	hub.UseSend(logSent)
	stop := hub.Watch(&parley.Watcher{Joined: joined})
	t.Cleanup(stop)
	parley.NewHub(&parley.HubOptions{Limits: parley.Limits{Parallelism: 4}})
	return hub
}

// listening has those about the process.
func listening(ctx context.Context, hub *parley.Hub, mux *http.ServeMux) error {
	server := &http.Server{Addr: "127.0.0.1:3000", Handler: mux}
	http.ListenAndServe("127.0.0.1:3000", mux)
	err := hub.Shutdown(ctx)
	return errors.Join(err, server.Shutdown(ctx))
}

// handlers has the lines about handlers, each as a handler of its own.
func handlers(hub *parley.Hub) {
	hub.Handle("1", parley.Func(func(ctx context.Context, c *parley.Conn, room, text string) error {
		return parley.Errorf("refused", "no")
	}))
	hub.Handle("add", parley.Func(func(a, b int) (int, error) {
		return a + b, nil
	}))
	hub.Handle("3", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		var room string
		var rest json.RawMessage
		if err := call.Scan(&room, &rest); err != nil {
			return err
		}
		return call.Reply("ann", 7)
	}))
	hub.Handle("4", parley.Func(everyLine))
	hub.Handle("5", parley.Func(identity))
	hub.Handle("6", parley.Func(leaving))
}

// everyLine has those about sending and groups.
func everyLine(ctx context.Context, c *parley.Conn) (bool, error) {
	hub, id, line := c.Hub(), c.ID(), Line{"Ann", "hi"}
	hub.Send(ctx, "said", "hi")
	hub.Send(ctx, "message", "hi")
	c.Send(ctx, "said", "hi")
	hub.Group("lobby").Send(ctx, "said", "hi")
	Said.Send(ctx, hub.Group("lobby"), line)
	for _, all := range []parley.Audience{
		hub.Audience().Except(c),
		hub.Group("lobby").Except(c),
		hub.Group("a").And(hub.Group("b")),
		hub.Client(id),
		hub.Group(id),
		hub.User("ann"),
		hub.Group("map").KeepLatest("position of " + c.ID()),
	} {
		for _, all := range []parley.Audience{
			all.ExceptGroups("muted"), all.ExceptIDs(id), all.Volatile(), all.DropOldest(), all.Uncompressed(), all.Local(),
		} {
			if err := all.Send(ctx, "said", "hi"); err != nil && !errors.Is(err, parley.ErrClosed) {
				return false, err
			}
		}
	}
	if err := c.Audience().Join(ctx, "a", "b"); err != nil {
		return false, err
	}
	if err := c.Join("lobby"); err != nil {
		return false, err
	}
	all := hub.Group("lobby")
	all.Join(ctx, "lobby")
	n := len(all.Conns())
	answers, err := all.Call(ctx, "confirm", "sure?")
	if errors.Is(err, parley.ErrTimeout) || len(answers) != n {
		return false, err
	}
	var yes bool
	if err := answers[0].Scan(&yes); err != nil || !yes {
		return false, err
	}
	all.Leave(ctx, "lobby")
	c.Leave("lobby")
	return len(hub.Group("lobby").Conns()) == 0, nil
}

// identity has those about who calls.
func identity(ctx context.Context, c *parley.Conn) (string, error) {
	hub := c.Hub()
	c.Set(userKey{}, "ann")
	h := socketio.Handshake(c)
	hub.Log().Debug(h.Address, "query", h.Query, "headers", h.Headers, "user agent", c.Request().UserAgent(), "recovered", c.Recovered(),
		"client", socketio.ClientOf(c), "transport", c.Transport(), "context", c.Context().Err(), "conns", hub.Stats().Conns)
	id, dots := c.ID(), []byte{1, 2}
	one := hub.Conn(id)
	if one == nil || len(one.Groups()) == 0 {
		return "", errors.New("nobody")
	}
	c.Send(ctx, "dots", dots)
	if h.Query["EIO"] != "4" || c.Protocol() == "socketio-0.9" {
		return "", errors.New("too old")
	}
	var yes bool
	err := c.Call(ctx, "confirm", &yes, "sure?")
	if errors.Is(err, parley.ErrConnecting) || !yes {
		return "", err
	}
	return parley.UserOf(parley.WithUser(ctx, c.Value(userKey{}).(string))), nil
}

// leaving has those that end a connection.
func leaving(ctx context.Context, c *parley.Conn, how string) {
	all := c.Hub().Audience()
	switch how {
	case "all":
		all.Close(ctx, "")
	case "one":
		c.Close("")
	case "cut":
		c.CloseNow()
	case "client":
		for _, one := range all.Conns() {
			socketio.Disconnect(one)
		}
		socketio.Disconnect(c)
	}
}

// elsewhere has those of a client, which is refused.
func elsewhere(ctx context.Context, url string) error {
	m := socketio.NewManager(url, nil)
	cl := m.Client("/admin", nil)
	cl.HandleOther(parley.HandlerFunc(anything))
	cl.On("said", show)
	err := cl.Connect(ctx)
	return errors.Join(err, closed(ctx, cl))
}

func closed(ctx context.Context, cl *parley.Client) error {
	err := cl.Close(ctx)
	return err
}

// example is one that nobody connects.
func example(ctx context.Context) error {
	cl := socketio.NewClient("https://example.com", nil)
	return closed(ctx, cl)
}

// TestTheLinesOfTheGuide runs those that can go wrong when they are run.
func TestTheLinesOfTheGuide(t *testing.T) {
	mux := http.NewServeMux()
	_ = listening // at a port that may be taken
	hub := mounted(t, mux, slog.New(slog.DiscardHandler), &parley.MemoryBackplane{})
	handlers(hub)
	server := httptest.NewServer(mux)
	defer server.Close()
	defer hub.Shutdown(context.Background())
	recovered := make(chan bool, 1)
	cl := socketio.NewClient(server.URL, &socketio.ClientOptions{
		Auth: map[string]string{"name": "ann"},
		ClientOptions: parley.ClientOptions{OnConnect: func(ctx context.Context) {
			recovered <- socketio.Recovered(ctx)
		}},
	})
	Said.On(cl, showLine)
	cl.Handle("confirm", parley.Func(sure))
	ctx := t.Context()
	if err := cl.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if <-recovered {
		t.Error("a new client is an old one")
	}
	cl.Send(ctx, "say", "hi")
	var user string
	if err := cl.Call(ctx, "5", &user); err != nil || user != "ann" {
		t.Errorf("got %q, %v", user, err)
	}
	var yes bool
	if err := cl.Call(ctx, "4", &yes); err != nil || !yes {
		t.Errorf("got %v, %v", yes, err)
	}
	var sum int
	err := cl.Call(ctx, "add", &sum, 2, 3)
	if err != nil || sum != 5 {
		t.Errorf("got %d, %v", sum, err)
	}
	if err := cl.Call(ctx, "3", &user, "lobby", []int{1}); err != nil || user != "ann" {
		t.Errorf("got %q, %v", user, err)
	}
	if err := example(ctx); err != nil {
		t.Error(err)
	}
	cl.Send(ctx, "6", "client")
	<-cl.Done()
	if err := cl.Err(); err != nil {
		t.Error(err)
	}
	var refused *parley.Error
	if err := elsewhere(ctx, server.URL); !errors.As(err, &refused) || refused.Message != "Invalid namespace" {
		t.Errorf("got %v", err)
	}
	hub.OnConnect(func(context.Context, *parley.Conn) error { return nil })
	if err := parleytest.Dial(t, hub, nil).Call(ctx, "whatever", &user); err != nil || user != "whatever" {
		t.Errorf("got %q, %v", user, err)
	}
}

// --- The guide ------------------------------------------------------------------------------------------

const theGuide guide.Page = "../docs/socketio.md"

func TestGuideShowsLinesThatCompile(t *testing.T) {
	tables := theGuide.Chapter(t, "### The server", "### Options") + theGuide.Chapter(t, "### The Go client", "## Moving a server")
	code := guide.Read(t, "guide_test.go") + guide.Read(t, "webtransport/example_test.go")
	theGuide.TestTables(t, tables, code, 90, regexp.MustCompile(`^(Limits|Options|ClientOptions|HubOptions|Reconnect)\.(\w+)$`).MatchString)
}

func TestGuideNamesEveryOption(t *testing.T) {
	text, options, client := theGuide.Text(t), reflect.TypeFor[socketio.Options](), reflect.TypeFor[socketio.ClientOptions]()
	theGuide.TestNames(t, text, map[string]reflect.Type{
		"Options": options, "ClientOptions": client,
		"Limits": reflect.TypeFor[parley.Limits](), "HubOptions": reflect.TypeFor[parley.HubOptions](),
		"Reconnect": reflect.TypeFor[parley.Backoff](), "Recovery": reflect.TypeFor[socketio.Recovery](),
	})
	theGuide.TestAllNamed(t, text, options, "Options.")
	theGuide.TestAllNamed(t, text, client, "", "ClientOptions.")
}

// TestGuideShowsBothPrograms wants its pieces to be the chat on Node and its twin in Go.
func TestGuideShowsBothPrograms(t *testing.T) {
	steps := theGuide.Chapter(t, "## Moving a server", "### 11. Look")
	theGuide.TestProgram(t, steps, "go", "../examples/migration-socketio/chat.go")
	theGuide.TestProgram(t, steps, "js", "../interop/socketio/chat.mjs")
}
