package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// proxy is a proxy on a loopback address. talk speaks its protocol, and returns the
// target it was asked for, or "" after a refusal.
type proxy struct {
	addr    string
	targets chan string // those that were connected to
}

func newProxy(t *testing.T, config *tls.Config, talk func(br *bufio.Reader, nc net.Conn) string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &proxy{addr: l.Addr().String(), targets: make(chan string, 10)}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(nc, talk)
		}
	}()
	return p
}

func (p *proxy) serve(nc net.Conn, talk func(br *bufio.Reader, nc net.Conn) string) {
	defer nc.Close()
	br := bufio.NewReader(nc)
	target := talk(br, nc)
	if target == "" {
		return
	}
	p.targets <- target
	_, port, _ := net.SplitHostPort(target)
	server, err := net.Dial("tcp", "127.0.0.1:"+port) // whatever the name is
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer nc.Close()
		io.Copy(nc, server)
	}()
	io.Copy(server, br)
}

// through is the Proxy option for a proxy.
func through(t *testing.T, format string, p *proxy) func(*http.Request) (*url.URL, error) {
	t.Helper()
	return http.ProxyURL(mustParse(t, fmt.Sprintf(format, p.addr)))
}

// talkCONNECT is an HTTP proxy that wants login, "user:password", unless it is empty.
func talkCONNECT(login string) func(br *bufio.Reader, nc net.Conn) string {
	return func(br *bufio.Reader, nc net.Conn) string {
		r, err := http.ReadRequest(br)
		if err != nil {
			return ""
		}
		asked := &http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
		user, password, _ := asked.BasicAuth()
		switch {
		case r.Method != "CONNECT" || r.Host != r.RequestURI:
			io.WriteString(nc, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
			return ""
		case login != "" && user+":"+password != login:
			io.WriteString(nc, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno")
			return ""
		}
		io.WriteString(nc, "HTTP/1.1 200 Connection established\r\nVia: proxy\r\n\r\n")
		return r.Host
	}
}

// talkSOCKS is a SOCKS proxy by the letter of RFC 1928 and RFC 1929.
func talkSOCKS(login string) func(br *bufio.Reader, nc net.Conn) string {
	return func(br *bufio.Reader, nc net.Conn) string {
		take := func(n int) []byte {
			b := make([]byte, n)
			io.ReadFull(br, b)
			return b
		}
		head := take(2)
		methods := take(int(head[1]))
		want := byte(0)
		if login != "" {
			want = 2
		}
		if head[0] != 5 || !strings.Contains(string(methods), string([]byte{want})) {
			nc.Write([]byte{5, 0xff})
			return ""
		}
		nc.Write([]byte{5, want})
		if want == 2 {
			user := string(take(int(take(2)[1])))
			password := string(take(int(take(1)[0])))
			if user+":"+password != login {
				nc.Write([]byte{1, 1})
				return ""
			}
			nc.Write([]byte{1, 0})
		}
		var host string
		switch take(4)[3] {
		case 1:
			host = net.IP(take(4)).String()
		case 3:
			host = string(take(int(take(1)[0])))
		case 4:
			host = net.IP(take(16)).String()
		}
		port := take(2)
		nc.Write([]byte{5, 0, 0, 3, 4, 'n', 'a', 'm', 'e', 0, 0})
		return net.JoinHostPort(host, fmt.Sprint(int(port[0])<<8|int(port[1])))
	}
}

// TestThroughEveryKindOfProxy echoes over ws, wss and HTTP/2, by name and by address.
func TestThroughEveryKindOfProxy(t *testing.T) {
	const login = "ann:s3cret/word"
	certified, _ := secureServer(t, http.NotFoundHandler())
	config := &tls.Config{Certificates: certified.TLS.Certificates}
	proxies := []struct {
		format string
		p      *proxy
	}{
		{"http://%s", newProxy(t, nil, talkCONNECT(""))},
		{"http://ann:s3cret%%2Fword@%s", newProxy(t, nil, talkCONNECT(login))},
		{"https://%s", newProxy(t, config, talkCONNECT(""))},
		{"https://ann:s3cret%%2Fword@%s", newProxy(t, config, talkCONNECT(login))},
		{"socks5://%s", newProxy(t, nil, talkSOCKS(""))},
		{"socks5h://ann:s3cret%%2Fword@%s", newProxy(t, nil, talkSOCKS(login))},
	}
	open := echoServer(t, nil)
	secure, o := secureServer(t, echoHandler(nil))
	for _, proxy := range proxies {
		for _, target := range []struct{ url, want string }{
			{open.URL, open.Listener.Addr().String()},
			{"ws://chat.test:" + portOf(mustParse(t, open.URL)), "chat.test:" + portOf(mustParse(t, open.URL))},
			{"ws://[::1]:" + portOf(mustParse(t, open.URL)), "[::1]:" + portOf(mustParse(t, open.URL))},
			{secure.URL, secure.Listener.Addr().String()},
			{"wss://example.com:" + portOf(mustParse(t, secure.URL)), "example.com:" + portOf(mustParse(t, secure.URL))},
		} {
			t.Run(proxy.format+" to "+target.url, func(t *testing.T) {
				o := *o
				o.HTTP2 = false
				o.Proxy = through(t, proxy.format, proxy.p)
				c := dialed(t, target.url, &o)
				if got := <-proxy.p.targets; got != target.want {
					t.Errorf("the proxy was asked for %q, want %q", got, target.want)
				}
				c.Write(t.Context(), Message{Text, []byte("hello")})
				wantMessage(t, c, Text, "hello")
				if err := c.Close(StatusNormalClosure, ""); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		}
	}
}

func TestHTTP2ThroughAProxy(t *testing.T) {
	inHTTP2(t, func(t *testing.T) {
		s, o := secureServer(t, echoHandler(nil))
		p := newProxy(t, nil, talkCONNECT(""))
		o.Proxy = through(t, "http://%s", p)
		c := dialed(t, s.URL, o)
		c.Write(t.Context(), Message{Text, []byte("hello")})
		wantMessage(t, c, Text, "hello")
	})
}

func TestProxiesThatRefuse(t *testing.T) {
	web := newProxy(t, nil, talkCONNECT("ann:secret"))
	socks := newProxy(t, nil, talkSOCKS("ann:secret"))
	tests := []struct {
		name, format string
		p            *proxy
		status       int
		says         string
	}{
		{"HTTP, nobody", "http://%s", web, 407, `the proxy answered "407 Proxy Authentication Required"`},
		{"HTTP, a wrong password", "http://ann:guess@%s", web, 407, "407"},
		{"SOCKS, nobody", "socks5://%s", socks, 0, "wants another authentication"},
		{"SOCKS, a wrong password", "socks5://ann:guess@%s", socks, 0, "rejects the user"},
		{"an unknown kind", "ftp://%s", web, 0, `scheme "ftp"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := &DialOptions{Proxy: through(t, tt.format, tt.p), Stats: &Stats{}, MaxRedirects: 5}
			_, err := Dial(t.Context(), "ws://chat.test", o)
			var failed *HandshakeError
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("got %v, want a HandshakeError with %q", err, tt.says)
			}
			if strings.Contains(err.Error(), "guess") {
				t.Errorf("the error tells the password: %v", err)
			}
			if tt.status == 0 {
				return
			}
			if failed.Response == nil || failed.Response.StatusCode != tt.status {
				t.Fatalf("response: got %v, want %d", failed.Response, tt.status)
			}
			if body, _ := io.ReadAll(failed.Response.Body); string(body) != "no" {
				t.Errorf("body: got %q, want no", body)
			}
			if got := o.Stats.Snapshot().Drops["handshake"]; got != 1 {
				t.Errorf("drops: got %d, want 1", got)
			}
		})
	}
}

// TestBadProxies dials through proxies that do not keep to their protocol. None of
// them is believed, and none holds Dial up for longer than the handshake timeout.
func TestBadProxies(t *testing.T) {
	garbage := strings.Repeat("\x05\x00garbage\r\n", 100_000)
	tests := []struct {
		name, proxy string
		says        string
		talk        []string // what the proxy says, each after it has read something
	}{
		{"HTTP: nothing", "http://p", "EOF", nil},
		{"HTTP: garbage", "http://p", "malformed", []string{garbage}},
		{"HTTP: an endless header", "http://p", "longer than HeaderBytes", []string{"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 50_000)}},
		{"HTTP: an endless line", "http://p", "longer than HeaderBytes", []string{"HTTP/1.1 200 " + strings.Repeat("OK", 50_000)}},
		{"HTTP: interim answers without end", "http://p", "longer than HeaderBytes", []string{strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10_000)}},
		{"HTTP: a redirect", "http://p", `the proxy answered "302 Found"`, []string{"HTTP/1.1 302 Found\r\nLocation: ws://evil.test/\r\n\r\n"}},
		{"HTTP: switching protocols", "http://p", `the proxy answered "101 `, []string{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"}},
		{"HTTP: words put into the server's mouth", "http://p", "before anything was asked", []string{"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching"}},
		{"SOCKS: nothing", "socks5://p", "EOF", nil},
		{"SOCKS: version 4", "socks5://p", "does not speak SOCKS 5", []string{"\x04\x00"}},
		{"SOCKS: a method nobody offered", "socks5://p", "another authentication", []string{"\x05\x02"}},
		{"SOCKS: a method nobody offered to a user", "socks5://ann@p", "another authentication", []string{"\x05\x01"}},
		{"SOCKS: another version of the login", "socks5://ann@p", "rejects the user", []string{"\x05\x02", "\x05\x00"}},
		{"SOCKS: half an answer", "socks5://p", "EOF", []string{"\x05"}},
		{"SOCKS: garbage", "socks5://p", "not SOCKS 5", []string{garbage}},
		{"SOCKS: a reply of another version", "socks5://p", "not SOCKS 5", []string{"\x05\x00", "\x04\x00\x00\x01\x00"}},
		{"SOCKS: refused", "socks5://p", "connection refused", []string{"\x05\x00", "\x05\x05\x00\x01\x00"}},
		{"SOCKS: an unknown refusal", "socks5://p", "code 200", []string{"\x05\x00", "\x05\xc8\x00\x01\x00"}},
		{"SOCKS: an unknown address", "socks5://p", "invalid address", []string{"\x05\x00", "\x05\x00\x00\x09\x00"}},
		{"SOCKS: an empty name", "socks5://p", "invalid address", []string{"\x05\x00", "\x05\x00\x00\x03\x00\x00\x00"}},
		{"SOCKS: half a reply", "socks5://p", "EOF", []string{"\x05\x00", "\x05\x00\x00\x04\x00"}},
		{"SOCKS: a long user", "socks5://" + strings.Repeat("u", 256) + "@p", "255 bytes", nil},
		{"SOCKS: no user", "socks5://:pw@p", "255 bytes", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := &DialOptions{Proxy: http.ProxyURL(mustParse(t, tt.proxy)), Stats: &Stats{}, MaxRedirects: 5}
				o.NetDial = func(context.Context, string, string) (net.Conn, error) {
					a, b := memoryNetwork(1 << 10)
					go func() {
						defer b.Close()
						for _, words := range tt.talk {
							b.Read(make([]byte, 1<<10))
							io.WriteString(b, words)
						}
						b.CloseWrite()
						io.Copy(io.Discard, b)
					}()
					return a, nil
				}
				_, err := Dial(t.Context(), "ws://chat.test", o)
				if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "proxy") || strings.Count(err.Error(), "dial:") > 1 {
					t.Errorf("got %v, want %q", err, tt.says)
				}
				dropped := "handshake"
				if strings.Contains(tt.says, "HeaderBytes") {
					dropped = "header_bytes"
				}
				if got := o.Stats.Snapshot().Drops; got[dropped] != 1 || len(got) != 1 {
					t.Errorf("drops: got %v, want one of %s", got, dropped)
				}
			})
		})
	}
}

