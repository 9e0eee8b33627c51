package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"expvar"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-go/parley/forwarded"
	"github.com/parley-go/parley/websocket"
)

// --- A server that reads, and a client ------------------------------------------------------------------

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered the request
	}
	defer c.CloseNow()
	for m, err := range c.Messages(r.Context()) { // m.Data is valid until the next turn
		if err != nil {
			return
		}
		if err := c.Write(r.Context(), m); err != nil {
			return
		}
	}
}

func say(ctx context.Context, url, text string) error {
	c, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.Message{Type: websocket.Text, Data: []byte(text)}); err != nil {
		return err
	}
	m, err := c.Read(ctx)
	if err != nil {
		return err
	}
	fmt.Println(m.Type, string(m.Data))
	return c.Close(websocket.StatusNormalClosure, "bye")
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	fmt.Println(say(context.Background(), server.URL, "hello"))
	// Output:
	// text hello
	// <nil>
}

// --- A server that is called ----------------------------------------------------------------------------

func ExampleHandler() {
	mux := http.NewServeMux()
	mux.Handle("/echo", &websocket.Handler{
		OnMessage: func(c *websocket.Conn, m websocket.Message) { c.Send(m) },
	})

	server := httptest.NewServer(mux)
	defer server.Close()
	fmt.Println(say(context.Background(), server.URL+"/echo", "hello"))
	// Output:
	// text hello
	// <nil>
}

type visitor struct{ name string }

// HTTP middleware has found out who it is; the connection remembers.
func ExampleHandler_value() {
	h := &websocket.Handler{
		OnOpen: func(c *websocket.Conn, r *http.Request) {
			c.Value = &visitor{name: r.URL.Query().Get("name")}
		},
		OnMessage: func(c *websocket.Conn, m websocket.Message) {
			v := c.Value.(*visitor)
			c.Send(websocket.Message{Type: websocket.Text, Data: fmt.Appendf(nil, "%s, %s!", m.Data, v.name)})
		},
	}

	server := httptest.NewServer(h)
	defer server.Close()
	fmt.Println(say(context.Background(), server.URL+"?name=Ann", "hello"))
	// Output:
	// text hello, Ann!
	// <nil>
}

// A client needs no goroutine either.
func ExampleHandler_Dial() {
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()

	closed := make(chan websocket.StatusCode)
	h := &websocket.Handler{
		OnOpen: func(c *websocket.Conn, _ *http.Request) {
			c.Send(websocket.Message{Type: websocket.Text, Data: []byte("hello")})
		},
		OnMessage: func(c *websocket.Conn, m websocket.Message) {
			fmt.Println(string(m.Data))
			c.Close(websocket.StatusNormalClosure, "") // does not wait
		},
		OnClose: func(_ *websocket.Conn, code websocket.StatusCode, _ string) { closed <- code },
	}
	if _, err := h.Dial(context.Background(), server.URL, nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-closed)
	// Output:
	// hello
	// 1000
}

type pulse struct{ beats atomic.Bool }

// beat asks all members for a sign of life, and hangs up on those that have given
// none since the last time.
func beat(members *websocket.Set) {
	for c := range members.All() {
		if !c.Value.(*pulse).beats.Swap(false) {
			c.CloseNow()
			continue
		}
		c.SendPing(nil)
	}
}

// The package sends no pings by itself. One goroutine can do it for all connections.
func ExampleHandler_keepAlive() {
	var members websocket.Set
	h := &websocket.Handler{
		OnOpen: func(c *websocket.Conn, _ *http.Request) {
			p := &pulse{}
			p.beats.Store(true)
			c.Value = p
			members.Add(c)
		},
		OnPong: func(c *websocket.Conn, _ []byte) { c.Value.(*pulse).beats.Store(true) },
	}
	go func() { // for as long as the program runs
		for range time.Tick(30 * time.Second) {
			beat(&members)
		}
	}()
	http.Handle("/live", h)
}

