package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/parley-go/parley"
)

func newHub(limits parley.Limits, log *slog.Logger) *parley.Hub {
	hub := parley.NewHub(&parley.HubOptions{Limits: limits, Log: log})
	hub.OnConnect(admit)
	addMethods(hub)
	addMoods(hub)
	addStreams(hub)
	return hub
}

// admit refuses whoever comes with ?refuse=… and greets everyone else.
func admit(ctx context.Context, c *parley.Conn) error {
	why := c.Request().URL.Query().Get("refuse")
	if why != "" {
		return &parley.Error{Code: "refused", Message: why, Data: map[string]string{"hint": "come without refuse"}}
	}
	if err := c.Join("everyone"); err != nil {
		return err
	}
	return c.Send(ctx, "welcome", c.ID())
}

// addMethods adds what answers once.
func addMethods(hub *parley.Hub) {
	hub.Handle("echo", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
		var value any
		if err := call.Scan(&value); err != nil {
			return err
		}
		return call.Reply(value)
	}))
	hub.Handle("add", parley.Func(func(a, b int) int { return a + b }))
	hub.Handle("nothing", parley.Func(func() {}))
	hub.Handle("big", parley.Func(func(bytes int) string { return strings.Repeat("x", min(bytes, 4<<20)) }))
	hub.Handle("transport", parley.Func(func(c *parley.Conn) string { return c.Transport() }))
	hub.Handle("tell", parley.Func(func(ctx context.Context, c *parley.Conn, text string) error {
		return hub.Group("everyone").Send(ctx, "told", c.ID(), text)
	}))
	hub.Handle("burst", parley.Func(func(ctx context.Context, c *parley.Conn, n int) error {
		for i := range min(n, 10_000) {
			if err := c.Send(ctx, "tick", i); err != nil {
				return err
			}
		}
		return nil
	}))
	hub.Handle("ask", parley.Func(func(ctx context.Context, c *parley.Conn, question string) (bool, error) {
		var yes bool
		err := c.Call(ctx, "confirm", &yes, question)
		return yes, err
	}))
}

// addMoods adds what goes wrong, each in its own way.
func addMoods(hub *parley.Hub) {
	hub.Handle("fail", parley.Func(func(message string) error {
		return &parley.Error{Code: "no_luck", Message: message, Data: []int{1, 2}}
	}))
	hub.Handle("broken", parley.Func(func() error { return errors.New("the password is 1234") }))
	hub.Handle("panic", parley.Func(func() error { panic("the password is 1234") }))
	hub.Handle("kick", parley.Func(func(c *parley.Conn, goodbye bool) {
		if goodbye {
			c.Close("kicked")
			return
		}
		c.CloseNow()
	}))
}

// addStreams adds what answers many times. cancelled tells how many of the
// endless streams were cancelled.
func addStreams(hub *parley.Hub) {
	var cancelled atomic.Int64
	parley.Stream[int, int]("count").Handle(hub, func(_ context.Context, _ *parley.Conn, n int, send func(int) error) error {
		for i := 1; i <= n; i++ {
			if err := send(i); err != nil {
				return err
			}
		}
		return nil
	})
	parley.Stream[string, int]("endless").Handle(hub, func(ctx context.Context, c *parley.Conn, name string, send func(int) error) error {
		err := send(0)
		if err == nil {
			<-ctx.Done()
		}
		cancelled.Add(1)
		return c.Send(context.WithoutCancel(ctx), "cancelled", name, cancelled.Load())
	})
	parley.Stream[int, int]("stumble").Handle(hub, func(_ context.Context, _ *parley.Conn, n int, send func(int) error) error {
		for i := 1; i <= n; i++ {
			if err := send(i); err != nil {
				return err
			}
		}
		return parley.Errorf("no_luck", "stumbled after %d", n)
	})
}
