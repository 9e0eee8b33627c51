package classic_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/guide"
	"github.com/parley-go/parley/signalr/classic"
	"github.com/parley-go/parley/wire"
)

// This file has the lines of docs/signalr-classic.md, so that they are compiled, and sees to it that the guide shows
// no others.

type Line struct{ User, Text string }

const Said parley.Event[Line] = "said"

type roomKey struct{}

func anything(_ context.Context, call *parley.Call) error { return call.Reply(call.Len()) }

func post(ctx context.Context, c *parley.Conn, name, message string) error {
	return c.Hub().Send(ctx, "said", name, message)
}

func received(ctx context.Context, c *parley.Conn, text string) error {
	return c.Hub().Send(ctx, classic.Message, text)
}

func connected(ctx context.Context, c *parley.Conn) error {
	if c.Recovered() {
		return nil
	}
	return c.Join("lobby")
}

func reconnected(ctx context.Context, c *parley.Conn, missed int) {
	c.Send(ctx, "missed", missed)
}

func disconnected(ctx context.Context, c *parley.Conn, reason error) {
	if errors.Is(reason, parley.ErrSlow) {
		hub := c.Hub()
		hub.Log().Warn("too slow", "groups", c.Groups(), "conns", hub.Stats().Conns)
	}
}

func timed(next parley.Handler) parley.Handler {
	return parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		begun := time.Now()
		defer func() { call.Conn().Hub().Log().Debug(call.Name, "took", time.Since(begun)) }()
		return next.Handle(ctx, call)
	})
}

func counted(next parley.SendFunc) parley.SendFunc { return next }

func rejoining(r *http.Request, hub string, groups []string) []string { return groups }

func authorize(r *http.Request, hub string) error {
	if hub == "Secret" && classic.Token(r) == "" {
		return errors.New("nobody")
	}
	return nil
}

func elsewhere(r *http.Request) (url, accessToken string, err error) { return "", "", nil }

// mountedAll has the lines about hubs.
func mountedAll(mux *http.ServeMux, logger *slog.Logger, b parley.Backplane, chat *chat) map[string]*parley.Hub {
	hub := parley.NewHub(nil)
	hubs := map[string]*parley.Hub{"ChatHub": hub}
	classic.Mount(mux, "/signalr", hubs, nil)
	mux.Handle("/other/", classic.Handler(hubs, nil))
	hub.Handle("Post", parley.Func(post))
	hub.Handle("Any", parley.HandlerFunc(anything))
	hub.Handle("Send", parley.Func(chat.send))
	hub.OnConnect(connected)
	hub.OnDisconnect(disconnected)
	hub.Use(timed)
	hub.UseSend(counted)
	options := []classic.Options{
		classic.Options{OnReconnected: reconnected},
		classic.Options{RejoiningGroups: rejoining},
		classic.Options{Authorize: authorize},
		classic.Options{Redirect: elsewhere},
		{Transports: classic.WebSockets | classic.LongPolling},
	}
	for i := range options {
		classic.Handler(hubs, &options[i])
	}
	for _, o := range []parley.HubOptions{
		parley.HubOptions{Log: logger},
		parley.HubOptions{Backplane: b},
	} {
		parley.NewHub(&o)
	}
	hub.Handle("Lines", parley.Func(everyLine))
	hub.Handle("Who", parley.Func(who))
	hub.Handle("Add", parley.Func(func(a, b int) (int, error) {
		return a + b, nil
	}))
	hub.Handle("Refuse", parley.Func(func(ctx context.Context, c *parley.Conn, name, message string) error {
		data := map[string]string{"by": name}
		switch message {
		case "data":
			return &parley.Error{Message: "no", Data: data}
		case "plain":
			return parley.Errorf("refused", "no")
		}
		return parley.Errorf(wire.CodeUnauthorized, "admins only")
	}))
	return hubs
}

// persistent has those about persistent connections.
func persistent(mux *http.ServeMux) *parley.Hub {
	hub := parley.NewHub(nil)
	classic.MountPersistent(mux, "/echo", hub, nil)
	mux.Handle("/echo2/", classic.PersistentHandler(hub, nil))
	hub.Handle(classic.Message, parley.Func(received))
	hub.Handle("never called", parley.Func(func(ctx context.Context, id string, line Line) {
		hub.Client(id).Send(ctx, classic.Message, line)
		hub.Audience().ExceptIDs(id).Send(ctx, classic.Message, line)
		hub.Group("lobby").Send(ctx, classic.Message, line)
	}))
	return hub
}