// Messages are taken in order; what they lead to may overtake each other.
func ExampleConn_Defer() {
	released := make(chan struct{})
	answer := func(number int64, m websocket.Message) websocket.Message {
		if string(m.Data) == "wait" {
			<-released
		}
		return websocket.Message{Type: m.Type, Data: fmt.Appendf(nil, "%d: %s", number, m.Data)}
	}
	var count atomic.Int64
	h := &websocket.Handler{
		OnMessage: func(c *websocket.Conn, m websocket.Message) {
			number := count.Add(1)                        // in the order of the messages
			c.Defer(func() { c.Send(answer(number, m)) }) // m.Data is still valid; the next message is handed on meanwhile
		},
	}

	server := httptest.NewServer(h)
	defer server.Close()
	ctx := context.Background()
	c, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	c.Write(ctx, websocket.Message{Type: websocket.Text, Data: []byte("wait")})
	c.Write(ctx, websocket.Message{Type: websocket.Text, Data: []byte("go on")})
	m, _ := c.Read(ctx)
	fmt.Println(string(m.Data))
	close(released)
	m, _ = c.Read(ctx)
	fmt.Println(string(m.Data))
	// Output:
	// 2: go on
	// 1: wait
}

// --- Many receivers -------------------------------------------------------------------------------------

// chat sends what one says to all the others.
type chat struct{ members websocket.Set }

func (s *chat) handler() *websocket.Handler {
	return &websocket.Handler{
		OnOpen: func(c *websocket.Conn, _ *http.Request) {
			s.members.Add(c) // a connection that ends leaves by itself
			c.Send(websocket.Message{Type: websocket.Text, Data: []byte("welcome")})
		},
		OnMessage: func(c *websocket.Conn, m websocket.Message) {
			s.members.Send(websocket.Prepare(m), c) // to all but c
		},
	}
}

func ExampleSet() {
	var room chat
	server := httptest.NewServer(room.handler())
	defer server.Close()

	ctx := context.Background()
	ann, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ann.CloseNow()
	bob, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bob.CloseNow()

	m, err := ann.Read(ctx)
	fmt.Println(string(m.Data), err)
	bob.Write(ctx, websocket.Message{Type: websocket.Text, Data: []byte("hi")})
	m, err = ann.Read(ctx)
	fmt.Println(string(m.Data), err)
	// Output:
	// welcome <nil>
	// hi <nil>
}

// Many messages to one receiver leave in one system call.
func ExampleConn_WriteBatch() {
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()

	ctx := context.Background()
	c, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	batch := []*websocket.Prepared{
		websocket.Prepare(websocket.Message{Type: websocket.Text, Data: []byte("one")}),
		websocket.Prepare(websocket.Message{Type: websocket.Text, Data: []byte("two")}),
	}
	if err := c.WriteBatch(ctx, batch); err != nil {
		fmt.Println(err)
		return
	}
	for range batch {
		m, err := c.Read(ctx)
		fmt.Println(string(m.Data), err)
	}
	// Output:
	// one <nil>
	// two <nil>
}

// feed tells its members a price, each at the pace of its socket.
type feed struct {
	members websocket.Set
	price   atomic.Int64
}

func (f *feed) handler() *websocket.Handler {
	return &websocket.Handler{
		OnOpen: func(c *websocket.Conn, _ *http.Request) {
			f.members.Add(c)
			c.Want()
		},
		OnWritable: func(c *websocket.Conn) {
			c.Send(websocket.Message{Type: websocket.Text, Data: fmt.Append(nil, f.price.Load())})
		},
	}
}

// set changes the price. Who could not be told the last one yet is told this one only.
func (f *feed) set(price int64) {
	f.price.Store(price)
	for c := range f.members.All() {
		c.Want()
	}
}

