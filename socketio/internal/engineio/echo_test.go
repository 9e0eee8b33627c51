package engineio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/websocket"
	"github.com/parley-go/parley/wire"
)

// echo is an Upper that sends back whatever it receives, as the server of the
// public Engine.IO suite does.
type echo struct {
	socket *Socket
	closed chan error // gets what Closed was told

	mu    sync.Mutex
	queue []*wire.Encoded
}

func (e *echo) Open(*http.Request) error { return nil }

func (e *echo) Receive(data []byte, binary bool) {
	e.mu.Lock()
	e.queue = append(e.queue, &wire.Encoded{Data: bytes.Clone(data), Binary: binary})
	e.mu.Unlock()
	e.socket.Wake()
}

func (e *echo) Take(batch []*wire.Encoded) []*wire.Encoded {
	e.mu.Lock()
	defer e.mu.Unlock()
	batch = append(batch, e.queue...)
	e.queue = nil
	return batch
}

func (e *echo) Heard() {}

func (e *echo) Closed(err error) { e.closed <- err }

// echoServer is an echoing Engine.IO server on the loopback network. The
// options given are those that differ from the defaults. The test fails when
// a connection is left at its end.
type echoServer struct {
	*httptest.Server
	t      *testing.T
	engine *Server
	closed chan error // what each connection ended with
}

func serveEcho(t *testing.T, change func(*Options)) *echoServer {
	t.Helper()
	s := &echoServer{t: t, closed: make(chan error, 1000)}
	o := Options{
		PingInterval:      25 * time.Second,
		PingTimeout:       20 * time.Second,
		UpgradeTimeout:    10 * time.Second,
		MaxHTTPBufferSize: 1e6,
		MaxPackets:        maxPackets,
		MaxSessions:       1000,
		RefuseEIO3:        true,
		New:               func(socket *Socket) Upper { return &echo{socket: socket, closed: s.closed} },
	}
	if change != nil {
		change(&o)
	}
	s.engine = NewServer(o)
	s.Server = httptest.NewServer(s.engine)
	t.Cleanup(s.close)
	return s
}

// cutAll ends all connections.
func cutAll(engine *Server) {
	engine.mu.Lock()
	left := slices.Collect(maps.Values(engine.sessions))
	engine.mu.Unlock()
	for _, socket := range left {
		socket.CloseNow()
	}
}

func (s *echoServer) close() {
	cutAll(s.engine)
	s.Server.Close() // waits for all requests
	s.engine.wheel.Stop()
}

const polls, webSocket = "/?EIO=4&transport=polling", "/?EIO=4&transport=websocket"

func (s *echoServer) do(method, path, body string, header ...string) (status int, answer string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Errorf("%s %s: %v", method, path, err)
		return 0, ""
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Errorf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, string(data)
}

// wantDo does a request and compares the answer.
func (s *echoServer) wantDo(method, path, body string, status int, answer string, header ...string) {
	s.t.Helper()
	gotStatus, got := s.do(method, path, body, header...)
	if gotStatus != status || got != answer {
		s.t.Errorf("%s %s %.40q: got %d %.200q, want %d %.200q", method, path, body, gotStatus, got, status, answer)
	}
}

var handshake = regexp.MustCompile(`^0\{"sid":"([-_0-9A-Za-z]{20})","upgrades":\[("websocket")?\],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}$`)

// open shakes hands by polling and returns the path with the session ID.
func (s *echoServer) open() string {
	s.t.Helper()
	status, body := s.do("GET", polls, "")
	m := handshake.FindStringSubmatch(body)
	if status != 200 || m == nil || m[2] == "" {
		s.t.Fatalf("handshake: %d %q", status, body)
	}
	return "&sid=" + m[1]
}

func (s *echoServer) dial(path string) (*websocket.Conn, error) {
	return websocket.Dial(s.t.Context(), s.URL+path, nil)
}

// webSocket dials and closes at the end of the test.
func (s *echoServer) webSocket(path string) *websocket.Conn {
	s.t.Helper()
	c, err := s.dial(path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.CloseNow() })
	return c
}

func send(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.Message{Type: websocket.Text, Data: []byte(text)}); err != nil {
		t.Errorf("write %q: %v", text, err)
	}
}

func wantFrame(t *testing.T, c *websocket.Conn, want string) {
	t.Helper()
	m, err := c.Read(t.Context())
	if err != nil || string(m.Data) != want {
		t.Errorf("got frame %q, %v, want %q", m.Data, err, want)
	}
}

