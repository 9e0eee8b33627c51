// Package webapi is the chat that showed what ASP.NET's Web API could do with a
// WebSocket: its address says who comes, and what one says goes to all.
package webapi

import (
	"cmp"
	"context"
	"embed"
	"net/http"
	"sync"
	"unicode/utf8"

	"github.com/parley-go/parley/examples/web"
	"github.com/parley-go/parley/websocket"
)

//go:embed index.html page.js
var page embed.FS

// MaxName is the length of the longest user name, in characters.
const MaxName = 32

// App is the chat. The zero value is ready.
type App struct {
	clients websocket.Set

	// turn makes one order for everybody of what several say at once. Sending under
	// it is fine: it waits for nobody.
	turn sync.Mutex
}

// New makes a chat. Shutdown ends it.
func New() *App { return new(App) }

// Clients are those who are there now. Who leaves, leaves the set.
func (a *App) Clients() *websocket.Set { return &a.clients }

// Mount serves the page at /period/webapi/ and the WebSocket at
// /api/chat?username=Ann.
func (a *App) Mount(mux *http.ServeMux, _ string) {
	mux.Handle("/period/webapi/", http.StripPrefix("/period/webapi/", web.Pages(page)))
	mux.HandleFunc("GET /api/chat", a.serve)
}

// Shutdown says goodbye to everyone; see [web.SayGoodbye].
func (a *App) Shutdown(ctx context.Context) error { return web.SayGoodbye(ctx, &a.clients) }

// serve makes a handler for each connection, as it was then: it knows its user.
func (a *App) serve(w http.ResponseWriter, r *http.Request) {
	name := cmp.Or(r.URL.Query().Get("username"), "guest")
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > MaxName {
		http.Error(w, "a user name has at most 32 characters", http.StatusBadRequest)
		return
	}
	h := websocket.Handler{
		Options:   &websocket.AcceptOptions{Limits: &websocket.Limits{MessageBytes: 64 << 10}},
		OnOpen:    func(c *websocket.Conn, _ *http.Request) { a.clients.Add(c) },
		OnMessage: func(c *websocket.Conn, m websocket.Message) { a.heard(c, name, m) },
	}
	h.ServeHTTP(w, r)
}

// heard tells everybody what name has said, the speaker included.
func (a *App) heard(c *websocket.Conn, name string, m websocket.Message) {
	if m.Type != websocket.Text {
		c.Close(websocket.StatusUnsupportedData, "text only")
		return
	}
	a.turn.Lock()
	defer a.turn.Unlock()
	a.clients.Broadcast(web.Text(name + ": " + string(m.Data)))
}