func ExampleConn_Want() {
	var f feed
	server := httptest.NewServer(f.handler())
	defer server.Close()
	ctx := context.Background()
	c, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	if _, err := c.Read(ctx); err != nil { // from now on c is a member
		fmt.Println(err)
		return
	}
	for price := range int64(1000) {
		f.set(price)
	}
	last := ""
	for last != "999" {
		m, err := c.Read(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		last = string(m.Data)
	}
	fmt.Println(last)
	// Output: 999
}

// --- Streams --------------------------------------------------------------------------------------------

// A message may leave while it is being made, and be read while it arrives.
func ExampleConn_Writer() {
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()

	ctx := context.Background()
	c, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	if err := upload(ctx, c, strings.NewReader(strings.Repeat("a long text ", 1000))); err != nil {
		fmt.Println(err)
		return
	}
	t, r, err := c.Reader(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := io.Copy(io.Discard, r)
	fmt.Println(t, n, err)
	// Output: text 12000 <nil>
}

func upload(ctx context.Context, c *websocket.Conn, from io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a message that is not complete is broken off, with the connection
	w, err := c.Writer(ctx, websocket.Text)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, from); err != nil {
		return err
	}
	return w.Close()
}

// Any protocol on a stream of bytes can run over a WebSocket.
func ExampleConn_NetConn() {
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()

	ctx := context.Background()
	c, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	nc := c.NetConn(ctx, websocket.Binary)
	defer nc.Close()
	fmt.Fprintln(nc, "a line")
	line, err := bufio.NewReader(nc).ReadString('\n')
	fmt.Printf("%q %v\n", line, err)
	// Output: "a line\n" <nil>
}

// --- Options --------------------------------------------------------------------------------------------

func ExampleCompression() {
	var stats websocket.Stats
	server := httptest.NewServer(&websocket.Handler{
		Options: &websocket.AcceptOptions{
			Compression: &websocket.Compression{ContextTakeover: true},
			Stats:       &stats,
		},
		OnMessage: func(c *websocket.Conn, m websocket.Message) { c.Send(m) },
	})
	defer server.Close()

	ctx := context.Background()
	c, err := websocket.Dial(ctx, server.URL, &websocket.DialOptions{
		Compression: &websocket.Compression{ContextTakeover: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	text := strings.Repeat("all work and no play makes Jack a dull boy\n", 100)
	c.Write(ctx, websocket.Message{Type: websocket.Text, Data: []byte(text)})
	m, err := c.Read(ctx)
	fmt.Println(len(m.Data), err)
	fmt.Println(stats.Snapshot().BytesIn < 200)
	// Output:
	// 4300 <nil>
	// true
}

func ExampleLimits() {
	h := &websocket.Handler{Options: &websocket.AcceptOptions{
		Origins: []string{"example.com", "*.example.com"},
		Limits:  &websocket.Limits{MessageBytes: 4 << 10, ConnsPerAddress: 100},
	}}

	server := httptest.NewServer(h)
	defer server.Close()
	ctx := context.Background()
	c, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	c.Write(ctx, websocket.Message{Type: websocket.Binary, Data: make([]byte, 5<<10)})
	_, err = c.Read(ctx)
	fmt.Println(err)
	// Output: websocket: closed by the peer with status 1009: "the message is longer than 4096 bytes"
}

func ExampleStats() {
	var stats websocket.Stats
	expvar.Publish("websocket", &stats) // shown under /debug/vars
	http.Handle("/ws", &websocket.Handler{Options: &websocket.AcceptOptions{Stats: &stats}})
}

// --- A client on its way --------------------------------------------------------------------------------

// tunnel is a proxy that knows CONNECT.
func tunnel(w http.ResponseWriter, r *http.Request) {
	there, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	fmt.Println(r.Method)
	fmt.Fprint(here, "HTTP/1.1 200 OK\r\n\r\n")
	go io.Copy(there, here)
	io.Copy(here, there)
}

func ExampleDial_proxy() {
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	proxy := httptest.NewServer(http.HandlerFunc(tunnel))
	defer proxy.Close()

	ctx := context.Background()
	u, err := url.Parse(proxy.URL) // or "socks5://user:password@host:1080"
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := websocket.Dial(ctx, server.URL, &websocket.DialOptions{Proxy: http.ProxyURL(u)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	c.Write(ctx, websocket.Message{Type: websocket.Text, Data: []byte("hello")})
	m, err := c.Read(ctx)
	fmt.Println(string(m.Data), err)
	// Output:
	// CONNECT
	// hello <nil>
}

func ExampleHandshakeError() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()

	_, err := websocket.Dial(context.Background(), server.URL, nil)
	var refused *websocket.HandshakeError
	if errors.As(err, &refused) && refused.Response != nil {
		fmt.Println(refused.Response.StatusCode)
	}
	// Output: 404
}

// --- How it ends ----------------------------------------------------------------------------------------

func why(err error) string {
	var closed *websocket.CloseError
	var broken *websocket.ProtocolError
	switch {
	case errors.As(err, &closed):
		return "the peer closed: " + closed.Reason // closed.Code tells why
	case errors.As(err, &broken):
		return "the peer broke a rule and was told: " + broken.Reason
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "the call was given up" // after a Read the connection lives on
	case errors.Is(err, net.ErrClosed):
		return "this end closed"
	}
	return "the network failed"
}

func ExampleCloseError() {
	server := httptest.NewServer(&websocket.Handler{
		OnOpen: func(c *websocket.Conn, _ *http.Request) { c.Close(websocket.StatusTryAgainLater, "full") },
	})
	defer server.Close()

	ctx := context.Background()
	c, err := websocket.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	_, err = c.Read(ctx)
	fmt.Println(why(err))
	// Output: the peer closed: full
}

// net/http knows nothing of the connections it has given away.
func Example_shutdown() {
	var members websocket.Set
	var leaving atomic.Bool
	server := &http.Server{Handler: &websocket.Handler{
		OnOpen: func(c *websocket.Conn, _ *http.Request) {
			members.Add(c)
			if leaving.Load() {
				c.Close(websocket.StatusGoingAway, "")
			}
		},
	}}
	server.RegisterOnShutdown(func() {
		leaving.Store(true)
		for c := range members.All() {
			c.Close(websocket.StatusGoingAway, "") // on a Conn of Accept: go c.Close
		}
	})

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go server.Serve(l)
	ctx := context.Background()
	c, err := websocket.Dial(ctx, "ws://"+l.Addr().String(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	server.Shutdown(ctx)
	_, err = c.Read(ctx)
	fmt.Println(err)
	for c := range members.All() {
		<-c.Done() // after the CloseTimeout at the latest
	}
	// Output: websocket: closed by the peer with status 1001
}

// A server that also takes what browsers and televisions spoke before RFC 6455.
func ExampleDraft76() {
	o := &websocket.AcceptOptions{
		Origins:      []string{"tv.example.com"}, // draft 76 needs an Origin, and one that is listed
		LegacyDrafts: true,
		Draft76: &websocket.Draft76{
			Location: func(r *http.Request) string { return "wss://" + r.Host + r.RequestURI }, // a proxy ends TLS
		},
	}

	server := httptest.NewServer(&websocket.Handler{Options: o})
	defer server.Close()
	nc, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	io.WriteString(nc, "GET /chat HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nHost: example.com\r\nOrigin: http://tv.example.com\r\n"+
		"Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\nSec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U")
	in := bufio.NewReader(nc)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	proof := make([]byte, 16)
	io.ReadFull(in, proof)
	fmt.Println(answer.Status, answer.Header.Get("Sec-WebSocket-Location"), string(proof))
	// Output: 101 WebSocket Protocol Handshake wss://example.com/chat 8jKS'y:G*Co,Wxa-
}

// The address of a client behind a proxy.
func ExampleHandler_behindProxies() {
	mux := http.NewServeMux()
	mux.Handle("/hello", &websocket.Handler{OnOpen: func(c *websocket.Conn, r *http.Request) {
		c.Send(websocket.Message{Type: websocket.Text, Data: []byte("hello " + r.RemoteAddr)})
	}})
	proxies, err := forwarded.Parse("10.0.0.0/8", "::1") // believe these, and no others
	if err != nil {
		log.Fatal(err)
	}
	handler := proxies.Handler(mux)

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = "10.1.2.3:4567" // as if a proxy had connected
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx := context.Background()
	c, err := websocket.Dial(ctx, server.URL+"/hello", &websocket.DialOptions{Header: http.Header{"X-Forwarded-For": {"198.51.100.1, 203.0.113.9"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	m, err := c.Read(ctx)
	fmt.Println(string(m.Data), err)
	// Output: hello 203.0.113.9:0 <nil>
}

// --- The guide ------------------------------------------------------------------------------------------

// TestGuideShowsWhatCompiles wants every piece of Go in docs/websocket.md to stand in this file, too.
func TestGuideShowsWhatCompiles(t *testing.T) {
	guide, err := os.ReadFile("../docs/websocket.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	code := withoutIndent(string(examples))
	pieces := strings.Split(string(guide), "```go\n")[1:]
	if len(pieces) == 0 {
		t.Fatal("docs/websocket.md shows no Go")
	}
	for _, piece := range pieces {
		piece, _, _ = strings.Cut(piece, "```")
		if !strings.Contains(code, withoutIndent(piece)) {
			t.Errorf("docs/websocket.md shows what no example has:\n%s", piece)
		}
	}
}

func withoutIndent(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(strings.TrimLeft(line, " \t"))
	}
	return b.String()
}
