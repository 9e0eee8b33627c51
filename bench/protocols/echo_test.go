package protocols

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/socketio"
	"github.com/parley-go/parley/websocket"
)

// payload is 125 bytes, the size that the field's comparisons use.
var payload = strings.Repeat("x", 125)

// server is one way to answer or spread a message, and how to speak to it.
type server struct {
	name    string
	handler http.Handler
	path    string
	hello   []string // what a client says first; each is answered by one message
	greets  int      // messages that come unasked at the start
	echo    string   // a call that is answered by one message
}

func echoServers(hub *parley.Hub) []server {
	return append([]server{
		{name: "parley-websocket", handler: http.HandlerFunc(echoParley), echo: payload},
		{name: "coder", handler: http.HandlerFunc(echoCoder), echo: payload},
		{name: "gorilla", handler: http.HandlerFunc(echoGorilla), echo: payload},
		{name: "gws", handler: echoGWS(), echo: payload},
	}, hubServers(hub)...)
}

func hubServers(hub *parley.Hub) []server {
	return []server{
		{
			name: "parley-plain", handler: plain.Handler(hub, nil), greets: 1,
			hello: []string{`{"id":"0","name":"join","args":["room"]}`},
			echo:  `{"id":"1","name":"echo","args":["` + payload + `"]}`,
		},
		{
			name: "parley-signalr", handler: signalr.Handler(hub, nil),
			hello: []string{`{"protocol":"json","version":1}` + "\x1e", `{"arguments":["room"],"invocationId":"0","target":"join","type":1}` + "\x1e"},
			echo:  `{"arguments":["` + payload + `"],"invocationId":"1","target":"echo","type":1}` + "\x1e",
		},
		{
			name: "parley-socketio", handler: socketio.Handler(hub, nil), path: "/?EIO=4&transport=websocket", greets: 1,
			hello: []string{"40", `420["join","room"]`},
			echo:  `421["echo","` + payload + `"]`,
		},
	}
}

func newHub() *parley.Hub {
	hub := parley.NewHub(nil)
	hub.Handle("echo", parley.Func(func(s string) string { return s }))
	hub.Handle("join", parley.Func(func(c *parley.Conn, room string) error { return c.Join(room) }))
	return hub
}

// BenchmarkEcho is one message there and one back, over loopback, one in
// flight on one connection. Both ends share the machine: the client is the
// same for all servers.
func BenchmarkEcho(b *testing.B) {
	hub := newHub()
	for _, s := range echoServers(hub) {
		b.Run(s.name, func(b *testing.B) {
			c := s.dial(b, s.listen(b))
			ctx, message := b.Context(), websocket.Message{Type: websocket.Text, Data: []byte(s.echo)}
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Write(ctx, message); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Read(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	shutdown(b, hub)
}

// BenchmarkFanout sends one event to a room of 200, over loopback, and waits
// until all have it: one at a time, and in bursts of 16.
func BenchmarkFanout(b *testing.B) {
	const members = 200
	for _, burst := range []int{1, 16} {
		hub := newHub()
		for _, s := range hubServers(hub) {
			b.Run(fmt.Sprintf("%s/burst=%d", s.name, burst), func(b *testing.B) {
				address := s.listen(b)
				var got sync.WaitGroup
				for range members {
					go count(b.Context(), s.dial(b, address), &got) // ends with the connection
				}
				b.ReportAllocs()
				for b.Loop() {
					got.Add(members * burst)
					for range burst {
						if err := hub.Group("room").Send(b.Context(), "said", "ann", payload); err != nil {
							b.Fatal(err)
						}
					}
					got.Wait()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members*burst), "ns/delivery")
			})
		}
		shutdown(b, hub)
	}
}

func count(ctx context.Context, c *websocket.Conn, got *sync.WaitGroup) {
	for m, err := range c.Messages(ctx) {
		if err != nil {
			return
		}
		for range strings.Count(string(m.Data), `"said"`) {
			got.Done()
		}
	}
}

func (s *server) listen(b *testing.B) (address string) {
	l := httptest.NewServer(s.handler)
	b.Cleanup(l.Close)
	path := s.path
	if path == "" {
		path = "/"
	}
	return l.URL + path
}

func (s *server) dial(b *testing.B, address string) *websocket.Conn {
	c, err := websocket.Dial(b.Context(), address, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.CloseNow() })
	read := func() {
		if _, err := c.Read(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	for range s.greets {
		read()
	}
	for _, words := range s.hello {
		if err := c.Write(b.Context(), websocket.Message{Type: websocket.Text, Data: []byte(words)}); err != nil {
			b.Fatal(err)
		}
		read()
	}
	return c
}

func shutdown(b *testing.B, hub *parley.Hub) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := hub.Shutdown(ctx); err != nil {
		b.Error(err)
	}
}

func echoParley(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for m, err := range c.Messages(r.Context()) {
		if err != nil || c.Write(r.Context(), m) != nil {
			return
		}
	}
}

func echoCoder(w http.ResponseWriter, r *http.Request) {
	c, err := coder.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		t, data, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), t, data) != nil {
			return
		}
	}
}

func echoGorilla(w http.ResponseWriter, r *http.Request) {
	var up gorilla.Upgrader
	c, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	for {
		t, data, err := c.ReadMessage()
		if err != nil || c.WriteMessage(t, data) != nil {
			return
		}
	}
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	c.WriteMessage(m.Opcode, m.Bytes())
}

func echoGWS() http.Handler {
	up := gws.NewUpgrader(gwsEcho{}, nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := up.Upgrade(w, r); err == nil {
			go c.ReadLoop() // ends with the connection
		}
	})
}
