package transport

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"net/http"
	"testing"
)

// A server may greet in the same segment as its handshake, long before the client's
// caller is ready to receive.
func TestNothingIsReceivedBeforeStart(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		nc, err := listener.Accept()
		if err != nil {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil {
			return
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		nc.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
			base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n\x81\x07welcome"))
	}()
	p, err := DialWebSocket(t.Context(), "ws://"+listener.Addr().String(), &Dialing{}, &Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &received{box: newBox(), got: make(chan string, 1)}
	p.Start(b)
	if got := <-b.got; got != "welcome" {
		t.Errorf("got %q, want the greeting", got)
	}
	p.CloseNow()
	wantClosed(t, b.box, nil)
}

type received struct {
	*box
	got chan string
}

func (r *received) Receive(data []byte, binary bool) { r.got <- string(data) }
