package websocket

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// network is a way for a connection to be served: by a loop over plain TCP or Unix
// sockets, or by a goroutine over TLS.
type network struct {
	name  string
	tls   bool
	unix  bool
	small bool // the sockets buffer little
}

var networks = []network{{name: "plain"}, {name: "TLS", tls: true}, {name: "Unix", unix: true}}

// overEachSmall runs a test over every network with sockets that buffer little.
func overEachSmall(t *testing.T, test func(t *testing.T, n network)) {
	overEach(t, func(t *testing.T, n network) {
		n.small = true
		test(t, n)
	})
}

// overEach runs a test over every network.
func overEach(t *testing.T, test func(t *testing.T, n network)) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) { test(t, n) })
	}
}

// smallListener returns connections that buffer little.
type smallListener struct{ net.Listener }

func (l smallListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		err = nc.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(32 << 10)
	}
	return nc, err
}

// serve serves h until the test ends, and returns where.
func (n network) serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handlers that panic
	if n.unix {
		s.Listener.Close()
		dir, err := os.MkdirTemp("", "ws") // t.TempDir may be too long for a socket's name
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if s.Listener, err = net.Listen("unix", dir+"/s"); err != nil {
			t.Fatal(err)
		}
	}
	where := s.Listener.Addr().String()
	if n.unix {
		where = fmt.Sprintf("%x", where)
	}
	if n.small {
		s.Listener = smallListener{s.Listener}
	}
	t.Cleanup(s.Close)
	if n.tls {
		s.StartTLS()
		return "wss://" + where
	}
	s.Start()
	return "ws://" + where
}

// connect opens a connection to host, the authority of a URL of serve's.
func (n network) connect(host string) (nc net.Conn, err error) {
	if n.unix {
		host, _, _ = strings.Cut(host, ":")
		path, err := hex.DecodeString(host)
		if err != nil {
			return nil, err
		}
		return net.Dial("unix", string(path))
	}
	if nc, err = net.Dial("tcp", host); err == nil && n.small {
		err = nc.(*net.TCPConn).SetReadBuffer(64 << 10)
	}
	return nc, err
}

// options are a client's, for this network.
func (n network) options() *DialOptions {
	return &DialOptions{
		TLSConfig: &tls.Config{InsecureSkipVerify: true},
		Limits:    &Limits{MessageBytes: 8 << 20},
		NetDial:   func(_ context.Context, _, host string) (net.Conn, error) { return n.connect(host) },
	}
}

// dial opens a connection for reading.
func (n network) dial(t *testing.T, url string) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), url, n.options())
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// raw opens a connection and performs the handshake, for a peer that may say anything:
// at once with the request what early has.
func (n network) raw(t *testing.T, url string, early ...[]byte) *rawPeer {
	t.Helper()
	return n.upgrade(t, url, "", early...)
}

// upgrade is raw with further headers, each with its line's end.
func (n network) upgrade(t *testing.T, url, headers string, early ...[]byte) *rawPeer {
	t.Helper()
	host := url[strings.Index(url, "://")+3:]
	nc, err := n.connect(host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if n.tls {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	}
	request := fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n", host, headers)
	nc.Write(join(request, join(early...)))
	var answer []byte
	for !bytes.HasSuffix(answer, []byte("\r\n\r\n")) {
		var b [1]byte
		if _, err := nc.Read(b[:]); err != nil {
			t.Fatalf("the handshake: %v after %q", err, answer)
		}
		answer = append(answer, b[0])
	}
	return &rawPeer{t, nc}
}

// calls notes what a handler is called with, and answers with what came.
type calls struct {
	mu   sync.Mutex
	list []string
	done chan struct{} // closed by OnClose
}

func (l *calls) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, fmt.Sprintf(format, args...))
}

func (l *calls) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.list, "; ")
}

func (l *calls) handler() *Handler {
	l.done = make(chan struct{})
	return &Handler{
		OnOpen:    func(c *Conn, r *http.Request) { l.note("open %s", r.URL.Path) },
		OnMessage: func(c *Conn, m Message) { l.note("%v %s", m.Type, m.Data); c.Send(m) },
		OnError:   func(c *Conn, err error) { l.note("error %v", err) },
		OnClose: func(c *Conn, code StatusCode, reason string) {
			l.note("close %d %s", code, reason)
			close(l.done)
		},
	}
}

