package classic_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr/classic"
	"github.com/parley-go/parley/wire"
)

// This file has the steps of docs/signalr-classic.md, in their order, so that they are compiled and run: see
// TestGuideShowsTheSteps.

type chat struct{ hub *parley.Hub }

func (c *chat) send(ctx context.Context, conn *parley.Conn, room, message string) error {
	if len(message) > 500 {
		return &parley.Error{Message: "That is too long.", Data: map[string]int{"Limit": 500}}
	}
	return c.hub.Group(room).Send(ctx, "broadcastMessage", conn.User(), message)
}

func (c *chat) connected(ctx context.Context, conn *parley.Conn) error {
	if conn.Recovered() { // it was here before the server restarted
		return nil
	}
	room := conn.Request().URL.Query().Get("room")
	if err := conn.Join(room); err != nil {
		return err
	}
	return c.hub.Group(room).Except(conn).Send(ctx, "came", conn.User())
}

func (c *chat) disconnected(ctx context.Context, conn *parley.Conn, reason error) {
	c.hub.Send(ctx, "went", conn.User(), reason == nil)
}

func (c *chat) bring(ctx context.Context, lines []string) (int, error) {
	for i := range lines {
		if err := parley.Progress(ctx, 100*(i+1)/len(lines)); err != nil {
			return i, err
		}
	}
	return len(lines), nil
}

func authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := userOf(classic.Token(r)) // or of a cookie
		next.ServeHTTP(w, r.WithContext(parley.WithUser(r.Context(), user)))
	})
}

func onlyAdmins(next parley.Handler) parley.Handler {
	return parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		if call.Name == "Announce" && call.Conn().User() != "admin" {
			return parley.Errorf(wire.CodeUnauthorized, "admins only")
		}
		return next.Handle(ctx, call)
	})
}

func (c *chat) rename(ctx context.Context, name string) error {
	var before string
	state := classic.State(ctx)
	state.Get("userName", &before)
	if err := state.Set("userName", name); err != nil {
		return err
	}
	return c.hub.Send(ctx, "renamed", before, name)
}

func (c *chat) ring(ctx context.Context, now time.Time) error {
	return c.hub.Send(ctx, "rang", now.UTC())
}

func site(key []byte) (http.Handler, *parley.Hub) {
	c := &chat{hub: parley.NewHub(nil)}
	c.hub.OnConnect(c.connected)
	c.hub.OnDisconnect(c.disconnected)
	c.hub.Handle("Send", parley.Func(c.send))
	c.hub.Handle("Import", parley.Func(c.bring))
	c.hub.Handle("Rename", parley.Func(c.rename))
	c.hub.Handle("Announce", parley.Func(func(ctx context.Context, text string) error {
		return c.hub.Send(ctx, "announced", text)
	}))
	c.hub.Use(onlyAdmins)
	mux := http.NewServeMux()
	classic.Mount(mux, "/signalr", map[string]*parley.Hub{"ChatHub": c.hub}, &classic.Options{
		DisconnectTimeout: time.Minute,
		DetailedErrors:    true,
		Origins:           []string{"https://www.example.com"},
		Key:               key,
	})
	return authenticate(mux), c.hub
}

// userOf stands for what knows its users' tokens.
func userOf(token string) string { return strings.TrimSuffix(token, "'s token") }

// TestTheSteps runs what the guide has made.
func TestTheSteps(t *testing.T) {
	handler, hub := site(secretKey)
	base := serveMux(t, handler, map[string]*parley.Hub{"ChatHub": hub}) + "/signalr"
	visit := func(user string) *page {
		p := newPage(t, base, "serverSentEvents", "chathub")
		p.query.Set("room", "lobby")
		p.as("Authorization", "Bearer "+user+"'s token")
		return p.open()
	}
	ann, ben := visit("ann"), visit("admin")
	if got := ann.hears("came"); got != `"admin"` {
		t.Errorf("came: %s", got)
	}
	ben.invoke("chathub", "send", "lobby", "hi")
	if got := ann.hears("broadcastMessage"); got != `"admin","hi"` {
		t.Errorf("broadcastMessage: %s", got)
	}
	if a := ann.answer(ann.call("chathub", "send", "lobby", strings.Repeat("x", 501))); !a.hubError || string(a.D) != `{"Limit":500}` {
		t.Errorf("what is too long: %s", a.raw)
	}
	id := ann.call("chathub", "import", []string{"a", "b"})
	if e := ann.take("progress", func(e element) bool { return e.P != nil }); string(e.P.D) != "50" {
		t.Errorf("progress: %s", e.raw)
	}
	if a := ann.answer(id); string(a.R) != "2" {
		t.Errorf("import: %s", a.raw)
	}
	a := ann.answer(ann.callWith("chathub", "rename", map[string]string{"userName": "Ann"}, "Anna"))
	if got := ben.hears("renamed"); got != `"Ann","Anna"` || string(a.S) != `{"userName":"Anna"}` {
		t.Errorf("renamed: %s, %s", got, a.raw)
	}
	if a = ann.answer(ann.call("chathub", "Announce", "x")); a.E != "Caller is not authorized to invoke the Announce method on chathub." {
		t.Errorf("announce: %s", a.raw)
	}
	ben.invoke("chathub", "announce", "dinner")
	if got := ann.hears("announced"); got != `"dinner"` {
		t.Errorf("announced: %s", got)
	}
	if err := (&chat{hub}).ring(t.Context(), time.Unix(0, 0)); err != nil || ann.hears("rang") != `"1970-01-01T00:00:00Z"` {
		t.Errorf("ring: %v", err)
	}
	if status, _ := ann.post("abort", nil, nil); status != http.StatusOK {
		t.Errorf("abort: %d", status)
	}
	if got := ben.hears("went"); got != `"ann",true` {
		t.Errorf("went: %s", got)
	}
}
