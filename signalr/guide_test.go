package signalr_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/guide"
	"github.com/parley-go/parley/parleytest"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/wire"
)

// This file has the lines of docs/signalr.md, so that they are compiled, and sees to it that the guide shows no
// others.

type Line struct{ User, Text string }

const Said parley.Event[Line] = "Said"

type (
	roomKey   struct{}
	claimsKey struct{}
	chat      struct{ lines []Line }
)

func (c *chat) replay(room string) iter.Seq[Line] { return slices.Values(c.lines) }

func show(context.Context, Line) {}

func anything(ctx context.Context, call *parley.Call) error { return call.Reply(call.Name) }

func say(ctx context.Context, c *parley.Conn, room, text string) error {
	return c.Hub().Group(room).Send(ctx, "said", text)
}

func connected(ctx context.Context, c *parley.Conn) error { return c.Join("lobby") }

func disconnected(ctx context.Context, c *parley.Conn, reason error) {
	if errors.Is(reason, parley.ErrSlow) {
		hub := c.Hub()
		hub.Log().Warn("too slow", "groups", c.Groups(), "conns", hub.Stats().Conns)
	}
}

func timed(next parley.Handler) parley.Handler {
	return parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		begun := time.Now()
		defer func() { call.Conn().Hub().Log().Debug(call.Name, "took", time.Since(begun), "headers", call.Headers()) }()
		return next.Handle(ctx, call)
	})
}

func echo(_ context.Context, c *signalr.Conn) error {
	_, err := io.Copy(c, c)
	return err
}

// mounted has the lines about hubs.
func mounted(mux *http.ServeMux, logger *slog.Logger, b parley.Backplane) *parley.Hub {
	hub := parley.NewHub(nil)
	signalr.Mount(mux, "/chat", hub, nil)
	mux.Handle("/other/", signalr.Handler(hub, nil))
	signalr.NewConnHandler(echo, nil).Mount(mux, "/echo")
	hub.Handle("Say", parley.Func(say))
	hub.HandleOther(parley.HandlerFunc(anything))
	c := &chat{lines: []Line{{"Ann", "hi"}}}
	hub.Handle("Replay", parley.Func(c.replay))
	hub.OnConnect(connected)
	hub.OnDisconnect(disconnected)
	hub.Use(timed)

	others := []*parley.HubOptions{
		&parley.HubOptions{Log: logger},
		&parley.HubOptions{Backplane: b},
	}
	parley.NewHub(others[0])
	parley.NewHub(&parley.HubOptions{Limits: parley.Limits{Parallelism: 4}})
	return hub
}

// handlers has the lines about handlers, each as a handler of its own.
func handlers(hub *parley.Hub) {
	hub.Handle("1", parley.Func(func(ctx context.Context, c *parley.Conn, room, text string) error {
		return parley.Errorf("refused", "no")
	}))
	hub.Handle("2", parley.Func(func(a, b int) (int, error) {
		return a + b, nil
	}))
	hub.Handle("3", parley.Func(func(room string) iter.Seq2[Line, error] {
		return nil
	}))
	hub.Handle("4", parley.Func(func(texts iter.Seq2[string, error]) (int, error) {
		return 0, &parley.Error{Type: "InvalidOperationException", Message: "no"}
	}))
	hub.Handle("5", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		for _, line := range []Line{{"Ann", "hi"}} {
			if err := call.Send(line); err != nil {
				return err
			}
		}
		return parley.Errorf(wire.CodeUnauthorized, "admins only")
	}))
	hub.Handle("6", parley.Func(everyLine))
	hub.Handle("8", parley.Func(func(ctx context.Context) error {
		return signalr.NewClient("https://example.com/chat", nil).Connect(ctx)
	}))
	hub.Handle("7", parley.Func(identity))
}

