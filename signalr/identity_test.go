package signalr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

func TestToken(t *testing.T) {
	for _, c := range []struct{ header, query, want string }{
		{"", "", ""},
		{"Bearer abc", "", "abc"},
		{"bearer  abc ", "", "abc"},
		{"Bearer abc", "access_token=xyz", "abc"}, // the header first
		{"", "a=b&access_token=x%2Byz", "x+yz"},
		{"", "Access_Token=xyz", "xyz"},
		{"Basic abc", "access_token=xyz", "xyz"},
		{"Basic abc", "", ""},
		{"Bearer", "", ""},
	} {
		r := httptest.NewRequest("GET", "/chat?"+c.query, nil)
		r.Header.Set("Authorization", c.header)
		if got := Token(r); got != c.want {
			t.Errorf("%q, %q: got %q, want %q", c.header, c.query, got, c.want)
		}
	}
}

// What opens a connection is never shown to handlers; all else is.
func TestSecretsAreNotShown(t *testing.T) {
	for query, want := range map[string]string{
		"":                                    "",
		"id=t":                                "",
		"name=Ann&id=t&access_token=s&x=%20y": "name=Ann&x=%20y",
		"ID=t&%61ccess_token=s&x=1&x=2":       "x=1&x=2",
		"identity=1&my_access_token=2":        "identity=1&my_access_token=2",
		"%zz=1&id=t":                          "%zz=1",
		"access_token=a&access_token=b":       "",
	} {
		r := httptest.NewRequest("GET", "/chat?"+query, nil)
		was := r.URL.RawQuery
		got := discreet(r)
		if got.URL.RawQuery != want || strings.Contains(got.RequestURI, "access_token=s") {
			t.Errorf("%q: got %q and %q, want %q", query, got.URL.RawQuery, got.RequestURI, want)
		}
		if r.URL.RawQuery != was {
			t.Errorf("%q: the request that middleware has was changed", query)
		}
	}
}

// tellRequest is a hub whose handler tells what it sees of its connection's
// request.
func tellRequest(s *server) {
	s.hub.Handle("request", parley.Func(func(c *parley.Conn) []string {
		r := c.Request()
		cookie, _ := r.Cookie("seen")
		return []string{c.User(), r.URL.RequestURI(), r.RequestURI, r.Header.Get("X-Extra"), cookie.String()}
	}))
}

func TestRequestOnEveryTransport(t *testing.T) {
	header := http.Header{"Cookie": {"seen=1"}, "X-Extra": {"more"}, "X-User": {"ann"}}
	for transport, open := range map[string]func(s *server, path string) talker{
		"websocket": func(s *server, path string) talker {
			c, err := websocket.Dial(s.t.Context(), "ws://hub"+path, &websocket.DialOptions{NetDial: s.listener.Dial, Header: header})
			if err != nil {
				s.t.Fatal(err)
			}
			return &peer{s.t, c}
		},
		"sse": func(s *server, path string) talker {
			_, token, _ := strings.Cut(path, "&id=")
			return (&connected{s, token}).eventStream(path, header)
		},
		"polling": func(s *server, path string) talker {
			flat := []string{"Cookie", "seen=1", "X-Extra", "more", "X-User", "ann"}
			s.request(s.t.Context(), "GET", path, "", flat...)
			_, token, _ := strings.Cut(path, "&id=")
			return (&connected{s, token}).stream()
		},
	} {
		t.Run(transport, func(t *testing.T) {
			serve(t, nil, func(s *server) {
				tellRequest(s)
				_, token := s.negotiate("?negotiateVersion=1")
				p := open(s, "/chat?name=Ann&access_token=secret&id="+token)
				p.send(handshake)
				p.want("{}␞")
				p.send(`{"target":"request","arguments":[],"invocationId":"0","type":1}␞`)
				p.want(`{"type":3,"invocationId":"0","result":["ann","/chat?name=Ann","/chat?name=Ann","more","seen=1"]}␞`)
				p.stop()
			})
		})
	}
}

