package websocket

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// netConns returns both ends of a connection as net.Conns.
func netConns(t *testing.T, room int) (a, b net.Conn) {
	t.Helper()
	server, client := pair(t, room, nil)
	return server.NetConn(context.Background(), Binary), client.NetConn(context.Background(), Binary)
}

// Bytes come out as they went in, whatever the messages and the buffers of Read.
func TestANetConnIsAStreamOfBytes(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		url := n.serveReader(t, nil, func(c *Conn) {
			nc := c.NetConn(context.Background(), Binary)
			io.CopyBuffer(struct{ io.Writer }{nc}, struct{ io.Reader }{nc}, make([]byte, 5000))
			nc.Close()
		})
		c := n.dial(t, url).NetConn(t.Context(), Binary)
		random := rand.New(rand.NewPCG(5, 6))
		sent := make([]byte, 1<<20)
		for i := range sent {
			sent[i] = byte(random.Uint32())
		}
		go func() {
			for rest := sent; len(rest) > 0; {
				k, err := c.Write(rest[:min(random.IntN(1<<random.IntN(17)), len(rest))]) // some are empty
				if err != nil {
					t.Errorf("Write: %v", err)
					return
				}
				rest = rest[k:]
			}
		}()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("got %v and the same bytes: %v", err, bytes.Equal(got, sent))
		}
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := c.Read(got); err == nil {
			t.Error("Read after Close: got no error")
		}
	})
}

func TestANetConnSendsEachWriteAsAMessage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer := serveRaw(t, nil)
		nc := c.NetConn(t.Context(), Text)
		for _, text := range []string{"one", "", "two"} {
			if n, err := io.WriteString(nc, text); n != len(text) || err != nil {
				t.Errorf("Write: got %d, %v", n, err)
			}
			wantFrame(t, peer, 0x81, text)
		}
	})
}

func TestANetConnReadsOverTheBordersOfMessages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer := serveRaw(t, nil)
		nc := c.NetConn(t.Context(), Text)
		peer.send(maskedText("one"), maskedText(""), masked(0x01, []byte("tw")), masked(0x80, []byte("o")))
		wantNext(t, nc, "one")
		got := make([]byte, 3)
		if _, err := io.ReadFull(nc, got); err != nil || string(got) != "two" {
			t.Errorf("got %q, %v, want two", got, err)
		}
		if n, err := nc.Read(nil); n != 0 || err != nil {
			t.Errorf("Read into nothing: got %d, %v", n, err)
		}
	})
}

func TestTheGoodbyesOfANetConn(t *testing.T) {
	tests := []struct {
		name string
		send []byte
		eof  bool
		want StatusCode
	}{
		{"normal", masked(0x88, closePayload(1000, "")), true, 1000},
		{"going away", masked(0x88, closePayload(1001, "")), true, 1001},
		{"trouble", masked(0x88, closePayload(1011, "")), false, 1011},
		{"empty", masked(0x88, nil), false, StatusNoStatus},
		{"the wrong type", maskedText("text"), false, StatusUnsupportedData},
		{"normal, in the middle of a message", join(masked(0x02, []byte("x")), masked(0x88, closePayload(1000, ""))), true, 1000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, peer := serveRaw(t, nil)
				nc := c.NetConn(t.Context(), Binary)
				peer.send(tt.send)
				var err error
				for err == nil {
					_, err = nc.Read(make([]byte, 10))
				}
				if (err == io.EOF) != tt.eof || closedWith(c.ended()) != tt.want {
					t.Errorf("Read: got %v and an end with %v, want status %d", err, c.ended(), tt.want)
				}
				if code, _ := peer.receiveClose(); code != tt.want {
					t.Errorf("the peer was told %d, want %d", code, tt.want)
				}
				if _, err := nc.Write([]byte("x")); err == nil {
					t.Error("Write: got no error")
				}
			})
		})
	}
}

func wantTimeout(t *testing.T, what string, err error) {
	t.Helper()
	var timeout net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%s: got %v, want a timeout", what, err)
	}
}

