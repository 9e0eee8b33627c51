package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// answering returns options under which Dial reaches a server that reads the
// request, and answers with what answer makes of it.
func answering(t *testing.T, answer func(r *http.Request) string) *DialOptions {
	return &DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) {
		a, b := memoryNetwork(1 << 20)
		go func() {
			r, err := http.ReadRequest(bufio.NewReader(b))
			if err != nil {
				t.Errorf("the request: %v", err)
				return
			}
			io.WriteString(b, answer(r))
			b.CloseWrite()
		}()
		return a, nil
	}}
}

// switching is the right answer to r with lines added.
func switching(r *http.Request, lines ...string) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: " +
		acceptKey(r.Header.Get("Sec-WebSocket-Key")) + "\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

func TestEveryCheckOfTheServersAnswer(t *testing.T) {
	without := func(r *http.Request, line string) string {
		return strings.Replace(switching(r), line, "", 1)
	}
	tests := []struct {
		name   string
		answer func(r *http.Request) string
		ok     bool
	}{
		{"in order", func(r *http.Request) string { return switching(r) }, true},
		{"a subprotocol we offered", func(r *http.Request) string { return switching(r, "Sec-WebSocket-Protocol: chat") }, true},
		{"interim answers first", func(r *http.Request) string {
			return "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + switching(r)
		}, true},
		{"200", func(r *http.Request) string { return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi" }, false},
		{"another Upgrade", func(r *http.Request) string { // CVE-2020-7693
			return strings.Replace(switching(r), "Upgrade: WebSocket", "Upgrade: foo", 1)
		}, false},
		{"no Upgrade", func(r *http.Request) string { return without(r, "Upgrade: WebSocket\r\n") }, false},
		{"another Connection", func(r *http.Request) string {
			return strings.Replace(switching(r), "Connection: upgrade", "Connection: keep-alive", 1)
		}, false},
		{"no Connection", func(r *http.Request) string { return without(r, "Connection: upgrade\r\n") }, false},
		{"the answer to another key", func(r *http.Request) string {
			return strings.Replace(switching(r), acceptKey(r.Header.Get("Sec-WebSocket-Key")), sampleAccept, 1)
		}, false},
		{"no answer to the key", func(r *http.Request) string {
			return without(r, "Sec-WebSocket-Accept: "+acceptKey(r.Header.Get("Sec-WebSocket-Key"))+"\r\n")
		}, false},
		{"two answers", func(r *http.Request) string { return switching(r, "Sec-WebSocket-Accept: x") }, false},
		{"a subprotocol we did not offer", func(r *http.Request) string { return switching(r, "Sec-WebSocket-Protocol: other") }, false},
		{"two subprotocols", func(r *http.Request) string {
			return switching(r, "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: talk")
		}, false},
		{"an extension", func(r *http.Request) string { return switching(r, "Sec-WebSocket-Extensions: permessage-deflate") }, false},
		{"extensions that are no list", func(r *http.Request) string { return switching(r, `Sec-WebSocket-Extensions: a; b="`) }, false},
		{"200 and an endless body", func(r *http.Request) string {
			return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 100_000)
		}, false},
		{"2,000 headers", func(r *http.Request) string { return switching(r, strings.Repeat("X: y\r\n", 2000)+"X: y") }, true},
		{"a header that is too long", func(r *http.Request) string { return switching(r, strings.Repeat("X: y\r\n", 6000)+"X: y") }, false},
		{"a header line that is too long", func(r *http.Request) string { return switching(r, "X: "+strings.Repeat("y", 40_000)) }, false},
		{"a header name that is too long", func(r *http.Request) string { return switching(r, strings.Repeat("X", 40_000)) }, false},
		{"half an answer", func(r *http.Request) string { return strings.TrimSuffix(switching(r), "\r\n") }, false},
		{"HTTP/2 in text", func(r *http.Request) string { return strings.Replace(switching(r), "HTTP/1.1", "HTTP/2.0", 1) }, false},
		{"not HTTP", func(r *http.Request) string { return "SSH-2.0-OpenSSH\r\n\r\n" }, false},
		{"nothing", func(r *http.Request) string { return "" }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := answering(t, tt.answer)
				o.Subprotocols, o.Stats = []string{"chat", "talk"}, &Stats{}
				c, err := Dial(t.Context(), "ws://chat.test/", o)
				if tt.ok != (err == nil) {
					t.Fatalf("Dial: got %v, want success %v", err, tt.ok)
				}
				if err == nil {
					c.CloseNow()
					return
				}
				var failed *HandshakeError
				if !errors.As(err, &failed) || !strings.HasPrefix(err.Error(), "websocket: dial: ") || strings.Count(err.Error(), "websocket:") > 1 {
					t.Errorf("got %v, want a HandshakeError", err)
				}
				if got := o.Stats.Snapshot().Drops; len(got) != 1 || got["handshake"]+got["header_bytes"] != 1 || o.Stats.Snapshot().Opened != 0 {
					t.Errorf("drops: got %v, want one", got)
				}
			})
		})
	}
}