// Whatever goes wrong, the token in a URL gets into no log and no answer.
func TestTokenIsNeverLogged(t *testing.T) {
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
		hub.Handle("boom", parley.Func(func() error { return errors.New("it broke") }))
		hub.OnConnect(func(_ context.Context, c *parley.Conn) error { return fmt.Errorf("refused %v", c.Request().URL) })
		mux := http.NewServeMux()
		Mount(mux, "/chat", hub, &Options{
			DetailedErrors: true,
			Redirect:       func(r *http.Request) (string, string, error) { return "", "", errors.New("no") },
		})
		serveHTTP(t, mux, func(n *network) {
			for _, method := range []string{"GET", "POST", "DELETE", "PUT"} {
				for _, path := range []string{"/chat", "/chat/negotiate", "/chat/refresh"} {
					if _, body, _ := n.do(method, path+"?id=x&access_token=s3cret"); strings.Contains(body, "s3cret") {
						t.Errorf("%s %s shows the token: %s", method, path, body)
					}
				}
			}
			p := n.open("/chat?access_token=s3cret", handshake)
			p.conn.Read(t.Context())
			p.conn.Read(t.Context())
			synctest.Wait()
			hub.Shutdown(t.Context())
		})
	})
	if got := log.String(); strings.Contains(got, "s3cret") || !strings.Contains(got, "refused /chat") {
		t.Errorf("the log: %s", got)
	}
}

// What middleware sets on its ResponseWriter reaches the client, whatever is
// answered.
func TestHeadersOfMiddleware(t *testing.T) {
	serve(t, nil, func(s *server) {
		c := s.polled()
		for what, got := range map[string]http.Header{
			"negotiate": s.request(s.t.Context(), "POST", "/chat/negotiate", "").header,
			"poll":      s.negotiated().poll().header,
			"POST":      c.post("").header,
			"DELETE":    c.delete().header,
			"404":       c.poll().header,
		} {
			if cookie := got.Get("Set-Cookie"); cookie != "server=7" {
				t.Errorf("%s: got cookie %q", what, cookie)
			}
		}
		c = s.negotiated()
		events := c.events(c.path(), http.Header{})
		events.Body.Close()
		if got := events.Header.Get("Set-Cookie"); got != "server=7" {
			t.Errorf("event stream: got cookie %q", got)
		}
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		ws, err := websocket.Dial(s.t.Context(), "ws://hub/chat", &websocket.DialOptions{NetDial: s.listener.Dial, Jar: jar})
		if err != nil {
			t.Fatal(err)
		}
		ws.CloseNow()
		if got := fmt.Sprint(jar.Cookies(&url.URL{Scheme: "http", Host: "hub", Path: "/chat"})); got != "[server=7]" {
			t.Errorf("WebSocket: got cookies %v", got)
		}
	})
}

func TestNegotiationsThatLeadElsewhere(t *testing.T) {
	elsewhere := func(r *http.Request) (string, string, error) {
		switch r.URL.Query().Get("to") {
		case "there":
			return "https://other.example/chat?a=b", "t0ken", nil
		case "open":
			return "https://other.example/chat", "", nil
		case "away":
			return "", "", parley.Errorf("", "no room for \"you\"")
		case "fault":
			return "", "", errors.New("a secret")
		}
		return "", "", nil
	}
	for _, c := range []struct {
		to       string
		detailed bool
		want     string
	}{
		{"there", false, `{"negotiateVersion":1,"url":"https://other.example/chat?a=b","accessToken":"t0ken","availableTransports":[]}`},
		{"open", false, `{"negotiateVersion":1,"url":"https://other.example/chat","availableTransports":[]}`},
		{"away", false, `{"error":"no room for \"you\""}`},
		{"fault", false, `{"error":"The server refused the connection."}`},
		{"fault", true, `{"error":"The server refused the connection. Exception: a secret"}`},
	} {
		serve(t, &Options{Redirect: elsewhere, DetailedErrors: c.detailed}, func(s *server) {
			if status, body, _ := s.do("POST", "/chat/negotiate?negotiateVersion=1&to="+c.to); status != 200 || body != c.want {
				t.Errorf("%s: got %d %s\nwant 200 %s", c.to, status, body, c.want)
			}
			if _, token := s.negotiate("?negotiateVersion=1"); token == "" {
				t.Error("who is not sent elsewhere cannot stay")
			}
		})
	}
}

func TestMinimumProtocolVersion(t *testing.T) {
	serve(t, &Options{MinimumProtocolVersion: 1}, func(s *server) {
		for query, version := range map[string]string{"": "0", "?negotiateVersion=0": "0", "?negotiateVersion=-3": "-3"} {
			want := `{"error":"The client requested version '` + version + `', but the server does not support this version."}`
			if status, body, _ := s.do("POST", "/chat/negotiate"+query); status != 200 || body != want {
				t.Errorf("%q: got %d %s\nwant 200 %s", query, status, body, want)
			}
		}
		if _, token := s.negotiate("?negotiateVersion=1"); token == "" {
			t.Error("version 1 was refused")
		}
	})
}