func TestTheReadDeadlineOfANetConn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := netConns(t, 10_000)
		a.SetReadDeadline(time.Now().Add(time.Second))
		start := time.Now()
		_, err := a.Read(make([]byte, 10))
		wantTimeout(t, "Read", err)
		if got := time.Since(start); got != time.Second {
			t.Errorf("Read waited %v, want 1s", got)
		}
		io.WriteString(b, "there already")
		_, err = a.Read(make([]byte, 10))
		wantTimeout(t, "Read of what is there", err)
		a.SetReadDeadline(time.Time{})
		wantNext(t, a, "there already")

		read := make(chan error)
		go func() { _, err := a.Read(make([]byte, 10)); read <- err }()
		synctest.Wait()
		a.SetDeadline(time.Now().Add(time.Hour)) // moved while somebody waits
		a.SetDeadline(time.Now().Add(time.Minute))
		start = time.Now()
		wantTimeout(t, "Read", <-read)
		if got := time.Since(start); got != time.Minute {
			t.Errorf("Read waited %v, want 1m", got)
		}
		a.SetDeadline(time.Time{})
		go func() { _, err := a.Read(make([]byte, 10)); read <- err }()
		synctest.Wait()
		a.SetReadDeadline(time.Now().Add(-time.Second)) // in the past: at once
		wantTimeout(t, "Read", <-read)
		a.SetReadDeadline(time.Now().Add(time.Second))
		io.WriteString(b, "after all")
		wantNext(t, a, "after all")
	})
}

// A deadline in the middle of a message: when it is moved, the rest is read.
func TestADeadlineInTheMiddleOfAMessage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer := serveRaw(t, nil)
		nc := c.NetConn(t.Context(), Text)
		peer.send(masked(0x01, []byte("half")))
		wantNext(t, nc, "half")
		nc.SetReadDeadline(time.Now().Add(time.Second))
		_, err := nc.Read(make([]byte, 10))
		wantTimeout(t, "Read", err)
		nc.SetReadDeadline(time.Time{})
		peer.send(masked(0x80, []byte("way")))
		wantNext(t, nc, "way")
	})
}

func TestTheWriteDeadlineOfANetConn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := netConns(t, 1000)
		a.SetWriteDeadline(time.Now().Add(-time.Second))
		_, err := io.WriteString(a, "never")
		wantTimeout(t, "Write", err)
		a.SetWriteDeadline(time.Now().Add(time.Second))
		io.WriteString(a, "in time")
		wantNext(t, b, "in time")
		time.Sleep(time.Minute)
		_, err = io.WriteString(a, "too late")
		wantTimeout(t, "Write", err)
		a.SetWriteDeadline(time.Time{})
		io.WriteString(a, "at last")
		wantNext(t, b, "at last")
		a.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := a.Write(make([]byte, 5000)); !errors.Is(err, context.Canceled) { // half of it has left
			t.Errorf("Write: got %v, want the end of the connection", err)
		}
		if _, err := a.Write(nil); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: got %v, want the end of the connection", err)
		}
	})
}

func TestTheContextOfANetConn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		server, client := pair(t, 1000, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		nc := server.NetConn(ctx, Text)
		if _, err := nc.Read(make([]byte, 10)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Read: got %v, want the context's error", err)
		}
		if _, err := nc.Write(nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write: got %v, want the context's error", err)
		}
		go server.Write(t.Context(), Message{Text, []byte("the connection lives on")})
		wantMessage(t, client, Text, "the connection lives on")
	})
}

func TestTheAddressesOfANetConn(t *testing.T) {
	n := networks[0]
	c := n.dial(t, n.serveReader(t, nil, func(c *Conn) { c.Read(context.Background()) }))
	nc := c.NetConn(t.Context(), Text)
	if nc.RemoteAddr().String() != c.RemoteAddr().String() || nc.LocalAddr().String() != c.LocalAddr().String() || nc.LocalAddr().Network() != "tcp" {
		t.Errorf("got %v and %v, want those of the connection", nc.LocalAddr(), nc.RemoteAddr())
	}
}

// netListener accepts WebSockets as net.Conns.
type netListener struct{ accepted chan net.Conn }

func (l netListener) Accept() (net.Conn, error) {
	nc, ok := <-l.accepted
	if !ok {
		return nil, net.ErrClosed
	}
	return nc, nil
}

func (l netListener) Close() error   { return nil }
func (l netListener) Addr() net.Addr { return memoryAddr{} }

// HTTP over TLS over WebSockets: with requests and answers longer than a message.
func TestATunnel(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		tunnel := netListener{make(chan net.Conn)}
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Write(body)
		}))
		server.Listener.Close()
		server.Listener = tunnel
		server.StartTLS()
		defer server.Close()
		defer close(tunnel.accepted)
		url := n.serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c, err := Accept(w, r, nil); err == nil {
				tunnel.accepted <- c.NetConn(context.Background(), Binary)
			}
		}))
		client := http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				c, err := Dial(ctx, url, n.options())
				if err != nil {
					return nil, err
				}
				return c.NetConn(context.Background(), Binary), nil
			},
		}}
		defer client.CloseIdleConnections()
		for _, size := range []int{0, 10, 500_000} {
			sent := bytes.Repeat([]byte("x"), size)
			resp, err := client.Post("https://tunnel/", "text/plain", bytes.NewReader(sent))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("got %d bytes, %v, want %d", len(got), err, size)
			}
		}
	})
}