// TestServersThatNeverStop send one kind of thing for as long as somebody listens.
func TestServersThatNeverStop(t *testing.T) {
	tests := []struct{ name, first, again string }{
		{"headers", "HTTP/1.1 101 Switching Protocols\r\n", "X: y\r\n"},
		{"one header", "HTTP/1.1 101 Switching Protocols\r\nX: ", "yyyyyyyy"},
		{"a status line", "HTTP/1.1 101 Switching", " Protocols"},
		{"interim answers", "", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"},
		{"spaces", "", "          "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				stopped := make(chan int)
				o := &DialOptions{Stats: &Stats{}, Limits: &Limits{HeaderBytes: 10_000}}
				o.NetDial = func(context.Context, string, string) (net.Conn, error) {
					a, b := memoryNetwork(1 << 10)
					go func() {
						sent, err := io.WriteString(b, tt.first)
						for err == nil {
							var n int
							n, err = io.WriteString(b, tt.again)
							sent += n
						}
						stopped <- sent
					}()
					return a, nil
				}
				_, err := Dial(t.Context(), "ws://chat.test/", o)
				if err == nil {
					t.Error("Dial: got no error")
				}
				if sent := <-stopped; sent > 10_000+1<<10 {
					t.Errorf("the server got rid of %d bytes, want at most HeaderBytes and what the network holds", sent)
				}
				if got := o.Stats.Snapshot().Drops; got["header_bytes"]+got["handshake"] != 1 {
					t.Errorf("drops: got %v, want one", got)
				}
			})
		})
	}
}

// TestASlowServer answers with a byte a second (CVE-2023-43669).
func TestASlowServer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := &DialOptions{Stats: &Stats{}, Limits: &Limits{HandshakeTimeout: 5 * time.Second}}
		stopped := make(chan struct{})
		defer func() { <-stopped }()
		o.NetDial = func(context.Context, string, string) (net.Conn, error) {
			a, b := memoryNetwork(1 << 10)
			go func() {
				defer close(stopped)
				var err error
				for err == nil {
					time.Sleep(time.Second)
					_, err = io.WriteString(b, "H")
				}
			}()
			return a, nil
		}
		start := time.Now()
		_, err := Dial(t.Context(), "ws://chat.test/", o)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("got %v after %v, want the handshake timeout", err, time.Since(start))
		}
		if got := o.Stats.Snapshot().Drops; got["handshake_timeout"] != 1 {
			t.Errorf("drops: got %v, want a handshake_timeout", got)
		}
	})
}

// TestARefusalWhoseBodyStops is told all the same, with what has come.
func TestARefusalWhoseBodyStops(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := &DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) {
			a, b := memoryNetwork(1 << 10)
			io.WriteString(b, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 10\r\n\r\nhalf")
			return a, nil
		}}
		_, err := Dial(t.Context(), "ws://chat.test/", o)
		var failed *HandshakeError
		if !errors.As(err, &failed) || failed.Response == nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want a HandshakeError with the answer and DeadlineExceeded", err)
		}
		body, err := io.ReadAll(failed.Response.Body)
		if failed.Response.Header.Get("Retry-After") != "5" || string(body) != "half" || err != nil {
			t.Errorf("got %q, %v and headers %v", body, err, failed.Response.Header)
		}
	})
}