func TestNegotiatedTransports(t *testing.T) {
	for options, want := range map[Transports]string{
		WebSockets:                     "[WebSockets]",
		LongPolling | ServerSentEvents: "[ServerSentEvents LongPolling]",
		0:                              "[WebSockets ServerSentEvents LongPolling]",
	} {
		serve(t, &Options{Transports: options}, func(s *server) {
			_, body, _ := s.do("POST", "/chat/negotiate")
			var n negotiation
			if err := json.Unmarshal([]byte(body), &n); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range n.AvailableTransports {
				got = append(got, a.Transport)
			}
			if fmt.Sprint(got) != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// A connection belongs to whoever negotiated it, also when somebody else knows
// its token.
func TestTokenOfAnotherUser(t *testing.T) {
	serve(t, nil, func(s *server) {
		negotiated := s.request(s.t.Context(), "POST", "/chat/negotiate?negotiateVersion=1", "", "X-User", "ann")
		var n negotiation
		if err := json.Unmarshal([]byte(negotiated.body), &n); err != nil {
			t.Fatal(err)
		}
		c := &connected{s, n.ConnectionToken}
		for _, method := range []string{"GET", "POST", "DELETE"} {
			if got := s.request(s.t.Context(), method, c.path(), "", "X-User", "eve"); got.status != 403 || got.body != "" {
				t.Errorf("%s by another user: got %v, want 403", method, got)
			}
		}
		c.want("her own", c.poll(), 200, "", octets)
		c.stop()
	})
}

// credentialsOf reads who makes a request, and how long, from its bearer token:
// "user seconds".
func credentialsOf(r *http.Request) context.Context {
	user, seconds, _ := strings.Cut(Token(r), " ")
	ctx := parley.WithUser(r.Context(), user)
	if n, err := strconv.Atoi(seconds); err == nil {
		ctx = parley.WithExpiry(ctx, time.Now().Add(time.Duration(n)*time.Second))
	}
	return ctx
}

// as sends a request with a bearer token.
func (c *connected) as(token, method, path string) reply {
	return c.s.request(c.s.t.Context(), method, path, "", "Authorization", "Bearer "+token)
}

// connectedAs negotiates and shakes hands over polls.
func (s *server) connectedAs(token string) *connected {
	s.t.Helper()
	c := &connected{s: s}
	var n negotiation
	if err := json.Unmarshal([]byte(c.as(token, "POST", "/chat/negotiate?negotiateVersion=1").body), &n); err != nil {
		s.t.Fatal(err)
	}
	c.token = n.ConnectionToken
	c.as(token, "GET", c.path())
	c.post(handshake)
	c.want("the handshake", c.as(token, "GET", c.path()), 200, "{}␞", octets)
	return c
}

const comeBack = `{"type":7,"allowReconnect":true}␞`

func TestCloseOnExpiry(t *testing.T) {
	t.Run("over polls, none of which is newer", func(t *testing.T) {
		serveBehind(t, &Options{CloseOnExpiry: true}, func(r *http.Request) context.Context {
			return parley.WithExpiry(r.Context(), time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC))
		}, func(s *server) {
			p := s.openPolls()
			p.send(handshake)
			p.want("{}␞")
			for time.Now().Before(time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC)) {
				more, err := p.more()
				if p.got += more; err != nil {
					t.Fatal(err)
				}
			}
			p.want(comeBack)
			p.wantEnd()
			if passed := time.Since(time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC)); passed > 2*time.Second {
				t.Errorf("closed %v too late", passed)
			}
		})
	})
	t.Run("over a WebSocket", func(t *testing.T) {
		serveBehind(t, &Options{CloseOnExpiry: true, KeepAlive: -1}, credentialsOf, func(s *server) {
			reason := make(chan error, 1)
			s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
			start := time.Now()
			p := s.open("/chat?access_token=ann+60", handshake)
			p.want("{}␞", comeBack)
			p.wantClose(1000)
			if took := time.Since(start); took < time.Minute || took > 62*time.Second {
				t.Errorf("closed after %v, want a minute", took)
			}
			if err := <-reason; !errors.Is(err, parley.ErrExpired) {
				t.Errorf("OnDisconnect: got %v, want ErrExpired", err)
			}
		})
	})
	t.Run("a poll brings fresher credentials", func(t *testing.T) {
		serveBehind(t, &Options{CloseOnExpiry: true, PollTimeout: 10 * time.Second}, credentialsOf, func(s *server) {
			c := s.connectedAs("ann 60")
			for range 20 {
				c.want("a poll", c.as("ann 60", "GET", c.path()), 200, "", plainText)
			}
			c.stop()
		})
	})
	t.Run("not unless wanted", func(t *testing.T) {
		serveBehind(t, &Options{PollTimeout: 10 * time.Second}, credentialsOf, func(s *server) {
			c := s.connectedAs("ann 60")
			for range 20 {
				c.want("a poll", c.as("ann 5", "GET", c.path()), 200, "", plainText)
			}
			c.stop()
		})
	})
}

func TestRefresh(t *testing.T) {
	enabled := Options{EnableRefresh: true}
	for _, c := range []struct {
		name string
		o    Options
		do   func(s *server) reply
		want reply
	}{
		{"with credentials that end", enabled, func(s *server) reply {
			c := s.connectedAs("ann 60")
			return c.as("ann 600", "POST", "/chat/refresh?id="+c.token)
		}, reply{status: 200, body: `{"tokenLifetimeSeconds":600}`}},
		{"with credentials that do not", enabled, func(s *server) reply {
			c := s.connectedAs("ann 60")
			return c.as("ann", "POST", "/chat/refresh?id="+c.token)
		}, reply{status: 200, body: `{}`}},
		{"longer than clients can count", enabled, func(s *server) reply {
			c := s.connectedAs("ann 60")
			return c.as("ann 3000000000", "POST", "/chat/refresh?id="+c.token)
		}, reply{status: 200, body: `{"tokenLifetimeSeconds":2147483647}`}},
		{"not enabled", Options{}, func(s *server) reply {
			c := s.connectedAs("ann 60")
			return c.as("ann 600", "POST", "/chat/refresh?id="+c.token)
		}, reply{status: 404, body: `{"error":"refresh_disabled"}`}},
		{"without a connection", enabled, func(s *server) reply {
			return (&connected{s: s}).as("ann 600", "POST", "/chat/refresh")
		}, reply{status: 400, body: `{"error":"missing_connection_token"}`}},
		{"of an unknown connection", enabled, func(s *server) reply {
			return (&connected{s: s}).as("ann 600", "POST", "/chat/refresh?id=x")
		}, reply{status: 404, body: `{"error":"connection_not_found"}`}},
		{"before there is a transport", enabled, func(s *server) reply {
			c := s.negotiated()
			return c.as("ann 600", "POST", "/chat/refresh?id="+c.token)
		}, reply{status: 404, body: `{"error":"connection_not_found"}`}},
		{"by a public name", enabled, func(s *server) reply {
			id, _ := s.negotiate("")
			c := &connected{s, id}
			c.poll()
			return c.as("ann 600", "POST", "/chat/refresh?id="+id)
		}, reply{status: 400, body: `{"error":"unsupported_negotiate_version"}`}},
		{"without credentials", enabled, func(s *server) reply {
			c := s.connectedAs("ann 60")
			return c.as("", "POST", "/chat/refresh?id="+c.token)
		}, reply{status: 401, body: `{"error":"invalid_token"}`}},
		{"with credentials whose time is over", enabled, func(s *server) reply {
			c := s.connectedAs("ann 60")
			return c.as("ann -1", "POST", "/chat/refresh?id="+c.token)
		}, reply{status: 401, body: `{"error":"invalid_token"}`}},
		{"by another user", enabled, func(s *server) reply {
			c := s.connectedAs("ann 60")
			return c.as("eve 600", "POST", "/chat/refresh?id="+c.token)
		}, reply{status: 403, body: `{"error":"permission_change_rejected"}`}},
		{"that the application rejects", Options{EnableRefresh: true, OnRefresh: func(*parley.Conn, *http.Request) error {
			return errors.New("no")
		}}, func(s *server) reply {
			c := s.connectedAs("ann 60")
			return c.as("ann 600", "POST", "/chat/refresh?id="+c.token)
		}, reply{status: 403, body: `{"error":"permission_change_rejected"}`}},
		{"by another method", enabled, func(s *server) reply {
			return (&connected{s: s}).as("ann 600", "GET", "/chat/refresh")
		}, reply{status: 405}},
	} {
		t.Run(c.name, func(t *testing.T) {
			serveBehind(t, &c.o, credentialsOf, func(s *server) {
				got := c.do(s)
				if got.status != c.want.status || got.body != c.want.body {
					t.Errorf("got %v, want %v", got, c.want)
				}
				if kind := got.header.Get("Content-Type"); c.want.body != "" && kind != "application/json" {
					t.Errorf("got type %q", kind)
				}
			})
		})
	}
}

func TestNegotiatedLifetime(t *testing.T) {
	for _, c := range []struct {
		enabled bool
		token   string
		want    bool
	}{{true, "ann 60", true}, {true, "ann", false}, {true, "ann -5", false}, {false, "ann 60", false}} {
		serveBehind(t, &Options{EnableRefresh: c.enabled}, credentialsOf, func(s *server) {
			body := (&connected{s: s}).as(c.token, "POST", "/chat/negotiate?negotiateVersion=1").body
			if got := strings.Contains(body, `,"tokenLifetimeSeconds":60}`); got != c.want {
				t.Errorf("%+v: got %s", c, body)
			}
		})
	}
}

// After a refresh handlers see the new request's credentials, and what else
// they had; the connection lives longer, and stays who it was.
func TestRefreshedConnection(t *testing.T) {
	o := &Options{EnableRefresh: true, CloseOnExpiry: true, PollTimeout: 10 * time.Second, OnRefresh: func(*parley.Conn, *http.Request) error { return nil }}
	serveBehind(t, o, credentialsOf, func(s *server) {
		s.hub.Handle("who", parley.Func(func(c *parley.Conn) []string {
			return []string{c.User(), parley.UserOf(c.Request().Context()), Token(c.Request()), c.Request().URL.String()}
		}))
		c := s.connectedAs("ann 30")
		c.as("bob 300", "POST", "/chat/refresh?id="+c.token)
		for range 20 { // these would have ended long ago
			c.want("a poll", c.as("ann 30", "GET", c.path()), 200, "", plainText)
		}
		c.post(`{"target":"who","arguments":[],"invocationId":"0","type":1}␞`)
		c.want("who", c.as("ann 30", "GET", c.path()), 200,
			`{"type":3,"invocationId":"0","result":["ann","bob","bob 300","/chat?name=Ann"]}␞`, octets)
		p := c.stream()
		for !strings.HasSuffix(p.got, raw(comeBack)) {
			more, err := p.more()
			if p.got += more; err != nil {
				t.Fatalf("got %q, %v, want a Close", p.got, err)
			}
		}
		c.poll()
		synctest.Wait()
	})
}

// An older refresh that takes its time does not undo a newer one.
func TestRefreshThatIsLate(t *testing.T) {
	slow := make(chan struct{})
	var o Options
	o.EnableRefresh = true
	o.OnRefresh = func(_ *parley.Conn, r *http.Request) error {
		if strings.HasPrefix(Token(r), "slow") {
			<-slow
		}
		return nil
	}
	serveBehind(t, &o, credentialsOf, func(s *server) {
		slow = make(chan struct{})
		c := s.connectedAs("ann 60")
		late := make(chan reply)
		go func() { late <- c.as("slow 100", "POST", "/chat/refresh?id="+c.token) }() // ends with its answer
		synctest.Wait()
		if got := c.as("fast 700", "POST", "/chat/refresh?id="+c.token); got.body != `{"tokenLifetimeSeconds":700}` {
			t.Errorf("the newer: got %v", got)
		}
		close(slow)
		if got := <-late; got.body != `{"tokenLifetimeSeconds":700}` {
			t.Errorf("the older: got %v, want what counts", got)
		}
		c.stop()
	})
}

func TestPollThatIsRejected(t *testing.T) {
	o := &Options{EnableRefresh: true, OnRefresh: func(_ *parley.Conn, r *http.Request) error {
		if parley.UserOf(r.Context()) != "ann" {
			return errors.New("no")
		}
		return nil
	}}
	serveBehind(t, o, credentialsOf, func(s *server) {
		c := s.connectedAs("ann 60")
		got := c.as("eve 600", "GET", c.path())
		if got.status != 403 || got.body != `{"error":"permission_change_rejected"}` {
			t.Errorf("got %v, want 403", got)
		}
		synctest.Wait()
		c.want("after it", c.as("ann 60", "GET", c.path()), 404, unknownID, plainText)
	})
}
