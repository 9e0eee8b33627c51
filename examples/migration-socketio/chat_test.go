package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
	"github.com/parley-go/parley/socketio"
)

// serve starts the chat, and returns its hub and its address.
func serve(t *testing.T) (*parley.Hub, string) {
	t.Helper()
	c := newChat()
	admins := newAdmins(c.hub)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "socket.io.js"), []byte("io = {}"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(site(c, admins, folder))
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := errors.Join(c.hub.Shutdown(ctx), admins.Shutdown(ctx)); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return c.hub, server.URL
}

// guest is somebody in the chat, and what they have heard.
type guest struct {
	*parley.Client
	told  chan string
	lines chan Line
	files chan File
}

// newGuest makes a guest that is not connected yet.
func newGuest(t *testing.T, url, token string, o socketio.ClientOptions) *guest {
	t.Helper()
	g := &guest{told: make(chan string, 10), lines: make(chan Line, 10), files: make(chan File, 10)}
	o.Auth = map[string]string{"token": token}
	g.Client = socketio.NewClient(url, &o)
	Said.On(g.Client, func(_ context.Context, l Line) { g.lines <- l })
	g.On("came", func(room, who string) { g.told <- who + " came to " + room })
	g.On("went", func(room, who string) { g.told <- who + " went from " + room })
	g.On("typing", func(room, who string) { g.told <- who + " types in " + room })
	g.On("whispered", func(id, who, text string) { g.told <- who + " whispers " + text })
	g.On("announced", func(text string) { g.told <- text })
	g.On("file", func(room, who string, f File) { g.files <- f })
	g.Handle("question", parley.Func(func(question string) string { return question + " Yes." }))
	return g
}

func enter(t *testing.T, url, token string, o socketio.ClientOptions) *guest {
	t.Helper()
	g := newGuest(t, url, token, o)
	if err := g.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close(context.WithoutCancel(t.Context())) })
	return g
}

func (g *guest) hears(t *testing.T, want string) {
	t.Helper()
	if got := <-g.told; got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
}

func (g *guest) joins(t *testing.T, want ...string) {
	t.Helper()
	var members []string
	if err := g.Call(t.Context(), "join", &members, "lobby"); err != nil || !slices.Equal(members, want) {
		t.Errorf("join: %q, %v, want %q", members, err, want)
	}
}

func TestTheChatInEveryMode(t *testing.T) {
	for name, o := range map[string]socketio.ClientOptions{
		"polling, then websocket": {},
		"polling":                 {Transports: []string{"polling"}},
		"websocket":               {Transports: []string{"websocket"}},
		"websocket, messagepack":  {Transports: []string{"websocket"}, MessagePack: true},
	} {
		t.Run(name, func(t *testing.T) {
			hub, url := serve(t)
			ann := enter(t, url, "ann's token", o)
			ben := enter(t, url, "ben's token", o)
			ann.joins(t, "Ann")
			ben.joins(t, "Ann", "Ben")
			ann.hears(t, "Ben came to lobby")
			talk(t, ann, ben)
			whisper(t, hub, ann, ben)
			show(t, ann, ben)
			vote(t, ann)
			rule(t, hub, url, o, ben)
			ann.hears(t, "tea at five")
			ann.hears(t, "Ben went from lobby")
		})
	}
}

func talk(t *testing.T, ann, ben *guest) {
	if err := ben.Call(t.Context(), "say", nil, "lobby", "hi"); err != nil {
		t.Fatal(err)
	}
	for _, g := range []*guest{ann, ben} {
		if l := <-g.lines; l.Room != "lobby" || l.User != "Ben" || l.Text != "hi" || time.Since(l.At) > time.Minute {
			t.Errorf("got %+v", l)
		}
	}
	wantError(t, ben.Call(t.Context(), "say", nil, "cellar", "hi"), "You are not in cellar.")
	if err := ann.Call(t.Context(), "leave", nil, "lobby"); err != nil {
		t.Error(err)
	}
	ben.hears(t, "Ann went from lobby")
	ann.joins(t, "Ann", "Ben")
	ben.hears(t, "Ann came to lobby")
}

// idOf finds somebody's connection.
func idOf(hub *parley.Hub, name string) string {
	conns := hub.Audience().Conns()
	return conns[slices.IndexFunc(conns, func(c *parley.Conn) bool { return nameOf(c) == name })].ID()
}

func whisper(t *testing.T, hub *parley.Hub, ann, ben *guest) {
	for _, id := range []string{"nobody", idOf(hub, "Ann")} {
		if err := ben.Call(t.Context(), "whisper", nil, id, "psst"); err != nil {
			t.Error(err)
		}
	}
	ann.hears(t, "Ben whispers psst")
	// What is volatile may be lost, so it is said until it is heard.
	for {
		if err := ben.Call(t.Context(), "typing", nil, "lobby"); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-ann.told:
			if got != "Ben types in lobby" {
				t.Errorf("heard %q", got)
			}
			return
		case <-time.After(time.Second):
		}
	}
}

func show(t *testing.T, ann, ben *guest) {
	var size int
	want := File{"dots.png", []byte{0, 1, 254, 255}}
	if err := ben.Call(t.Context(), "upload", &size, "lobby", want); err != nil || size != 4 {
		t.Errorf("upload: %d, %v", size, err)
	}
	if got := <-ann.files; got.Name != want.Name || !bytes.Equal(got.Bytes, want.Bytes) {
		t.Errorf("got %v", got)
	}
}

