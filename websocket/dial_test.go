package websocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
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
		{"no Upgrade", func(r *http.Request) string { return without(r, "Upgrade: WebSocket\r\n") }, false},
		{"no Connection", func(r *http.Request) string { return without(r, "Connection: upgrade\r\n") }, false},
		{"the answer to another key", func(r *http.Request) string {
			return strings.Replace(switching(r), acceptKey(r.Header.Get("Sec-WebSocket-Key")), sampleAccept, 1)
		}, false},
		{"two answers", func(r *http.Request) string { return switching(r, "Sec-WebSocket-Accept: x") }, false},
		{"a subprotocol we did not offer", func(r *http.Request) string { return switching(r, "Sec-WebSocket-Protocol: other") }, false},
		{"two subprotocols", func(r *http.Request) string {
			return switching(r, "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: talk")
		}, false},
		{"an extension", func(r *http.Request) string { return switching(r, "Sec-WebSocket-Extensions: permessage-deflate") }, false},
		{"endless headers", func(r *http.Request) string { return switching(r, strings.Repeat("X: y\r\n", 50_000)) }, false},
		{"not HTTP", func(r *http.Request) string { return "SSH-2.0-OpenSSH\r\n\r\n" }, false},
		{"nothing", func(r *http.Request) string { return "" }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				o := answering(t, tt.answer)
				o.Subprotocols = []string{"chat", "talk"}
				c, err := Dial(t.Context(), "ws://chat.test/", o)
				if tt.ok != (err == nil) {
					t.Fatalf("Dial: got %v, want success %v", err, tt.ok)
				}
				if err == nil {
					c.CloseNow()
					return
				}
				var failed *HandshakeError
				if !errors.As(err, &failed) || !strings.HasPrefix(err.Error(), "websocket: dial: ") {
					t.Errorf("got %v, want a HandshakeError", err)
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
