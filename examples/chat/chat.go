// Package chat is a chat with rooms: who is here, who comes and goes, and what
// they say, in the same order for everybody, whatever client carries it.
package chat

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/examples/web"
)

//go:embed index.html app.js pane.js
var page embed.FS

// What clients call.
const (
	Echo   parley.Method[Value, Value]     = "echo"   // the value given
	Join   parley.Command[string]          = "join"   // a room; joining twice is joining once
	Leave  parley.Command[string]          = "leave"  // a room one is in
	Say    parley.Command[Draft]           = "say"    // to a room, in which one need not be
	Who    parley.Method[string, []string] = "who"    // the names in a room, sorted, each once
	Count  parley.Stream[int, int]         = "count"  // from 1 to the number given
	Rename parley.Command[string]          = "rename" // the rooms see the old name leave and the new one join
)

// What clients are told.
const (
	Said   parley.Event[Line]   = "said"   // to the room, the speaker included
	Joined parley.Event[Notice] = "joined" // to the room, the newcomer included
	Left   parley.Event[Notice] = "left"   // to the room, and to who left it by a call
)

// Value is any value, as it came.
type Value = json.RawMessage

// Draft is what somebody wants to say: say("lobby", "Hi").
type Draft struct {
	parley.Positional
	Room, Text string
}

// Line is what was said: said("Ann", "Hi").
type Line struct {
	parley.Positional
	From, Text string
}

// Notice is somebody who came or went: joined("Ann", "lobby").
type Notice struct {
	parley.Positional
	Name, Room string
}

// Limits, in characters, and of Count.
const (
	MaxName  = 32
	MaxRoom  = 64
	MaxText  = 2000
	MaxCount = 1_000_000
)

// App is the chat.
type App struct{ hub *parley.Hub }

// New makes a chat. Shutdown ends it.
func New() *App {
	a := &App{hub: parley.NewHub(nil)}
	a.hub.OnConnect(a.enter)
	a.hub.OnDisconnect(a.exit)
	Echo.Handle(a.hub, func(_ context.Context, _ *parley.Conn, v Value) (Value, error) { return v, nil })
	Join.Handle(a.hub, a.join)
	Leave.Handle(a.hub, a.leave)
	Say.Handle(a.hub, a.say)
	Who.Handle(a.hub, a.who)
	Count.Handle(a.hub, count)
	Rename.Handle(a.hub, a.rename)
	return a
}

// Hub is where the clients connect. They give their name, and the room to join
// at once, in the opening request: ?name=Ann&room=lobby.
func (a *App) Hub() *parley.Hub { return a.hub }

// Mount serves the page at /chat/ and the hub at /hub/plain, /hub/signalr and
// /socket.io/. See [web.Mount] for modules. The page's classic SignalR client
// looks for the hub at /signalr, by the name "chat".
func (a *App) Mount(mux *http.ServeMux, modules string) {
	mux.Handle("/chat/", http.StripPrefix("/chat/", web.Pages(page)))
	web.Mount(mux, "", a.hub, modules)
}

// Shutdown says goodbye to everyone; see [parley.Hub.Shutdown].
func (a *App) Shutdown(ctx context.Context) error { return a.hub.Shutdown(ctx) }

type nameKey struct{}

func nameOf(c *parley.Conn) string {
	name, _ := c.Value(nameKey{}).(string)
	return name
}

func (a *App) enter(ctx context.Context, c *parley.Conn) error {
	query := c.Request().URL.Query()
	name, room := query.Get("name"), query.Get("room")
	if name == "" {
		name = fmt.Sprintf("guest-%04x", rand.N(1<<16))
	}
	if err := check("name", name, MaxName); err != nil {
		return err
	}
	c.Set(nameKey{}, name)
	if room == "" {
		return nil
	}
	return a.join(ctx, c, room)
}

func (a *App) exit(ctx context.Context, c *parley.Conn, _ error) {
	for _, room := range c.Groups() {
		a.gone(ctx, c, room)
	}
}

func (a *App) join(ctx context.Context, c *parley.Conn, room string) error {
	if err := check("room", room, MaxRoom); err != nil {
		return err
	}
	if slices.Contains(c.Groups(), room) {
		return nil
	}
	if err := c.Join(room); err != nil {
		return parley.Errorf("room", "You cannot join: %v.", err)
	}
	return Joined.Send(ctx, a.hub.Group(room), Notice{Name: nameOf(c), Room: room})
}

func (a *App) leave(ctx context.Context, c *parley.Conn, room string) error {
	if !slices.Contains(c.Groups(), room) {
		return parley.Errorf("room", "You are not in that room.")
	}
	c.Leave(room)
	a.gone(ctx, c, room)
	return Left.Send(ctx, c, Notice{Name: nameOf(c), Room: room})
}

// gone tells a room that somebody has left it.
func (a *App) gone(ctx context.Context, c *parley.Conn, room string) {
	if err := Left.Send(ctx, a.hub.Group(room), Notice{Name: nameOf(c), Room: room}); err != nil && ctx.Err() == nil {
		a.hub.Log().Error("chat: tell a room who left", "error", err)
	}
}

func (a *App) say(ctx context.Context, c *parley.Conn, d Draft) error {
	if err := check("room", d.Room, MaxRoom); err != nil {
		return err
	}
	if err := check("text", d.Text, MaxText); err != nil {
		return err
	}
	return Said.Send(ctx, a.hub.Group(d.Room), Line{From: nameOf(c), Text: d.Text})
}

func (a *App) who(_ context.Context, _ *parley.Conn, room string) ([]string, error) {
	names := []string{}
	for _, c := range a.hub.Group(room).Conns() {
		names = append(names, nameOf(c))
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (a *App) rename(ctx context.Context, c *parley.Conn, name string) error {
	if err := check("name", name, MaxName); err != nil {
		return err
	}
	old := nameOf(c)
	c.Set(nameKey{}, name)
	for _, room := range c.Groups() {
		if err := Left.Send(ctx, a.hub.Group(room), Notice{Name: old, Room: room}); err != nil {
			return err
		}
		if err := Joined.Send(ctx, a.hub.Group(room), Notice{Name: name, Room: room}); err != nil {
			return err
		}
	}
	return nil
}

func count(_ context.Context, _ *parley.Conn, n int, send func(int) error) error {
	if n > MaxCount {
		return parley.Errorf("count", "Nobody wants to count beyond %d.", MaxCount)
	}
	for i := range n {
		if err := send(i + 1); err != nil {
			return err
		}
	}
	return nil
}

// check refuses what is blank or too long.
func check(what, s string, longest int) error {
	if strings.TrimSpace(s) == "" {
		return parley.Errorf(what, "A %s must not be blank.", what)
	}
	if n := utf8.RuneCountInString(s); n > longest || !utf8.ValidString(s) {
		return parley.Errorf(what, "A %s has at most %d characters; this has %d.", what, longest, n)
	}
	return nil
}