func vote(t *testing.T, ann *guest) {
	for room, want := range map[string][]string{"lobby": {"Tea? Yes."}, "nowhere": {}} {
		var votes Votes
		if err := ann.Call(t.Context(), "vote", &votes, room, "Tea?"); err != nil || !votes.All || !slices.Equal(votes.Answers, want) {
			t.Errorf("vote in %s: %+v, %v", room, votes, err)
		}
	}
}

// rule does what is for admins, ending with Ben, who sees it.
func rule(t *testing.T, hub *parley.Hub, url string, o socketio.ClientOptions, ben *guest) {
	o.Namespace = "/admin"
	wantError(t, newGuest(t, url, "ben's token", o).Connect(t.Context()), "Admins only.")
	admin := enter(t, url, "ann's token", o)
	if err := admin.Call(t.Context(), "announce", nil, "tea at five"); err != nil {
		t.Error(err)
	}
	ben.hears(t, "tea at five")
	var n int
	if err := admin.Call(t.Context(), "count", &n); err != nil || n != 2 {
		t.Errorf("count: %d, %v", n, err)
	}
	if err := admin.Call(t.Context(), "kick", nil, idOf(hub, "Ben")); err != nil {
		t.Error(err)
	}
	<-ben.Done()
}

func wantError(t *testing.T, err error, message string) *parley.Error {
	t.Helper()
	var got *parley.Error
	if !errors.As(err, &got) || got.Message != message {
		t.Errorf("got %v, want %s", err, message)
		return &parley.Error{}
	}
	return got
}

func TestWhoMayEnter(t *testing.T) {
	_, url := serve(t)
	err := wantError(t, newGuest(t, url, "no token", socketio.ClientOptions{}).Connect(t.Context()), "Who are you?")
	if got, want := fmt.Sprint(err.Data), `map[token:unknown]`; got != want {
		t.Errorf("the refusal says %s, want %s", got, want)
	}
}

func TestAVoteThatNotAllTakePartIn(t *testing.T) {
	hub, url := serve(t)
	ann := enter(t, url, "ann's token", socketio.ClientOptions{})
	enter(t, url, "ben's token", socketio.ClientOptions{}).joins(t, "Ben")
	// One who is silent, and one who says something else.
	mute := make(chan bool)
	defer close(mute)
	for _, answer := range []any{parley.Func(func() string { <-mute; return "" }), parley.Func(func() int { return 1 })} {
		cl := socketio.NewClient(url, &socketio.ClientOptions{Auth: map[string]string{"token": "ben's token"}})
		cl.HandleOther(answer.(parley.Handler))
		if err := cl.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer cl.Close(context.WithoutCancel(t.Context()))
		if err := cl.Call(t.Context(), "join", nil, "lobby"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(hub.Group("lobby").Conns()); n != 3 {
		t.Fatalf("%d in the lobby, want 3", n)
	}
	var votes Votes
	if err := ann.Call(t.Context(), "vote", &votes, "lobby", "Tea?"); err != nil || votes.All || !slices.Equal(votes.Answers, []string{"Tea? Yes."}) {
		t.Errorf("got %+v, %v", votes, err)
	}
}

// TestALostConnectionGoesOn cuts Ben off, for whom Ann then says something.
func TestALostConnectionGoesOn(t *testing.T) {
	hub, url := serve(t)
	ann := enter(t, url, "ann's token", socketio.ClientOptions{})
	back := make(chan bool, 2)
	ben := enter(t, url, "ben's token", socketio.ClientOptions{ClientOptions: parley.ClientOptions{
		OnConnect: func(ctx context.Context) { back <- socketio.Recovered(ctx) },
	}})
	ann.joins(t, "Ann")
	ben.joins(t, "Ann", "Ben")
	ann.hears(t, "Ben came to lobby")
	<-back
	id := idOf(hub, "Ben")
	hub.Conn(id).CloseNow()
	ann.hears(t, "Ben went from lobby")
	if err := ann.Call(t.Context(), "say", nil, "lobby", "are you there?"); err != nil {
		t.Error(err)
	}
	if !<-back {
		t.Error("Ben is a new client")
	}
	if l := <-ben.lines; l.Text != "are you there?" {
		t.Errorf("got %+v", l)
	}
	ann.hears(t, "Ben came to lobby")
	if got := idOf(hub, "Ben"); got != id {
		t.Errorf("Ben is %s, was %s", got, id)
	}
}

func TestPagesLoadTheClient(t *testing.T) {
	_, url := serve(t)
	answer, err := http.Get(url + "/socket.io/socket.io.js")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); string(body) != "io = {}" {
		t.Errorf("got %s, %q", answer.Status, body)
	}
}

func TestTheTimeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(nil)
		ctx, cancel := context.WithCancel(t.Context())
		rung := make(chan bool)
		go func() { ring(ctx, hub); close(rung) }()
		told := make(chan string, 10)
		cl := parleytest.Dial(t, hub, &parleytest.Options{Setup: func(cl *parley.Client) {
			cl.On("announced", func(text string) { told <- text })
		}})
		for _, want := range []string{"It is 00:01.", "It is 00:02."} { // the bubble's clock begins at midnight
			if got := <-told; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		cancel()
		<-rung
		cl.Close(context.Background())
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "127.0.0.1:0", t.TempDir()) }()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
