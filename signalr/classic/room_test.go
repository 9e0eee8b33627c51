package classic_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr/classic"
	"github.com/parley-go/parley/wire"
)

// room is a hub with something of everything.
type room struct {
	*parley.Hub
	connects    chan arrival
	disconnects chan error
}

// arrival is one OnConnect.
type arrival struct {
	id, user  string
	recovered bool
	groups    []string
}

func newRoom() *room { return newRoomOf(parley.Limits{}) }

func newRoomOf(limits parley.Limits) *room {
	const most = 1000 // events of one test
	r := &room{parley.NewHub(&parley.HubOptions{Limits: limits, Log: slog.New(slog.DiscardHandler)}), make(chan arrival, most), make(chan error, most)}
	r.OnConnect(func(ctx context.Context, c *parley.Conn) error {
		if c.Request().URL.Query().Get("refuse") != "" {
			return parley.Errorf("refused", "not you")
		}
		r.connects <- arrival{c.ID(), c.User(), c.Recovered(), c.Groups()}
		return c.Send(ctx, "welcome", c.User())
	})
	r.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { r.disconnects <- err })
	r.Handle("Echo", parley.Func(func(v json.RawMessage) json.RawMessage { return v }))
	r.Handle("Nothing", parley.Func(func() {}))
	r.Handle("Join", parley.Func(func(c *parley.Conn, group string) error { return c.Join(group) }))
	r.Handle("Leave", parley.Func(func(c *parley.Conn, group string) { c.Leave(group) }))
	r.Handle("Tell", parley.Func(func(ctx context.Context, group, text string) error {
		return r.Group(group).Send(ctx, "told", text)
	}))
	r.Handle("All", parley.Func(func(ctx context.Context, text string) error { return r.Send(ctx, "all", text) }))
	r.Handle("Me", parley.Func(func(ctx context.Context, c *parley.Conn) error {
		if err := classic.State(ctx).Set("told", true); err != nil {
			return err
		}
		return c.Send(ctx, "me", c.ID())
	}))
	r.Handle("Count", parley.Func(func(ctx context.Context) (int, error) {
		n, bag := 0, classic.State(ctx)
		bag.Get("count", &n)
		return n + 1, bag.Set("count", n+1)
	}))
	r.Handle("Work", parley.Func(func(ctx context.Context, steps int) (string, error) {
		for i := range steps {
			if err := parley.Progress(ctx, i); err != nil {
				return "", err
			}
		}
		return "done", nil
	}))
	r.Handle("Fail", parley.Func(func() error { return errors.New("the disk is full") }))
	r.Handle("Refuse", parley.Func(func() error {
		return &parley.Error{Code: "too_late", Message: "too late", Data: map[string]int{"by": 3}}
	}))
	r.Handle("Admin", parley.Func(func() error { return parley.Errorf(wire.CodeUnauthorized, "admins only") }))
	return r
}

// hubs is the room alone, under the name of a .NET class.
func (r *room) hubs() map[string]*parley.Hub { return map[string]*parley.Hub{"ChatHub": r.Hub} }

// quiet waits until everything sent to p so far has come.
func quiet(p *page) {
	p.t.Helper()
	p.invoke("chathub", "echo", "quiet")
}

func next[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-after(t):
		t.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}
