package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
)

func newHub(limits parley.Limits, log *slog.Logger) *parley.Hub {
	hub := parley.NewHub(&parley.HubOptions{Limits: limits, Log: log})
	hub.OnConnect(admit)
	addMethods(hub)
	addValues(hub)
	addMoods(hub)
	addQuestions(hub)
	addStreams(hub)
	addGroups(hub)
	addVisitors(hub)
	addNumbers(hub)
	g := newGates()
	g.add(hub)
	addUploads(hub, g)
	return hub
}

// admit refuses whoever comes with ?refuse=…, asks with ?ask before anybody
// could answer, and greets everyone else.
func admit(ctx context.Context, c *parley.Conn) error {
	why := c.Request().URL.Query().Get("refuse")
	if why != "" {
		return &parley.Error{Code: "refused", Message: why, Data: map[string]string{"hint": "come without refuse"}}
	}
	if c.Request().URL.Query().Has("ask") {
		if _, err := askFor(ctx, c, "already?"); err != nil {
			return err
		}
	}
	if err := c.Join("everyone"); err != nil {
		return err
	}
	return c.Send(ctx, "welcome", c.ID())
}

// addMethods adds what answers once.
func addMethods(hub *parley.Hub) {
	hub.Handle("echo", parley.HandlerFunc(echo))
	hub.Handle("add", parley.Func(func(a, b int) int { return a + b }))
	hub.Handle("nothing", parley.Func(func() {}))
	hub.Handle("big", parley.Func(func(bytes int) string { return strings.Repeat("x", min(bytes, 4<<20)) }))
	hub.Handle("auth", parley.Func(func(c *parley.Conn) json.RawMessage { return socketio.Auth(c) }))
	hub.Handle("transport", parley.Func((*parley.Conn).Transport))
	hub.Handle("tell", parley.Func(tell))
	hub.Handle("burst", parley.Func(burst))
	hub.Handle("me", parley.Func(me))
	hub.Handle("headerOf", parley.HandlerFunc(headerOf))
}

// person has names that protocols may write in their own way.
type person struct {
	FirstName string
	Age       int
	Tags      []string
}

// addValues adds echoes of one type each.
func addValues(hub *parley.Hub) {
	hub.Handle("bytes", parley.Func(func(b []byte) []byte { return b }))
	hub.Handle("moment", parley.Func(func(t time.Time) time.Time { return t }))
	hub.Handle("whole", parley.Func(func(n int) int { return n }))
	hub.Handle("real", parley.Func(func(f float64) float64 { return f }))
	hub.Handle("person", parley.Func(func(p person) person { return p }))
	hub.Handle("years", parley.Func(func(p person) int { return p.Age }))
}

func echo(_ context.Context, call *parley.Call) error {
	var value any
	if err := call.Scan(&value); err != nil {
		return err
	}
	return call.Reply(value)
}

func tell(ctx context.Context, c *parley.Conn, text string) error {
	return c.Hub().Group("everyone").Send(ctx, "told", c.ID(), text)
}

func burst(ctx context.Context, c *parley.Conn, n int) error {
	for i := range min(n, 10_000) {
		if err := c.Send(ctx, "tick", i); err != nil {
			return err
		}
	}
	return nil
}

// addQuestions adds what asks clients.
func addQuestions(hub *parley.Hub) {
	hub.Handle("ask", parley.Func(ask))
	hub.Handle("askFor", parley.Func(askFor))
	hub.Handle("askOther", parley.Func(func(ctx context.Context, c *parley.Conn, id, question string) (any, error) {
		return askConn(ctx, c.Hub(), id, question)
	}))
}

func ask(ctx context.Context, c *parley.Conn, question string) (yes bool, err error) {
	err = c.Call(ctx, "confirm", &yes, question)
	return yes, err
}

func askFor(ctx context.Context, c *parley.Conn, question string) (answer any, err error) {
	err = c.Call(ctx, "answer", &answer, question)
	return answer, err
}

func askConn(ctx context.Context, hub *parley.Hub, id, question string) (answer any, err error) {
	c := hub.Conn(id)
	if c == nil {
		return nil, parley.Errorf("gone", "Nobody is %s.", id)
	}
	return askFor(ctx, c, question)
}

// addMoods adds what goes wrong, each in its own way.
func addMoods(hub *parley.Hub) {
	hub.Handle("fail", parley.Func(func(message string) error {
		return &parley.Error{Code: "no_luck", Message: message, Data: []int{1, 2}}
	}))
	hub.Handle("failAs", parley.Func(func(class, message string) error { return &parley.Error{Type: class, Message: message} }))
	hub.Handle("broken", parley.Func(func() error { return errors.New("the password is 1234") }))
	hub.Handle("panic", parley.Func(func() error { panic("the password is 1234") }))
	hub.Handle("kick", parley.Func(kick))
}

func kick(c *parley.Conn, goodbye bool) {
	if goodbye {
		c.Close("kicked")
		return
	}
	c.CloseNow()
}

// addStreams adds what answers many times.
func addStreams(hub *parley.Hub) {
	parley.Stream[int, int]("count").Handle(hub, count)
	parley.Stream[int, int]("stumble").Handle(hub, stumble)
	parley.Stream[string, int]("endless").Handle(hub, endless)
}

func count(_ context.Context, _ *parley.Conn, n int, send func(int) error) error {
	for i := 1; i <= n; i++ {
		if err := send(i); err != nil {
			return err
		}
	}
	return nil
}

func stumble(ctx context.Context, c *parley.Conn, n int, send func(int) error) error {
	if err := count(ctx, c, n, send); err != nil {
		return err
	}
	return parley.Errorf("no_luck", "stumbled after %d", n)
}

// endless sends once, waits for its end and tells of it.
func endless(ctx context.Context, c *parley.Conn, name string, send func(int) error) error {
	if err := send(0); err != nil {
		return err
	}
	<-ctx.Done()
	return c.Send(context.WithoutCancel(ctx), "cancelled", name)
}
