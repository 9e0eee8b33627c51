package signalr

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-go/parley/websocket"
)

// secret hides the random identifiers of an answer.
var secret = regexp.MustCompile(`"[A-Za-z0-9_-]{22}"`)

func TestNegotiate(t *testing.T) {
	serve(t, nil, func(s *server) {
		const formats = `"availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]},` +
			`{"transport":"ServerSentEvents","transferFormats":["Text"]},{"transport":"LongPolling","transferFormats":["Text","Binary"]}]}`
		const v0 = `{"negotiateVersion":0,"connectionId":ID,` + formats
		const v1 = `{"negotiateVersion":1,"connectionId":ID,"connectionToken":ID,` + formats
		for _, c := range []struct{ path, want string }{
			{"/chat/negotiate", v0},
			{"/chat/negotiate?negotiateVersion=0", v0},
			{"/chat/negotiate?negotiateVersion=1", v1},
			{"/chat/negotiate?NegotiateVersion=1&room=a", v1},
			{"/chat/negotiate?negotiateVersion=7", v1},
			{"/chat/negotiate?negotiateVersion=one", `{"error":"The client requested a non-integer protocol version."}`},
			{"/chat/negotiate?negotiateVersion=1&negotiateVersion=1", `{"error":"The client requested a non-integer protocol version."}`},
			{"/chat/negotiate?negotiateVersion=-1", `{"error":"The client requested version '-1', but the server does not support this version."}`},
		} {
			status, body, header := s.do("POST", c.path)
			if got := secret.ReplaceAllString(body, "ID"); status != 200 || got != c.want {
				t.Errorf("%s: got %d %s\nwant 200 %s", c.path, status, got, c.want)
			}
			if got := header.Get("Content-Type"); got != "application/json" {
				t.Errorf("%s: got type %s, want application/json", c.path, got)
			}
		}
	})
}

// negotiate returns the identities of a new connection.
func (s *server) negotiate(query string) (id, token string) {
	s.t.Helper()
	_, body, _ := s.do("POST", "/chat/negotiate"+query)
	var n negotiation
	if err := json.Unmarshal([]byte(body), &n); err != nil {
		s.t.Fatalf("%s: %v", body, err)
	}
	return n.ConnectionID, n.ConnectionToken
}

const (
	unknownID = "No Connection with that ID"
	post      = "POST requests are not allowed for WebSocket connections."
)

func TestAnswersOverHTTP(t *testing.T) {
	const del = "Cannot terminate this connection using the DELETE endpoint."
	serve(t, &Options{Transports: WebSockets}, func(s *server) {
		_, known := s.negotiate("?negotiateVersion=1")
		for _, c := range []struct {
			method, path, accept string
			status               int
			body                 string
		}{
			{"GET", "/chat/negotiate", "", 405, ""},
			{"PUT", "/chat/negotiate", "", 405, ""},
			{"PUT", "/chat", "", 405, ""},
			{"GET", "/chat", "", 400, "Connection ID required"},
			{"POST", "/chat", "", 400, "Connection ID required"},
			{"DELETE", "/chat", "", 400, "Connection ID required"},
			{"GET", "/chat", "text/event-stream", 400, "Connection ID required"},
			{"GET", "/chat?id=x", "", 404, unknownID},
			{"POST", "/chat?id=x", "", 404, unknownID},
			{"DELETE", "/chat?ID=x", "", 404, unknownID},
			{"GET", "/chat?id=x", "text/html, text/event-stream", 404, unknownID},
			{"GET", "/chat?id=" + known, "text/event-stream;q=1", 404, "LongPolling transport not supported by this end point type"},
			{"GET", "/chat?Id=" + known, "text/html, text/event-stream", 404, "ServerSentEvents transport not supported by this end point type"},
			{"DELETE", "/chat?id=" + known, "", 400, del},
			{"OPTIONS", "/chat/negotiate", "", 204, ""},
		} {
			status, body, _ := s.do(c.method, c.path, "Accept", c.accept)
			if status != c.status || body != c.body {
				t.Errorf("%s %s: got %d %q, want %d %q", c.method, c.path, status, body, c.status, c.body)
			}
		}
	})
}

