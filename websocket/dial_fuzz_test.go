package websocket

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// FuzzServersAnswer has a server answer whatever comes to mind; "ACCEPT" stands for
// the right answer to the key. What Dial accepts must be in order.
func FuzzServersAnswer(f *testing.F) {
	const right = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"
	for _, seed := range []string{
		right + "\r\n", right + "\r\n\x81\x05early", right + "Sec-WebSocket-Protocol: chat\r\n\r\n",
		right + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\n\r\n" + right + "\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: //other.test/\r\nSet-Cookie: a=b\r\n\r\n",
		"HTTP/1.0 101\r\n\r\n", "HTTP/2 101\r\n\r\n", "\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		o := &DialOptions{Subprotocols: []string{"chat"}, Compression: &Compression{}, MaxRedirects: 2, Jar: newJar(t)}
		o.NetDial = func(context.Context, string, string) (net.Conn, error) {
			a, b := memoryNetwork(1 << 20)
			go func() {
				defer b.CloseWrite()
				if r, err := http.ReadRequest(bufio.NewReader(b)); err == nil {
					io.WriteString(b, strings.ReplaceAll(answer, "ACCEPT", acceptKey(r.Header.Get("Sec-WebSocket-Key"))))
				}
			}()
			return a, nil
		}
		c, err := Dial(t.Context(), "ws://chat.test/", o)
		var failed *HandshakeError
		switch {
		case err == nil:
			c.CloseNow()
			if !slices.Contains([]string{"", "chat"}, c.Subprotocol()) || !strings.Contains(answer, "ACCEPT") {
				t.Errorf("accepted %q with subprotocol %q", answer, c.Subprotocol())
			}
		case !errors.As(err, &failed):
			t.Errorf("got %v, want a HandshakeError", err)
		}
	})
}

// FuzzProxysAnswer has a proxy of each kind say whatever comes to mind.
func FuzzProxysAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 407 Who\r\nContent-Length: 2\r\n\r\nno", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x02\x01\x00\x05\x00\x00\x03\x01a\x00\x50", "\x05\x02\x01\x01", "\x05\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		for _, proxy := range []string{"http://ann:pw@p", "socks5://ann:pw@p"} {
			o := &DialOptions{Proxy: http.ProxyURL(mustParse(t, proxy))}
			o.NetDial = func(context.Context, string, string) (net.Conn, error) {
				a, b := memoryNetwork(1 << 20)
				io.WriteString(b, answer)
				b.CloseWrite()
				return a, nil
			}
			nc, err := dialThrough(t.Context(), mustParse(t, proxy), "chat.test:80", o)
			if err != nil {
				continue
			}
			nc.Close()
			if !strings.HasPrefix(answer, "HTTP/1.") && !strings.HasPrefix(answer, "\x05") {
				t.Errorf("%s: %q was taken for a connection", proxy, answer)
			}
		}
	})
}
