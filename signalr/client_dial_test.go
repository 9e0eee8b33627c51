package signalr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
)

// strange is a server of whatever rules, and the requests it got.
type strange struct {
	*network
	answer http.HandlerFunc

	mu   sync.Mutex
	log  []string
	busy int           // requests of the moment, and what else is to end
	idle chan struct{} // has an element when busy became zero
}

// meetStrange runs body with a server that answers as it likes. All hosts are
// this one.
func meetStrange(t *testing.T, answer http.HandlerFunc, body func(s *strange)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &strange{answer: answer, idle: make(chan struct{}, 1)}
		serveHTTP(t, s, func(n *network) {
			s.network = n
			body(s)
		})
		s.wait()
	})
}

func (s *strange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.count(1)
	defer s.count(-1)
	kind := r.Method
	switch {
	case r.Header.Get("Upgrade") != "":
		kind = "WS"
	case r.Header.Get("Accept") == "text/event-stream":
		kind = "SSE"
	}
	line := kind + " " + r.Host + r.RequestURI
	if by := r.Header.Get("Authorization"); by != "" {
		line += " " + by
	}
	s.mu.Lock()
	s.log = append(s.log, line)
	s.mu.Unlock()
	s.answer(w, r)
}

func (s *strange) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy += n; s.busy == 0 {
		select {
		case s.idle <- struct{}{}:
		default:
		}
	}
}

// wait returns when nothing is under way.
func (s *strange) wait() {
	for {
		s.mu.Lock()
		busy := s.busy
		s.mu.Unlock()
		if busy == 0 {
			return
		}
		<-s.idle
	}
}

// run runs f until the end.
func (s *strange) run(f func()) {
	s.count(1)
	go func() { // ends with f; meetStrange waits for it
		defer s.count(-1)
		f()
	}()
}

// requests are those that came since the last call.
func (s *strange) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	return log
}