func TestAProxyThatStalls(t *testing.T) {
	tests := []struct{ proxy, said string }{
		{"http://p", ""}, {"http://p", "HTTP/1.1 200 OK\r\n"}, {"https://p", ""},
		{"socks5://p", ""}, {"socks5://p", "\x05"}, {"socks5://p", "\x05\x00\x05\x00\x00"},
		{"socks5://ann:pw@p", "\x05\x02"}, {"socks5://ann:pw@p", "\x05\x02\x01"},
	}
	for _, tt := range tests {
		inBubble(t, func(t *testing.T) {
			o := &DialOptions{Proxy: http.ProxyURL(mustParse(t, tt.proxy)), Stats: &Stats{}}
			o.NetDial = func(context.Context, string, string) (net.Conn, error) {
				a, b := memoryNetwork(1 << 16)
				io.WriteString(b, tt.said)
				return a, nil
			}
			dial := func(ctx context.Context, want time.Duration) {
				t.Helper()
				start := time.Now()
				_, err := Dial(ctx, "ws://chat.test", o)
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != want {
					t.Errorf("%s after %q: got %v after %v, want DeadlineExceeded after %v", tt.proxy, tt.said, err, time.Since(start), want)
				}
			}
			dial(t.Context(), defaults.handshakeTimeout())
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			dial(ctx, time.Second)
			if got := o.Stats.Snapshot().Drops; got["handshake_timeout"] != 1 || got["handshake"] != 1 {
				t.Errorf("drops: got %v, want a handshake_timeout and, given up by the caller, a handshake", got)
			}
		})
	}
}

