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
	"runtime"
	"strings"
	"testing"
	"time"
)

// sampleKey and sampleAccept are a key and its answer seen in the field.
const (
	sampleKey    = "x3JJHMbDL1EzLkh9GBhXDw=="
	sampleAccept = "HSmrc0sMlYUkAGmm5OPpG2HaGWk="
)

func TestTheAnswerToAKey(t *testing.T) {
	tests := []struct{ key, want string }{
		{sampleKey, sampleAccept},
		{"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, // RFC 6455 §1.3
	}
	for _, tt := range tests {
		if got := acceptKey(tt.key); got != tt.want {
			t.Errorf("acceptKey(%q): got %q, want %q", tt.key, got, tt.want)
		}
	}
}

// handshake returns a request that is in order, after the given changes: a value
// of "-" removes the header, lines joined by "\n" become several.
func handshake(changes map[string]string) string {
	headers := [][2]string{
		{"Host", "chat.test"}, {"Upgrade", "websocket"}, {"Connection", "Upgrade"},
		{"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", sampleKey},
	}
	line := "GET / HTTP/1.1"
	if l, ok := changes["request line"]; ok {
		line = l
	}
	var b strings.Builder
	b.WriteString(line + "\r\n")
	seen := map[string]bool{"request line": true}
	add := func(name, values string) {
		seen[name] = true
		for v := range strings.SplitSeq(values, "\n") {
			if v != "-" {
				fmt.Fprintf(&b, "%s: %s\r\n", name, v)
			}
		}
	}
	for _, h := range headers {
		if v, ok := changes[h[0]]; ok {
			h[1] = v
		}
		add(h[0], h[1])
	}
	for name, v := range changes {
		if !seen[name] {
			add(name, v)
		}
	}
	return b.String() + "\r\n"
}

// ask sends raw to the server and returns its answer and the connection.
func ask(t *testing.T, s *httptest.Server, raw string) (*http.Response, *bufio.Reader, net.Conn) {
	t.Helper()
	nc, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(nc, raw); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(nc)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp, br, nc
}

// echoServer serves an echo under o.
func echoServer(t *testing.T, o *AcceptOptions) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(echoHandler(o))
	t.Cleanup(s.Close)
	return s
}

func echoHandler(o *AcceptOptions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, o)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for m, err := range c.Messages(r.Context()) {
			if err != nil || c.Write(r.Context(), m) != nil {
				return
			}
		}
	})
}

func TestEveryCheckOfTheHandshake(t *testing.T) {
	type changes = map[string]string
	tests := []struct {
		name    string
		changes changes
		want    int
	}{
		{"in order", nil, 101},
		{"tokens in any case", changes{"Upgrade": "WebSocket", "Connection": "keep-alive, UPGRADE"}, 101},
		{"tokens among others", changes{"Upgrade": "h2c , websocket", "Connection": "x,\tupgrade ,y"}, 101},
		{"tokens over several lines", changes{"Upgrade": "h2c\nwebsocket", "Connection": "keep-alive\nUpgrade"}, 101},
		{"origin of the same host", changes{"Origin": "https://chat.test"}, 101},
		{"POST", changes{"request line": "POST / HTTP/1.1"}, 405},
		{"HEAD", changes{"request line": "HEAD / HTTP/1.1"}, 405},
		{"HTTP/1.0", changes{"request line": "GET / HTTP/1.0"}, 400},
		{"no Host", changes{"Host": "-"}, 400},
		{"two Hosts", changes{"Host": "a.test\nb.test"}, 400},
		{"plain request", changes{"Upgrade": "-", "Connection": "-"}, 426},
		{"no Upgrade", changes{"Upgrade": "-"}, 426},
		{"another Upgrade", changes{"Upgrade": "foo"}, 426}, // CVE-2020-7693
		{"Upgrade without its token", changes{"Upgrade": "websockets, web socket"}, 426},
		{"no Connection", changes{"Connection": "-"}, 400},
		{"Connection without its token", changes{"Connection": "keep-alive, upgrades"}, 400},
		{"no version", changes{"Sec-WebSocket-Version": "-"}, 426},
		{"version 8", changes{"Sec-WebSocket-Version": "8"}, 426},
		{"two versions", changes{"Sec-WebSocket-Version": "13\n13"}, 426},
		{"versions in a list", changes{"Sec-WebSocket-Version": "13, 8"}, 426},
		{"no key", changes{"Sec-WebSocket-Key": "-"}, 400},
		{"two keys", changes{"Sec-WebSocket-Key": sampleKey + "\n" + sampleKey}, 400},
		{"empty key", changes{"Sec-WebSocket-Key": ""}, 400},
		{"key of 15 bytes", changes{"Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhX"}, 400},
		{"key of 17 bytes", changes{"Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw8="}, 400},
		{"key of 18 bytes", changes{"Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw8P"}, 400},
		{"key that is not base64", changes{"Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhX!w=="}, 400},
		{"a body", changes{"Content-Length": "5"}, 400},
		{"a chunked body", changes{"Transfer-Encoding": "chunked"}, 400},
		{"subprotocols that are no tokens", changes{"Sec-WebSocket-Protocol": "a b"}, 400},
		{"origin of another host", changes{"Origin": "https://evil.test"}, 403},
		{"absolute-form target and an origin of the other host",
			changes{"request line": "GET http://real.test/ HTTP/1.1", "Origin": "https://chat.test"}, 403},
	}
	s := echoServer(t, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, _, _ := ask(t, s, handshake(tt.changes))
			if resp.StatusCode != tt.want {
				t.Fatalf("got %d, want %d", resp.StatusCode, tt.want)
			}
			h := resp.Header
			switch resp.StatusCode {
			case 101:
				if h.Get("Sec-WebSocket-Accept") != sampleAccept || h.Get("Upgrade") != "websocket" || h.Get("Connection") != "Upgrade" {
					t.Errorf("got headers %v", h)
				}
			case 405:
				if got := h.Get("Allow"); got != "GET" {
					t.Errorf("Allow: got %q, want GET", got)
				}
			case 426:
				if h.Get("Upgrade") != "websocket" || h.Get("Sec-WebSocket-Version") != "13" {
					t.Errorf("got headers %v, want what to upgrade to", h)
				}
			}
		})
	}
}

