package classic_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/signalr"
	"github.com/parley-go/parley/signalr/classic"
	"github.com/parley-go/parley/websocket"
)

// TestBothGenerationsAtOneURL: ASP.NET Core's clients and the older ones find their
// server at the same URL, in whichever order it was put there, and meet at the hub.
func TestBothGenerationsAtOneURL(t *testing.T) {
	for _, classicFirst := range []bool{true, false} {
		hub := parley.NewHub(&parley.HubOptions{Log: slog.New(slog.DiscardHandler)})
		hub.Handle("Say", parley.Func(func(ctx context.Context, c *parley.Conn, text string) error { return hub.Send(ctx, "said", text) }))
		mux := http.NewServeMux()
		mounts := []func(){
			func() { classic.Mount(mux, "/chat", map[string]*parley.Hub{"ChatHub": hub}, nil) },
			func() { signalr.Mount(mux, "/chat", hub, nil) },
		}
		if !classicFirst {
			mounts[0], mounts[1] = mounts[1], mounts[0]
		}
		for _, mount := range mounts {
			mount()
		}
		srv := httptest.NewServer(mux)
		page := &visitor{t, srv.URL}

		core := page.socket("/chat")
		core.write(`{"protocol":"json","version":1}` + "\x1e")
		core.want("{}\x1e")

		var n struct{ ConnectionToken, Url string }
		if err := json.Unmarshal([]byte(page.get("/chat/negotiate?clientProtocol=2.1")), &n); err != nil || n.Url != "/chat" {
			t.Fatalf("negotiate: %v, %+v", err, n)
		}
		q := "?transport=webSockets&clientProtocol=2.1&connectionToken=" + n.ConnectionToken + "&connectionData=" + url.QueryEscape(`[{"name":"chathub"}]`)
		old := page.socket("/chat/connect" + q)
		if got := old.read(); !strings.HasSuffix(got, `,"S":1,"M":[]}`) {
			t.Fatalf("connect: %s", got)
		}
		if got := page.get("/chat/start" + q); !strings.Contains(got, "started") {
			t.Fatalf("start: %s", got)
		}
		if got := page.post("/chat/negotiate?negotiateVersion=1"); !strings.Contains(got, "availableTransports") {
			t.Errorf("Core's negotiation: %s", got)
		}
		old.write(`{"H":"chathub","M":"say","A":["hi"]}`)
		core.want(`{"type":1,"target":"said","arguments":["hi"]}` + "\x1e")
		if got := old.read(); !strings.HasSuffix(got, `"M":[{"H":"ChatHub","M":"said","A":["hi"]}]}`) {
			t.Errorf("got %s", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		go old.drain() // which answers the goodbye
		go core.drain()
		if err := hub.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		cancel()
		srv.Close()
	}
}

// visitor is a page that makes requests by hand.
type visitor struct {
	t   *testing.T
	url string
}

func (v *visitor) get(path string) string {
	v.t.Helper()
	resp, err := http.Get(v.url + path)
	return v.body(resp, err)
}

func (v *visitor) post(path string) string {
	v.t.Helper()
	resp, err := http.Post(v.url+path, "text/plain", nil)
	return v.body(resp, err)
}

func (v *visitor) body(resp *http.Response, err error) string {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return string(data)
}

type plug struct {
	t    *testing.T
	conn *websocket.Conn
}

func (v *visitor) socket(path string) *plug {
	v.t.Helper()
	conn, err := websocket.Dial(v.t.Context(), "ws"+strings.TrimPrefix(v.url, "http")+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { conn.CloseNow() })
	return &plug{v.t, conn}
}

func (p *plug) write(text string) {
	p.t.Helper()
	if err := p.conn.Write(p.t.Context(), websocket.Message{Type: websocket.Text, Data: []byte(text)}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plug) read() string {
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	m, err := p.conn.Read(ctx)
	if err != nil {
		return err.Error()
	}
	return string(m.Data)
}

// drain reads to the end.
func (p *plug) drain() {
	for {
		if _, err := p.conn.Read(p.t.Context()); err != nil {
			return
		}
	}
}

func (p *plug) want(want string) {
	p.t.Helper()
	if got := p.read(); got != want {
		p.t.Errorf("got %q, want %q", got, want)
	}
}
