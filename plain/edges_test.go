package plain

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// TestStatuses: what the table of docs/protocols/plain.md §2.6 says.
func TestStatuses(t *testing.T) {
	_, address := newRoom(t, &Options{MaxMessageBytes: 100}, parley.Limits{})
	events := overEvents(t, address, "")
	_, token, _ := strings.Cut(events.hears(`"open"`), `"session":"`)
	token, _, _ = strings.Cut(token, `"`)
	for _, c := range []struct {
		method, query, body string
		status              int
		code                string
	}{
		{"PUT", "", "", 405, `"code":"method"`},
		{"HEAD", "", "", 405, ""},
		{"PATCH", "?session=" + token, "{}", 405, `"code":"method"`},
		{"GET", "?transport=polling", "", 400, `"code":"malformed"`},
		{"GET", "?transport=poll&session=unknown", "", 404, `"code":"unknown_session"`},
		{"GET", "?transport=poll&session=" + token, "", 404, `"code":"unknown_session"`}, // it is no poll's
		{"POST", "?session=unknown", "{}", 404, `"code":"unknown_session"`},
		{"POST", "?session=" + token, `{"name":1}`, 400, `"name\" is not a string`},
		{"POST", "?session=" + token, `{"name":"a"} x`, 400, `message 2: `},
		{"POST", "?session=" + token, "{\"name\":\"\xff\"}", 400, `not UTF-8`},
		{"POST", "?session=" + token, "", 202, ""},
		{"POST", "?session=" + token, strings.Repeat(" ", 101), 413, `"code":"too_large"`},
		{"POST", "", strings.Repeat(" ", 101), 413, `"code":"too_large"`},
		{"DELETE", "", "", 404, `"code":"unknown_session"`},
		{"DELETE", "?session=unknown", "", 404, `"code":"unknown_session"`},
		{"OPTIONS", "", "", 204, ""},
		{"DELETE", "?session=" + token, "", 204, ""},
		{"POST", "?session=" + token, "{}", 404, `"code":"unknown_session"`},
	} {
		status, answer := do(t, c.method, address+"/"+c.query, c.body)
		if status != c.status || !strings.Contains(answer, c.code) {
			t.Errorf("%s %s %.40q: got %d %s, want %d %s", c.method, c.query, c.body, status, answer, c.status, c.code)
		}
	}
	events.ends()
}

func TestDelete(t *testing.T) {
	for name, open := range map[string]func(*testing.T, string, string) *talker{"events": overEvents, "polls": overPolls} {
		hub, address := newRoom(t, nil, parley.Limits{})
		reasons := ends(hub)
		c := open(t, address, "")
		_, token, _ := strings.Cut(c.hears(`"open"`), `"session":"`)
		token, _, _ = strings.Cut(token, `"`)
		if status, _ := do(t, http.MethodDelete, address+"/?session="+token, ""); status != http.StatusNoContent {
			t.Errorf("%s: DELETE answered %d, want 204", name, status)
		}
		c.ends()
		if err := <-reasons; err != nil {
			t.Errorf("%s: OnDisconnect: got %v, want nil", name, err)
		}
		if got := hub.Stats().Conns; got != 0 {
			t.Errorf("%s: %d connections are left", name, got)
		}
	}
}

// TestRefusal: who is refused is told why, and nothing else, on each transport.
func TestRefusal(t *testing.T) {
	hub, address := newRoom(t, nil, parley.Limits{})
	want := `{"type":"close","code":1008,"reason":"banned","reconnect":false}`
	c := overWebSocket(t, address, "refuse=banned")
	if got, _ := c.next(); got != want {
		t.Errorf("WebSocket: got %q, want %q", got, want)
	}
	c.ends()
	status, body := do(t, http.MethodGet, address+"/?refuse=banned", "")
	if status != http.StatusOK || body != ":\n\ndata: "+want {
		t.Errorf("event stream: got %d %q", status, body)
	}
	status, body = do(t, http.MethodGet, address+"/?transport=poll&refuse=banned", "")
	if status != http.StatusOK || body != "["+want+"]" {
		t.Errorf("poll: got %d %q", status, body)
	}
	if got := hub.Stats().Conns; got != 0 {
		t.Errorf("%d connections are left", got)
	}
}

func TestBinaryMessage(t *testing.T) {
	_, address := newRoom(t, nil, parley.Limits{})
	conn, err := websocket.Dial(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.Write(t.Context(), websocket.Message{Type: websocket.Binary, Data: []byte(`{"name":"nothing"}`)})
	var closed *websocket.CloseError
	for _, err := range conn.Messages(t.Context()) {
		errors.As(err, &closed)
	}
	if closed == nil || closed.Code != websocket.StatusUnsupportedData || closed.Reason != "messages are text" {
		t.Errorf("a binary message: got %v, want 1003", closed)
	}
}

// TestMalformedHandshake: what wants to be a WebSocket and is none does not
// become an event stream.
func TestMalformedHandshake(t *testing.T) {
	_, address := newRoom(t, nil, parley.Limits{})
	for want, header := range map[int][]string{
		http.StatusUpgradeRequired: {"Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw=="},
		http.StatusBadRequest:      {"Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "short"},
	} {
		if status, answer := do(t, http.MethodGet, address, "", header...); status != want {
			t.Errorf("a handshake with %q: got %d %s, want %d", header, status, answer, want)
		}
	}
}

func TestPreflight(t *testing.T) {
	const page = "https://friend.example"
	_, address := newRoom(t, &Options{Origins: []string{page}}, parley.Limits{})
	r, _ := http.NewRequest(http.MethodOptions, address, nil)
	r.Header.Set("Origin", page)
	r.Header.Set("Access-Control-Request-Method", "POST")
	r.Header.Set("Access-Control-Request-Headers", "content-type")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":      page,
		"Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Methods":     methods,
		"Access-Control-Allow-Headers":     "content-type",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestSeveralMessagesInOnePost: they are handled in their order, all or none.
func TestSeveralMessagesInOnePost(t *testing.T) {
	_, address := newRoom(t, nil, parley.Limits{})
	c := overPolls(t, address, "")
	if status := c.send(`{"name":"tell","args":["never"]} {"name":`); status != http.StatusBadRequest {
		t.Errorf("a body of which the second message is cut: got %d, want 400", status)
	}
	c.send("{\"name\":\"tell\",\"args\":[1]}\n" + `{"name":"tell","args":["a"]}{"name":"tell","args":["b"]}` + "\n\n" + `{"name":"tell","args":["c"]}`)
	var heard []string
	for len(heard) < 3 {
		heard = append(heard, c.hears(`"told"`))
	}
	if got, want := strings.Join(heard, ""), `"a"]}{"type":"event","name":"told","args":["b"]}{"type":"event","name":"told","args":["c"]}`; !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want a, b and c", got)
	}
	c.hears(`"code":"arguments"`) // of the first
	if len(c.kept) != 1 {         // open
		t.Errorf("unexpected: %q", c.kept)
	}
}
