package signalr

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/memnet"
	"github.com/parley-go/parley/websocket"
)

// This file is the network the tests run on, inside a synctest bubble: an HTTP
// server behind connections in memory, and a raw client that sends and expects
// exact bytes. The separator of messages is written ␞.

func raw(s string) string { return strings.ReplaceAll(s, "␞", "\x1e") }

func readable(s string) string { return strings.ReplaceAll(s, "\x1e", "␞") }

// network is an HTTP server at http://hub and a client that reaches it.
type network struct {
	t        *testing.T
	listener *memnet.Listener
	http     *http.Client
}

// serveHTTP runs body with a server of handler. It is called inside a bubble.
func serveHTTP(t *testing.T, handler http.Handler, body func(n *network)) {
	t.Helper()
	n := &network{t: t, listener: memnet.Listen()}
	n.http = n.listener.Client()
	srv := &http.Server{Handler: handler}
	stopped := make(chan struct{})
	go func() { // ends with the server
		srv.Serve(n.listener)
		close(stopped)
	}()
	body(n)
	n.http.CloseIdleConnections()
	srv.Close()
	<-stopped
}

// server is a hub with one endpoint at http://hub/chat.
type server struct {
	*network
	hub   *parley.Hub
	ended atomic.Bool
}

// serve runs body with a server inside a bubble. When it returns, every
// goroutine of hub and connections must be gone, else the bubble fails.
func serve(t *testing.T, o *Options, body func(s *server)) {
	t.Helper()
	serveBehind(t, o, func(r *http.Request) context.Context {
		return parley.WithUser(r.Context(), r.Header.Get("X-User"))
	}, body)
}

// serveBehind is serve with middleware that finds out who makes a request.
func serveBehind(t *testing.T, o *Options, who func(r *http.Request) context.Context, body func(s *server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{
			Log:    slog.New(slog.DiscardHandler),
			Limits: parley.Limits{QueueBytes: 64 << 10, AskTimeout: 5 * time.Second},
		})
		mux := http.NewServeMux()
		Mount(mux, "/chat", hub, o)
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "server", Value: "7"})
			mux.ServeHTTP(w, r.WithContext(who(r)))
		})
		serveHTTP(t, handler, func(n *network) {
			s := &server{network: n, hub: hub}
			body(s)
			s.shutdown()
		})
	})
}

// shutdown ends the hub, once.
func (s *server) shutdown() {
	if s.ended.Swap(true) {
		return
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	if err := s.hub.Shutdown(ctx); err != nil {
		s.t.Errorf("Shutdown: %v", err)
	}
}

// do sends a request and returns the status and the body.
func (n *network) do(method, path string, header ...string) (int, string, http.Header) {
	n.t.Helper()
	req, err := http.NewRequestWithContext(n.t.Context(), method, "http://hub"+path, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := n.http.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

// peer is a client that knows WebSocket and nothing else.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
}

// open opens a WebSocket at path and sends first.
func (n *network) open(path string, first ...string) *peer {
	n.t.Helper()
	c, err := websocket.Dial(n.t.Context(), "ws://hub"+path, &websocket.DialOptions{
		NetDial: n.listener.Dial,
		Header:  http.Header{"X-User": {"ann"}},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.CloseNow() })
	p := &peer{n.t, c}
	for _, frame := range first {
		p.send(frame)
	}
	return p
}

const handshake = `{"protocol":"json","version":1}␞`

// shaken is a client that has shaken hands.
func (n *network) shaken() *peer {
	n.t.Helper()
	p := n.open("/chat", handshake)
	p.want("{}␞")
	return p
}

func (p *peer) send(frame string) {
	p.t.Helper()
	p.write(websocket.Text, raw(frame))
}

func (p *peer) write(typ websocket.MessageType, data string) {
	p.t.Helper()
	if err := p.conn.Write(p.t.Context(), websocket.Message{Type: typ, Data: []byte(data)}); err != nil {
		p.t.Fatalf("sending %.80q: %v", data, err)
	}
}

// want reads frames, each of which must be exactly as given.
func (p *peer) want(frames ...string) {
	p.t.Helper()
	for _, want := range frames {
		m, err := p.conn.Read(p.t.Context())
		if err != nil {
			p.t.Fatalf("got %v, want %s", err, want)
		}
		if got := readable(string(m.Data)); got != want {
			p.t.Fatalf("got  %s\nwant %s", got, want)
		}
		if m.Type != websocket.Text {
			p.t.Errorf("frame %s: got type %v, want text", want, m.Type)
		}
	}
}

// wantBytes reads a binary frame.
func (p *peer) wantBytes(want []byte) {
	p.t.Helper()
	m, err := p.conn.Read(p.t.Context())
	if err != nil || !bytes.Equal(m.Data, want) || m.Type != websocket.Binary {
		p.t.Fatalf("got  %v %x %v\nwant %v %x", m.Type, m.Data, err, websocket.Binary, want)
	}
}

// wantClose reads the close frame.
func (p *peer) wantClose(code websocket.StatusCode) {
	p.t.Helper()
	m, err := p.conn.Read(p.t.Context())
	closed, ok := err.(*websocket.CloseError)
	if !ok {
		p.t.Fatalf("got %.200q and error %v, want a close frame", m.Data, err)
	}
	if closed.Code != code || closed.Reason != "" {
		p.t.Errorf("got close %d %q, want %d without reason", closed.Code, closed.Reason, code)
	}
}

// stop says goodbye.
func (p *peer) stop() {
	p.t.Helper()
	p.send(`{"type":7}␞`)
	p.want(`{"type":7}␞`)
	p.wantClose(1000)
	synctest.Wait() // until the server has forgotten the connection
}

// pass lets the bubble's time pass.
func pass(d time.Duration) { time.Sleep(d) }
