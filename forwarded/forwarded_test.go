package forwarded_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/forwarded"
	"github.com/parley-go/parley/plain"
	"github.com/parley-go/parley/websocket"
)

func parse(t testing.TB, list ...string) forwarded.Proxies {
	t.Helper()
	p, err := forwarded.Parse(list...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func request(peer, header string, lines ...string) *http.Request {
	return &http.Request{RemoteAddr: peer, Header: http.Header{header: lines}}
}

func TestXForwardedFor(t *testing.T) {
	tests := []struct {
		name, peer string
		lines      []string
		want       string
	}{
		{"a proxy's word", "10.0.0.1:99", []string{"203.0.113.9"}, "203.0.113.9:0"},
		{"nothing said", "10.0.0.1:99", nil, "10.0.0.1:99"},
		{"a peer that is no proxy", "192.0.2.1:99", []string{"203.0.113.9"}, "192.0.2.1:99"},
		{"what the client wrote before it", "10.0.0.1:99", []string{"1.1.1.1, 10.0.0.7, 203.0.113.9"}, "203.0.113.9:0"},
		{"two proxies in a row", "10.0.0.1:99", []string{"1.1.1.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9:0"},
		{"several lines", "10.0.0.1:99", []string{"1.1.1.1", "203.0.113.9", "10.0.0.2"}, "203.0.113.9:0"},
		{"nothing but proxies", "10.0.0.1:99", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3:0"},
		{"a port", "10.0.0.1:99", []string{"203.0.113.9:1234"}, "203.0.113.9:1234"},
		{"IPv6", "[2001:db8:1::1]:99", []string{"2001:db8::9"}, "[2001:db8::9]:0"},
		{"IPv6 in brackets", "10.0.0.1:99", []string{"[2001:db8::9]"}, "[2001:db8::9]:0"},
		{"IPv6 with a port", "10.0.0.1:99", []string{"[2001:db8::9]:1"}, "[2001:db8::9]:1"},
		{"IPv4 in IPv6, of a proxy", "[::ffff:10.0.0.1]:99", []string{"203.0.113.9, ::ffff:10.0.0.2"}, "203.0.113.9:0"},
		{"a zone", "10.0.0.1:99", []string{"fe80::1%eth0"}, "[fe80::1]:0"},
		{"empty elements and spaces", "10.0.0.1:99", []string{" 203.0.113.9\t, ,", ""}, "203.0.113.9:0"},
		{"no address", "10.0.0.1:99", []string{"203.0.113.9, unknown"}, "10.0.0.1:99"},
		{"no address behind a proxy", "10.0.0.1:99", []string{"203.0.113.9, <script>, 10.0.0.2"}, "10.0.0.2:0"},
		{"a port that is none", "10.0.0.1:99", []string{"203.0.113.9:99999"}, "10.0.0.1:99"},
		{"quotes mean nothing here", "10.0.0.1:99", []string{`", 203.0.113.9`}, "203.0.113.9:0"},
		{"a Unix socket that is not believed", "@", []string{"203.0.113.9"}, "invalid AddrPort"},
		{"an address without a port", "10.0.0.1", []string{"203.0.113.9"}, "invalid AddrPort"},
	}
	p := parse(t, "10.0.0.0/8", "2001:db8:1::1")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request(tt.peer, "X-Forwarded-For", tt.lines...)
			r.Header["Forwarded"] = []string{"for=6.6.6.6"} // the proxies do not write it: the client did
			if got := p.Client(r).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got := (forwarded.Proxies{}).Client(r).String(); got == "203.0.113.9:0" {
				t.Errorf("nobody is to be believed: got %s", got)
			}
		})
	}
}

func TestForwarded(t *testing.T) {
	tests := []struct {
		name, line, want string
	}{
		{"an address", "for=203.0.113.9", "203.0.113.9:0"},
		{"among others", `by=10.0.0.1;For="203.0.113.9:47011";proto=https;host="a;b,c"`, "203.0.113.9:47011"},
		{"IPv6", `for="[2001:db8:cafe::17]:4711"`, "[2001:db8:cafe::17]:4711"},
		{"an escape in quotes", `for="203.0.113\.9"`, "203.0.113.9:0"},
		{"an obfuscated port", `for="203.0.113.9:_port"`, "203.0.113.9:0"},
		{"what the client wrote before it", `for=1.1.1.1, for=203.0.113.9, for=10.0.0.2`, "203.0.113.9:0"},
		{"spaces", "for=1.1.1.1 ,\tfor=203.0.113.9 ; proto=http ", "203.0.113.9:0"},
		{"a quote the client has left open", `for="1.1.1.1, for=203.0.113.9`, "203.0.113.9:0"},
		{"a quote left open before quotes", `for=1.1.1.1;x=", for="203.0.113.9:1"`, "203.0.113.9:1"},
		{"a comma in quotes", `for=203.0.113.9;host="x, for=1.1.1.1"`, "203.0.113.9:0"},
		{"an escaped quote", `for=203.0.113.9;host="x\", for=1.1.1.1"`, "203.0.113.9:0"},
		{"unknown", "for=203.0.113.9, for=unknown", "10.0.0.1:99"},
		{"obfuscated", "for=203.0.113.9, for=_hidden", "10.0.0.1:99"},
		{"obfuscated behind a proxy", "for=203.0.113.9, for=_hidden, for=10.0.0.2", "10.0.0.2:0"},
		{"no for", "for=203.0.113.9, proto=http", "10.0.0.1:99"},
		{"two fors", "for=203.0.113.9;for=1.1.1.1", "10.0.0.1:99"},
		{"no parameter", "203.0.113.9", "10.0.0.1:99"},
		{"something behind quotes", `for="203.0.113.9"x`, "10.0.0.1:99"},
		{"a quote in a token", `for=203.0.113.9"`, "10.0.0.1:99"},
	}
	p := parse(t, "10.0.0.0/8")
	p.RFC7239 = true
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request("10.0.0.1:99", "Forwarded", tt.line)
			r.Header["X-Forwarded-For"] = []string{"6.6.6.6"}
			if got := p.Client(r).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestAUnixSocketThatIsBelieved(t *testing.T) {
	p := parse(t, "unix")
	for _, peer := range []string{"@", ""} {
		if got := p.Client(request(peer, "X-Forwarded-For", "203.0.113.9")); got.String() != "203.0.113.9:0" {
			t.Errorf("got %v", got)
		}
	}
	if got := p.Client(request("192.0.2.1:9", "X-Forwarded-For", "203.0.113.9")); got.String() != "192.0.2.1:9" {
		t.Errorf("by TCP: got %v", got)
	}
}

func TestAPrefixOfIPv4InIPv6(t *testing.T) {
	for _, prefix := range []string{"::ffff:10.0.0.0/104", "::ffff:10.0.0.1/128", "::ffff:10.0.0.1"} {
		p := parse(t, prefix)
		for _, peer := range []string{"10.0.0.1:9", "[::ffff:10.0.0.1]:9"} {
			if got := p.Client(request(peer, "X-Forwarded-For", "203.0.113.9")); got.String() != "203.0.113.9:0" {
				t.Errorf("%s behind %s: got %v", prefix, peer, got)
			}
		}
		if got := p.Client(request("11.0.0.1:9", "X-Forwarded-For", "203.0.113.9")); got.String() != "11.0.0.1:9" {
			t.Errorf("%s believes %v", prefix, got)
		}
	}
}

func TestWhatIsNoProxy(t *testing.T) {
	for _, s := range []string{"", "example.com", "10.0.0.0/33", "10.0.0", "*", "Unix"} {
		if p, err := forwarded.Parse("::1", s); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", s)) {
			t.Errorf("%q: got %v, %v, want an error that names it", s, p, err)
		}
	}
}

func TestHandlersSeeTheClient(t *testing.T) {
	var seen string
	h := parse(t, "127.0.0.0/8", "::1").Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.RemoteAddr }))
	server := httptest.NewServer(h)
	defer server.Close()
	get := func(header string) {
		r, err := http.NewRequest(http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", header)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if get("6.6.6.6, 203.0.113.9"); seen != "203.0.113.9:0" {
		t.Errorf("got %s, want the client", seen)
	}
	if get(""); !strings.HasPrefix(seen, "127.0.0.1:") {
		t.Errorf("got %s, want the peer", seen)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr, r.Header["X-Forwarded-For"] = "127.0.0.1:9", []string{"203.0.113.9"}
	if h.ServeHTTP(httptest.NewRecorder(), r); r.RemoteAddr != "127.0.0.1:9" {
		t.Errorf("the request of the caller became one of %s", r.RemoteAddr)
	}
}

// as opens a WebSocket of a client behind a proxy.
func as(t *testing.T, url, client string) error {
	t.Helper()
	c, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Header: http.Header{"X-Forwarded-For": {client}}})
	if err == nil {
		t.Cleanup(func() { c.CloseNow() })
	}
	return err
}