// wantClose reads until the server has closed.
func wantClose(t *testing.T, c *websocket.Conn, code websocket.StatusCode) {
	t.Helper()
	var err error
	for err == nil {
		_, err = c.Read(t.Context())
	}
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Reason != "" {
		t.Errorf("got %v, want close code %d and no reason", err, code)
	}
}

// wantEnd waits for a connection's end and looks at its reason.
func (s *echoServer) wantEnd(want error) {
	s.t.Helper()
	if got := <-s.closed; !errors.Is(got, want) {
		s.t.Errorf("connection ended with %v, want %v", got, want)
	}
}

const (
	noSession = `{"code":1,"message":"Session ID unknown"}`
	noMatch   = `{"code":3,"message":"Bad request"}`
)

// wantGone makes sure that a session is known no more.
func (s *echoServer) wantGone(sid string) {
	s.t.Helper()
	s.wantDo("GET", polls+sid, "", 400, noSession)
}

func TestHandshakes(t *testing.T) {
	s := serveEcho(t, nil)
	s.open() // which compares all keys
	c := s.webSocket(webSocket)
	m, err := c.Read(t.Context())
	if got := handshake.FindStringSubmatch(string(m.Data)); err != nil || got == nil || got[2] != "" {
		t.Errorf("first frame %q, %v", m.Data, err)
	}
}

func TestRefusedRequests(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	const (
		transportUnknown = `{"code":0,"message":"Transport unknown"}`
		badMethod        = `{"code":2,"message":"Bad handshake method"}`
		badVersion       = `{"code":5,"message":"Unsupported protocol version"}`
	)
	for _, c := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/", 400, transportUnknown},
		{"GET", "/?EIO=4", 400, transportUnknown},
		{"GET", "/?EIO=4&transport=abc", 400, transportUnknown},
		{"GET", "/?EIO=4&transport=webtransport", 400, transportUnknown},
		{"GET", "/?EIO=4&transport=__proto__", 400, transportUnknown},
		{"GET", "/?transport=polling", 400, badVersion},
		{"GET", "/?EIO=3&transport=polling", 400, badVersion},
		{"GET", "/?EIO=abc&transport=polling", 400, badVersion},
		{"POST", polls, 400, badMethod},
		{"PUT", polls, 400, badMethod},
		{"OPTIONS", polls, 400, badMethod},
		{"GET", webSocket, 400, noMatch},
		{"GET", webSocket + sid, 400, noMatch},
		{"GET", polls + "&sid=__proto__", 400, noSession},
		{"GET", polls + "&sid=" + strings.Repeat("A", 20), 400, noSession},
		{"POST", polls + "&sid=x", 400, noSession},
		{"GET", "/?EIO=3&transport=polling" + sid, 400, noMatch},
		{"PUT", polls + sid, 500, ""},
		{"DELETE", polls + sid, 500, ""},
	} {
		s.wantDo(c.method, c.path, "", c.status, c.want)
	}
	s.wantDo("POST", polls+sid, "4still here", 200, "ok")
	s.wantDo("GET", polls+sid, "", 200, "4still here")
}

func TestRefusedUpgradesAreToldBefore101(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	for _, c := range []struct{ path, want string }{
		{"/", "Transport unknown"},
		{"/?EIO=4&transport=abc", "Transport unknown"},
		{"/?EIO=3&transport=websocket", "Unsupported protocol version"},
		{"/?transport=websocket", "Unsupported protocol version"},
		{polls, "Bad request"},
		{polls + sid, "Bad request"},
		{webSocket + "&sid=x", "Session ID unknown"},
		{"/?EIO=3&transport=websocket" + sid, "Bad request"},
	} {
		_, err := s.dial(c.path)
		var refused *websocket.HandshakeError
		if !errors.As(err, &refused) || refused.Response == nil {
			t.Errorf("%s: %v, want a refusal", c.path, err)
			continue
		}
		body, _ := io.ReadAll(refused.Response.Body)
		if refused.Response.StatusCode != 400 || string(body) != c.want {
			t.Errorf("%s: got %d %q, want 400 %q", c.path, refused.Response.StatusCode, body, c.want)
		}
	}
}