func (s *strange) wantRequests(what string, want ...string) {
	s.t.Helper()
	if got := s.requests(); !slices.Equal(got, want) {
		s.t.Errorf("%s: the requests were\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// try connects once to address and returns the error, without address if that
// is in it.
func (s *strange) try(address string, o ClientOptions) error {
	o.HTTPClient = s.http
	cl := NewClient(address, &o)
	err := cl.Connect(s.t.Context())
	cl.Close(s.t.Context())
	return err
}

func wantText(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got error %v, want %q", what, err, want)
	}
}

// answering answers everything alike.
func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

const (
	offersNothing = `{"negotiateVersion":1,"connectionId":"i","connectionToken":"t/1","availableTransports":[]}`
	offersAll     = `{"negotiateVersion":1,"connectionId":"i","connectionToken":"t/1","availableTransports":[` +
		`{"transport":"WebSockets","transferFormats":["Text","Binary"]},{"transport":"ServerSentEvents","transferFormats":["Text"]},` +
		`{"transport":"LongPolling","transferFormats":["Text","Binary"]}]}`
)

func TestWhereTheClientNegotiates(t *testing.T) {
	meetStrange(t, answering(200, offersNothing), func(s *strange) {
		for address, want := range map[string]string{
			"http://hub/chat":                     "/chat/negotiate?negotiateVersion=1",
			"ws://hub/chat/":                      "/chat/negotiate?negotiateVersion=1",
			"http://hub":                          "/negotiate?negotiateVersion=1",
			"http://hub/a%2Fb/?z=1&a=%20x&y":      "/a%2Fb/negotiate?z=1&a=%20x&y&negotiateVersion=1",
			"http://hub/chat?negotiateVersion=0":  "/chat/negotiate?negotiateVersion=0",
			"http://hub/chat#part":                "/chat/negotiate?negotiateVersion=1",
			"http://hub/negotiate/x?negotiate=no": "/negotiate/x/negotiate?negotiate=no&negotiateVersion=1",
		} {
			wantText(s.t, address, s.try(address, ClientOptions{}), "the server offers no transport")
			s.wantRequests(address, "POST hub"+want)
		}
	})
}

func TestAnswersToNegotiations(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{404, "not here", "404 Not Found: there is no SignalR endpoint, or a proxy in front of it"},
		{401, "", "401 Unauthorized"},
		{201, offersAll, "201 Created"},
		{200, `hello`, "invalid character"},
		{200, ``, "unexpected end"},
		{200, `{"connectionId":5}`, "cannot unmarshal number"},
		{200, `{"error":"go away"}`, "go away"},
		{200, `{"ProtocolVersion":"1.5","Url":"/signalr","ConnectionToken":"x"}`, "older protocol of ASP.NET SignalR"},
		{200, `{"negotiateVersion":1,"availableTransports":[]}`, "names no connection"},
		{200, `{"negotiateVersion":1,"connectionId":"x","availableTransports":[]}`, "names no connection"},
		{200, `{"connectionId":"x"}`, "the server offers no transport"},
		{200, `{"connectionId":"` + strings.Repeat("x", 64<<10) + `"}`, "more than 65536 bytes"},
		{200, `{"negotiateVersion":1,"connectionToken":"x","availableTransports":[{"transport":"LongPolling"},{"transport":"Pigeons"},{"transport":"Pigeons"}]}`,
			`no transport could be opened: LongPolling: does not carry the transfer format Text; "Pigeons": not known`},
		{200, `{"url":"ftp://elsewhere"}`, "redirect: the address needs a scheme"},
		{200, `{"url":"http://%zz"}`, "redirect: "},
		{200, `{"url":"http://elsewhere/chat"}`, "Negotiate redirection limit exceeded."},
	} {
		meetStrange(t, answering(c.status, c.body), func(s *strange) {
			wantText(s.t, fmt.Sprintf("%d %.80s", c.status, c.body), s.try("http://hub/chat", ClientOptions{}), c.want)
			if got := len(s.requests()); got != 1 && got != 100 {
				s.t.Errorf("%d %.80s: %d requests", c.status, c.body, got)
			}
		})
	}
}

func TestANegotiationWithoutEnd(t *testing.T) {
	for _, headers := range []bool{false, true} {
		meetStrange(t, func(w http.ResponseWriter, r *http.Request) {
			if headers {
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		}, func(s *strange) {
			began := time.Now()
			wantText(s.t, "silence", s.try("http://hub/chat", ClientOptions{RequestTimeout: time.Minute}), "deadline exceeded")
			if took := time.Since(began); took != time.Minute {
				s.t.Errorf("it took %v, want a minute", took)
			}
		})
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	for _, address := range []string{"", "hub", "ftp://hub/", "http://", "://", "http://hub:secret/"} {
		cl := NewClient(address, nil)
		err := cl.Connect(t.Context())
		if err == nil || strings.Contains(err.Error(), "hub") {
			t.Errorf("%q: got %v, want an error that does not tell it", address, err)
		}
		cl.Close(t.Context())
	}
}

func TestOptionsThatAreNone(t *testing.T) {
	for want, o := range map[string]ClientOptions{
		`there is no protocol "blazorpack"`: {Protocol: "blazorpack"},
		"only when WebSockets is the only":  {SkipNegotiation: true, Transports: WebSockets | LongPolling},
	} {
		cl := NewClient("http://hub", &o)
		wantText(t, want, cl.Connect(t.Context()), want)
		cl.Close(t.Context())
	}
}

// TestFallback: a transport that does not open uses up its negotiation, one
// that is not tried does not.
func TestFallback(t *testing.T) {
	const negotiate = "POST hub/chat/negotiate?a=b&negotiateVersion=1"
	const connect = " hub/chat?a=b&id=t%2F1"
	negotiations := func(status int) http.HandlerFunc { // all else is answered with status
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/negotiate") {
				io.WriteString(w, offersAll)
				return
			}
			w.WriteHeader(status)
		}
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		o      ClientOptions
		want   []string
		err    string
	}{
		{"nothing works", negotiations(503), ClientOptions{},
			[]string{negotiate, "WS" + connect, negotiate, "SSE" + connect, negotiate, "GET" + connect},
			"signalr: no transport could be opened: WebSockets: "},
		{"neither for messagepack", negotiations(503), ClientOptions{Protocol: "messagepack"},
			[]string{negotiate, "WS" + connect, negotiate, "GET" + connect},
			"ServerSentEvents: does not carry the transfer format Binary; LongPolling: transport: the server answered 503 Service Unavailable"},
		{"only those that are wanted", negotiations(404), ClientOptions{Transports: LongPolling | ServerSentEvents},
			[]string{negotiate, "SSE" + connect, negotiate, "GET" + connect},
			"WebSockets: not among the client's transports; ServerSentEvents: transport: the server answered 404 Not Found (several servers behind one address need sticky sessions); LongPolling: "},
		{"an event stream that is none", negotiations(200), ClientOptions{Transports: ServerSentEvents},
			[]string{negotiate, "SSE" + connect}, "something else than an event stream"},
	} {
		meetStrange(t, c.answer, func(s *strange) {
			wantText(s.t, c.name, s.try("http://hub/chat?a=b", c.o), c.err)
			s.wantRequests(c.name, c.want...)
		})
	}
}

// TestFallbackLeadsToAConnection: behind a proxy that knows no upgrades, and
// one that knows no event streams either.
func TestFallbackLeadsToAConnection(t *testing.T) {
	for want, strip := range map[string]func(h http.Header){
		"sse": func(h http.Header) { h.Del("Upgrade"); h.Del("Connection"); h.Del("Sec-WebSocket-Key") },
		"polling": func(h http.Header) {
			for name := range h {
				if strings.HasPrefix(name, "Sec-") || name == "Upgrade" || h.Get(name) == "text/event-stream" {
					h.Del(name)
				}
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			hub := parley.NewHub(nil)
			hub.Handle("transport", parley.Func(func(c *parley.Conn) string { return c.Transport() }))
			endpoint := Handler(hub, nil)
			serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				strip(r.Header)
				endpoint.ServeHTTP(w, r)
			}), func(n *network) {
				cl := n.client(ClientOptions{})
				connect(t, cl)
				var got string
				if err := cl.Call(t.Context(), "transport", &got); err != nil || got != want {
					t.Errorf("got %q %v, want %s", got, err, want)
				}
				cl.Close(t.Context())
				hub.Shutdown(t.Context())
			})
		})
	}
}