func TestHubsSeeTheClient(t *testing.T) {
	hub, seen := parley.NewHub(nil), make(chan string, 1)
	hub.OnConnect(func(_ context.Context, c *parley.Conn) error {
		seen <- c.Request().RemoteAddr
		return nil
	})
	server := httptest.NewServer(parse(t, "127.0.0.1").Handler(plain.Handler(hub, nil)))
	t.Cleanup(server.Close)
	t.Cleanup(func() { hub.Shutdown(context.Background()) })
	if err := as(t, server.URL, "1.1.1.1, 203.0.113.9"); err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != "203.0.113.9:0" {
		t.Errorf("the hub sees %s", got)
	}
}

func TestConnectionsAreCountedByClient(t *testing.T) {
	h := &websocket.Handler{Options: &websocket.AcceptOptions{Limits: &websocket.Limits{ConnsPerAddress: 1}}}
	server := httptest.NewServer(parse(t, "127.0.0.1").Handler(h))
	t.Cleanup(server.Close)
	for _, client := range []string{"203.0.113.9", "203.0.113.10"} {
		if err := as(t, server.URL, client); err != nil {
			t.Errorf("the first of %s: %v", client, err)
		}
	}
	var refused *websocket.HandshakeError
	if err := as(t, server.URL, "6.6.6.6, 203.0.113.9"); !errors.As(err, &refused) || refused.Response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the second: got %v, want 429", err)
	}
}