func TestThousandsOfHeadersAndLongLists(t *testing.T) { // CVE-2024-37890, CVE-2021-32640
	s := echoServer(t, &AcceptOptions{Subprotocols: []string{"chat"}, Limits: &Limits{HeaderBytes: 1 << 20}})
	many := handshake(map[string]string{"X": strings.Repeat("y\n", 2000) + "y"})
	if resp, _, _ := ask(t, s, many); resp.StatusCode != 101 {
		t.Errorf("2,000 headers: got %d, want 101", resp.StatusCode)
	}
	for _, list := range []string{strings.Repeat(" ", 500_000) + "chat", strings.Repeat(",", 500_000) + "chat", strings.Repeat("a,", 250_000) + "chat"} {
		resp, _, _ := ask(t, s, handshake(map[string]string{"Sec-WebSocket-Protocol": list}))
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); resp.StatusCode != 101 || got != "chat" {
			t.Errorf("a list of %d bytes: got %d and %q, want chat", len(list), resp.StatusCode, got)
		}
	}
}

func TestTheServersPreferenceChoosesTheSubprotocol(t *testing.T) {
	s := echoServer(t, &AcceptOptions{Subprotocols: []string{"v2.chat", "v1.chat"}})
	tests := []struct{ name, offer, want string }{
		{"both", "v1.chat, v2.chat", "v2.chat"},
		{"over two lines", "v1.chat\nv2.chat", "v2.chat"},
		{"one", "v0.chat,v1.chat", "v1.chat"},
		{"none of ours", "v0.chat", ""},
		{"in another case", "V1.CHAT", ""},
		{"nothing", "-", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, _, _ := ask(t, s, handshake(map[string]string{"Sec-WebSocket-Protocol": tt.offer}))
			if got := resp.Header.Get("Sec-WebSocket-Protocol"); resp.StatusCode != 101 || got != tt.want {
				t.Errorf("got %d and %q, want %q", resp.StatusCode, got, tt.want)
			}
		})
	}
}

func TestAnyOriginOnlyOnRequest(t *testing.T) {
	evil := map[string]string{"Origin": "https://evil.test"}
	for _, any := range []bool{false, true} {
		s := echoServer(t, &AcceptOptions{InsecureAnyOrigin: any})
		want := map[bool]int{false: 403, true: 101}[any]
		if resp, _, _ := ask(t, s, handshake(evil)); resp.StatusCode != want {
			t.Errorf("InsecureAnyOrigin %v: got %d, want %d", any, resp.StatusCode, want)
		}
	}
}

