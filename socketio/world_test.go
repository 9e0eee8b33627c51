package socketio

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/memnet"
	"github.com/parley-go/parley/websocket"
)

// world is a server on a network in memory, inside a bubble of fake time: a
// goroutine that is left at the end fails the test.
type world struct {
	*testing.T
	hub     *parley.Hub
	options Options
	mux     *http.ServeMux
	further []*parley.Hub // see another
	net     *memnet.Listener
	client  *http.Client

	mu   sync.Mutex
	ends []error // what OnDisconnect was told
}

// inWorld runs a test against a hub with a few handlers; setup may add to
// them.
func inWorld(t *testing.T, o *Options, setup func(w *world), test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, net: memnet.Listen()}
		if o != nil {
			w.options = *o
		}
		w.hub = parley.NewHub(&parley.HubOptions{
			Log:    slog.New(slog.DiscardHandler),
			Limits: parley.Limits{QueueMessages: 100, QueueBytes: 100 << 10},
		})
		w.client = w.net.Client()
		w.handlers()
		if setup != nil {
			setup(w)
		}
		w.mux = http.NewServeMux()
		Mount(w.mux, "", w.hub, &w.options)
		server := &http.Server{Handler: w.mux, ErrorLog: log.New(complaints{t}, "", 0)}
		go server.Serve(w.net) // ends with Close
		test(w)
		for _, hub := range append([]*parley.Hub{w.hub}, w.further...) {
			if err := hub.Shutdown(t.Context()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		}
		w.client.CloseIdleConnections()
		server.Close()
		time.Sleep(2 * time.Second) // a client that has left may poll for a second; and the wheel's goroutine ends with the tick after its last timer
	})
}

// another makes a hub that ends with the world. Its handler "who" answers with
// its name, "leave" closes the connection.
func (w *world) another(name string) *parley.Hub {
	hub := parley.NewHub(&parley.HubOptions{Name: name, Log: slog.New(slog.DiscardHandler)})
	hub.Handle("who", parley.Func(func() string { return name }))
	hub.Handle("leave", parley.Func(func(c *parley.Conn) { c.Close("") }))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.further = append(w.further, hub)
	return hub
}

func (w *world) handlers() {
	w.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, reason error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ends = append(w.ends, reason)
	})
	// What the server of the public Socket.IO suite does.
	w.hub.Handle("message", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
		args, err := anyArguments(call)
		if err != nil {
			return err
		}
		return call.Conn().Send(ctx, "message-back", args...)
	}))
	w.hub.Handle("message-with-ack", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
		args, err := anyArguments(call)
		if err != nil {
			return err
		}
		return call.Reply(args...)
	}))
}

func anyArguments(call *parley.Call) ([]any, error) {
	values, into := make([]any, call.Len()), make([]any, call.Len())
	for i := range into {
		into[i] = &values[i]
	}
	return values, call.Scan(into...)
}

// complaints fails the test with what net/http has to complain of, such as a
// panic.
type complaints struct{ t *testing.T }

func (c complaints) Write(p []byte) (int, error) {
	c.t.Errorf("net/http: %s", p)
	return len(p), nil
}

// sleep lets fake time pass.
func (w *world) sleep(d time.Duration) { time.Sleep(d) }

const (
	base    = "http://server/socket.io/?EIO=4&transport="
	polling = base + "polling"
	sockets = base + "websocket"
)

