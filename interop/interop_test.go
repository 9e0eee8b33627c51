package interop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/socketio"
)

// Parley's own clients, one for each protocol, with one hub between them.

var dials = map[string]func(url string, o parley.ClientOptions) *parley.Client{
	"plain": func(url string, o parley.ClientOptions) *parley.Client {
		return plain.NewClient(url+"/plain", &plain.ClientOptions{ClientOptions: o})
	},
	"signalr": func(url string, o parley.ClientOptions) *parley.Client {
		return signalr.NewClient(url+"/signalr", &signalr.ClientOptions{ClientOptions: o})
	},
	"socketio": func(url string, o parley.ClientOptions) *parley.Client {
		return socketio.NewClient(url, &socketio.ClientOptions{ClientOptions: o})
	},
}

// serve mounts a hub in every protocol. When the test ends, so do its clients,
// the hub and the server, in this order.
func serve(t *testing.T) (hub *parley.Hub, url string) {
	t.Helper()
	hub = parley.NewHub(nil)
	mux := http.NewServeMux()
	plain.Mount(mux, "/plain", hub, nil)
	signalr.Mount(mux, "/signalr", hub, nil)
	socketio.Mount(mux, "/socket.io/", hub, nil)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		if err := hub.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return hub, server.URL
}

func connect(t *testing.T, url, protocol string, o parley.ClientOptions, prepare func(*parley.Client)) *parley.Client {
	t.Helper()
	client := dials[protocol](url, o)
	if prepare != nil {
		prepare(client)
	}
	if err := client.Connect(t.Context()); err != nil {
		t.Fatalf("%s: Connect: %v", protocol, err)
	}
	t.Cleanup(func() {
		if err := client.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("%s: Close: %v", protocol, err)
		}
	})
	return client
}

func TestClientsOfEveryProtocolHearOneOrder(t *testing.T) {
	const each = 300
	hub, url := serve(t)
	hub.OnConnect(func(_ context.Context, c *parley.Conn) error { return c.Join("room") })
	hub.Handle("say", parley.Func(func(ctx context.Context, from, text string) error {
		return hub.Group("room").Send(ctx, "said", from, text)
	}))

	clients, heard := map[string]*parley.Client{}, map[string]chan string{}
	for protocol := range dials {
		said := make(chan string, len(dials)*each+1)
		heard[protocol] = said
		clients[protocol] = connect(t, url, protocol, parley.ClientOptions{}, func(c *parley.Client) {
			c.On("said", func(from, text string) { said <- from + " " + text })
		})
	}
	var senders sync.WaitGroup
	for protocol, client := range clients {
		senders.Go(func() {
			for i := range each {
				if err := client.Send(t.Context(), "say", protocol, fmt.Sprint(i)); err != nil {
					t.Errorf("%s: Send %d: %v", protocol, i, err)
				}
			}
		})
	}
	senders.Wait()

	var first []string
	for protocol, said := range heard {
		all := receive(said, len(dials)*each)
		for sender := range dials {
			got := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return !strings.HasPrefix(s, sender+" ") })
			for i := range got {
				if want := fmt.Sprint(sender, " ", i); got[i] != want {
					t.Fatalf("%s heard %q, want %q", protocol, got[i], want)
				}
			}
			if len(got) != each {
				t.Errorf("%s heard %d messages of %s, want %d", protocol, len(got), sender, each)
			}
		}
		if first == nil {
			first = all
		}
		if !slices.Equal(all, first) {
			t.Errorf("%s heard another order", protocol)
		}
	}
}

// receive takes n strings; what does not come runs into go test's time limit.
func receive(from <-chan string, n int) (all []string) {
	for range n {
		all = append(all, <-from)
	}
	return all
}

func TestClientsOfEveryProtocolCallAndAnswer(t *testing.T) {
	hub, url := serve(t)
	hub.Handle("add", parley.Func(func(a, b int) int { return a + b }))
	hub.Handle("fail", parley.Func(func() error { return parley.Errorf("no_luck", "No luck today.") }))
	confirm := parley.Ask[string, bool]("confirm")
	hub.Handle("ask", parley.Func(func(ctx context.Context, c *parley.Conn, question string) (bool, error) {
		return confirm.Call(ctx, c, question)
	}))

	for protocol := range dials {
		t.Run(protocol, func(t *testing.T) {
			client := connect(t, url, protocol, parley.ClientOptions{}, func(c *parley.Client) {
				confirm.Handle(c, func(_ context.Context, question string) (bool, error) { return question == "Sure?", nil })
			})
			var sum int
			if err := client.Call(t.Context(), "add", &sum, 20, 22); err != nil || sum != 42 {
				t.Errorf("add: got %d, %v, want 42", sum, err)
			}
			for question, want := range map[string]bool{"Sure?": true, "Really?": false} {
				var got bool
				if err := client.Call(t.Context(), "ask", &got, question); err != nil || got != want {
					t.Errorf("ask %q: got %t, %v, want %t", question, got, err, want)
				}
			}
			var failure *parley.Error
			for _, name := range []string{"fail", "nope"} {
				if err := client.Call(t.Context(), name, nil); !errors.As(err, &failure) {
					t.Errorf("%s: got %v, want a *parley.Error", name, err)
				}
			}
		})
	}
}

func TestClientsOfEveryProtocolComeBack(t *testing.T) {
	hub, url := serve(t)
	hub.Handle("cut", parley.Func(func(c *parley.Conn) { c.CloseNow() }))
	hub.Handle("id", parley.Func(func(c *parley.Conn) string { return c.ID() }))

	for protocol := range dials {
		t.Run(protocol, func(t *testing.T) {
			connected := make(chan struct{}, 8)
			o := parley.ClientOptions{
				Reconnect: parley.Backoff{Min: time.Millisecond, Max: 10 * time.Millisecond},
				OnConnect: func(context.Context) { connected <- struct{}{} },
			}
			client := connect(t, url, protocol, o, nil)
			<-connected
			var before, after string
			if err := client.Call(t.Context(), "id", &before); err != nil {
				t.Fatalf("id: %v", err)
			}
			if err := client.Send(t.Context(), "cut"); err != nil {
				t.Fatalf("cut: %v", err)
			}
			<-connected
			for after == "" { // between two connections a call fails with ErrClosed
				if err := client.Call(t.Context(), "id", &after); err != nil && !errors.Is(err, parley.ErrClosed) {
					t.Fatalf("id: %v", err)
				}
			}
			if before == after {
				t.Errorf("the connection kept its ID %s", before)
			}
		})
	}
}