func TestAProxyThatIsVerified(t *testing.T) {
	certified, _ := secureServer(t, http.NotFoundHandler())
	p := newProxy(t, &tls.Config{Certificates: certified.TLS.Certificates}, talkCONNECT(""))
	s := echoServer(t, nil)
	_, err := Dial(t.Context(), s.URL, &DialOptions{Proxy: through(t, "https://%s", p)})
	var unknown *tls.CertificateVerificationError
	if !errors.As(err, &unknown) || len(p.targets) > 0 {
		t.Errorf("got %v, want a CertificateVerificationError", err)
	}
	config := trusting(certified)
	config.ServerName = "example.com" // is the server's
	dialed(t, s.URL, &DialOptions{Proxy: through(t, "https://%s", p), TLSConfig: config})
}

func TestWhereTheProxyComesFrom(t *testing.T) {
	if os.Getenv("HTTP_PROXY") != "http://proxy.test:3128" {
		inOwnProcess(t, "HTTP_PROXY=http://proxy.test:3128", "NO_PROXY=", "no_proxy=")
		return
	}
	direct := func(context.Context, string, string) (net.Conn, error) { return nil, io.EOF }
	broken := func(*http.Request) (*url.URL, error) { return nil, io.ErrNoProgress }
	tests := []struct {
		name string
		o    *DialOptions
		want string
	}{
		{"by default from the environment", &DialOptions{}, "http://proxy.test:3128"},
		{"from nowhere if connections are opened by the application", &DialOptions{NetDial: direct}, ""},
		{"as the application says", &DialOptions{NetDial: direct, Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "p"})}, "http://p"},
		{"from nowhere as the application says", &DialOptions{Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}, ""},
	}
	for _, tt := range tests {
		got, err := proxyFor(httptest.NewRequest("GET", "http://chat.test/", nil), tt.o)
		if err != nil || got == nil && tt.want != "" || got != nil && got.String() != tt.want {
			t.Errorf("%s: got %v, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	if _, err := Dial(t.Context(), "ws://chat.test", &DialOptions{Proxy: broken}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v, want the error of Proxy", err)
	}
}

func TestTheRequestAProxyIsAskedAbout(t *testing.T) {
	for _, tt := range []struct{ dial, want string }{
		{"ws://chat.test/path", "http://chat.test/path"}, {"wss://chat.test:8443/", "https://chat.test:8443/"},
	} {
		var got string
		o := &DialOptions{Proxy: func(r *http.Request) (*url.URL, error) {
			got = r.URL.String()
			return nil, io.EOF
		}}
		if _, err := Dial(t.Context(), tt.dial, o); !errors.Is(err, io.EOF) || got != tt.want {
			t.Errorf("got %q, %v, want %q", got, err, tt.want)
		}
	}
}

func TestPortsOfProxies(t *testing.T) {
	for _, tt := range []struct{ proxy, want string }{
		{"http://p", "p:80"}, {"https://p", "p:443"}, {"socks5://p", "p:1080"}, {"socks5h://[::1]", "[::1]:1080"}, {"http://p:3128", "p:3128"},
	} {
		var got string
		o := &DialOptions{Proxy: http.ProxyURL(mustParse(t, tt.proxy))}
		o.NetDial = func(_ context.Context, _, addr string) (net.Conn, error) {
			got = addr
			return nil, io.EOF
		}
		if _, err := Dial(t.Context(), "ws://chat.test", o); !errors.Is(err, io.EOF) || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.proxy, got, err, tt.want)
		}
	}
}