// do does a request and returns the body, with the status in front unless it
// is 200.
func (w *world) do(method, url, body string) string {
	w.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	resp, err := w.client.Do(r)
	if err != nil {
		w.Errorf("%s %s: %v", method, url, err)
		return ""
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 {
		return resp.Status + " " + string(data)
	}
	return string(data)
}

func (w *world) get(url string) string { w.Helper(); return w.do("GET", url, "") }

func (w *world) post(url, body string) {
	w.Helper()
	w.want(w.do("POST", url, body), "ok")
}

func (w *world) want(got, want string) {
	w.Helper()
	if got != want {
		w.Errorf("got %.300q, want %.300q", got, want)
	}
}

// open shakes hands by polling.
func (w *world) open() (url string) {
	w.Helper()
	first := w.get(polling)
	m := regexp.MustCompile(`^0\{"sid":"([^"]{20})"`).FindStringSubmatch(first)
	if m == nil {
		w.Fatalf("handshake: %q", first)
	}
	return polling + "&sid=" + m[1]
}

// socket is a raw WebSocket client that reads all the time.
type socket struct {
	*world
	conn   *websocket.Conn
	frames chan string // closed when the connection has ended
	end    error       // why, then
}

// webSocket opens an Engine.IO connection.
func (w *world) webSocket() *socket {
	w.Helper()
	s := w.upgrade(sockets)
	if first := <-s.frames; !strings.HasPrefix(first, `0{"sid":"`) {
		w.Fatalf("first frame %q", first)
	}
	return s
}

func (w *world) upgrade(url string) *socket {
	w.Helper()
	c, err := websocket.Dial(w.Context(), url, &websocket.DialOptions{NetDial: w.net.Dial})
	if err != nil {
		w.Fatal(err)
	}
	s := &socket{world: w, conn: c, frames: make(chan string, 10000)}
	w.Cleanup(func() { c.CloseNow() })
	go s.read() // ends with the connection
	return s
}

func (s *socket) read() {
	defer close(s.frames)
	for {
		m, err := s.conn.Read(context.Background())
		if err != nil {
			s.end = err
			return
		}
		if m.Type == websocket.Binary {
			s.frames <- "binary " + string(m.Data)
			continue
		}
		s.frames <- string(m.Data)
	}
}

// join opens a connection that has joined the main namespace.
func (w *world) join() *socket {
	w.Helper()
	s := w.webSocket()
	s.send("40")
	s.wantMatch(`^40\{"sid":"[-_0-9A-Za-z]{20}"\}$`)
	return s
}

func (s *socket) send(packets ...string) {
	s.Helper()
	for _, p := range packets {
		if err := s.conn.Write(s.Context(), websocket.Message{Type: websocket.Text, Data: []byte(p)}); err != nil {
			s.Errorf("write %q: %v", p, err)
		}
	}
}

// sendBinary sends binary messages.
func (s *socket) sendBinary(messages ...string) {
	s.Helper()
	for _, m := range messages {
		if err := s.conn.Write(s.Context(), websocket.Message{Type: websocket.Binary, Data: []byte(m)}); err != nil {
			s.Errorf("write %q: %v", m, err)
		}
	}
}

// next is the next frame, "binary " and its bytes when it is one, or "closed".
func (s *socket) next() string {
	f, ok := <-s.frames
	if !ok {
		return "closed"
	}
	return f
}

func (s *socket) want(frames ...string) {
	s.Helper()
	for _, want := range frames {
		s.world.want(s.next(), want)
	}
}

func (s *socket) wantMatch(pattern string) {
	s.Helper()
	if got := s.next(); !regexp.MustCompile(pattern).MatchString(got) {
		s.Errorf("got %q, want %s", got, pattern)
	}
}

// wantClosed makes sure that the server closes without a word, now.
func (s *socket) wantClosed() {
	s.Helper()
	before := time.Now()
	s.want("closed")
	var closed *websocket.CloseError
	if !errors.As(s.end, &closed) || closed.Code != websocket.StatusNoStatus {
		s.Errorf("connection ended with %v, want an empty close frame", s.end)
	}
	if waited := time.Since(before); waited != 0 {
		s.Errorf("the server closed after %v, want at once", waited)
	}
}

// wantSilence makes sure that nothing comes for a while.
func (s *socket) wantSilence(d time.Duration) {
	s.Helper()
	select {
	case f, open := <-s.frames:
		s.Errorf("got %q (open: %t), want silence", f, open)
	case <-time.After(d):
	}
}

// wantEnds looks at what OnDisconnect was told so far.
func (w *world) wantEnds(want ...error) {
	w.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.ends) != len(want) {
		w.Errorf("OnDisconnect was told %v, want %v", w.ends, want)
		return
	}
	for i := range want {
		if !errors.Is(w.ends[i], want[i]) {
			w.Errorf("OnDisconnect was told %v, want %v", w.ends, want)
		}
	}
	w.ends = nil
}