// TestCompressionIsNegotiated has servers answer an offer as they may and as they may
// not (CVE-2026-2229).
func TestCompressionIsNegotiated(t *testing.T) {
	tests := []struct {
		answer string
		ok     bool
	}{
		{"permessage-deflate; server_no_context_takeover; client_no_context_takeover", true},
		{"permessage-deflate; server_no_context_takeover; client_max_window_bits=10", true},
		{"", true},
		{"permessage-deflate", false}, // we asked for server_no_context_takeover
		{"permessage-deflate; server_no_context_takeover; server_max_window_bits=7", false},
		{"permessage-deflate; server_no_context_takeover; server_max_window_bits=16", false},
		{"permessage-deflate; server_no_context_takeover; server_max_window_bits=", false},
		{"permessage-deflate; server_no_context_takeover; client_max_window_bits", false},
		{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", false},
		{"permessage-deflate; server_no_context_takeover; foo", false},
		{"permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover", false},
		{"permessage-bzip2", false},
	}
	for _, tt := range tests {
		t.Run(tt.answer, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := answering(t, func(r *http.Request) string {
					if got, want := r.Header.Get("Sec-WebSocket-Extensions"), (&Compression{}).offer(); got != want {
						t.Errorf("the offer: got %q, want %q", got, want)
					}
					if tt.answer == "" {
						return switching(r)
					}
					return switching(r, "Sec-WebSocket-Extensions: "+tt.answer)
				})
				o.Compression = &Compression{}
				c, err := Dial(t.Context(), "ws://chat.test/", o)
				if tt.ok != (err == nil) {
					t.Errorf("got %v, want success %v", err, tt.ok)
				}
				if err == nil {
					c.CloseNow()
				}
			})
		})
	}
}

func TestARefusalCanBeRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := answering(t, func(r *http.Request) string {
			return "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("no", 50_000)
		})
		_, err := Dial(t.Context(), "ws://chat.test/", o)
		var failed *HandshakeError
		if !errors.As(err, &failed) || failed.Response == nil {
			t.Fatalf("got %v, want a HandshakeError with the answer", err)
		}
		body, err := io.ReadAll(failed.Response.Body)
		if failed.Response.StatusCode != 401 || len(body) != maxBodyBytes || err != nil {
			t.Errorf("got %d, %d bytes, %v, want 401 and %d bytes", failed.Response.StatusCode, len(body), err, maxBodyBytes)
		}
	})
}

func TestTheRequestOfAClient(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		requests := make(chan *http.Request, 1)
		o := answering(t, func(r *http.Request) string {
			requests <- r
			return switching(r, "Sec-WebSocket-Protocol: v1") + "\x81\x05early"
		})
		o.Subprotocols = []string{"v2", "v1"}
		o.Header = http.Header{"Cookie": {"a=b"}, "Host": {"virtual.test"}, "Upgrade": {"foo"},
			"Sec-Websocket-Key": {"mine"}, "Sec-Websocket-Extensions": {"permessage-deflate"}}
		c, err := Dial(t.Context(), "ws://ann:secret@chat.test/path?q=1", o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		wantMessage(t, c, Text, "early")
		if got := c.Subprotocol(); got != "v1" {
			t.Errorf("Subprotocol: got %q, want v1", got)
		}
		if got := c.RemoteAddr().String(); got != "memory" {
			t.Errorf("RemoteAddr: got %q, want memory", got)
		}
		r := <-requests
		user, password, _ := r.BasicAuth()
		got := fmt.Sprint(r.Method, r.RequestURI, r.Host, r.Header["Upgrade"], r.Header["Connection"], r.Header["Sec-Websocket-Version"],
			r.Header["Sec-Websocket-Protocol"], r.Header["Sec-Websocket-Extensions"], r.Header["Cookie"], user, password)
		want := "GET/path?q=1virtual.test[websocket] [Upgrade] [13] [v2, v1] [] [a=b]annsecret"
		if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if key := r.Header.Get("Sec-WebSocket-Key"); !isKey(key) {
			t.Errorf("key: got %q", key)
		}
		if o.Header.Get("Upgrade") != "foo" {
			t.Error("Dial changed the caller's header")
		}
	})
}

func TestAddressesThatCannotBeDialled(t *testing.T) {
	o := &DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("Dial went to the network")
		return nil, io.EOF
	}}
	for _, u := range []string{"", "chat.test", "ftp://chat.test", "ws://", "ws:///path", "ws://chat.test/#fragment", "ws://%zz", "ws://chat.test:port/"} {
		if _, err := Dial(t.Context(), u, o); err == nil {
			t.Errorf("Dial(%q): got no error", u)
		}
	}
	o.Subprotocols = []string{"not a token"}
	if _, err := Dial(t.Context(), "ws://chat.test", o); err == nil {
		t.Error("Dial with a subprotocol that is no token: got no error")
	}
}

func TestDefaultPorts(t *testing.T) {
	for _, tt := range []struct{ url, want string }{
		{"ws://chat.test/", "chat.test:80"}, {"wss://chat.test", "chat.test:443"}, {"http://[::1]/", "[::1]:80"}, {"https://chat.test:8443/", "chat.test:8443"},
	} {
		var got string
		o := &DialOptions{NetDial: func(_ context.Context, _, addr string) (net.Conn, error) {
			got = addr
			return nil, io.ErrClosedPipe
		}}
		if _, err := Dial(t.Context(), tt.url, o); !errors.Is(err, io.ErrClosedPipe) || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.url, got, err, tt.want)
		}
	}
}

