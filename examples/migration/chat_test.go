package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/wire"
)

// serve starts the chat, and returns the address of its hub.
func serve(t *testing.T, check func(string) (visitor, error)) string {
	t.Helper()
	hub := newHub(&history{})
	server := httptest.NewServer(site(hub, check))
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		if err := hub.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return server.URL + "/chat"
}

// guest is somebody in a room, and what they have heard.
type guest struct {
	*parley.Client
	said, told chan string
	lines      chan Line
}

func enter(t *testing.T, url, token string, o signalr.ClientOptions) *guest {
	t.Helper()
	g := &guest{said: make(chan string, 10), told: make(chan string, 10), lines: make(chan Line, 10)}
	o.AccessToken = func(context.Context) (string, error) { return token, nil }
	g.Client = signalr.NewClient(url+"?room=lobby", &o)
	Said.On(g.Client, func(_ context.Context, l Line) { g.lines <- l })
	Came.On(g.Client, func(_ context.Context, user string) { g.told <- user + " came" })
	Went.On(g.Client, func(_ context.Context, user string) { g.told <- user + " went" })
	Announced.On(g.Client, func(_ context.Context, text string) { g.told <- text })
	Confirm.Handle(g.Client, func(_ context.Context, question string) (bool, error) {
		g.told <- question
		return true, nil
	})
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

func TestTheChatInEveryMode(t *testing.T) {
	for name, o := range map[string]signalr.ClientOptions{
		"websocket":             {Transports: signalr.WebSockets, StatefulReconnect: true},
		"websocket messagepack": {Transports: signalr.WebSockets, Protocol: "messagepack"},
		"sse":                   {Transports: signalr.ServerSentEvents},
		"polling":               {Transports: signalr.LongPolling},
		"polling messagepack":   {Transports: signalr.LongPolling, Protocol: "messagepack"},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, checkToken)
			ann := enter(t, url, "ann's token", o)
			ben := enter(t, url, "ben's token", o)
			ann.hears(t, "Ben came")
			talk(t, ann, ben)
			keep(t, ann)
			announce(t, ann, ben)
			if err := ben.Close(t.Context()); err != nil {
				t.Error(err)
			}
			ann.hears(t, "Ben went")
		})
	}
}

func talk(t *testing.T, ann, ben *guest) {
	if err := ben.Call(t.Context(), "Say", nil, "lobby", "hi"); err != nil {
		t.Fatal(err)
	}
	for _, g := range []*guest{ann, ben} {
		if l := <-g.lines; l.Room != "lobby" || l.User != "Ben" || l.Text != "hi" || time.Since(l.SentAt) > time.Minute {
			t.Errorf("got %+v", l)
		}
	}
	err := ben.Call(t.Context(), "Say", nil, "lobby", strings.Repeat("x", 501))
	wantError(t, err, "error", "That is too long.")
}

// keep looks at the history, which has one line.
func keep(t *testing.T, ann *guest) {
	var n int
	if err := ann.Call(t.Context(), "Import", &n, "lobby", slices.Values([]string{"once", "upon", "a time"})); err != nil || n != 3 {
		t.Errorf("Import: %d, %v", n, err)
	}
	replayed := func() (texts []string) {
		for v, err := range ann.Stream(t.Context(), "Replay", "lobby") {
			var l Line
			if err = errors.Join(err, v.Scan(&l)); err != nil {
				t.Fatal(err)
			}
			texts = append(texts, l.User+": "+l.Text)
		}
		return texts
	}
	if got, want := replayed(), []string{"Ben: hi", "Ann: once", "Ann: upon", "Ann: a time"}; !slices.Equal(got, want) {
		t.Errorf("Replay: %q, want %q", got, want)
	}
	var cleared bool
	if err := ann.Call(t.Context(), "Clear", &cleared, "lobby"); err != nil || !cleared {
		t.Errorf("Clear: %v, %v", cleared, err)
	}
	ann.hears(t, "Forget all of lobby?")
	if got := replayed(); len(got) > 0 {
		t.Errorf("after Clear: %q", got)
	}
}

func announce(t *testing.T, ann, ben *guest) {
	err := ben.Call(t.Context(), "Announce", nil, "free tea")
	wantError(t, err, wire.CodeUnauthorized, "Failed to invoke 'Announce' because user is unauthorized")
	if err := ann.Call(t.Context(), "Announce", nil, "tea at five"); err != nil {
		t.Error(err)
	}
	for _, g := range []*guest{ann, ben} {
		g.hears(t, "tea at five")
	}
}

func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	var got *parley.Error
	if !errors.As(err, &got) || got.Code != code || got.Message != message {
		t.Errorf("got %#v, want %s: %s", err, code, message)
	}
}

func TestWhoMayEnter(t *testing.T) {
	url := serve(t, checkToken)
	for _, c := range []struct{ query, token, want string }{
		{"?room=lobby", "no token", "401"},
		{"", "ann's token", "Which room?"},
	} {
		cl := signalr.NewClient(url+c.query, &signalr.ClientOptions{
			AccessToken: func(context.Context) (string, error) { return c.token, nil },
		})
		if err := cl.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q with %s: %v, want %s", c.query, c.token, err, c.want)
		}
	}
	answer, err := http.Post(url+"/negotiate", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusUnauthorized || len(body) > 0 {
		t.Errorf("without a token: %s, %q", answer.Status, body)
	}
	ask, _ := http.NewRequest(http.MethodOptions, url+"/negotiate", nil)
	ask.Header.Set("Origin", "https://chat.example.com")
	ask.Header.Set("Access-Control-Request-Method", "POST")
	if answer, err = http.DefaultClient.Do(ask); err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if got := answer.Header.Get("Access-Control-Allow-Origin"); got != "https://chat.example.com" {
		t.Errorf("a page elsewhere that asks beforehand is let in from %q", got)
	}
}

// TestATokenEnds wants the client to be asked back, and to come.
func TestATokenEnds(t *testing.T) {
	tokens := make(chan visitor, 2)
	tokens <- visitor{"Ann", nil, time.Now().Add(time.Second)}
	tokens <- visitor{"Ann", nil, time.Now().Add(time.Hour)}
	url := serve(t, func(string) (visitor, error) { return <-tokens, nil })
	came, lost := make(chan bool, 2), make(chan error, 1)
	cl := signalr.NewClient(url+"?room=lobby", &signalr.ClientOptions{
		SkipNegotiation: true, // so that there is one request for each connection
		ClientOptions: parley.ClientOptions{
			OnConnect:    func(context.Context) { came <- true },
			OnDisconnect: func(err error, again bool) { lost <- err },
		},
	})
	defer cl.Close(context.WithoutCancel(t.Context()))
	if err := cl.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-came
	if err := <-lost; err != nil {
		t.Errorf("lost by %v, want a goodbye", err)
	}
	<-came
}

func TestTheTimeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub(&history{})
		ctx, cancel := context.WithCancel(t.Context())
		rung := make(chan bool)
		go func() { ring(ctx, hub); close(rung) }()
		told := make(chan string, 10)
		cl := parleytest.Dial(t, hub, &parleytest.Options{URL: "/?room=lobby", Setup: func(cl *parley.Client) {
			Announced.On(cl, func(_ context.Context, text string) { told <- text })
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
	go func() { ended <- run(ctx, "127.0.0.1:0") }()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