// A long header takes time by its length, not more.
func TestAHeaderOfAMegabyte(t *testing.T) {
	p := parse(t, "10.0.0.0/8")
	for _, piece := range []string{"10.0.0.2,", ",", `\`, `"\`, `\"`, "x"} {
		line := strings.Repeat(piece, 1<<20/len(piece))
		for _, p.RFC7239 = range []bool{false, true} {
			r := request("10.0.0.1:9", "X-Forwarded-For", line)
			r.Header["Forwarded"] = []string{line}
			if got := p.Client(r); !netip.MustParsePrefix("10.0.0.0/8").Contains(got.Addr()) {
				t.Errorf("%q: got %v, whom nobody named", piece, got)
			}
		}
	}
}

// Whatever a client writes, the address that the proxy adds behind it is found.
func FuzzClient(f *testing.F) {
	f.Add("1.1.1.1", false)
	f.Add(`for="a\", for=1.1.1.1;x="`, true)
	f.Add(`for=10.0.0.2, for="`, true)
	f.Fuzz(func(t *testing.T, line string, rfc7239 bool) {
		p := forwarded.Proxies{Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, RFC7239: rfc7239}
		header, added := "X-Forwarded-For", "203.0.113.9:7, 10.0.0.2"
		if rfc7239 {
			header, added = "Forwarded", `for="203.0.113.9:7";by="x,\"y", for=10.0.0.2`
		}
		for _, r := range []*http.Request{request("10.0.0.1:9", header, line+", "+added), request("10.0.0.1:9", header, line, added)} {
			if got := p.Client(r); got.String() != "203.0.113.9:7" {
				t.Errorf("behind %q: got %v", line, got)
			}
		}
		p.Client(request("10.0.0.1:9", header, line)) // must come to an end
		if got := p.Client(request("192.0.2.1:9", header, line)); got.String() != "192.0.2.1:9" {
			t.Errorf("a peer that is no proxy: got %v", got)
		}
	})
}