// everyLine has those about sending and groups.
func everyLine(ctx context.Context, c *parley.Conn) (bool, error) {
	hub, d, id, line := c.Hub(), c, c.ID(), Line{"Ann", "hi"}
	hub.Send(ctx, "said", "hi")
	c.Send(ctx, "said", "hi")
	hub.Audience().Except(c).Send(ctx, "said", "hi")
	hub.Group("lobby").Send(ctx, "said", "hi")
	hub.User("ann").Send(ctx, "said", "hi")
	Said.Send(ctx, hub.Group("lobby"), line)
	for _, a := range []parley.Audience{
		hub.Audience().Except(c, d),
		hub.Audience().ExceptIDs(id),
		hub.Group("a").And(hub.Group("b")),
		hub.Group("lobby").Except(c),
		hub.Group("map").KeepLatest("position of " + c.ID()),
	} {
		a.DropOldest().Send(ctx, "said", "hi")
	}
	if err := hub.Client(id).Send(ctx, "said", "hi"); errors.Is(err, parley.ErrClosed) {
		return false, err
	}
	if one := hub.Conn(id); one != nil {
		one.Join("lobby")
	}
	if err := c.Join("lobby"); err != nil {
		return false, err
	}
	members := hub.Group("lobby").Conns()
	c.Leave("lobby")
	var yes bool
	err := c.Call(ctx, "confirm", &yes, "sure?")
	return yes && len(members) > 0 && !errors.Is(err, parley.ErrConnecting), err
}

// identity has those about who calls.
func identity(c *parley.Conn, room string) string {
	c.Set(roomKey{}, room)
	r := c.Request()
	c.Hub().Log().Debug(c.ID(), "user", c.User(), "transport", c.Transport(), "protocol", c.Protocol(), "room", c.Value(roomKey{}),
		"over", c.Context().Err(), "claims", c.Request().Context().Value(claimsKey{}), "token", signalr.Token(r) != "")
	if room == "" {
		c.Close("")
		c.CloseNow()
	}
	return parley.UserOf(parley.WithExpiry(parley.WithUser(r.Context(), "ann"), time.Now()))
}

// TestTheLinesOfTheGuide runs those that can go wrong when they are run.
func TestTheLinesOfTheGuide(t *testing.T) {
	mux := http.NewServeMux()
	hub := mounted(mux, slog.New(slog.DiscardHandler), &parley.MemoryBackplane{})
	handlers(hub)
	server := httptest.NewServer(mux)
	defer server.Close()
	defer hub.Shutdown(context.Background())
	cl := signalr.NewClient(server.URL+"/chat", nil)
	defer cl.Close(context.Background())
	Said.On(cl, show)
	cl.Handle("confirm", parley.Func(func(question string) bool { return question == "sure?" }))
	if err := cl.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	var yes bool
	if err := cl.Call(t.Context(), "6", &yes); err != nil || !yes {
		t.Errorf("got %v, %v", yes, err)
	}
	var user string
	if err := cl.Call(t.Context(), "7", &user, "lobby"); err != nil || user != "ann" {
		t.Errorf("got %q, %v", user, err)
	}
	if err := parleytest.Dial(t, hub, nil).Call(t.Context(), "whatever", &user); err != nil || user != "whatever" {
		t.Errorf("got %q, %v", user, err)
	}
}

// --- The guide ------------------------------------------------------------------------------------------

const theGuide guide.Page = "../docs/signalr.md"

func TestGuideShowsLinesThatCompile(t *testing.T) {
	tables := theGuide.Chapter(t, "### The hub", "### Options")
	theGuide.TestTables(t, tables, guide.Read(t, "guide_test.go"), 50, func(span string) bool { return strings.HasPrefix(span, "Limits.") })
}

func TestGuideNamesEveryOption(t *testing.T) {
	text, options := theGuide.Chapter(t, "### Options", "## Moving a hub"), reflect.TypeFor[signalr.Options]()
	theGuide.TestNames(t, text, map[string]reflect.Type{"Options": options, "Limits": reflect.TypeFor[parley.Limits]()})
	theGuide.TestAllNamed(t, text, options, "Options.")
}

func TestGuideShowsTheWholeProgram(t *testing.T) {
	theGuide.TestProgram(t, theGuide.Chapter(t, "## Moving a hub", "## What differs"), "go", "../examples/migration/chat.go")
}
