package classic

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/memnet"
	"github.com/parley-go/parley/websocket"
)

// This file is the network the tests run on, inside a synctest bubble: an HTTP
// server behind connections in memory, and raw clients that send and expect exact
// bytes.

// world is an endpoint at http://hub/signalr, with the hubs ChatHub and Other.
type world struct {
	t        *testing.T
	listener *memnet.Listener
	http     *http.Client
	handler  http.Handler // what serves; a test may change it between requests
	endpoint *endpoint
	hubs     map[string]*parley.Hub
	stopped  bool
}

func newHub() *parley.Hub {
	return parley.NewHub(&parley.HubOptions{Log: slog.New(slog.DiscardHandler), Limits: parley.Limits{QueueBytes: 256 << 10}})
}

// serve runs body with a world inside a bubble. When it returns, every goroutine of
// hubs and connections must be gone, else the bubble fails.
func serve(t *testing.T, o *Options, body func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		hubs := map[string]*parley.Hub{"ChatHub": newHub(), "Other": newHub()}
		e := Handler(hubs, o).(*endpoint)
		serveWorld(t, &world{t: t, endpoint: e, hubs: hubs}, body)
	})
}

// servePersistent is serve for a persistent connection, whose hub is named "".
func servePersistent(t *testing.T, o *Options, body func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		hub := newHub()
		e := PersistentHandler(hub, o).(*endpoint)
		serveWorld(t, &world{t: t, endpoint: e, hubs: map[string]*parley.Hub{"": hub}}, body)
	})
}

func serveWorld(t *testing.T, w *world, body func(w *world)) {
	w.listener = memnet.Listen()
	w.http = w.listener.Client()
	mux := http.NewServeMux()
	mount(mux, "/signalr", w.endpoint)
	w.handler = mux
	srv := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.handler.ServeHTTP(rw, r.WithContext(parley.WithUser(r.Context(), r.Header.Get("X-User"))))
	})}
	stopped := make(chan struct{})
	go func() { // ends with the server
		srv.Serve(w.listener)
		close(stopped)
	}()
	defer func() { // also when a test fails, which else would look like a leak
		w.shutdown()
		w.http.CloseIdleConnections()
		srv.Close()
		<-stopped
		pass(time.Second) // net/http closes a connection slowly whose request it did not read
		synctest.Wait()
		w.wantNothingLeft()
	}()
	body(w)
}

func (w *world) wantNothingLeft() {
	t := w.t
	if n := w.endpoint.table.len(); n != 0 {
		t.Errorf("%d connections are left in the table", n)
	}
	if n := w.endpoint.budget.Used(); n != 0 {
		t.Errorf("%d bytes of the budget are left taken", n)
	}
}

// shutdown ends the hubs, once.
func (w *world) shutdown() {
	if w.stopped {
		return
	}
	w.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for name, hub := range w.hubs {
		if err := hub.Shutdown(ctx); err != nil {
			w.t.Errorf("Shutdown of %s: %v", name, err)
		}
	}
}

// pass lets the bubble's time pass.
func pass(d time.Duration) { time.Sleep(d) }

// chat is the hub that most tests use.
func (w *world) chat() *parley.Hub { return w.hubs["ChatHub"] }

// reply is what came back.
type reply struct {
	status int
	body   string
	header http.Header
}

// do sends a request. A form is sent as a POST; nil makes it a GET.
func (w *world) do(path string, form url.Values, header ...string) reply {
	w.t.Helper()
	return w.send(w.request(path, form, header...))
}

// send is do for a request that is made already.
func (w *world) send(req *http.Request) reply {
	w.t.Helper()
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{resp.StatusCode, string(body), resp.Header}
}

