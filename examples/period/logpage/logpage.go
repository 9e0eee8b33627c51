// Package logpage is the first page that many wrote with a WebSocket: it logs
// that it opens, what comes, and that it closes. The server sends back what it
// gets.
package logpage

import (
	"context"
	"embed"
	"net/http"

	"github.com/parley-go/parley/examples/web"
	"github.com/parley-go/parley/websocket"
)

//go:embed index.html page.js
var page embed.FS

// App is the page and its server.
type App struct {
	clients websocket.Set
	socket  websocket.Handler
}

// New makes the page's server. o are those of its WebSockets; nil means the
// defaults. Shutdown ends it.
func New(o *websocket.AcceptOptions) *App {
	a := &App{}
	a.socket.Options = o
	a.socket.OnOpen = func(c *websocket.Conn, _ *http.Request) { a.clients.Add(c) }
	a.socket.OnMessage = func(c *websocket.Conn, m websocket.Message) { c.Send(m) }
	return a
}

// Mount serves the page at /period/log/ and the WebSocket at /period/log/socket.
func (a *App) Mount(mux *http.ServeMux, _ string) {
	mux.Handle("/period/log/", http.StripPrefix("/period/log/", web.Pages(page)))
	mux.Handle("/period/log/socket", &a.socket)
}

// Shutdown says goodbye to everyone; see [web.SayGoodbye].
func (a *App) Shutdown(ctx context.Context) error { return web.SayGoodbye(ctx, &a.clients) }