func (l *calls) want(t *testing.T, want string) {
	t.Helper()
	<-l.done
	if got := l.String(); got != want {
		t.Errorf("the handler was called with\n     %s\nwant %s", got, want)
	}
}

func TestHandlerIsCalledInOrder(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		var l calls
		c := n.dial(t, n.serve(t, l.handler())+"/there")
		for _, text := range []string{"one", "two"} {
			if err := c.Write(t.Context(), Message{Text, []byte(text)}); err != nil {
				t.Fatal(err)
			}
			wantMessage(t, c, Text, text)
		}
		if err := c.Close(StatusGoingAway, "away"); err != nil {
			t.Errorf("Close: %v", err)
		}
		l.want(t, "open /there; text one; text two; close 1001 away")
	})
}

func TestHandlerEchoesWhateverComes(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		c := n.dial(t, n.serve(t, &Handler{
			Options:   &AcceptOptions{Limits: &Limits{MessageBytes: 8 << 20, QueueBytes: 64 << 20}},
			OnMessage: func(c *Conn, m Message) { c.Send(m) },
		}))
		random := rand.New(rand.NewPCG(1, 2))
		var sent [][]byte
		for i := range 300 {
			size := random.IntN(1 << random.IntN(21))
			data := bytes.Repeat([]byte{byte(i)}, size)
			if size > 8 {
				data[7] = byte(i >> 8)
			}
			sent = append(sent, data)
		}
		go func() {
			for _, data := range sent {
				if err := c.Write(context.Background(), Message{Binary, data}); err != nil {
					t.Errorf("Write: %v", err)
					return
				}
			}
		}()
		for i, want := range sent {
			m, err := c.Read(t.Context())
			if err != nil {
				t.Fatalf("Read: %v", err)
			}
			if !bytes.Equal(m.Data, want) {
				t.Fatalf("message %d: got %d bytes, want %d", i, len(m.Data), len(want))
			}
		}
	})
}

func TestHandlerHearsHowItEnds(t *testing.T) {
	tests := []struct {
		name string
		send []byte
		want string
		told StatusCode // what the peer gets to see
	}{
		{"close", masked(0x88, closePayload(4001, "bye")), "open /; close 4001 bye", 4001},
		{"an empty close frame", masked(0x88, nil), "open /; close 1005 ", StatusNoStatus},
		{"a message and a close", join(maskedText("hi"), masked(0x88, closePayload(1000, ""))), "open /; text hi; close 1000 ", 1000},
		{"a broken frame", []byte{0xF1, 0x80, 1, 2, 3, 4}, "open /; error websocket: a reserved bit is set (status 1002); close 1002 a reserved bit is set", 1002},
		{"a message and broken text", join(maskedText("hi"), masked(0x81, []byte("\xFF"))), "open /; text hi; error websocket: a text message is not UTF-8 (status 1007); close 1007 a text message is not UTF-8", 1007},
	}
	overEach(t, func(t *testing.T, n network) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				var l calls
				peer := n.raw(t, n.serve(t, l.handler()))
				peer.send(tt.send)
				if strings.Contains(tt.want, "text hi") {
					if f := peer.receive(); string(f.payload) != "hi" {
						t.Errorf("got %q, want the echo", f.payload)
					}
				}
				if got, _ := peer.receiveClose(); got != tt.told {
					t.Errorf("the peer was told %d, want %d", got, tt.told)
				}
				peer.nc.Close()
				l.want(t, tt.want)
			})
		}
		t.Run("gone", func(t *testing.T) {
			var l calls
			peer := n.raw(t, n.serve(t, l.handler()))
			peer.nc.Close()
			l.want(t, "open /; error websocket: the peer is gone without a close frame: unexpected EOF; close 1006 ")
		})
	})
}

