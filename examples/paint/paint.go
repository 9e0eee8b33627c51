// Package paint is a canvas that everybody paints on at once. Whoever comes
// later sees the picture so far.
package paint

import (
	"context"
	"embed"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/examples/web"
)

//go:embed index.html app.js period.html period.js
var page embed.FS

// What clients call and what they are told.
const (
	DrawClick parley.Command[Stroke]   = "drawClick" // some points of a stroke
	Clear     parley.Command[struct{}] = "clear"     // takes everything off the canvas
	Draw      parley.Event[Stroke]     = "draw"      // to everyone but the painter
	Picture   parley.Event[[]Stroke]   = "picture"   // to a newcomer, before any draw: all that is on the canvas
	Cleared   parley.Event[struct{}]   = "clear"     // to everyone, whoever cleared included
)

// App is the canvas.
type App struct {
	hub      *parley.Hub
	painters atomic.Int64

	// mu makes recording and sending one step, so that a newcomer's picture and
	// the draws that follow it are neither short of a point nor have it twice.
	// Sending under it is fine: it waits for nobody.
	mu      sync.Mutex
	picture picture
}

// New makes an empty canvas. Shutdown ends it.
func New() *App {
	a := &App{hub: parley.NewHub(nil)}
	a.hub.OnConnect(a.enter)
	DrawClick.Handle(a.hub, a.draw)
	Clear.Handle(a.hub, a.clear)
	return a
}

// Hub is where the pages connect.
func (a *App) Hub() *parley.Hub { return a.hub }

// Mount serves the page and the hub at /paint/. See [web.Mount] for modules.
func (a *App) Mount(mux *http.ServeMux, modules string) {
	mux.Handle("/paint/", http.StripPrefix("/paint/", web.Pages(page)))
	web.Mount(mux, "/paint", a.hub, modules)
	web.MountSignalR(mux, "/paint", "paint", map[string]*parley.Hub{"paint": a.hub})
}

// Shutdown says goodbye to everyone; see [parley.Hub.Shutdown].
func (a *App) Shutdown(ctx context.Context) error { return a.hub.Shutdown(ctx) }

type painterKey struct{}

// enter gives a newcomer a number, which keeps painters' strokes apart, and
// the picture.
func (a *App) enter(ctx context.Context, c *parley.Conn) error {
	c.Set(painterKey{}, a.painters.Add(1))
	a.mu.Lock()
	defer a.mu.Unlock()
	return Picture.Send(ctx, c, a.picture.all())
}

func (a *App) draw(ctx context.Context, c *parley.Conn, s Stroke) error {
	if err := s.tidy(); err != nil {
		return err
	}
	s.ID = fmt.Sprintf("%d-%s", c.Value(painterKey{}), s.ID)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.picture.add(s)
	return Draw.Send(ctx, a.hub.Audience().Except(c), s)
}

func (a *App) clear(ctx context.Context, _ *parley.Conn, _ struct{}) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.picture = picture{}
	return Cleared.Send(ctx, a.hub, struct{}{})
}