func TestEchoByPolling(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	for _, c := range []struct{ name, post, want string }{
		{"text", "4hello", "4hello"},
		{"three packets", "4test1\x1e4test2\x1e4test3", "4test1\x1e4test2\x1e4test3"},
		{"text and binary", "4hello\x1ebAQIDBA==", "4hello\x1ebAQIDBA=="},
		{"beyond ASCII", "4ü€😀\u2028", "4ü€😀\u2028"},
		{"packets that mean nothing here", "0\x1e5\x1e6\x1e3\x1e4x", "4x"},
	} {
		s.wantDo("POST", polls+sid, c.post, 200, "ok")
		s.wantDo("GET", polls+sid, "", 200, c.want)
	}
}

func TestAnswersHaveTheReferencesHeaders(t *testing.T) {
	s := serveEcho(t, nil)
	resp, err := http.Get(s.URL + polls)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/plain; charset=UTF-8" {
		t.Errorf("Content-Type of a poll: %q", got)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control of a poll: %q", got)
	}
	if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("CORS without an Origin: %q", got)
	}
}

func TestEchoByWebSocket(t *testing.T) {
	s := serveEcho(t, nil)
	c := s.webSocket(webSocket)
	c.Read(t.Context())
	send(t, c, "4hello")
	wantFrame(t, c, "4hello")
	if err := c.Write(t.Context(), websocket.Message{Type: websocket.Binary, Data: []byte{1, 2, 3, 4}}); err != nil {
		t.Fatal(err)
	}
	m, err := c.Read(t.Context())
	if err != nil || m.Type != websocket.Binary || !slices.Equal(m.Data, []byte{1, 2, 3, 4}) {
		t.Errorf("binary echo: %v %v", m, err)
	}
}

func TestInvalidPacketsEndTheSession(t *testing.T) {
	for _, packet := range []string{"abc", "7", "x4", "2", "2probe", "b!", "bAQIDBA", "4a\x1e", "\x1e4a", "\xff", "4\xff", strings.Repeat("\x1e", 1e5)} {
		s := serveEcho(t, nil)
		sid := s.open()
		s.wantDo("POST", polls+sid, packet, 400, "")
		s.wantEnd(wire.ErrProtocol)
		s.wantGone(sid)
	}
	for _, packet := range []string{"abc", "", "7", "2", "b!"} {
		s := serveEcho(t, nil)
		c := s.webSocket(webSocket)
		send(t, c, packet)
		wantClose(t, c, websocket.StatusNoStatus)
		s.wantEnd(wire.ErrProtocol)
	}
}

func TestAPayloadHasSoManyPackets(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	s.wantDo("POST", polls+sid, strings.Repeat("3\x1e", maxPackets-1)+"4x", 200, "ok")
	s.wantDo("GET", polls+sid, "", 200, "4x")
	s.wantDo("POST", polls+sid, strings.Repeat("3\x1e", maxPackets)+"4x", 400, "")
	s.wantEnd(wire.ErrProtocol)
}

func TestBadPostsEndTheSession(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	s.wantDo("POST", polls+sid, "", 200, "ok")
	s.wantEnd(wire.ErrProtocol)
	s.wantGone(sid)
	sid = s.open()
	s.wantDo("POST", polls+sid, "4x", 400, "", "Content-Type", "application/octet-stream")
	s.wantEnd(wire.ErrProtocol)
	s.wantGone(sid)
}

func TestTooLongABodyIsRefusedAndTheSessionLivesOn(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	tooLong := "4" + strings.Repeat("x", 1e6)
	s.wantDo("POST", polls+sid, tooLong, 413, "")
	r, err := http.NewRequest("POST", s.URL+polls+sid, struct{ io.Reader }{strings.NewReader(tooLong)}) // chunked
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != 413 {
		t.Fatalf("chunked body: %v %v, want 413", resp, err)
	}
	resp.Body.Close()
	longest := tooLong[:1e6]
	s.wantDo("POST", polls+sid, longest, 200, "ok")
	s.wantDo("GET", polls+sid, "", 200, longest)
}

func TestTooLongAMessageClosesTheWebSocketWith1009(t *testing.T) {
	s := serveEcho(t, nil)
	c := s.webSocket(webSocket)
	send(t, c, "4"+strings.Repeat("x", 1e6))
	wantClose(t, c, websocket.StatusMessageTooBig)
	s.wantEnd(wire.ErrProtocol)
}

// waiting returns when n GETs are inside.
func (s *echoServer) waiting(sid string, n int) {
	socket := s.engine.find(strings.TrimPrefix(sid, "&sid="))
	for {
		socket.mu.Lock()
		waiting := socket.polls.waiting
		socket.mu.Unlock()
		if waiting == n {
			return
		}
		runtime.Gosched()
	}
}