// TestRedirects: the client negotiates again where the server leads it, with
// the token it was given, and connects there.
func TestRedirects(t *testing.T) {
	meetStrange(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Host + r.URL.Path {
		case "hub/chat/negotiate": // by HTTP, which keeps the method
			http.Redirect(w, r, "/hubs/chat/negotiate?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
		case "hub/hubs/chat/negotiate":
			io.WriteString(w, `{"negotiateVersion":1,"url":"http://cloud/client/?hub=chat&x=%20","accessToken":"of-the-cloud","availableTransports":[]}`)
		case "cloud/client/negotiate":
			io.WriteString(w, `{"url":"../v2"}`)
		case "cloud/v2/negotiate":
			io.WriteString(w, strings.Replace(offersAll, `"negotiateVersion":1,`, "", 1))
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}, func(s *strange) {
		asked := 0
		err := s.try("http://hub/chat", ClientOptions{Transports: WebSockets, AccessToken: func(context.Context) (string, error) {
			asked++
			return "mine", nil
		}})
		wantText(s.t, "connect", err, "401")
		s.wantRequests("redirects",
			"POST hub/chat/negotiate?negotiateVersion=1 Bearer mine",
			"POST hub/hubs/chat/negotiate?negotiateVersion=1 Bearer mine",
			"POST cloud/client/negotiate?hub=chat&x=%20&negotiateVersion=1 Bearer of-the-cloud",
			"POST cloud/v2/negotiate?negotiateVersion=1 Bearer of-the-cloud",
			"WS cloud/v2?id=i Bearer of-the-cloud") // version 0: the name is the token; and nobody is asked for another one
		if asked != 1 {
			s.t.Errorf("asked %d times for a token, want once", asked)
		}
	})
}

// TestAccessTokens: a token for each negotiation, and a new one when another
// request is refused for it, on every transport.
func TestAccessTokens(t *testing.T) {
	for _, m := range modes {
		synctest.Test(t, func(t *testing.T) {
			hub := parley.NewHub(nil)
			hub.Handle("echo", parley.Func(func(s string) string { return s }))
			endpoint := Handler(hub, nil)
			valid := 1 // the token that is let in
			var mu sync.Mutex
			var refused []string
			serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				ok := r.Header.Get("Authorization") == "Bearer "+strconv.Itoa(valid)
				if strings.HasSuffix(r.URL.Path, "/negotiate") {
					valid++ // it has expired by now
				}
				if !ok {
					refused = append(refused, r.Method)
				}
				mu.Unlock()
				if !ok {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				endpoint.ServeHTTP(w, r)
			}), func(n *network) {
				asked := 0
				o := m.options()
				o.AccessToken = func(context.Context) (string, error) {
					mu.Lock()
					defer mu.Unlock()
					asked++
					return strconv.Itoa(valid), nil
				}
				cl := n.client(o)
				connect(t, cl)
				if m.transport != WebSockets {
					mu.Lock()
					valid++ // for the POST
					mu.Unlock()
				}
				var got string
				if err := cl.Call(t.Context(), "echo", &got, "hi"); err != nil || got != "hi" {
					t.Errorf("%s: echo: got %q %v", m, got, err)
				}
				if err := cl.Close(t.Context()); err != nil {
					t.Errorf("%s: Close: %v", m, err)
				}
				synctest.Wait()
				if want := len(refused) + 1; asked != want || (m.how == "skip") != (want == 1) {
					t.Errorf("%s: asked %d times for a token, refused %v", m, asked, refused)
				}
				hub.Shutdown(t.Context())
			})
		})
	}
}

