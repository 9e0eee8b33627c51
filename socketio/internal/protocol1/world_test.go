package protocol1

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// world is a server of two hubs, "/" and "/chat".
type world struct {
	t      *testing.T
	url    string
	main   *parley.Hub
	chat   *parley.Hub
	ids    chan string // of connections to the main hub
	ended  chan error  // why they ended
	server *Server
}

// newWorld starts a server, whose options change may change.
func newWorld(t *testing.T, change func(*Options)) *world {
	t.Helper()
	w := &world{t: t, main: parley.NewHub(nil), chat: parley.NewHub(nil), ids: make(chan string, 1000), ended: make(chan error, 1000)}
	for _, hub := range []*parley.Hub{w.main, w.chat} {
		w.handle(hub)
	}
	w.main.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { w.ended <- err })
	var count atomic.Int64
	o := Options{
		HeartbeatInterval: 25 * time.Second,
		HeartbeatTimeout:  60 * time.Second,
		CloseTimeout:      60 * time.Second,
		PollingDuration:   20 * time.Second,
		MaxSessions:       1000,
		MaxNamespaces:     20,
		MaxPackets:        maxPackets,
		Transports:        []string{WebSocket, XHRPolling},
		NewID:             func() string { return "conn-" + strconv.FormatInt(count.Add(1), 10) },
		Hub:               func(name string) *parley.Hub { return map[string]*parley.Hub{"/": w.main, "/chat": w.chat}[name] },
	}
	o.Transport.MaxMessageBytes = 100_000
	o.Transport.CloseTimeout = 200 * time.Millisecond // for clients that poll no more
	if change != nil {
		change(&o)
	}
	w.server = NewServer(o)
	server := httptest.NewServer(w.server)
	w.url = server.URL + "/socket.io/1/"
	t.Cleanup(func() {
		late, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(w.main.Shutdown(late), w.chat.Shutdown(late)); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return w
}

func (w *world) handle(hub *parley.Hub) {
	hub.OnConnect(func(_ context.Context, c *parley.Conn) error {
		if why := c.Request().URL.Query().Get("refuse"); why != "" {
			return parley.Errorf("refused", "%s", why)
		}
		w.ids <- c.ID()
		return c.Join("all")
	})
	hub.Handle("message", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		var v any
		if err := call.Scan(&v); err != nil {
			return err
		}
		return errors.Join(call.Conn().Send(ctx, "message", v), call.Reply(v))
	}))
	hub.Handle("add", parley.Func(func(_ context.Context, _ *parley.Conn, a, b int) (int, error) { return a + b, nil }))
	hub.Handle("tell", parley.Func(func(ctx context.Context, c *parley.Conn, text string) error {
		return c.Hub().Group("all").Send(ctx, "told", text)
	}))
	hub.Handle("ask", parley.Func(func(ctx context.Context, c *parley.Conn, question string) (string, error) {
		var answer string
		err := c.Call(ctx, "question", &answer, question)
		return "answer: " + answer, err
	}))
	hub.Handle("kick", parley.Func(func(_ context.Context, c *parley.Conn) error { c.Close("enough"); return nil }))
	hub.Handle("transport", parley.Func(func(_ context.Context, c *parley.Conn) (string, error) {
		return c.Transport() + " " + c.Protocol() + " " + c.Request().URL.RawQuery, nil
	}))
}

// why waits for the end of a connection to the main hub.
func (w *world) why() error {
	w.t.Helper()
	select {
	case err := <-w.ended:
		return err
	case <-time.After(20 * time.Second):
		w.t.Fatal("no connection ends")
		return nil
	}
}

func (w *world) do(method, url, body string) (status int, answer string) {
	w.t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// shake shakes hands and returns the session ID.
func (w *world) shake() string {
	w.t.Helper()
	status, text := w.do("GET", w.url+"?t=1", "")
	token, _, ok := strings.Cut(text, ":")
	if status != 200 || !ok {
		w.t.Fatalf("handshake: %d %q", status, text)
	}
	return token
}

// caller is a client of either transport.
type caller interface {
	send(packets ...string)
	receive() string // the next packet; "" at the end
}

// socket is a client over WebSocket.
type socket struct {
	t *testing.T
	c *websocket.Conn
}

func (w *world) websocket(token, query string) *socket {
	w.t.Helper()
	c, err := websocket.Dial(w.t.Context(), w.url+"websocket/"+token+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.CloseNow() })
	return &socket{w.t, c}
}

func (s *socket) send(packets ...string) {
	s.t.Helper()
	for _, p := range packets {
		if err := s.c.Write(s.t.Context(), websocket.Message{Type: websocket.Text, Data: []byte(p)}); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *socket) receive() string {
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	m, err := s.c.Read(ctx)
	if err != nil {
		return ""
	}
	return string(m.Data)
}

// poller is a client over polls.
type poller struct {
	w       *world
	url     string
	waiting []string
}

func (w *world) poller(token, query string) *poller {
	return &poller{w: w, url: w.url + "xhr-polling/" + token + query}
}

func (p *poller) send(packets ...string) {
	p.w.t.Helper()
	body := packets[0]
	if len(packets) > 1 {
		var payload []byte
		for _, packet := range packets {
			payload = appendPayload(payload, []byte(packet))
		}
		body = string(payload)
	}
	if status, text := p.w.do("POST", p.url, body); status != 200 || text != "1" {
		p.w.t.Fatalf("POST %q: %d %q", body, status, text)
	}
}

func (p *poller) receive() string {
	p.w.t.Helper()
	if len(p.waiting) == 0 {
		status, body := p.w.do("GET", p.url, "")
		if status != 200 {
			return ""
		}
		if err := eachPacket([]byte(body), maxPackets, func(packet []byte) bool { p.waiting = append(p.waiting, string(packet)); return true }); err != nil {
			p.w.t.Fatalf("%q: %v", body, err)
		}
	}
	next := p.waiting[0]
	p.waiting = p.waiting[1:]
	return next
}

// callers runs a test over each transport, with a client that has been let in.
func callers(t *testing.T, change func(*Options), test func(t *testing.T, w *world, c caller)) {
	for _, kind := range []string{WebSocket, XHRPolling} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, change)
			c := w.dial(kind, "")
			expect(t, c, "1::")
			test(t, w, c)
		})
	}
}

func (w *world) dial(kind, query string) caller {
	w.t.Helper()
	if kind == WebSocket {
		return w.websocket(w.shake(), query)
	}
	return w.poller(w.shake(), query)
}

// expect waits for packets.
func expect(t *testing.T, c caller, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := c.receive(); got != w {
			t.Fatalf("got %q, want %q", got, w)
		}
	}
}