func (w *world) request(path string, form url.Values, header ...string) *http.Request {
	w.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, "http://hub"+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

// client is one that has negotiated: a .NET client of 2.4 unless it says otherwise.
type client struct {
	*world
	transport string
	protocol  string
	hubs      string // connectionData
	header    []string
	token, id string
	cursor    string // the last C
	groups    string // the last G
}

// negotiated is a client for the hubs of that connectionData.
func (w *world) negotiated(transport, connectionData string, header ...string) *client {
	w.t.Helper()
	c := &client{world: w, transport: transport, protocol: "2.1", hubs: connectionData, header: header}
	c.negotiate()
	return c
}

const chatData = `[{"name":"chathub"}]`

func (c *client) negotiate() {
	c.t.Helper()
	got := c.do(c.path("negotiate"), nil, c.header...)
	var n struct{ ConnectionToken, ConnectionId string }
	if err := json.Unmarshal([]byte(got.body), &n); err != nil || got.status != 200 {
		c.t.Fatalf("negotiate: %d %s", got.status, got.body)
	}
	c.token, c.id = n.ConnectionToken, n.ConnectionId
}

// path is that of a request, with what a client says in each.
func (c *client) path(verb string, more ...string) string {
	q := url.Values{"clientProtocol": {c.protocol}}
	for name, value := range map[string]string{"transport": c.transport, "connectionToken": c.token, "connectionData": c.hubs} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return "/signalr/" + verb + "?" + q.Encode()
}

// place is where the client says it is.
func (c *client) place() []string {
	var more []string
	if c.cursor != "" {
		more = append(more, "messageId", c.cursor)
	}
	if c.groups != "" {
		more = append(more, "groupsToken", c.groups)
	}
	return more
}

// start asks for the start, which must succeed.
func (c *client) start() {
	c.t.Helper()
	if got := c.do(c.path("start"), nil, c.header...); got.status != 200 || got.body != `{ "Response": "started" }` {
		c.t.Fatalf("start: %d %s", got.status, got.body)
	}
}

// send posts a message, which must be taken.
func (c *client) send(data string) {
	c.t.Helper()
	if got := c.do(c.path("send"), url.Values{"data": {data}}, c.header...); got.status != 200 || got.body != "" {
		c.t.Fatalf("send: %d %q", got.status, got.body)
	}
}

// abort says goodbye.
func (c *client) abort() {
	c.t.Helper()
	if got := c.do(c.path("abort"), url.Values{}, c.header...); got.status != 200 || got.body != "" {
		c.t.Fatalf("abort: %d %q", got.status, got.body)
	}
	synctest.Wait()
}

// note remembers where the client is, and returns the envelope without that.
func (c *client) note(envelope string) string {
	var e map[string]json.RawMessage
	if json.Unmarshal([]byte(envelope), &e) != nil {
		return envelope
	}
	if raw, ok := e["C"]; ok {
		json.Unmarshal(raw, &c.cursor)
		envelope = strings.Replace(envelope, `"C":`+string(raw)+`,`, "", 1)
	}
	if raw, ok := e["G"]; ok {
		json.Unmarshal(raw, &c.groups)
		envelope = strings.Replace(envelope, string(raw), `"*"`, 1)
	}
	return envelope
}

// stream is an open stream of a client, whatever its transport.
type stream struct {
	*client
	socket *websocket.Conn
	body   io.ReadCloser
	lines  *bufio.Reader
}

// socket opens a WebSocket.
func (c *client) open(verb string, more ...string) *stream {
	c.t.Helper()
	header := http.Header{}
	for i := 0; i < len(c.header); i += 2 {
		header.Set(c.header[i], c.header[i+1])
	}
	path := c.path(verb, append(c.place(), more...)...)
	if c.transport == "webSockets" {
		conn, err := websocket.Dial(c.t.Context(), "ws://hub"+path, &websocket.DialOptions{NetDial: c.listener.Dial, Header: header})
		if err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(func() { conn.CloseNow() })
		return &stream{client: c, socket: conn}
	}
	resp, err := c.http.Do(c.request(path, nil, c.header...))
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		c.t.Fatalf("%s: %s", verb, resp.Status)
	}
	c.t.Cleanup(func() { resp.Body.Close() })
	s := &stream{client: c, body: resp.Body, lines: bufio.NewReader(resp.Body)}
	if c.transport == "serverSentEvents" {
		if got := s.event(); got != "initialized" {
			c.t.Fatalf("first event: %q", got)
		}
	}
	return s
}

