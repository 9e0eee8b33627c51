package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
)

// whom is an audience as clients name it.
type whom struct {
	To           []string `json:"to"`     // rooms or ids; none means everyone
	Except       []string `json:"except"` // rooms or ids
	Others       bool     `json:"others"` // without the sender
	Volatile     bool     `json:"volatile"`
	Uncompressed bool     `json:"uncompressed"`
}

// audience finds it. Socket.IO has a room for each id, a hub has not.
func (w *whom) audience(c *parley.Conn) parley.Audience {
	hub := c.Hub()
	a := hub.Audience()
	for i, name := range w.To {
		part := hub.Group(name)
		if hub.Conn(name) != nil {
			part = hub.Client(name)
		}
		if i == 0 {
			a = part
			continue
		}
		a = a.And(part)
	}
	a = a.ExceptGroups(w.Except...).ExceptIDs(w.Except...)
	if w.Others {
		a = a.Except(c)
	}
	if w.Volatile {
		a = a.Volatile()
	}
	if w.Uncompressed {
		a = a.Uncompressed()
	}
	return a
}

// addRooms adds rooms, and what is said to them and done with them.
func addRooms(hub *parley.Hub) {
	hub.Handle("join", parley.Func((*parley.Conn).Join))
	hub.Handle("leave", parley.Func((*parley.Conn).Leave))
	hub.Handle("rooms", parley.Func(func(c *parley.Conn) []string { return append([]string{}, c.Groups()...) }))
	hub.Handle("send", parley.Func(func(ctx context.Context, c *parley.Conn, to whom, name string, args []any) error {
		return to.audience(c).Send(ctx, name, args...)
	}))
	hub.Handle("joinAll", parley.Func(func(ctx context.Context, c *parley.Conn, who whom, rooms []string) error {
		return who.audience(c).Join(ctx, rooms...)
	}))
	hub.Handle("leaveAll", parley.Func(func(ctx context.Context, c *parley.Conn, who whom, rooms []string) error {
		return who.audience(c).Leave(ctx, rooms...)
	}))
	hub.Handle("closeAll", parley.Func(func(ctx context.Context, c *parley.Conn, who whom) error {
		return who.audience(c).Close(ctx, "")
	}))
	hub.Handle("list", parley.Func(listed))
	hub.Handle("collect", parley.Func(collect))
	hub.Handle("page", parley.Func(func(ctx context.Context, c *parley.Conn, user, text string) error {
		return c.Hub().User(user).Send(ctx, "paged", text)
	}))
}

func listed(c *parley.Conn, who whom) []string {
	ids := []string{}
	for _, member := range who.audience(c).Conns() {
		ids = append(ids, member.ID())
	}
	slices.Sort(ids)
	return ids
}

// answers are those to a question, and whether some are missing.
type answers struct {
	Answers []any `json:"answers"`
	Late    bool  `json:"late"`
}

func collect(ctx context.Context, c *parley.Conn, who whom, question string, ms int) (answers, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
	defer cancel()
	got, err := who.audience(c).Call(ctx, "question", question)
	all := answers{Answers: make([]any, len(got)), Late: errors.Is(err, parley.ErrTimeout)}
	for i := range got {
		if err := got[i].Scan(&all.Answers[i]); err != nil {
			return all, err
		}
	}
	if all.Late {
		err = nil
	}
	return all, err
}

type numbersKey struct{}

// numbers are those that a connection has sent.
type numbers struct {
	mu  sync.Mutex
	all []int
}

// addLists adds what shows the order of a client's events.
func addLists(hub *parley.Hub) {
	of := func(c *parley.Conn) *numbers { return c.Value(numbersKey{}).(*numbers) }
	hub.Handle("number", parley.Func(func(c *parley.Conn, n int) {
		list := of(c)
		list.mu.Lock()
		defer list.mu.Unlock()
		list.all = append(list.all, n)
	}))
	hub.Handle("numbers", parley.Func(func(c *parley.Conn) []int {
		list := of(c)
		list.mu.Lock()
		defer list.mu.Unlock()
		return slices.Clone(list.all)
	}))
}

// addFarewells adds what ends a connection.
func addFarewells(hub *parley.Hub) {
	hub.Handle("kick", parley.Func(func(c *parley.Conn) { c.Close("kicked") }))
	hub.Handle("kickAll", parley.Func(socketio.Disconnect))
	hub.Handle("kickAfter", parley.Func(func(ctx context.Context, c *parley.Conn, text string) error {
		defer c.Close("kicked")
		return c.Send(ctx, "said", text)
	}))
	hub.Handle("cut", parley.Func((*parley.Conn).CloseNow))
}

// departures are those of a hub's clients, by their ids.
type departures struct {
	mu sync.Mutex
	at map[string]*departure
}

type departure struct {
	happened event
	reason   string
}

func (d *departures) of(id string) *departure {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at[id] == nil {
		d.at[id] = &departure{happened: newEvent()}
	}
	return d.at[id]
}

func (d *departures) note(id, reason string) {
	at := d.of(id)
	at.reason = reason
	at.happened.happen()
}

// wait answers with the reason once the client has gone.
func (d *departures) wait(ctx context.Context, id string) (string, error) {
	at := d.of(id)
	if err := at.happened.wait(ctx); err != nil {
		return "", err
	}
	return at.reason, nil
}
