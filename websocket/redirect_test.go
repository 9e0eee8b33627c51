package websocket

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
)

type testJar struct{ http.CookieJar }

func newJar(t *testing.T) testJar {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return testJar{jar}
}

// names lists the cookies that rawURL would get.
func (j testJar) names(t *testing.T, rawURL string) string {
	t.Helper()
	var names []string
	for _, c := range j.Cookies(mustParse(t, rawURL)) {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

func mustParse(t *testing.T, rawURL string) *url.URL {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func moved(status int, location string, lines ...string) string {
	return fmt.Sprintf("HTTP/1.1 %d Moved\r\nLocation: %s\r\n%sContent-Length: 5\r\n\r\nmoved", status, location, strings.Join(append(lines, ""), "\r\n"))
}

func TestRedirectsAreFollowedOnRequest(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		inBubble(t, func(t *testing.T) {
			var seen []string
			o := answering(t, func(r *http.Request) string {
				seen = append(seen, r.Method+" "+r.Host+r.RequestURI+" "+r.Header.Get("Sec-WebSocket-Protocol")+" "+r.Header.Get("X-Mine"))
				switch r.RequestURI {
				case "/a":
					return moved(status, "b/?q=1#fragment")
				case "/b/?q=1":
					return moved(status, "ws://other.test/c")
				}
				return switching(r, "Sec-WebSocket-Protocol: chat")
			})
			o.MaxRedirects, o.Subprotocols = 2, []string{"chat"}
			o.Header = http.Header{"X-Mine": {"yes"}}
			c, err := Dial(t.Context(), "ws://chat.test/a", o)
			if err != nil {
				t.Fatal(err)
			}
			c.CloseNow()
			want := []string{"GET chat.test/a chat yes", "GET chat.test/b/?q=1 chat yes", "GET other.test/c chat yes"}
			if !slices.Equal(seen, want) {
				t.Errorf("got %q, want %q", seen, want)
			}
		})
	}
}

func TestRedirectsThatAreRefusals(t *testing.T) {
	tests := []struct {
		name, answer string
		max          int
		requests     int
		says         string
	}{
		{"not asked for", moved(302, "/again"), 0, 1, `answered "302 Moved", not 101`},
		{"without end", moved(302, "/again"), 3, 4, "more than 3 times"},
		{"no Location", "HTTP/1.1 302 Moved\r\nContent-Length: 5\r\n\r\nmoved", 3, 1, "Location header is missing"},
		{"no URL", moved(302, "http://%zz"), 3, 1, "not a URL"},
		{"another scheme", moved(302, "file:///etc/passwd"), 3, 1, "neither ws nor wss"},
		{"no host", moved(302, "http:///"), 3, 1, "needs a host"},
		{"305", moved(305, "/again"), 3, 1, "not 101"},
		{"300", moved(300, "/again"), 3, 1, "not 101"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				requests := 0
				o := answering(t, func(r *http.Request) string {
					requests++
					return tt.answer
				})
				o.MaxRedirects = tt.max
				_, err := Dial(t.Context(), "ws://chat.test/", o)
				var failed *HandshakeError
				if !errors.As(err, &failed) || failed.Response == nil || !strings.Contains(err.Error(), tt.says) || requests != tt.requests {
					t.Fatalf("got %v after %d requests, want %q after %d", err, requests, tt.says, tt.requests)
				}
				if strings.Contains(tt.answer, "moved") {
					if body, _ := io.ReadAll(failed.Response.Body); string(body) != "moved" {
						t.Errorf("body: got %q, want moved", body)
					}
				}
			})
		})
	}
}

// TestRedirectsNeverGiveUpEncryption asks a server behind TLS that sends its clients
// to one without.
func TestRedirectsNeverGiveUpEncryption(t *testing.T) {
	open := echoServer(t, nil)
	s, o := secureServer(t, http.RedirectHandler(strings.Replace(open.URL, "http:", "ws:", 1), http.StatusFound))
	o.MaxRedirects = 10
	_, err := Dial(t.Context(), s.URL, o)
	if err == nil || !strings.Contains(err.Error(), "from wss to ws") {
		t.Errorf("got %v, want it to refuse", err)
	}
}

