package socketio

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr"
)

// Bytes that are sent to a room reach every client of it as bytes, whatever it speaks and whichever node it is at.
func TestBytesInARoomOfManyProtocols(t *testing.T) {
	type note struct {
		From string    `json:"from"`
		Data []byte    `json:"data"`
		At   time.Time `json:"at"`
	}
	var nodes parley.MemoryBackplane
	var hubs []*parley.Hub
	var clients []*parley.Client
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := make(chan string, 100)
	for node := range 2 {
		hub := parley.NewHub(&parley.HubOptions{Backplane: &nodes, Log: slog.New(slog.DiscardHandler)})
		hub.OnConnect(func(_ context.Context, c *parley.Conn) error { return c.Join("room") })
		mux := http.NewServeMux()
		Mount(mux, "", hub, nil)
		signalr.Mount(mux, "/signalr", hub, nil)
		server := httptest.NewServer(mux)
		t.Cleanup(server.Close)
		hubs = append(hubs, hub)
		for name, cl := range map[string]*parley.Client{
			"Socket.IO":                NewClient(server.URL, &ClientOptions{Transports: []string{"websocket"}}),
			"Socket.IO by polling":     NewClient(server.URL, &ClientOptions{Transports: []string{"polling"}}),
			"Socket.IO in MessagePack": NewClient(server.URL, &ClientOptions{Transports: []string{"websocket"}, MessagePack: true}),
			"SignalR":                  signalr.NewClient(server.URL+"/signalr", nil),
			"SignalR in MessagePack":   signalr.NewClient(server.URL+"/signalr", &signalr.ClientOptions{Protocol: "messagepack"}),
		} {
			cl.Handle("note", parley.Func(func(n note, more [][]byte) {
				got <- fmt.Sprintf("%s at %d: %s %q %d %q", name, node, n.From, n.Data, n.At.UnixMilli(), more)
			}))
			if err := cl.Connect(ctx); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			clients = append(clients, cl)
		}
	}
	for _, hub := range hubs {
		data := []byte("\x00\xff picture")
		if err := hub.Group("room").Send(ctx, "note", note{"ann", data, time.UnixMilli(1500)}, [][]byte{{}, {1}}); err != nil {
			t.Fatal(err)
		}
		copy(data, "spoilt") // it is the sender's again
		seen := make(map[string]bool)
		for range clients {
			select {
			case s := <-got:
				seen[s] = true
			case <-ctx.Done():
				t.Fatalf("only %v came", seen)
			}
		}
		for _, name := range []string{"Socket.IO", "Socket.IO by polling", "Socket.IO in MessagePack", "SignalR", "SignalR in MessagePack"} {
			for node := range 2 {
				if want := fmt.Sprintf("%s at %d: ann %q 1500 %q", name, node, "\x00\xff picture", [][]byte{{}, {1}}); !seen[want] {
					t.Errorf("%s is not among %v", want, seen)
				}
			}
		}
	}
	for _, cl := range clients {
		if err := cl.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	for _, hub := range hubs {
		if err := hub.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}
}