// poll begins a GET, waits until it waits, and returns where its answer will
// be.
func (s *echoServer) poll(sid string) (answer chan string) {
	s.t.Helper()
	answer = make(chan string, 1)
	go func() { // ends with the poll
		_, body := s.do("GET", polls+sid, "")
		answer <- body
	}()
	s.waiting(sid, 1)
	return answer
}

func TestTwoPollsEndTheSession(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	// Two requests on one session: whichever is second is refused.
	answers := make(chan string, 2)
	for range 2 {
		go func() { // ends with the poll
			status, body := s.do("GET", polls+sid, "")
			answers <- http.StatusText(status) + " " + body
		}()
	}
	got := []string{<-answers, <-answers}
	slices.Sort(got)
	if want := []string{"Bad Request ", "OK 1"}; !slices.Equal(got, want) {
		t.Errorf("two polls got %q, want %q", got, want)
	}
	s.wantEnd(ErrTransportError)
	s.wantGone(sid)
}

func TestTwoPostsEndTheSession(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	body, more := io.Pipe()
	first := make(chan int, 1)
	go func() { // ends with the POST
		resp, err := http.Post(s.URL+polls+sid, "text/plain", body)
		if err != nil {
			t.Error(err)
			first <- 0
			return
		}
		resp.Body.Close()
		first <- resp.StatusCode
	}()
	more.Write([]byte("4x"))
	socket := s.engine.find(strings.TrimPrefix(sid, "&sid="))
	for posting := false; !posting; {
		socket.mu.Lock()
		posting = socket.polls.posting
		socket.mu.Unlock()
	}
	s.wantDo("POST", polls+sid, "4y", 400, "")
	more.Close()
	if got := <-first; got != 400 {
		t.Errorf("the first POST got status %d, want 400", got)
	}
	s.wantEnd(ErrTransportError)
	s.wantGone(sid)
}

func TestAnAbortedPollEndsTheSession(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", s.URL+polls+sid, nil)
	done := make(chan struct{})
	go func() { // ends with the poll
		defer close(done)
		if resp, err := http.DefaultClient.Do(r); err == nil {
			t.Errorf("an aborted poll was answered: %v", resp)
		}
	}()
	s.waiting(sid, 1)
	cancel()
	<-done
	s.wantEnd(context.Canceled)
	s.wantGone(sid)
}

func TestTheClientSaysGoodbye(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	waits := s.poll(sid)
	s.wantDo("POST", polls+sid, "1", 200, "ok")
	if got := <-waits; got != "6" {
		t.Errorf("the poll that waited got %q, want 6", got)
	}
	s.wantEnd(ErrTransportClose)
	s.wantGone(sid)

	sid = s.open() // and with a poll that comes a moment late
	s.wantDo("POST", polls+sid, "1", 200, "ok")
	s.wantEnd(ErrTransportClose)
	s.wantDo("POST", polls+sid, "4x", 400, "")
	s.wantDo("GET", polls+sid, "", 200, "6")
	s.wantGone(sid)

	c := s.webSocket(webSocket) // and over WebSocket, where the reference does not listen
	send(t, c, "1")
	wantClose(t, c, websocket.StatusNoStatus)
	s.wantEnd(ErrTransportClose)
}

func TestTheServerSaysGoodbye(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	waits := s.poll(sid)
	s.engine.find(strings.TrimPrefix(sid, "&sid=")).Close(1000, "")
	if got := <-waits; got != "1" {
		t.Errorf("the poll that waited got %q, want 1", got)
	}
	s.wantEnd(nil)
	s.wantGone(sid)

	sid = s.open() // and when none waits, behind what is left to say, not with it
	s.wantDo("POST", polls+sid, "4last", 200, "ok")
	s.engine.find(strings.TrimPrefix(sid, "&sid=")).Close(1000, "")
	s.wantDo("GET", polls+sid, "", 200, "4last")
	s.wantDo("GET", polls+sid, "", 200, "1")
	s.wantEnd(nil)
	s.wantGone(sid)
}