func TestTokensAreNotTold(t *testing.T) {
	const secret = "s3cr3t"
	never := errors.New("nobody there")
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		o      ClientOptions
		want   string
	}{
		{"refused", answering(403, secret), ClientOptions{}, "403 Forbidden"},
		{"refused twice", func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/negotiate") {
				io.WriteString(w, strings.ReplaceAll(offersAll, "t/1", secret))
				return
			}
			w.WriteHeader(http.StatusUnauthorized)
		}, ClientOptions{}, "401"},
		{"not sent", answering(401, ""), ClientOptions{AccessToken: func(context.Context) (string, error) { return secret + "\n", nil }}, "invalid header field value"},
		{"none to be had", answering(401, ""), ClientOptions{AccessToken: func(context.Context) (string, error) { return secret, never }}, "access token: nobody there"},
		{"broken off", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, ClientOptions{}, "EOF"},
	} {
		for _, skip := range []bool{false, true} {
			meetStrange(t, c.answer, func(s *strange) {
				o := c.o
				o.SkipNegotiation = skip
				if o.AccessToken == nil {
					o.AccessToken = func(context.Context) (string, error) { return secret, nil }
				}
				err := s.try("http://hub/chat?key="+secret, o)
				if err == nil || strings.Contains(err.Error(), secret) {
					s.t.Errorf("%s: got %v, want an error without secrets", c.name, err)
				}
				if !skip {
					wantText(s.t, c.name, err, c.want)
				}
			})
		}
	}
}

// TestCookiesAndHeaders: what the negotiation sets comes back on every
// transport, and so does the client's own header.
func TestCookiesAndHeaders(t *testing.T) {
	meetStrange(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/negotiate") {
			http.SetCookie(w, &http.Cookie{Name: "node", Value: "7", Path: "/"})
			io.WriteString(w, offersAll)
			return
		}
		h := r.Header
		if h.Get("Cookie") != "node=7" || h.Get("X-App") != "a" || h.Get("X-Requested-With") != "XMLHttpRequest" || r.Host != "virtual" {
			t.Errorf("%s %s with Host %s and %v", r.Method, r.URL, r.Host, h)
		}
		w.WriteHeader(http.StatusForbidden)
	}, func(s *strange) {
		s.http.Jar, _ = cookiejar.New(nil)
		err := s.try("http://virtual/chat", ClientOptions{Header: http.Header{"X-App": {"a"}, "Host": {"virtual"}, "Accept": {"none"}}})
		wantText(s.t, "connect", err, "no transport")
		if n := len(s.requests()); n != 6 {
			s.t.Errorf("%d requests, want 6", n)
		}
	})
}

// TestAWebSocketTakesTheProxyToo checks what an HTTP client knows of the way.
func TestAWebSocketTakesTheProxyToo(t *testing.T) {
	meetStrange(t, answering(407, ""), func(s *strange) {
		s.http.Transport.(*http.Transport).Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy:3128"})
		wantText(s.t, "connect", s.try("http://hub/chat", ClientOptions{SkipNegotiation: true}), "407")
		s.wantRequests("proxy", "CONNECT hub:80hub:80")
	})
}

func TestRedirectsStaySecure(t *testing.T) {
	for to, want := range map[string]string{"http://hub/x": "from https to http", "ws://hub/x": "from https to http", "wss://other/x": "", "/y": ""} {
		at, _ := endpointOf("https://hub/chat")
		err := (&visit{at: at}).follow(&offered{negotiation: negotiation{URL: to}})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", to, err, want)
		}
	}
}

// FuzzNegotiationAnswers: whatever a server answers, the client fails, or tries
// at most the transports that it knows, once each.
func FuzzNegotiationAnswers(f *testing.F) {
	for _, seed := range []string{offersAll, offersNothing, `{"url":"../x"}`, `{"error":"no"}`, `{"ProtocolVersion":"1.5"}`, `{"connectionId":null}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		n, err := readOffer(&http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))})
		if err != nil {
			return
		}
		at, _ := endpointOf("http://hub/chat")
		v := &visit{dialer: &dialer{speaks: protocol{}}, at: at}
		if n.URL != "" {
			if v.follow(n) == nil && (v.at.Host == "" || v.at.Scheme != "http" && v.at.Scheme != "https") {
				t.Errorf("%s leads to %s", body, v.at)
			}
			return
		}
		if n.token() == "" {
			t.Errorf("%s names a connection", body)
		}
		for _, way := range n.AvailableTransports {
			if kind, err := v.usable(&way); err == nil && kind.String() != way.Transport {
				t.Errorf("%q is taken for %s", way.Transport, kind)
			}
		}
	})
}
