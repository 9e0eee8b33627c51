package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

func TestHandshake(t *testing.T) {
	inWorld(t, &Options{Origins: []string{"http://page"}}, withAdmin, func(w *world) {
		began := time.Now()
		c, err := websocket.Dial(w.Context(), sockets+"&token=a&token=b", &websocket.DialOptions{NetDial: w.net.Dial, Header: http.Header{
			"Origin": {"http://page"}, "Cookie": {"a=1", "b=2"}, "X-Two": {"1", "2"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		w.sleep(20 * time.Second)
		for _, packet := range []string{`40{"who":"ann"}`, "40/admin"} {
			c.Write(w.Context(), websocket.Message{Type: websocket.Text, Data: []byte(packet)})
		}
		w.sleep(time.Second)
		h := Handshake(w.hub.Audience().Conns()[0])
		if h.Address != "pipe" || !h.XDomain || h.Secure || h.URL != "/socket.io/?EIO=4&transport=websocket&token=a&token=b" || string(h.Auth) != `{"who":"ann"}` {
			t.Errorf("got %+v", h)
		}
		if h.Issued != began.Add(20*time.Second).UnixMilli() || !strings.HasPrefix(h.Time, "Sat Jan 01 2000 00:00:20 GMT") {
			t.Errorf("issued at %d, %s", h.Issued, h.Time)
		}
		if len(h.Query) != 3 || h.Query["token"] != "b" || h.Query["EIO"] != "4" {
			t.Errorf("query %v", h.Query)
		}
		if h.Headers["cookie"] != "a=1; b=2" || h.Headers["x-two"] != "1, 2" || h.Headers["host"] != "server" || h.Headers["origin"] != "http://page" {
			t.Errorf("headers %v", h.Headers)
		}
		text, err := json.Marshal(Handshake(w.further[0].Audience().Conns()[0])) // of the same request, which comes without auth
		if err != nil || !strings.Contains(string(text), `"xdomain":true,"secure":false,"issued":`) || !strings.HasSuffix(string(text), `"auth":{}}`) {
			t.Errorf("%s, %v", text, err)
		}
	})
}

// The levels at which a client may be turned away, in their order: HTTP
// middleware, Options.Middleware, AllowRequest, Dynamic, OnConnect of each
// namespace, Use of each call.
func TestLevelsOfMiddleware(t *testing.T) {
	var levels []string
	inWorld(t, nil, func(w *world) {
		note := func(level string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			levels = append(levels, level)
		}
		w.options.Middleware = func(http.ResponseWriter, *http.Request) error { note("request"); return nil }
		w.options.AllowRequest = func(r *http.Request) error { note("handshake"); return nil }
		room := w.another("room")
		w.options.Dynamic = func(*http.Request, string) (*parley.Hub, error) { note("dynamic"); return room, nil }
		for name, hub := range map[string]*parley.Hub{"main": w.hub, "room": room} {
			hub.OnConnect(func(context.Context, *parley.Conn) error { note("connect " + name); return nil })
			for _, level := range []string{" outer", " inner"} {
				hub.Use(func(next parley.Handler) parley.Handler {
					return parley.HandlerFunc(func(ctx context.Context, c *parley.Call) error {
						note(name + level)
						if c.Name == "forbidden" {
							return parley.Errorf("forbidden", "not you")
						}
						return next.Handle(ctx, c)
					})
				})
			}
		}
		w.hub.Handle("forbidden", parley.Func(func() { note("never") }))
	}, func(w *world) {
		wantLevels := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if !slices.Equal(levels, want) {
				t.Errorf("levels %q, want %q", levels, want)
			}
			levels = nil
		}
		url := w.open()
		wantLevels("request", "handshake")
		w.post(url, "40")
		wantLevels("request", "connect main")
		w.get(url)
		wantLevels("request")
		s := w.upgrade(strings.Replace(url, "polling", "websocket", 1))
		s.send("5")
		wantLevels("request")
		s.send("40/room")
		s.wantMatch("^40/room,")
		wantLevels("dynamic", "connect room")
		s.send(`42/room,1["who"]`)
		s.want(`43/room,1["room"]`)
		wantLevels("room outer", "room inner")
		s.send(`422["forbidden"]`)
		s.want(`432[{"error":{"code":"forbidden","message":"not you"}}]`)
		wantLevels("main outer")
	})
}

func TestEveryLevelRefusesInItsWords(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.options.Middleware = func(_ http.ResponseWriter, r *http.Request) error {
			if r.URL.Query().Has("one") {
				return errors.New("a secret")
			}
			return nil
		}
		w.options.AllowRequest = func(r *http.Request) error {
			if r.URL.Query().Has("two") {
				return &parley.Error{Message: "not you"}
			}
			return nil
		}
		w.hub.OnConnect(func(_ context.Context, c *parley.Conn) error { return &parley.Error{Message: "nor you", Data: 1} })
	}, func(w *world) {
		w.want(w.get(polling+"&one"), `400 Bad Request {"code":3,"message":"Bad request"}`)
		w.want(w.get(polling+"&two"), `403 Forbidden {"code":4,"message":"not you"}`)
		s := w.webSocket()
		s.send("40")
		s.want(`44{"message":"nor you","data":1}`)
	})
}

// CVE-2017-16031: session ids of Socket.IO 0.9 could be guessed.
func TestCVE_2017_16031_SessionIDs(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		seen := make(map[string]bool)
		places := make([]map[byte]bool, 16)
		for range 64 {
			url := w.open()
			w.post(url, "40")
			_, sid, _ := strings.Cut(url, "&sid=")
			_, id, _ := strings.Cut(w.get(url), `"sid":"`)
			for _, name := range []string{sid, id[:20]} {
				if seen[name] {
					t.Fatalf("%q came twice", name)
				}
				seen[name] = true
				for i := range places { // the last 4 of 20 characters count
					if places[i] == nil {
						places[i] = make(map[byte]bool)
					}
					places[i][name[i]] = true
				}
			}
			if strings.HasPrefix(id, sid[:16]) {
				t.Errorf("the public name %q tells the secret %q", id, sid)
			}
		}
		for i, letters := range places {
			if len(letters) < 32 { // of 64, in 128 draws
				t.Errorf("place %d has %d letters", i, len(letters))
			}
		}
	})
}

// CVE-2020-28481: pages of all origins could connect by default.
func TestCVE_2020_28481_OriginsByDefault(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		r, err := http.NewRequest("GET", polling, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://elsewhere.example")
		resp, err := w.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 403 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("status %d, headers %v", resp.StatusCode, resp.Header)
		}
		_, err = websocket.Dial(w.Context(), sockets, &websocket.DialOptions{NetDial: w.net.Dial, Header: http.Header{"Origin": {"https://elsewhere.example"}}})
		if err == nil {
			t.Error("a WebSocket was opened")
		}
	})
}