func TestConnectionTokens(t *testing.T) {
	serve(t, nil, func(s *server) {
		id, token := s.negotiate("?negotiateVersion=1")
		if id == token || len(id) != 22 || len(token) != 22 {
			t.Errorf("got id %q and token %q, want two of 22 characters", id, token)
		}
		s.refused("/chat?id=nobody", 404, unknownID)
		s.refused("/chat?id="+id, 404, unknownID) // the public name opens nothing
		p := s.open("/chat?id="+token, handshake)
		p.want("{}␞")
		if s.hub.Conn(id) == nil {
			t.Errorf("no connection has the negotiated id %q", id)
		}
		s.refused("/chat?id="+token, 409, "")
		if status, body, _ := s.do("POST", "/chat?id="+token); status != 405 || body != post {
			s.t.Errorf("POST to a WebSocket: got %d %q", status, body)
		}
		p.stop()
		s.refused("/chat?id="+token, 404, unknownID)

		id, token = s.negotiate("")
		if token != "" {
			t.Errorf("version 0: got a token %q, want none", token)
		}
		p = s.open("/chat?id="+id, handshake)
		p.want("{}␞")
		if s.hub.Conn(id) == nil {
			t.Errorf("no connection has the negotiated id %q", id)
		}
		p.stop()
	})
}

// refused opens a WebSocket that is not opened.
func (s *server) refused(path string, status int, body string) {
	s.t.Helper()
	got, text, _ := s.do("GET", path, "Connection", "Upgrade", "Upgrade", "websocket",
		"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	if got != status || text != body {
		s.t.Errorf("%s: got %d %q, want %d %q", path, got, text, status, body)
	}
}

func TestNegotiationsExpireAndAreCapped(t *testing.T) {
	serve(t, &Options{MaxNegotiations: 2}, func(s *server) {
		_, first := s.negotiate("?negotiateVersion=1")
		pass(10 * time.Second)
		_, second := s.negotiate("?negotiateVersion=1")
		if status, _, _ := s.do("POST", "/chat/negotiate"); status != 503 {
			t.Errorf("a third negotiation: got %d, want 503", status)
		}
		pass(5 * time.Second)
		s.refused("/chat?id="+first, 404, unknownID)
		p := s.open("/chat?id="+second, handshake)
		p.want("{}␞")
		for range 2 { // an attached connection takes no place
			if status, _, _ := s.do("POST", "/chat/negotiate"); status != 200 {
				t.Errorf("after the first has expired: got %d, want 200", status)
			}
		}
		pass(20 * time.Second) // nor does it expire
		p.want(`{"type":6}␞`, `{"type":6}␞`)
		s.refused("/chat?id="+second, 409, "")
		p.stop()
	})
}

func TestOtherOrigins(t *testing.T) {
	serve(t, &Options{Origins: []string{"https://example.com"}}, func(s *server) {
		status, _, header := s.do("OPTIONS", "/chat/negotiate", "Origin", "https://example.com",
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-requested-with,x-signalr-user-agent")
		if got := header.Get("Access-Control-Allow-Headers"); status != 204 || !strings.Contains(got, "x-signalr-user-agent") {
			t.Errorf("preflight: got %d, allowed headers %q", status, got)
		}
		status, _, header = s.do("POST", "/chat/negotiate", "Origin", "https://example.com")
		got := []string{header.Get("Access-Control-Allow-Origin"), header.Get("Access-Control-Allow-Credentials")}
		if status != 200 || !slices.Equal(got, []string{"https://example.com", "true"}) {
			t.Errorf("negotiate from an allowed origin: got %d %q", status, got)
		}
		if status, _, _ := s.do("POST", "/chat/negotiate", "Origin", "https://evil.example"); status != 403 {
			t.Errorf("negotiate from another origin: got %d, want 403", status)
		}
		_, err := websocket.Dial(s.t.Context(), "ws://hub/chat", &websocket.DialOptions{
			NetDial: s.listener.Dial, Header: map[string][]string{"Origin": {"https://evil.example"}},
		})
		if err == nil {
			t.Error("a WebSocket from another origin was opened")
		}
	})
}

func TestQueryIsReadAsNetURLDoes(t *testing.T) {
	for _, raw := range []string{
		"", "id", "id=", "id=7", "ID=7", "Id=a%20b+c", "x=1&id=7&y=2", "id=7&iD=8", "id=%zz", "%69d=7", "i%64=%37", "id=7;x=1", "id=%37&&", "idx=7", "xid=7", "id==7", "=7", "&id=7",
	} {
		r := &http.Request{URL: &url.URL{RawQuery: raw}}
		var want []string
		for key, values := range r.URL.Query() {
			if strings.EqualFold(key, "id") {
				want = append(want, values...)
			}
		}
		got := query(r, "id")
		slices.Sort(want)
		parts := strings.Split(got, ",")
		slices.Sort(parts)
		if strings.Join(parts, ",") != strings.Join(want, ",") {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}
