package admin

import (
	"cmp"
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
)

// socket is a connection as the page wants it.
type socket struct {
	ID        string         `json:"id"`
	Client    string         `json:"clientId"`
	Transport string         `json:"transport"`
	Namespace string         `json:"nsp"`
	Data      map[string]any `json:"data"`
	Handshake any            `json:"handshake"`
	Rooms     []string       `json:"rooms"`
}

func describe(c *parley.Conn, name string) *socket {
	return &socket{
		ID:        c.ID(),
		Client:    socketio.ClientOf(c),
		Transport: c.Transport(),
		Namespace: name,
		Data:      map[string]any{"protocol": c.Protocol(), "user": c.User()},
		Handshake: handshake(c),
		Rooms:     append([]string{c.ID()}, c.Groups()...),
	}
}

// handshake tells how a client came, without its credentials.
func handshake(c *parley.Conn) *socketio.HandshakeDetails {
	h := socketio.Handshake(c)
	h.Auth = nil
	maps.DeleteFunc(h.Headers, func(name, _ string) bool { return isSecret(name) })
	maps.DeleteFunc(h.Query, func(name, _ string) bool { return isSecret(name) })
	if u, err := url.Parse(h.URL); err == nil {
		query := u.Query()
		maps.DeleteFunc(query, func(name string, _ []string) bool { return isSecret(name) })
		u.RawQuery = query.Encode()
		h.URL = u.String()
	}
	return h
}

// isSecret tells whether a header or a part of a query may hold credentials.
func isSecret(name string) bool {
	name = strings.ToLower(name)
	return name == "id" || slices.ContainsFunc([]string{"cookie", "auth", "token", "secret", "pass", "key", "sid", "sess", "jwt", "ticket", "sign"}, func(word string) bool {
		return strings.Contains(name, word)
	})
}

// everyone describes all connections that are shown.
func (a *Admin) everyone() []*socket {
	all := []*socket{}
	for _, s := range a.hubs() {
		for _, c := range s.hub.Audience().Conns() {
			all = append(all, describe(c, s.name))
			a.note(c)
		}
	}
	return all
}

// note remembers the transport that the pages have been told of, while the
// connection lives.
func (a *Admin) note(c *parley.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.Context().Err() == nil { // else Disconnected may have been told already
		a.transport[c] = c.Transport()
	}
}

// watch tells the pages what becomes of a hub's connections.
func (a *Admin) watch(name string, hub *parley.Hub) {
	stop := hub.Watch(&parley.Watcher{
		Connected: func(c *parley.Conn) {
			if a.present.Load() > 0 {
				a.note(c)
				a.tell("socket_connected", describe(c, name), now())
			}
		},
		Disconnected: func(c *parley.Conn, reason error) {
			a.mu.Lock()
			delete(a.transport, c)
			a.mu.Unlock()
			a.tell("socket_disconnected", name, c.ID(), why(c, reason), now())
		},
		Joined: func(c *parley.Conn, group string) { a.tell("room_joined", name, group, c.ID(), now()) },
		Left:   func(c *parley.Conn, group string) { a.tell("room_left", name, group, c.ID(), now()) },
	})
	a.hub.WhenShutdown(stop)
	hub.Use(func(next parley.Handler) parley.Handler { return &received{next, a, name} })
	hub.UseSend(func(next parley.SendFunc) parley.SendFunc {
		return func(ctx context.Context, to parley.Audience, event string, args []any) error {
			a.sent(name, to, event, args)
			return next(ctx, to, event, args)
		}
	})
}

// now is the time as JavaScript knows it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// why words the end of a connection.
func why(c *parley.Conn, reason error) string {
	words := socketio.DisconnectReason(c)
	if reason == nil {
		return cmp.Or(words, "goodbye")
	}
	return cmp.Or(words, strings.TrimPrefix(reason.Error(), "parley: "))
}

// received is middleware that tells the pages of a call. It is no closure, as
// what stands behind it may know how it answers.
type received struct {
	parley.Handler
	a    *Admin
	name string
}

// Handle implements [parley.Handler].
func (m *received) Handle(ctx context.Context, call *parley.Call) error {
	if m.a.present.Load() > 0 {
		m.a.tell("event_received", m.name, call.Conn().ID(), contents(call), now())
	}
	return m.Handler.Handle(ctx, call)
}

// contents is a call as the page wants it: its name, then its arguments.
func contents(call *parley.Call) []any {
	args := make([]any, call.Len())
	into := make([]any, call.Len())
	for i := range args {
		into[i] = &args[i]
	}
	if call.Scan(into...) != nil {
		args = []any{"(unreadable)"}
	}
	return append([]any{call.Name}, args...)
}

const maxSent = 100 // members of an audience that the pages are told of, one by one

func (a *Admin) sent(name string, to parley.Audience, event string, args []any) {
	if a.present.Load() == 0 {
		return
	}
	conns := to.Conns()
	for _, c := range conns[:min(len(conns), maxSent)] {
		a.tell("event_sent", name, c.ID(), append([]any{event}, args...), now())
	}
}
