package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
	"github.com/parley-go/parley/socketio"
	"github.com/parley-go/parley/socketio/admin"
	"github.com/parley-go/parley/websocket"
)

// world is a server with a hub that is shown.
type world struct {
	t     *testing.T
	hub   *parley.Hub
	admin *admin.Admin
	url   string
}

func newWorld(t *testing.T, o *admin.Options) *world {
	t.Helper()
	a, err := admin.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, hub: parley.NewHub(nil), admin: a}
	w.hub.Handle("add", parley.Func(func(a, b int) int { return a + b }))
	a.Show("/", w.hub)
	mux := http.NewServeMux()
	socketio.Mount(mux, "", w.hub, &socketio.Options{Namespaces: map[string]*parley.Hub{"/admin": a.Hub()}})
	server := httptest.NewServer(mux)
	w.url = server.URL
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		for _, hub := range []*parley.Hub{w.hub, a.Hub()} {
			if err := hub.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		}
		server.Close()
	})
	return w
}

// page is a page that looks in.
type page struct {
	t    *testing.T
	conn *websocket.Conn
}

// look opens a page with that auth, and returns the first answer.
func (w *world) look(auth string) (*page, string) {
	w.t.Helper()
	c, err := websocket.Dial(w.t.Context(), w.url+"/socket.io/?EIO=4&transport=websocket&token=secret", &websocket.DialOptions{
		Limits: &websocket.Limits{MessageBytes: 10 << 20},
		Header: http.Header{"Cookie": {"session=secret"}, "X-Shown": {"yes"}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.CloseNow() })
	p := &page{w.t, c}
	p.read() // the open packet
	p.write("40/admin," + auth)
	return p, p.read()
}

func (p *page) write(text string) {
	p.t.Helper()
	if err := p.conn.Write(p.t.Context(), websocket.Message{Type: websocket.Text, Data: []byte(text)}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *page) read() string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	m, err := p.conn.Read(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(m.Data)
}

// event waits for an event of that name and returns its arguments.
func (p *page) event(name string) []any {
	p.t.Helper()
	for {
		packet, is := strings.CutPrefix(p.read(), "42/admin,")
		if !is {
			continue
		}
		var event []any
		if err := json.Unmarshal([]byte(packet), &event); err != nil {
			p.t.Fatal(err)
		}
		if event[0] == name {
			return event[1:]
		}
	}
}

const password = `{"username":"admin","password":"open sesame"}`

func TestThePasswordIsRequired(t *testing.T) {
	if _, err := admin.New(nil); err == nil {
		t.Error("an Admin without a password")
	}
	w := newWorld(t, &admin.Options{Password: "open sesame"})
	t.Run("refused", func(t *testing.T) { // returns when all have been thought about
		for _, auth := range []string{"", `{}`, `{"username":"admin"}`, `{"username":"root","password":"open sesame"}`, `{"username":"admin","password":7}`,
			`{"sessionId":""}`, `{"sessionId":"x"}`, `{"sessionId":{}}`} {
			t.Run(auth, func(t *testing.T) {
				t.Parallel()
				if _, answer := (&world{t: t, url: w.url}).look(auth); !strings.Contains(answer, `44/admin,{"message":"invalid credentials"`) {
					t.Errorf("answered %s", answer)
				}
			})
		}
	})
	p, answer := w.look(password)
	if !strings.HasPrefix(answer, "40/admin,") {
		t.Fatalf("the right password is answered %s", answer)
	}
	key := p.event("session")[0].(string)
	if _, answer := w.look(`{"sessionId":"` + key + `"}`); !strings.HasPrefix(answer, "40/admin,") {
		t.Errorf("a session that was given out is answered %s", answer)
	}
}

func TestCheckDecidesInPlaceOfThePassword(t *testing.T) {
	w := newWorld(t, &admin.Options{Check: func(_ context.Context, username, password string) bool { return username == password }})
	if _, answer := w.look(`{"username":"x","password":"x"}`); !strings.HasPrefix(answer, "40/admin,") {
		t.Errorf("answered %s", answer)
	}
	if _, answer := w.look(password); !strings.HasPrefix(answer, "44/admin,") {
		t.Errorf("answered %s", answer)
	}
}

func TestClientsOfAllProtocolsAreShown(t *testing.T) {
	w := newWorld(t, &admin.Options{Password: "open sesame"})
	parleytest.Dial(t, w.hub, &parleytest.Options{User: "ann"})
	p, _ := w.look(password)
	if got := fmt.Sprint(p.event("config")); !strings.Contains(got, "ALL_EVENTS") || !strings.Contains(got, "MDISCONNECT") {
		t.Errorf("features: %s", got)
	}
	all := p.event("all_sockets")[0].([]any)
	if len(all) != 1 {
		t.Fatalf("%d sockets, want 1", len(all))
	}
	ann := all[0].(map[string]any)
	if ann["nsp"] != "/" || ann["transport"] != "memory" || fmt.Sprint(ann["data"]) != "map[protocol:memory user:ann]" || ann["clientId"] != ann["id"] {
		t.Errorf("ann is %v", ann)
	}
	p.write("40") // a second namespace of the same connection
	socket := p.event("socket_connected")[0].(map[string]any)
	shake := socket["handshake"].(map[string]any)
	if headers := shake["headers"].(map[string]any); headers["x-shown"] != "yes" || headers["cookie"] != nil {
		t.Errorf("headers: %v", headers)
	}
	if text := fmt.Sprint(socket); strings.Contains(text, "secret") || strings.Contains(text, "sesame") {
		t.Errorf("credentials are shown: %s", text)
	}
	if socket["transport"] != "websocket" || fmt.Sprint(socket["rooms"]) != fmt.Sprint([]any{socket["id"]}) {
		t.Errorf("socket is %v", socket)
	}
	p.write(`421["add",1,2]`)
	if got := p.event("event_received"); got[0] != "/" || got[1] != socket["id"] || fmt.Sprint(got[2]) != "[add 1 2]" {
		t.Errorf("received: %v", got)
	}
	if err := w.hub.User("ann").Send(t.Context(), "said", "hi"); err != nil {
		t.Error(err)
	}
	if got := p.event("event_sent"); got[0] != "/" || got[1] != ann["id"] || fmt.Sprint(got[2]) != "[said hi]" {
		t.Errorf("sent: %v", got)
	}
	if err := w.hub.User("ann").Join(t.Context(), "lobby"); err != nil {
		t.Error(err)
	}
	if got := p.event("room_joined"); !slices.Equal(got[:3], []any{"/", "lobby", ann["id"]}) {
		t.Errorf("joined: %v", got)
	}
	w.hub.User("ann").Leave(t.Context(), "lobby")
	if got := p.event("room_left"); !slices.Equal(got[:3], []any{"/", "lobby", ann["id"]}) {
		t.Errorf("left: %v", got)
	}
	p.write("41")
	if got := p.event("socket_disconnected"); !slices.Equal(got[:3], []any{"/", socket["id"], "client namespace disconnect"}) {
		t.Errorf("disconnected: %v", got)
	}
}

func TestThePageActs(t *testing.T) {
	w := newWorld(t, &admin.Options{Password: "open sesame"})
	heard := make(chan string, 10)
	ann := parleytest.Dial(t, w.hub, &parleytest.Options{User: "ann", Setup: func(cl *parley.Client) {
		cl.On("said", func(text string) { heard <- text })
	}})
	parleytest.Dial(t, w.hub, &parleytest.Options{User: "bob"})
	p, _ := w.look(password)
	id := w.hub.User("ann").Conns()[0].ID()
	p.write(`42/admin,["join","/","lobby","` + id + `"]`)
	p.event("room_joined")
	p.write(`42/admin,["emit","/","lobby","said","hi"]`)
	if got := <-heard; got != "hi" {
		t.Errorf("heard %q", got)
	}
	p.write(`42/admin,["emit","/",null,"said","all"]`)
	if got := <-heard; got != "all" {
		t.Errorf("heard %q", got)
	}
	p.write(`42/admin,["leave","/","lobby"]`)
	p.event("room_left")
	p.write(`42/admin,["emit","/elsewhere",null,"said","all"]`)
	if got := p.event("error"); !strings.Contains(fmt.Sprint(got), "emit") {
		t.Errorf("an unknown namespace: %v", got)
	}
	p.write(`42/admin,["_disconnect","/",false,"` + id + `"]`)
	<-ann.Done()
	p.event("socket_disconnected")
	if n := w.hub.Stats().Conns; n != 1 {
		t.Errorf("%d are left, want 1", n)
	}
	p.write(`42/admin,["_disconnect","/",true]`)
	p.event("socket_disconnected")
}

func TestReadOnlyPagesOnlyRead(t *testing.T) {
	w := newWorld(t, &admin.Options{Password: "open sesame", ReadOnly: true, Quiet: true, Interval: 10 * time.Millisecond})
	parleytest.Dial(t, w.hub, nil)
	p, _ := w.look(password)
	if got := fmt.Sprint(p.event("config")); got != "[map[supportedFeatures:[AGGREGATED_EVENTS]]]" {
		t.Errorf("features: %s", got)
	}
	p.write(`42/admin,["_disconnect","/",true]`)
	if got := fmt.Sprint(p.event("error")); !strings.Contains(got, "not_found") {
		t.Errorf("answered %s", got)
	}
	stats := p.event("server_stats")[0].(map[string]any)
	if stats["clientsCount"] != 1.0 || fmt.Sprint(stats["namespaces"]) != "[map[name:/admin socketsCount:1] map[name:/ socketsCount:1]]" {
		t.Errorf("numbers: %v", stats)
	}
	if stats["pid"] == 0.0 || stats["serverId"] == "" || stats["uptime"] == 0.0 {
		t.Errorf("numbers: %v", stats)
	}
}

func TestNumbersAreCountedBetweenReports(t *testing.T) {
	w := newWorld(t, &admin.Options{Password: "open sesame", Interval: 10 * time.Millisecond})
	p, _ := w.look(password)
	p.event("server_stats")
	cl := parleytest.Dial(t, w.hub, nil)
	var sum int
	if err := cl.Call(t.Context(), "add", &sum, 1, 2); err != nil || sum != 3 {
		t.Errorf("%d, %v", sum, err)
	}
	cl.Close(t.Context())
	seen := make(map[string]float64)
	for seen["rawDisconnection"] == 0 {
		for _, c := range p.event("server_stats")[0].(map[string]any)["aggregatedEvents"].([]any) {
			one := c.(map[string]any)
			seen[one["type"].(string)] += one["count"].(float64)
		}
	}
	if seen["rawConnection"] != 1 || seen["packetsIn"] == 0 || seen["packetsOut"] == 0 || seen["rawDisconnection"] != 1 {
		t.Errorf("counted %v", seen)
	}
}

// A namespace whose hub comes and goes is shown each time.
func TestAHubThatIsShutDownIsShownNoMore(t *testing.T) {
	w := newWorld(t, &admin.Options{Password: "open sesame", Interval: 10 * time.Millisecond})
	p, _ := w.look(password)
	for round := range 3 {
		room := parley.NewHub(nil)
		w.admin.Show("/room", room)
		parleytest.Dial(t, room, nil)
		p.waitShown("/room", 1)
		if err := room.Shutdown(t.Context()); err != nil {
			t.Error(round, err)
		}
		p.waitShown("/room", -1)
	}
}

// waitShown waits for a report of so many clients in a namespace; -1 for one in
// which it is not shown.
func (p *page) waitShown(name string, want int) {
	p.t.Helper()
	n := -1
	for range 1000 {
		n = -1
		for _, one := range p.event("server_stats")[0].(map[string]any)["namespaces"].([]any) {
			if ns := one.(map[string]any); ns["name"] == name {
				n = int(ns["socketsCount"].(float64))
			}
		}
		if n == want {
			return
		}
	}
	p.t.Fatalf("%s is shown with %d clients, want %d", name, n, want)
}

func TestAGreatManyClientsAreDescribed(t *testing.T) {
	w := newWorld(t, &admin.Options{Password: "open sesame"})
	parleytest.Dial(t, w.hub, nil)
	c := w.hub.Audience().Conns()[0] // one for many
	for i := range 1000 {
		if err := c.Join(fmt.Sprint(i, strings.Repeat("x", 2000))); err != nil {
			t.Fatal(err)
		}
	}
	p, _ := w.look(password)
	all := p.event("all_sockets")[0].([]any)
	if rooms := all[0].(map[string]any)["rooms"].([]any); len(rooms) != 1001 {
		t.Errorf("in %d rooms, want 1,001", len(rooms))
	}
}

func TestCredentialsAreNotShown(t *testing.T) {
	w := newWorld(t, &admin.Options{Password: "open sesame"})
	p, _ := w.look(password)
	shows := make(http.Header)
	query := ""
	for _, name := range []string{"X-Api-Key", "Authorization", "X-Session", "Proxy-Authorization", "X-Jwt", "Passwd", "X-Signature", "Access_key", "Ticket"} {
		shows.Set(name, "hush-hush")
		query += "&" + name + "=hush-hush"
	}
	shows.Set("X-Shown", "yes")
	c, err := websocket.Dial(t.Context(), w.url+"/socket.io/?EIO=4&transport=websocket&shown=yes"+query, &websocket.DialOptions{Header: shows})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(t.Context(), websocket.Message{Type: websocket.Text, Data: []byte(`40{"token":"hush-hush"}`)}); err != nil {
		t.Fatal(err)
	}
	socket, err := json.Marshal(p.event("socket_connected")[0])
	if err != nil || strings.Contains(string(socket), "hush") || strings.Count(string(socket), "yes") != 3 {
		t.Errorf("%s, %v", socket, err)
	}
}
