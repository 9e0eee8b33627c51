// Package clock shows the server's time: one event a second to every page,
// whatever client carries it.
package clock

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/examples/web"
)

//go:embed index.html app.js period.html period.js
var page embed.FS

// What clients are told and may ask. A time is UTC, as RFC 3339 writes it:
// "2026-11-21T05:03:27Z".
const (
	Time    parley.Event[string]            = "time"    // on connecting, and at the beginning of every second
	Message parley.Event[string]            = "message" // to the clients of 2012 as well, as JavaScript's toUTCString has it
	Now     parley.Method[struct{}, string] = "now"
)

// period is the group of the clients of 2012: Socket.IO 0.9.
const period = "period"

func text(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func periodText(t time.Time) string { return t.UTC().Format(http.TimeFormat) }

// App is the clock. It ticks while somebody looks.
type App struct {
	hub     *parley.Hub
	ticking sync.WaitGroup

	mu       sync.Mutex
	visitors int
	stop     context.CancelFunc // ends the ticking; nil before the first visitor
}

// New makes a clock. Shutdown ends it.
func New() *App {
	a := &App{hub: parley.NewHub(nil)}
	a.hub.OnConnect(a.enter)
	a.hub.OnDisconnect(a.leave)
	Now.Handle(a.hub, func(context.Context, *parley.Conn, struct{}) (string, error) { return text(time.Now()), nil })
	return a
}

// Hub is where the pages connect.
func (a *App) Hub() *parley.Hub { return a.hub }

// Mount serves the page and the hub at /clock/. See [web.Mount] for modules.
func (a *App) Mount(mux *http.ServeMux, modules string) {
	mux.Handle("/clock/", http.StripPrefix("/clock/", web.Pages(page)))
	web.Mount(mux, "/clock", a.hub, modules)
	web.MountSignalR(mux, "/clock", "clock", map[string]*parley.Hub{"clock": a.hub})
}

// Shutdown says goodbye to every page and returns when the clock stands still.
// The error is that of ctx, which bounds the goodbyes.
func (a *App) Shutdown(ctx context.Context) error {
	err := a.hub.Shutdown(ctx)
	a.mu.Lock()
	if a.stop != nil {
		a.stop()
	}
	a.mu.Unlock()
	a.ticking.Wait()
	return err
}

// enter shows a visitor the time at once. The first one starts the ticking.
func (a *App) enter(ctx context.Context, c *parley.Conn) error {
	if err := greet(ctx, c, time.Now()); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.visitors++
	if a.visitors > 1 {
		return nil
	}
	ctx, a.stop = context.WithCancel(context.Background())
	a.ticking.Go(func() { a.tick(ctx) }) // the App's; ends when the last visitor leaves, and at Shutdown
	return nil
}

// greet tells a visitor the time.
func greet(ctx context.Context, c *parley.Conn, now time.Time) error {
	if c.Protocol() == "socketio-0.9" {
		if err := errors.Join(c.Join(period), Message.Send(ctx, c, periodText(now))); err != nil {
			return err
		}
	}
	return Time.Send(ctx, c, text(now))
}

// leave ends the ticking with the last visitor.
func (a *App) leave(context.Context, *parley.Conn, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.visitors--
	if a.visitors == 0 {
		a.stop()
	}
}

// tick sends the time at the beginning of every second. A page that is behind
// gets the latest only.
func (a *App) tick(ctx context.Context) {
	for {
		select {
		case <-time.After(time.Second - time.Duration(time.Now().Nanosecond())):
		case <-ctx.Done():
			return
		}
		now := time.Now()
		err := errors.Join(Time.Send(ctx, a.hub.Audience().KeepLatest("time"), text(now)), Message.Send(ctx, a.hub.Group(period).KeepLatest("message"), periodText(now)))
		if err != nil && ctx.Err() == nil {
			a.hub.Log().Error("clock: send the time", "error", err)
		}
	}
}
