// Package greeter is a WebSocket handler of ASP.NET 4.5 that greets: whoever
// comes is announced to all, and told from where. It is at the addresses it had
// there, that of a handler file and that of a Web API controller.
package greeter

import (
	"context"
	"embed"
	"net"
	"net/http"

	"github.com/parley-go/parley/examples/web"
	"github.com/parley-go/parley/websocket"
)

//go:embed index.html page.js
var page embed.FS

// Where clients find it.
const (
	Handler    = "/IDGWeb/IDGHandler.ashx"
	Controller = "/IDGWeb/api/IDGWebSocket"
)

// App greets.
type App struct {
	clients websocket.Set
	socket  websocket.Handler
}

// New makes a greeter. o are those of its WebSockets; nil means the defaults.
// Shutdown ends it.
func New(o *websocket.AcceptOptions) *App {
	a := &App{}
	a.socket.Options = o
	a.socket.OnOpen = a.greet
	return a
}

// Clients are those who are there now. Who leaves, leaves the set.
func (a *App) Clients() *websocket.Set { return &a.clients }

// Mount serves the page at /period/greeter/, and the WebSockets where they were.
func (a *App) Mount(mux *http.ServeMux, _ string) {
	mux.Handle("/period/greeter/", http.StripPrefix("/period/greeter/", web.Pages(page)))
	mux.Handle(Handler, a)
	mux.Handle("GET "+Controller, a)
}

// Shutdown says goodbye to everyone; see [web.SayGoodbye].
func (a *App) Shutdown(ctx context.Context) error { return web.SayGoodbye(ctx, &a.clients) }

// ServeHTTP implements [http.Handler].
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !websocket.IsUpgrade(r) {
		http.Error(w, "this address is for WebSockets", http.StatusBadRequest)
		return
	}
	a.socket.ServeHTTP(w, r)
}

// greet says two things to the newcomer, and the first of them to all.
func (a *App) greet(c *websocket.Conn, r *http.Request) {
	a.clients.Add(c)
	a.clients.Broadcast(web.Text("This is for all connected clients..."))
	c.Send(web.Text("Hello from: " + address(r))) // one that has gone is not missed
}

// address is the client's, without its port. Behind proxies it takes package forwarded.
func address(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}
