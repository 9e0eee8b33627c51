package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
	"github.com/parley-go/parley/websocket"
)

// oldWorld serves a hub, its namespace /adm and the dynamic /room-… ones.
func oldWorld(t *testing.T, o socketio.Options) (url string, hub *parley.Hub, opened chan *parley.Hub) {
	t.Helper()
	opened = make(chan *parley.Hub, 10)
	adders := func() *parley.Hub {
		hub := parley.NewHub(nil)
		hub.Handle("add", parley.Func(func(_ context.Context, _ *parley.Conn, a, b int) (int, error) { return a + b, nil }))
		return hub
	}
	hub = adders()
	adm := adders()
	o.Namespaces = map[string]*parley.Hub{"/adm": adm}
	o.Dynamic = socketio.Pattern(regexp.MustCompile(`^/room-\d$`), func(string) *parley.Hub { room := adders(); opened <- room; return room })
	o.CleanupEmptyChildNamespaces = true
	mux := http.NewServeMux()
	socketio.Mount(mux, "/socket.io/", hub, &o)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		late, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(hub.Shutdown(late), adm.Shutdown(late)); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return server.URL + "/socket.io/", hub, opened
}

// body is what a GET brings.
func body(t *testing.T, url string) (status int, answer string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode, text(t, resp.Body)
}

func TestOldClientsAreRefusedUnlessWanted(t *testing.T) {
	url, _, _ := oldWorld(t, socketio.Options{})
	if status, _ := body(t, url+"1/?t=1"); status != 400 {
		t.Errorf("without Protocol1: %d, want the engine's 400", status)
	}
	for _, tt := range []struct {
		o    socketio.Options
		want string
	}{
		{socketio.Options{}, ":60:60:websocket,xhr-polling"},
		{socketio.Options{JSONP: true, PingInterval: 5 * time.Second}, ":40:60:websocket,xhr-polling,jsonp-polling"},
		{socketio.Options{JSONP: true, Transports: []string{"websocket"}}, ":60:60:websocket"},
		{socketio.Options{Transports: []string{"polling"}}, ":60:60:xhr-polling"},
	} {
		tt.o.Protocol1 = true
		url, _, _ := oldWorld(t, tt.o)
		if status, text := body(t, url+"1/?t=1"); status != 200 || !strings.HasSuffix(text, tt.want) {
			t.Errorf("%d %q, want …%s", status, text, tt.want)
		}
		if status, text := body(t, url+"?EIO=4&transport=polling"); len(tt.o.Transports) == 0 && (status != 200 || !strings.HasPrefix(text, `0{"sid"`)) {
			t.Errorf("a client of today: %d %q", status, text)
		}
	}
}

// The same namespaces are there as for others, those too that are made when
// they are asked for.
func TestOldClientsJoinNamespaces(t *testing.T) {
	url, hub, opened := oldWorld(t, socketio.Options{Protocol1: true})
	_, handshake := body(t, url+"1/")
	token, _, _ := strings.Cut(handshake, ":")
	c, err := websocket.Dial(t.Context(), url+"1/websocket/"+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	say := func(packets ...string) {
		t.Helper()
		for _, p := range packets {
			if err := c.Write(t.Context(), websocket.Message{Type: websocket.Text, Data: []byte(p)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	hear := func(want ...string) {
		t.Helper()
		for _, w := range want {
			if m, err := c.Read(t.Context()); err != nil || string(m.Data) != w {
				t.Fatalf("%s, %v, want %s", m.Data, err, w)
			}
		}
	}
	hear("1::")
	say("1::/adm", `5:1+:/adm:{"name":"add","args":[1,2]}`)
	hear("1::/adm", "6::/adm:1+[3]")
	say("1::/room-7", `5:2+:/room-7:{"name":"add","args":[3,4]}`)
	hear("1::/room-7", "6::/room-7:2+[7]")
	say("1::/room-x")
	hear("7::/room-x:2")
	if n := hub.Stats().Conns; n != 1 {
		t.Errorf("%d are in the main namespace, want 1", n)
	}
	gone := make(chan bool)
	(<-opened).WhenShutdown(func() { close(gone) })
	say("0::/room-7")
	<-gone // with its last client
}

// A request that AllowRequest or Middleware refuses opens no door beside theirs.
func TestOldClientsAreLookedAtAsOthers(t *testing.T) {
	url, _, _ := oldWorld(t, socketio.Options{
		Protocol1: true,
		AllowRequest: func(r *http.Request) error {
			switch r.URL.Query().Get("as") {
			case "friend":
				return nil
			case "foe":
				return parley.Errorf("foe", "No foes.")
			}
			return errors.New("the password is swordfish")
		},
		Middleware: func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("X-Seen", "1")
			if r.URL.Query().Has("bad") {
				return errors.New("bad")
			}
			return nil
		},
	})
	for query, want := range map[string]string{"as=foe": "403 No foes.", "": "403 handshake unauthorized", "as=friend&bad=1": "400 bad request"} {
		status, text := body(t, url+"1/?"+query)
		if got := fmt.Sprint(status, " ", strings.TrimSpace(text)); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	resp, err := http.Get(url + "1/?as=friend")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("X-Seen") != "1" {
		t.Errorf("a friend: %d %v", resp.StatusCode, resp.Header)
	}
}
