// Package gettingstarted is the chat with which tutorials of ASP.NET SignalR 2
// began: one hub with one method, a page of jQuery, and the client of that time,
// unmodified.
package gettingstarted

import (
	"context"
	"embed"
	"net/http"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/examples/web"
)

//go:embed index.html page.js
var page embed.FS

// Name is that of the hub's class, from which its clients make chatHub.
const Name = "ChatHub"

// What the page calls, and what it is told.
const (
	Send             parley.Command[Line] = "Send"
	BroadcastMessage parley.Event[Line]   = "broadcastMessage" // to everybody, who sent it included
)

// Line is what somebody says: send("Ann", "Hi").
type Line struct {
	parley.Positional
	Name, Message string
}

// App is the chat.
type App struct{ hub *parley.Hub }

// New makes a chat. Shutdown ends it.
func New() *App {
	a := &App{hub: parley.NewHub(nil)}
	Send.Handle(a.hub, func(ctx context.Context, _ *parley.Conn, l Line) error {
		return BroadcastMessage.Send(ctx, a.hub, l)
	})
	return a
}

// Hub is where the page connects: it expects classic SignalR at /signalr, and
// the hub there under its [Name].
func (a *App) Hub() *parley.Hub { return a.hub }

// Mount serves the page at /period/chat/. Its scripts are at /npm/ and at
// /signalr/hubs.
func (a *App) Mount(mux *http.ServeMux, _ string) {
	mux.Handle("/period/chat/", http.StripPrefix("/period/chat/", web.Pages(page)))
}

// Shutdown says goodbye to everyone; see [parley.Hub.Shutdown].
func (a *App) Shutdown(ctx context.Context) error { return a.hub.Shutdown(ctx) }
