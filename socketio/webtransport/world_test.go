package webtransport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/webtransport-go"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
	"github.com/parley-go/parley/wire"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// world is an endpoint by QUIC on the loopback network, and by TCP as far as a
// client needs that for polls.
type world struct {
	t      *testing.T
	ctx    context.Context // ends when patience does
	hub    *parley.Hub
	server *Server
	addr   string // of both, in their networks
	polls  *http.Client
	ended  chan struct{} // gets one for each connection that has ended
}

// serve makes a world. At the end of the test all its goroutines must be gone.
func serve(t *testing.T, io socketio.Options, o *Options) *world {
	t.Helper()
	before := runtime.NumGoroutine()
	w := &world{t: t, ended: make(chan struct{}, 1000)}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	w.ctx = ctx
	w.hub = parley.NewHub(nil)
	w.hub.OnDisconnect(func(context.Context, *parley.Conn, error) { w.ended <- struct{}{} })
	w.hub.Handle("echo", parley.Func(func(_ context.Context, c *parley.Conn, s string) (string, error) {
		return c.Transport() + " " + s, nil
	}))
	w.server = New(socketio.NewServer(w.hub, &io), &http3.Server{TLSConfig: http3.ConfigureTLSConfig(selfSigned(t))}, o)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = udp.LocalAddr().String()
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(udp) }() // ends by Close
	t.Cleanup(func() {
		w.hub.Shutdown(ctx)
		w.server.Close()
		<-served
		udp.Close()
		cancel()
		noMore(t, before)
	})
	return w
}

// noMore waits until there are no more goroutines than n.
func noMore(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > n; runtime.Gosched() {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, want %d:\n%s", runtime.NumGoroutine(), n, buf[:runtime.Stack(buf, true)])
		}
	}
}

func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

var trusting = &tls.Config{InsecureSkipVerify: true} // of tests

// dial opens a session, which ends with the test.
func (w *world) dial(header http.Header) (*webtransport.Session, error) {
	w.t.Helper()
	client := webtransport.Transport{TLSClientConfig: trusting}
	resp, session, err := client.Dial(w.ctx, "https://"+w.addr+"/socket.io/", header)
	if err != nil {
		if resp != nil {
			return nil, errors.New(resp.Status)
		}
		return nil, err
	}
	w.t.Cleanup(func() { session.CloseWithError(0, ""); client.Close() })
	return session, nil
}

// client is the one stream of a session.
type client struct {
	w       *world
	session *webtransport.Session
	stream  *webtransport.Stream
	frames  *frames
}

// client opens a session and its stream.
func (w *world) client() *client {
	w.t.Helper()
	session, err := w.dial(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	stream, err := session.OpenStreamSync(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	stream.SetDeadline(time.Now().Add(patience))
	return &client{w, session, stream, newFrames(stream, 1e9)}
}

func (c *client) write(frames ...byte) {
	c.w.t.Helper()
	if _, err := c.stream.Write(frames); err != nil {
		c.w.t.Fatal(err)
	}
}

func (c *client) send(packet string) {
	c.w.t.Helper()
	c.write(appendFrame(nil, text(packet))...)
}

// want reads packets, of which pings are answered, until one that begins like
// that. It returns the rest.
func (c *client) want(start string) string {
	c.w.t.Helper()
	for {
		data, _, err := c.frames.next()
		if err != nil {
			c.w.t.Fatalf("waiting for %q: %v", start, err)
		}
		if string(data) == "2" {
			c.send("3")
			continue
		}
		rest, ok := strings.CutPrefix(string(data), start)
		if !ok {
			c.w.t.Fatalf("got %q, want %q", data, start)
		}
		return rest
	}
}

// wantOver waits for the end of the session.
func (c *client) wantOver() {
	c.w.t.Helper()
	go io.Copy(io.Discard, c.stream) // ends with the session
	select {
	case <-c.session.Context().Done():
	case <-c.w.ctx.Done():
		c.w.t.Fatal("the session does not end")
	}
}

// join opens a connection and joins the main namespace.
func (c *client) join() {
	c.w.t.Helper()
	c.send("0")
	c.want(`0{"sid":"`)
	c.send("40")
	c.want(`40{"sid":"`)
}

func (c *client) echo(s string) {
	c.w.t.Helper()
	c.send(`420["echo","` + s + `"]`)
	c.want(`430["webtransport ` + s + `"]`)
}

func (w *world) wantEnd() {
	w.t.Helper()
	select {
	case <-w.ended:
	case <-w.ctx.Done():
		w.t.Fatal("the connection does not end")
	}
}

func (w *world) wantConns(n int) {
	w.t.Helper()
	if got := w.hub.Stats().Conns; got != n {
		w.t.Errorf("%d connections at the hub, want %d", got, n)
	}
}

// poll makes a request over HTTP/3 that is no WebTransport, and wants status 200.
func (w *world) poll(method, query, body string) string {
	w.t.Helper()
	if w.polls == nil {
		via := &http3.Transport{TLSClientConfig: trusting, QUICConfig: &quic.Config{}}
		w.polls = &http.Client{Transport: via}
		w.t.Cleanup(func() { via.Close() })
	}
	r, err := http.NewRequestWithContext(w.ctx, method, "https://"+w.addr+"/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.polls.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		w.t.Fatalf("%s %s: %s %s %v", method, query, resp.Status, data, err)
	}
	return string(data)
}

// underPipe is a server of bare pipes.
type underPipe struct {
	sessions *webtransport.Server
	receiver chan wire.Receiver // of the next session
	made     chan *pipe
}

func (u *underPipe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	session, err := u.sessions.Upgrade(w, r)
	if err != nil {
		return
	}
	defer session.CloseWithError(0, "")
	stream, err := session.AcceptStream(session.Context())
	if err != nil {
		return
	}
	p := newPipe(session.Context(), stream, &limits{message: 1 << 20})
	p.begin(<-u.receiver)
	u.made <- p
	p.serve()
}