// everyLine has those about sending and groups.
func everyLine(ctx context.Context, c *parley.Conn) (bool, error) {
	hub, id, line, name := c.Hub(), c.ID(), Line{"Ann", "hi"}, ""
	hub.Send(ctx, "said", "hi")
	c.Send(ctx, "said", "hi")
	hub.Audience().Except(c).Send(ctx, "said", "hi")
	hub.User("ann").Send(ctx, "said", "hi")
	Said.Send(ctx, hub.Group("lobby"), line)
	for _, a := range []parley.Audience{
		hub.Audience().ExceptIDs(id),
		hub.Group("a").And(hub.Group("b")),
		hub.Group("lobby").ExceptIDs(id),
		hub.Group("lobby").Except(c),
	} {
		a.Send(ctx, "said", "hi")
	}
	if err := hub.Client(id).Send(ctx, "said", "hi"); errors.Is(err, parley.ErrClosed) {
		return false, err
	}
	if err := c.Join("lobby"); err != nil {
		return false, err
	}
	hub.Client(id).Join(ctx, "lobby")
	members := hub.Group("lobby").Conns()
	c.Leave("lobby")
	if err := parley.Progress(ctx, 50); err != nil {
		return false, err
	}
	bag := classic.State(ctx)
	found := bag.Get("userName", &name)
	bag.Set("userName", "Ann")
	if err := c.Call(ctx, "confirm", nil); err == nil {
		return false, errors.New("a classic client has answered")
	}
	return found && name == "ann" && len(members) == 1, nil
}

// who has those about who calls.
func who(c *parley.Conn, room string) string {
	c.Set(roomKey{}, room)
	r := c.Request()
	c.Hub().Log().Debug(c.ID(), "room", c.Value(roomKey{}), "query", c.Request().URL.Query().Get("room"), "token", classic.Token(r) != "")
	return c.User() + parley.UserOf(parley.WithUser(r.Context(), "ann"))
}

// TestTheLinesOfTheGuide runs those that can go wrong when they are run.
func TestTheLinesOfTheGuide(t *testing.T) {
	mux := http.NewServeMux()
	hubs := mountedAll(mux, slog.New(slog.DiscardHandler), &parley.MemoryBackplane{}, &chat{parley.NewHub(nil)})
	echo := persistent(mux)
	base := serveMux(t, mux, map[string]*parley.Hub{"ChatHub": hubs["ChatHub"], "": echo})
	p := newPage(t, base+"/signalr", "webSockets", "chathub")
	p.as("X-User", "ann")
	p.open()
	a := p.answer(p.callWith("chathub", "lines", map[string]string{"userName": "ann"}))
	if string(a.R) != "true" || string(a.S) != `{"userName":"Ann"}` {
		t.Errorf("got %s", a.raw)
	}
	if got := p.invoke("chathub", "who", "lobby"); got != `"annann"` {
		t.Errorf("got %s", got)
	}
	if got := p.invoke("chathub", "any", 1, 2, 3); got != "3" {
		t.Errorf("got %s", got)
	}
	q := open(t, base+"/other/signalr", "longPolling", "chathub")
	if got := q.invoke("chathub", "add", 1, 2); got != "3" {
		t.Errorf("got %s", got)
	}
	r := open(t, base+"/echo2", "serverSentEvents")
	r.sends("hi")
	r.take("the echo", func(e element) bool { return e.raw == `"hi"` })
}

// --- The guide ------------------------------------------------------------------------------------------

const theGuide guide.Page = "../../docs/signalr-classic.md"

func TestGuideShowsLinesThatCompile(t *testing.T) {
	tables := theGuide.Chapter(t, "### The hub", "### Options")
	theGuide.TestTables(t, tables, guide.Read(t, "guide_test.go"), 50, func(span string) bool {
		return strings.HasPrefix(span, "Limits.") || strings.HasPrefix(span, "There was")
	})
}

func TestGuideNamesEveryOption(t *testing.T) {
	text, options := theGuide.Chapter(t, "### Options", "## Moving a hub"), reflect.TypeFor[classic.Options]()
	theGuide.TestNames(t, text, map[string]reflect.Type{"Options": options, "Limits": reflect.TypeFor[parley.Limits]()})
	theGuide.TestAllNamed(t, text, options, "Options.")
}

// TestGuideShowsTheSteps wants its pieces of Go to be what migration_test.go runs.
func TestGuideShowsTheSteps(t *testing.T) {
	code := guide.Read(t, "migration_test.go")
	pieces := guide.Pieces(theGuide.Chapter(t, "## Moving a hub", "## Pages of the period"), "go")
	for _, piece := range pieces {
		at := strings.Index(code, piece)
		if at < 0 {
			t.Fatalf("%s shows, out of order or not compiled:\n%s", theGuide, piece)
		}
		code = code[at+len(piece):]
	}
	if len(pieces) < 7 {
		t.Errorf("%s shows %d pieces of Go, want 7 and more", theGuide, len(pieces))
	}
}