// TestWhatARedirectTakesAlong checks that credentials stay with the server they were
// meant for.
func TestWhatARedirectTakesAlong(t *testing.T) {
	tests := []struct {
		from, location string
		want           string // user and the headers that are left
	}{
		{"ws://ann:pw@a.test/x", "/y", "ann:pw Authorization Cookie Host Proxy-Authorization X-Mine"},
		{"ws://ann:pw@a.test/x", "//A.TEST:80/y", "ann:pw Authorization Cookie Host Proxy-Authorization X-Mine"},
		{"ws://ann:pw@a.test/x", "//bob@a.test/y", "bob Authorization Cookie Host Proxy-Authorization X-Mine"},
		{"ws://ann:pw@a.test/x", "wss://a.test/x", "ann:pw Authorization Cookie Host Proxy-Authorization X-Mine"},
		{"wss://ann:pw@a.test/x", "https://a.test:443/y", "ann:pw Authorization Cookie Host Proxy-Authorization X-Mine"},
		{"ws://ann:pw@a.test/x", "ws://b.test/x", " X-Mine"},
		{"ws://ann:pw@a.test/x", "ws://sub.a.test/x", " X-Mine"},
		{"ws://ann:pw@a.test/x", "ws://bob:pw@b.test/x", "bob:pw X-Mine"},
		{"ws://ann:pw@a.test/x", "ws://a.test:8080/x", " X-Mine"},
		{"ws://ann:pw@a.test:8080/x", "wss://a.test/x", " X-Mine"},
		{"ws://ann:pw@a.test/x", "wss://a.test:8443/x", " X-Mine"},
		{"ws://ann:pw@a.test:443/x", "wss://a.test/x", " X-Mine"},
	}
	for _, tt := range tests {
		t.Run(tt.from+" to "+tt.location, func(t *testing.T) {
			from := mustParse(t, tt.from)
			if err := checkURL(from); err != nil {
				t.Fatal(err)
			}
			header := http.Header{"Authorization": {"a"}, "Cookie": {"b"}, "Host": {"c"}, "Proxy-Authorization": {"d"}, "X-Mine": {"e"}}
			u, left, err := redirect(from, header, &http.Response{Header: http.Header{"Location": {tt.location}}})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for name := range left {
				names = append(names, name)
			}
			slices.Sort(names)
			if got := u.User.String() + " " + strings.Join(names, " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if len(header) != 5 {
				t.Errorf("the application's header was changed: %v", header)
			}
		})
	}
}

// TestCredentialsDoNotComeBack follows a redirect away and home again.
func TestCredentialsDoNotComeBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var seen []string
		o := answering(t, func(r *http.Request) string {
			seen = append(seen, r.Host+" "+r.Header.Get("Authorization")+r.Header.Get("Cookie"))
			switch r.RequestURI {
			case "/":
				return moved(307, "ws://b.test/away")
			case "/away":
				return moved(307, "ws://a.test/home")
			}
			return switching(r)
		})
		o.MaxRedirects = 2
		o.Header = http.Header{"Cookie": {"c=1"}}
		c, err := Dial(t.Context(), "ws://ann:pw@a.test/", o)
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
		if want := []string{"a.test Basic YW5uOnB3c=1", "b.test ", "a.test "}; !slices.Equal(seen, want) {
			t.Errorf("got %q, want %q", seen, want)
		}
	})
}

func TestCookiesAreKept(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		jar := newJar(t)
		jar.SetCookies(mustParse(t, "https://a.test/"), []*http.Cookie{{Name: "secret", Value: "1", Secure: true}})
		var seen []string
		o := answering(t, func(r *http.Request) string {
			seen = append(seen, r.Host+r.RequestURI+" "+r.Header.Get("Cookie"))
			switch r.RequestURI {
			case "/refuse":
				return "HTTP/1.1 401 Unauthorized\r\nSet-Cookie: refused=1; Path=/\r\nContent-Length: 0\r\n\r\n"
			case "/move":
				return moved(302, "ws://b.test/", "Set-Cookie: moved=1; Path=/")
			}
			return switching(r, "Set-Cookie: opened=1; Path=/")
		})
		o.Jar, o.MaxRedirects = jar, 1
		o.Header = http.Header{"Cookie": {"own=1"}}
		for _, path := range []string{"/refuse", "/move", "/"} {
			if c, err := Dial(t.Context(), "ws://a.test"+path, o); err == nil {
				c.CloseNow()
			}
		}
		want := []string{
			"a.test/refuse own=1",
			"a.test/move own=1; refused=1",
			"b.test/ ", // what was set for a.test stays there
			"a.test/ own=1; refused=1; moved=1",
		}
		if !slices.Equal(seen, want) {
			t.Errorf("got  %q\nwant %q", seen, want)
		}
		if got := jar.names(t, "http://a.test/"); got != "refused moved opened" {
			t.Errorf("the jar has %q for a.test", got)
		}
		if got := jar.names(t, "http://b.test/"); got != "opened" {
			t.Errorf("the jar has %q for b.test", got)
		}
		if len(o.Header["Cookie"]) != 1 || o.Header.Get("Cookie") != "own=1" {
			t.Errorf("the application's header was changed: %v", o.Header)
		}
	})
}