func TestFramesSentBehindTheHandshakeAreNotLost(t *testing.T) {
	s := echoServer(t, nil)
	_, br, nc := ask(t, s, handshake(nil)+string(maskedText("early"))+string(maskedText("bird")))
	for _, want := range []string{"\x81\x05early", "\x81\x04bird"} {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(br, got); err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	nc.Close()
}

// wrapped is a ResponseWriter as middleware makes them.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestAcceptBehindMiddleware(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
		w.Header().Set("Content-Length", "7")
		w.Header().Set("X-Split", "a\r\nInjected: yes")
		echoHandler(nil).ServeHTTP(wrapped{w}, r)
	}))
	defer s.Close()
	resp, _, nc := ask(t, s, handshake(nil))
	if resp.StatusCode != 101 || resp.Header.Get("Set-Cookie") != "session=1" {
		t.Errorf("got %d and %v, want the cookie", resp.StatusCode, resp.Header)
	}
	if resp.Header.Get("Content-Length") != "" || resp.Header.Get("Injected") != "" {
		t.Errorf("got headers %v", resp.Header)
	}
	nc.Close()
}

func TestAcceptWithoutAConnectionToTakeOver(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {sampleKey}}
	w := httptest.NewRecorder()
	if _, err := Accept(w, r, nil); err == nil || w.Code != 500 {
		t.Errorf("got %v and %d, want an error and 500", err, w.Code)
	}
	if !IsUpgrade(r) {
		t.Error("IsUpgrade: got false")
	}
	r.Header.Del("Connection")
	if IsUpgrade(r) {
		t.Error("IsUpgrade without Connection: got true")
	}
}

func TestTheServersDeadlinesDoNotReachTheConnection(t *testing.T) {
	s := httptest.NewUnstartedServer(echoHandler(nil))
	s.Config.ReadTimeout = 50 * time.Millisecond
	s.Config.WriteTimeout = 50 * time.Millisecond
	s.Start()
	defer s.Close()
	c, err := Dial(t.Context(), s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	if _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Read: got %v, want our own deadline", err)
	}
	c.Write(t.Context(), Message{Text, []byte("still here")})
	wantMessage(t, c, Text, "still here")
}

func TestHandshakesThatFailLeaveNothingBehind(t *testing.T) {
	s := httptest.NewServer(echoHandler(nil))
	for range 20 {
		ask(t, s, handshake(map[string]string{"Origin": "https://evil.test"}))
		_, _, nc := ask(t, s, handshake(nil))
		nc.Close()
	}
	s.Close()
	wantNoGoroutines(t)
}

// wantNoGoroutines checks that no goroutine runs in this package but the tests'.
func wantNoGoroutines(t *testing.T) {
	t.Helper()
	var stacks string
	for range 1000 {
		buf := make([]byte, 1<<20)
		stacks = string(buf[:runtime.Stack(buf, true)])
		if !strings.Contains(stacks, "websocket.(*Conn)") {
			return
		}
		runtime.Gosched()
		<-time.After(time.Millisecond)
	}
	t.Errorf("goroutines were left behind:\n%s", stacks)
}

func TestEchoOverTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(echoHandler(nil))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	if _, err := Dial(t.Context(), s.URL, nil); err == nil {
		t.Error("Dial to a server with an unknown certificate: got no error")
	}
	config := s.Client().Transport.(*http.Transport).TLSClientConfig
	c, err := Dial(t.Context(), strings.Replace(s.URL, "https", "wss", 1), &DialOptions{TLSConfig: &tls.Config{RootCAs: config.RootCAs}})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{5, 5000, 500_000} {
		want := strings.Repeat("x", n)
		go c.Write(context.Background(), Message{Text, []byte(want)})
		wantMessage(t, c, Text, want)
	}
	if err := c.Close(StatusNormalClosure, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestTheAddressThatCounts(t *testing.T) {
	for given, want := range map[string]string{
		"192.0.2.1:80": "192.0.2.1", "192.0.2.1": "192.0.2.1", "[2001:db8::1]:80": "2001:db8::1", "2001:db8::1": "2001:db8::1",
		"[::ffff:192.0.2.1]:80": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "@": "invalid IP", "": "invalid IP",
	} {
		if got := remoteIP(&http.Request{RemoteAddr: given}).String(); got != want {
			t.Errorf("%q: got %s, want %s", given, got, want)
		}
	}
}