func TestHandlerCloses(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		var l calls
		h := l.handler()
		h.OnMessage = func(c *Conn, m Message) {
			l.note("%s", m.Data)
			c.Send(Message{Text, []byte("last words")})
			if err := c.Close(4002, "enough"); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		c := n.dial(t, n.serve(t, h))
		if err := c.WriteBatch(t.Context(), []*Prepared{Prepare(Message{Text, []byte("one")}), Prepare(Message{Text, []byte("two")})}); err != nil {
			t.Fatal(err)
		}
		wantMessage(t, c, Text, "last words")
		wantCloseError(t, c, 4002, "enough")
		l.want(t, "open /; one; close 4002 ")
	})
}

func TestAPanicEndsOneConnection(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		failed := make(chan error, 1)
		url := n.serve(t, &Handler{
			OnMessage: func(c *Conn, m Message) {
				if string(m.Data) == "panic" {
					panic("oh")
				}
				c.Send(m)
			},
			OnError: func(c *Conn, err error) { failed <- err },
		})
		other, c := n.dial(t, url), n.dial(t, url)
		c.Write(t.Context(), Message{Text, []byte("panic")})
		wantCloseError(t, c, StatusInternalError, "")
		var panicked *PanicError
		if err := <-failed; !errors.As(err, &panicked) || panicked.Value != "oh" || !bytes.Contains(panicked.Stack, []byte("handler_test")) {
			t.Errorf("OnError: got %v, want the panic", err)
		}
		other.Write(t.Context(), Message{Text, []byte("still here")})
		wantMessage(t, other, Text, "still here")
	})
}

// A handler that blocks stalls nobody: not the connections of the same loop, nor the
// pings, the close and the later messages of its own.
func TestAHandlerThatBlocksStallsNobody(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		block, ended := make(chan struct{}), make(chan string, 1)
		var order calls
		url := n.serve(t, &Handler{
			OnMessage: func(c *Conn, m Message) {
				order.note("%s", m.Data)
				if string(m.Data) == "block" {
					<-block
				}
				c.Send(m)
			},
			OnClose: func(c *Conn, code StatusCode, _ string) {
				if code == 4000 {
					ended <- order.String()
				}
			},
		})
		var others []*Conn
		for range 16 {
			others = append(others, n.dial(t, url))
		}
		peer := n.raw(t, url)
		peer.send(join(maskedText("block"), masked(0x89, []byte("at once")), maskedText("later")))
		if f := peer.receive(); f.first != 0x8A || string(f.payload) != "at once" {
			t.Fatalf("got %#x %q, want the pong of the same read", f.first, f.payload)
		}
		for i := range 100 {
			c := others[i%len(others)]
			if err := c.Write(t.Context(), Message{Text, []byte("x")}); err != nil {
				t.Fatal(err)
			}
			wantMessage(t, c, Text, "x")
		}
		peer.send(masked(0x89, []byte("still")), maskedText("last"), masked(0x88, closePayload(4000, "")))
		if f := peer.receive(); f.first != 0x8A || string(f.payload) != "still" {
			t.Fatalf("got %#x %q, want the pong", f.first, f.payload)
		}
		if code, _ := peer.receiveClose(); code != 4000 {
			t.Errorf("got close %d, want the answer to ours", code)
		}
		peer.nc.Close()
		close(block)
		if got := strings.ReplaceAll(<-ended, "x; ", ""); got != "block; later; last" {
			t.Errorf("the handler was called with %q, want all in order, then OnClose", got)
		}
	})
}

func TestManyHandlersBlockAndGoOn(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		url := n.serve(t, &Handler{OnMessage: func(c *Conn, m Message) {
			if m.Data[0]%5 == 0 {
				<-time.After(3 * time.Millisecond)
			}
			c.Send(m)
		}})
		var all sync.WaitGroup
		for range 20 {
			c := n.dial(t, url)
			all.Go(func() {
				go func() {
					for i := range 60 {
						c.Write(context.Background(), Message{Binary, []byte{byte(i)}})
					}
				}()
				for i := range 60 {
					m, err := c.Read(context.Background())
					if err != nil || m.Data[0] != byte(i) {
						t.Errorf("message %d: got %v, %v", i, m.Data, err)
						return
					}
				}
			})
		}
		all.Wait()
	})
}