func TestAServerThatDoesNotAnswer(t *testing.T) {
	silent := func(ctx context.Context, _, _ string) (net.Conn, error) {
		a, _ := memoryNetwork(1 << 16)
		return a, nil
	}
	inBubble(t, func(t *testing.T) {
		start := time.Now()
		_, err := Dial(t.Context(), "ws://chat.test", &DialOptions{NetDial: silent})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != defaults.handshakeTimeout() {
			t.Errorf("got %v after %v, want the handshake timeout", err, time.Since(start))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start = time.Now()
		_, err = Dial(ctx, "ws://chat.test", &DialOptions{NetDial: silent})
		if !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v, want Canceled after 1 s", err, time.Since(start))
		}
	})
}

func TestTheContextOfDialDoesNotEndTheConnection(t *testing.T) {
	s := echoServer(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Dial(ctx, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	c.Write(t.Context(), Message{Text, []byte("hello")})
	wantMessage(t, c, Text, "hello")
	if err := c.Close(StatusNormalClosure, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestSecureWebSockets(t *testing.T) {
	protos := make(chan string, 1)
	echo := echoHandler(nil)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protos <- r.TLS.NegotiatedProtocol + " " + r.Proto + " " + r.TLS.ServerName
		echo.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	config := trusting(s)
	config.NextProtos = []string{"h2", "spdy/3"} // are not used
	config.ServerName = "example.com"
	c := dialed(t, strings.Replace(s.URL, "https:", "wss:", 1), &DialOptions{TLSConfig: config})
	if got, want := <-protos, "http/1.1 HTTP/1.1 example.com"; got != want {
		t.Errorf("the server saw %q, want %q", got, want)
	}
	if len(config.NextProtos) != 2 {
		t.Errorf("the application's TLSConfig was changed: %v", config.NextProtos)
	}
	for _, size := range []int{0, 125, 70_000, 1 << 20} {
		want := strings.Repeat("x", size)
		go c.Write(context.Background(), Message{Text, []byte(want)})
		wantMessage(t, c, Text, want)
	}
	if err := c.Close(StatusNormalClosure, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// TestCertificatesAreVerified unless the application does not want it
// (CVE-2016-10536).
func TestCertificatesAreVerified(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Error(w, "no", http.StatusForbidden)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	elsewhere := trusting(s)
	elsewhere.ServerName = "chat.test"
	for _, config := range []*tls.Config{nil, {}, elsewhere} {
		for _, http2 := range []bool{false, true} {
			_, err := Dial(t.Context(), s.URL, &DialOptions{TLSConfig: config, HTTP2: http2})
			var unknown *tls.CertificateVerificationError
			if !errors.As(err, &unknown) || asked.Load() != 0 {
				t.Errorf("got %v after %d requests, want a CertificateVerificationError and no request", err, asked.Load())
			}
		}
	}
	_, err := Dial(t.Context(), s.URL, &DialOptions{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
	var failed *HandshakeError
	if !errors.As(err, &failed) || failed.Response == nil || asked.Load() != 1 {
		t.Errorf("unverified: got %v after %d requests, want the server's answer", err, asked.Load())
	}
}

func TestAClientsCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(echoHandler(nil))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	if _, err := Dial(t.Context(), s.URL, &DialOptions{TLSConfig: trusting(s)}); err == nil {
		t.Error("without a certificate: got no error")
	}
	config := trusting(s)
	config.Certificates = s.TLS.Certificates
	c := dialed(t, s.URL, &DialOptions{TLSConfig: config})
	c.Write(t.Context(), Message{Text, []byte("hello")})
	wantMessage(t, c, Text, "hello")
}

func TestAHeaderCannotBeSmuggled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := answering(t, func(r *http.Request) string {
			if len(r.Header["Injected"]) > 0 || r.ContentLength != 0 {
				t.Errorf("the server saw %v", r.Header)
			}
			return switching(r)
		})
		o.Header = http.Header{"X": {"a\r\nInjected: b"}, "Y\r\nInjected": {"b"}, "Content-Length": {"5"}, "Transfer-Encoding": {"chunked"}}
		c, err := Dial(t.Context(), "ws://chat.test/", o)
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
	})
}