// connected is a stream of a client that has started.
func (c *client) connected() *stream {
	c.t.Helper()
	s := c.open("connect")
	s.want(`{"S":1,"M":[]}`)
	c.start()
	return s
}

// event reads an event, which has one line.
func (s *stream) event() string {
	s.t.Helper()
	line, err := s.lines.ReadString('\n')
	if err != nil {
		s.t.Fatalf("reading an event: %v", err)
	}
	if empty, err := s.lines.ReadString('\n'); err != nil || empty != "\n" {
		s.t.Fatalf("behind an event: %q, %v", empty, err)
	}
	return strings.TrimSuffix(strings.TrimPrefix(line, "data: "), "\n")
}

// next reads one message of the transport.
func (s *stream) next() string {
	s.t.Helper()
	if s.socket == nil {
		return s.event()
	}
	m, err := s.socket.Read(s.t.Context())
	if err != nil {
		s.t.Fatalf("reading: %v", err)
	}
	return string(m.Data)
}

// want reads messages, each of which must be as given but for its cursor.
func (s *stream) want(messages ...string) {
	s.t.Helper()
	for _, want := range messages {
		if got := s.note(s.next()); got != want {
			s.t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

// wantElements reads envelopes, however many there are, until these elements of M
// have come.
func (s *stream) wantElements(want ...string) {
	s.t.Helper()
	s.wantFrom(func() string { return s.next() }, want...)
}

// wantFrom is wantElements for envelopes that are read in another way.
func (c *client) wantFrom(next func() string, want ...string) {
	c.t.Helper()
	var got []string
	for len(got) < len(want) {
		envelope := next()
		var e struct{ M []json.RawMessage }
		if err := json.Unmarshal([]byte(envelope), &e); err != nil || e.M == nil {
			c.t.Fatalf("got %s, %v, for an envelope", envelope, err)
		}
		c.note(envelope)
		for _, m := range e.M {
			got = append(got, string(m))
		}
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		c.t.Fatalf("got\n%s\nwant\n%s", a, b)
	}
}

// say sends a message the way the transport does.
func (s *stream) say(data string) {
	s.t.Helper()
	if s.socket == nil {
		s.send(data)
		return
	}
	if err := s.socket.Write(s.t.Context(), websocket.Message{Type: websocket.Text, Data: []byte(data)}); err != nil {
		s.t.Fatal(err)
	}
}

// cut breaks the stream off.
func (s *stream) cut() {
	if s.socket != nil {
		s.socket.CloseNow()
	} else {
		s.body.Close()
	}
	synctest.Wait()
}

// wantEnd reads the end: a close frame with that code, or the end of the answer.
func (s *stream) wantEnd(code websocket.StatusCode) {
	s.t.Helper()
	if s.socket == nil {
		if rest, err := io.ReadAll(s.lines); err != nil || len(rest) > 0 {
			s.t.Fatalf("at the end: %q, %v", rest, err)
		}
		return
	}
	m, err := s.socket.Read(s.t.Context())
	closed, ok := err.(*websocket.CloseError)
	if !ok || closed.Code != code {
		s.t.Fatalf("got %q, %v, want close %d", m.Data, err, code)
	}
}

// poll is one poll, and what it was answered.
func (c *client) poll(verb string, more ...string) string {
	c.t.Helper()
	form := url.Values{}
	place := append(c.place(), more...)
	for i := 0; i < len(place); i += 2 {
		form.Set(place[i], place[i+1])
	}
	got := c.do(c.path(verb), form, c.header...)
	if got.status != 200 {
		c.t.Fatalf("%s: %d %s", verb, got.status, got.body)
	}
	return c.note(got.body)
}

// wantPoll is poll with what must come.
func (c *client) wantPoll(verb, want string) {
	c.t.Helper()
	if got := c.poll(verb); got != want {
		c.t.Fatalf("%s: got  %s\nwant %s", verb, got, want)
	}
}