func TestUpgrade(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	c := s.webSocket(webSocket + sid)
	send(t, c, "2probe")
	wantFrame(t, c, "3probe")
	s.wantDo("POST", polls+sid, "4before", 200, "ok")
	s.wantDo("GET", polls+sid, "", 200, "4before")
	s.wantDo("GET", polls+sid, "", 200, "6")
	s.wantDo("POST", polls+sid, "4across", 200, "ok") // and is taken by the new transport
	send(t, c, "5")
	wantFrame(t, c, "4across")
	send(t, c, "4after")
	wantFrame(t, c, "4after")

	s.wantDo("GET", polls+sid, "", 400, noMatch)
	s.wantDo("POST", polls+sid, "4x", 400, noMatch)
	second := s.webSocket(webSocket + sid)
	wantClose(t, second, websocket.StatusNoStatus)
	send(t, c, "4still")
	wantFrame(t, c, "4still")
	if len(s.closed) != 0 {
		t.Errorf("the end of the polls ended the session: %v", <-s.closed)
	}
	c.Close(1000, "")
	s.wantEnd(ErrTransportClose)
}

func TestUpgradeWithoutAProbe(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	c := s.webSocket(webSocket + sid)
	send(t, c, "5")
	send(t, c, "4x")
	wantFrame(t, c, "4x")
}

func TestAPollThatWaitsAtTheUpgradeIsRefused(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	waits := s.poll(sid)
	c := s.webSocket(webSocket + sid)
	send(t, c, "5")
	if got := <-waits; got != noMatch {
		t.Errorf("the poll got %q, want %q", got, noMatch)
	}
	send(t, c, "4x")
	wantFrame(t, c, "4x")
}

func TestAFailedProbeLeavesThePolls(t *testing.T) {
	for _, packet := range []string{"4x", "2", "3probe", "", "abc", "1"} {
		s := serveEcho(t, nil)
		sid := s.open()
		c := s.webSocket(webSocket + sid)
		second := s.webSocket(webSocket + sid) // one at a time
		wantClose(t, second, websocket.StatusNoStatus)
		send(t, c, packet)
		wantClose(t, c, websocket.StatusNoStatus)
		s.wantDo("POST", polls+sid, "4x", 200, "ok")
		s.wantDo("GET", polls+sid, "", 200, "4x")
	}
}

func TestTheEndOfASessionEndsItsProbe(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	c := s.webSocket(webSocket + sid)
	send(t, c, "2probe")
	wantFrame(t, c, "3probe")
	s.wantDo("POST", polls+sid, "abc", 400, "")
	if _, err := c.Read(t.Context()); err == nil {
		t.Error("the probe lives on")
	}
	s.wantEnd(wire.ErrProtocol)
}

func TestSessionsAreLimited(t *testing.T) {
	s := serveEcho(t, func(o *Options) { o.MaxSessions = 1 })
	sid := s.open()
	s.wantDo("GET", polls, "", 503, `{"code":3,"message":"Too many connections"}`)
	if _, err := s.dial(webSocket); err == nil {
		t.Error("a WebSocket was let in beyond the limit")
	}
	s.wantDo("POST", polls+sid, "1", 200, "ok")
	s.wantDo("GET", polls+sid, "", 200, "6")
	s.open()
}

func TestOrigins(t *testing.T) {
	s := serveEcho(t, func(o *Options) { o.Transport = transport.Options{Origins: []string{"https://friend.example"}} })
	const forbidden = `{"code":4,"message":"Forbidden"}`
	for _, path := range []string{polls, webSocket, polls + "&sid=x"} {
		s.wantDo("GET", path, "", 403, forbidden, "Origin", "https://evil.example")
		s.wantDo("OPTIONS", path, "", 403, forbidden, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
	}
	r, _ := http.NewRequest("OPTIONS", s.URL+polls, nil)
	r.Header.Set("Origin", "https://friend.example")
	r.Header.Set("Access-Control-Request-Method", "POST")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != 204 || got != "https://friend.example" {
		t.Errorf("preflight: %d, allowed origin %q", resp.StatusCode, got)
	}
	h := http.Header{"Origin": {"https://evil.example"}}
	if _, err := websocket.Dial(t.Context(), s.URL+webSocket, &websocket.DialOptions{Header: h}); err == nil {
		t.Error("a WebSocket of a foreign origin was let in")
	}
}

func TestIDs(t *testing.T) {
	var ids IDs
	seen := make(map[string]bool)
	form := regexp.MustCompile(`^[-_0-9A-Za-z]{20}$`)
	for range 1000 {
		id := ids.New()
		if !form.MatchString(id) || seen[id[:16]] {
			t.Fatalf("ID %q is malformed or its random part not new", id)
		}
		seen[id[:16]] = true
	}
}
