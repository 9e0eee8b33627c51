package engineio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley/websocket"
)

// The cases of the public Engine.IO suites, in their order (docs/protocols/socketio.md §3).

const suiteInterval, suiteTimeout = 300 * time.Millisecond, time.Second // the suites have 200 ms; machines are slow

// suite is a client of one revision, and the server it talks to.
type suite struct {
	*echoServer
	revision int
}

func newSuite(t *testing.T, revision int) *suite {
	t.Helper()
	return newSuiteWith(t, revision, func(*Options) {})
}

func newSuiteWith(t *testing.T, revision int, change func(*Options)) *suite {
	t.Helper()
	return &suite{serveEcho(t, func(o *Options) {
		o.RefuseEIO3 = revision == 4
		change(o)
	}), revision}
}

// quick is a heartbeat for the cases that wait for its end.
func quick(o *Options) { o.PingInterval, o.PingTimeout = suiteInterval, suiteTimeout }

func (s *suite) path(transport string) string {
	return "/?EIO=" + strconv.Itoa(s.revision) + "&transport=" + transport
}

// payload writes packets as the revision does.
func (s *suite) payload(packets ...string) string {
	if s.revision == 4 {
		return strings.Join(packets, "\x1e")
	}
	var b strings.Builder
	for _, p := range packets {
		b.WriteString(strconv.Itoa(len(p)) + ":" + p)
	}
	return b.String()
}

func (s *suite) content(payload string) string {
	if s.revision == 4 {
		return payload
	}
	length, content, _ := strings.Cut(payload, ":")
	if n, err := strconv.Atoi(length); err != nil || n != len(content) {
		s.t.Fatalf("payload %q: length is not %d", payload, len(content))
	}
	return content
}

// open begins a session with a poll, and returns the path of its polls.
func (s *suite) open() (polls, id string) {
	s.t.Helper()
	status, body := s.do("GET", s.path("polling")+s.base64(), "")
	if status != 200 {
		s.t.Fatalf("handshake: %d %q", status, body)
	}
	sid := s.wantOpen(s.content(body), "websocket")
	return s.path("polling") + "&sid=" + sid, sid
}

func (s *suite) base64() string {
	if s.revision == 3 {
		return "&b64=1"
	}
	return ""
}

// wantOpen reads an open packet.
func (s *suite) wantOpen(packet string, upgrades ...string) (sid string) {
	s.t.Helper()
	var open map[string]any
	if packet[:1] != "0" || json.Unmarshal([]byte(packet[1:]), &open) != nil || len(open) != 5 {
		s.t.Fatalf("open packet %q", packet)
	}
	o := &s.engine.o
	got, _ := json.Marshal(open["upgrades"])
	want, _ := json.Marshal(append([]string{}, upgrades...))
	if !bytes.Equal(got, want) || open["pingInterval"] != float64(o.PingInterval.Milliseconds()) ||
		open["pingTimeout"] != float64(o.PingTimeout.Milliseconds()) || open["maxPayload"] != 1e6 {
		s.t.Errorf("open packet %q, want upgrades %s", packet, want)
	}
	return open["sid"].(string)
}

// socket opens a WebSocket and reads its open packet.
func (s *suite) socket() *websocket.Conn {
	s.t.Helper()
	c := s.webSocket(s.path("websocket"))
	m, err := c.Read(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	s.wantOpen(string(m.Data))
	return c
}

func (s *suite) wantClosed(c *websocket.Conn) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	for {
		if _, err := c.Read(ctx); err != nil {
			if ctx.Err() != nil {
				s.t.Error("the WebSocket was not closed")
			}
			return
		}
	}
}

// wantRefused dials a WebSocket that is not to be had.
func (s *suite) wantRefused(path string) {
	s.t.Helper()
	c, err := s.dial(path)
	if err == nil {
		c.CloseNow()
		s.t.Errorf("WebSocket %s was accepted", path)
		return
	}
	var no *websocket.HandshakeError
	if !errors.As(err, &no) || no.Response == nil || no.Response.StatusCode != 400 {
		s.t.Errorf("WebSocket %s: %v, want status 400", path, err)
	}
}

// suiteCase is one case of a suite, for the revisions that have it.
type suiteCase struct {
	title string
	run   func(*testing.T, int)
}

func runSuite(t *testing.T, revision int, cases []suiteCase) {
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			t.Parallel()
			c.run(t, revision)
		})
	}
}

func TestEngineIO4(t *testing.T) {
	runSuite(t, 4, []suiteCase{
		{"handshake/polling opens a session", openByPolling},
		{"handshake/polling without a good EIO is refused", refuseEIOByPolling},
		{"handshake/polling without a good transport is refused", refuseTransportByPolling},
		{"handshake/polling by POST or PUT is refused", refuseMethods},
		{"handshake/websocket opens a session", openByWebSocket},
		{"handshake/websocket without a good EIO is refused", refuseEIOByWebSocket},
		{"handshake/websocket without a good transport is refused", refuseTransportByWebSocket},
		{"message/polling one text packet", echoOne},
		{"message/polling several text packets", echoSeveral},
		{"message/polling text and binary packets", echoMixed},
		{"message/polling an invalid packet ends the session", invalidByPolling},
		{"message/polling a second poll ends the session", twoPolls},
		{"message/polling a cancelled poll ends the session", cancelledPoll},
		{"message/websocket a text packet", echoText},
		{"message/websocket a binary packet", echoBinary},
		{"message/websocket an invalid packet ends the session", invalidByWebSocket},
		{"heartbeat/polling ping and pong", beatByPolling},
		{"heartbeat/polling silence ends the session", silenceByPolling},
		{"heartbeat/websocket ping and pong", beatByWebSocket},
		{"heartbeat/websocket silence ends the session", silenceByWebSocket},
		{"close/polling", closeByPolling},
		{"close/websocket", closeByWebSocket},
		{"upgrade/from polling to a WebSocket", upgradeFromPolling},
		{"upgrade/polls are refused afterwards", pollAfterUpgrade},
		{"upgrade/another WebSocket is closed afterwards", socketAfterUpgrade},
	})
}

func TestEngineIO3(t *testing.T) {
	runSuite(t, 3, []suiteCase{
		{"handshake/polling opens a session", openByPolling},
		{"handshake/polling without a good transport is refused", refuseTransportByPolling},
		{"handshake/polling by POST or PUT is refused", refuseMethods},
		{"handshake/websocket opens a session", openByWebSocket},
		{"handshake/websocket without a good EIO is refused", refuseEIOByWebSocket},
		{"handshake/websocket without a good transport is refused", refuseTransportByWebSocket},
		{"message/polling one text packet", echoOne},
		{"message/polling several text packets", echoSeveral},
		{"message/polling text and binary packets, as base64", echoMixed},
		{"message/polling text and binary packets, as bytes", echoMixedAsBytes},
		{"message/polling an invalid packet ends the session", invalidByPolling},
		{"message/polling a second poll ends the session", twoPolls}, // which the suite skips
		{"message/websocket a text packet", echoText},
		{"message/websocket a binary packet", echoBinary},
		{"message/websocket an invalid packet ends the session", invalidByWebSocket},
		{"heartbeat/polling ping and pong", beatByPolling},
		{"heartbeat/polling silence ends the session", silenceByPolling},
		{"heartbeat/websocket ping and pong", beatByWebSocket},
		{"heartbeat/websocket silence ends the session", silenceByWebSocket},
		{"close/polling", closeByPolling},
		{"close/websocket", closeByWebSocket},
		{"upgrade/from polling to a WebSocket", upgradeFromPolling},
		{"upgrade/polls are refused afterwards", pollAfterUpgrade},
		{"upgrade/another WebSocket is closed afterwards", socketAfterUpgrade},
	})
}

func openByPolling(t *testing.T, revision int) {
	s := newSuite(t, revision)
	s.open() // which compares
}

func refuseEIOByPolling(t *testing.T, revision int) {
	s := newSuite(t, revision)
	const want = `{"code":5,"message":"Unsupported protocol version"}`
	s.wantDo("GET", "/?transport=polling", "", 400, want)
	s.wantDo("GET", "/?EIO=abc&transport=polling", "", 400, want)
}

func refuseTransportByPolling(t *testing.T, revision int) {
	s := newSuite(t, revision)
	const want = `{"code":0,"message":"Transport unknown"}`
	s.wantDo("GET", s.path(""), "", 400, want)
	s.wantDo("GET", s.path("abc"), "", 400, want)
}

func refuseMethods(t *testing.T, revision int) {
	s := newSuite(t, revision)
	for _, method := range []string{"POST", "PUT"} {
		s.wantDo(method, s.path("polling"), "", 400, `{"code":2,"message":"Bad handshake method"}`)
	}
}

func openByWebSocket(t *testing.T, revision int) {
	s := newSuite(t, revision)
	s.socket() // which compares
}

// In the suite for protocol 3 whatever is not "4" counts as 3, and is let in.
func refuseEIOByWebSocket(t *testing.T, revision int) {
	s := newSuiteWith(t, revision, func(o *Options) { o.RefuseEIO3 = true })
	s.wantRefused("/?transport=websocket")
	s.wantRefused("/?EIO=abc&transport=websocket")
}

func refuseTransportByWebSocket(t *testing.T, revision int) {
	s := newSuite(t, revision)
	s.wantRefused(s.path(""))
	s.wantRefused(s.path("abc"))
}

// echo posts a payload and polls its echo.
func (s *suite) echo(payload string) {
	s.t.Helper()
	polls, _ := s.open()
	s.wantDo("POST", polls, payload, 200, "ok")
	s.wantDo("GET", polls, "", 200, payload)
}

func echoOne(t *testing.T, revision int) {
	s := newSuite(t, revision)
	s.echo(s.payload("4hello"))
}

func echoSeveral(t *testing.T, revision int) {
	s := newSuite(t, revision)
	s.echo(s.payload("4test1", "4test2", "4test3"))
}

func echoMixed(t *testing.T, revision int) {
	s := newSuite(t, revision)
	if revision == 4 {
		s.echo("4hello\x1ebAQIDBA==")
		return
	}
	s.echo("6:4hello10:b4AQIDBA==")
}

func echoMixedAsBytes(t *testing.T, revision int) {
	s := newSuite(t, revision)
	_, body := s.do("GET", s.path("polling"), "")
	polls := s.path("polling") + "&sid=" + s.wantOpen(s.content(body), "websocket")
	s.wantDo("POST", polls, "6:4hello10:b4AQIDBA==", 200, "ok")
	r, err := http.Get(s.URL + polls)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	got, err := io.ReadAll(r.Body)
	want := []byte{0, 6, 255, '4', 'h', 'e', 'l', 'l', 'o', 1, 5, 255, 4, 1, 2, 3, 4}
	if err != nil || !bytes.Equal(got, want) || r.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("got %q of type %q, %v, want %q", got, r.Header.Get("Content-Type"), err, want)
	}
}

func invalidByPolling(t *testing.T, revision int) {
	s := newSuite(t, revision)
	polls, _ := s.open()
	s.wantDo("POST", polls, "abc", 400, "")
	s.wantDo("GET", polls, "", 400, noSession)
}

func twoPolls(t *testing.T, revision int) {
	s := newSuite(t, revision)
	polls, id := s.open()
	first := s.get(polls, id)
	s.wantDo("GET", polls+"&t=burst", "", 400, "")
	if got := <-first; got != "200 "+s.payload("1") {
		t.Errorf("the first poll got %q, want 200 and a close packet", got)
	}
	s.wantDo("GET", polls, "", 400, noSession)
}

// get begins a poll and returns, when it waits, where its answer will be.
func (s *suite) get(polls, id string) (answer chan string) {
	answer = make(chan string, 1)
	go func() { // ends with the poll
		status, body := s.do("GET", polls, "")
		answer <- strconv.Itoa(status) + " " + body
	}()
	s.waiting(id, 1)
	return answer
}

func cancelledPoll(t *testing.T, revision int) {
	s := newSuite(t, revision)
	polls, id := s.open()
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", s.URL+polls, nil)
	var done sync.WaitGroup
	done.Go(func() { // ends with the poll
		if resp, err := http.DefaultClient.Do(r); err == nil {
			t.Errorf("a cancelled poll was answered: %v", resp)
		}
	})
	s.waiting(id, 1)
	cancel()
	done.Wait()
	s.wantEnd(context.Canceled)
	s.wantDo("GET", polls, "", 400, noSession)
}

func echoText(t *testing.T, revision int) {
	s := newSuite(t, revision)
	c := s.socket()
	send(t, c, "4hello")
	wantFrame(t, c, "4hello")
}

func echoBinary(t *testing.T, revision int) {
	s := newSuite(t, revision)
	c := s.socket()
	data := []byte{1, 2, 3, 4}
	if revision == 3 {
		data = []byte{4, 1, 2, 3, 4}
	}
	if err := c.Write(t.Context(), websocket.Message{Type: websocket.Binary, Data: data}); err != nil {
		t.Fatal(err)
	}
	m, err := c.Read(t.Context())
	if err != nil || m.Type != websocket.Binary || !bytes.Equal(m.Data, data) {
		t.Errorf("got %v, %v, want %v", m, err, data)
	}
}

func invalidByWebSocket(t *testing.T, revision int) {
	s := newSuite(t, revision)
	c := s.socket()
	send(t, c, "abc")
	s.wantClosed(c)
}

func beatByPolling(t *testing.T, revision int) {
	s := newSuiteWith(t, revision, func(o *Options) { o.PingInterval = suiteInterval })
	polls, _ := s.open()
	for range 3 {
		if revision == 3 {
			s.wantDo("POST", polls, "1:2", 200, "ok")
			s.wantDo("GET", polls, "", 200, "1:3")
			continue
		}
		s.wantDo("GET", polls, "", 200, "2")
		s.wantDo("POST", polls, "3", 200, "ok")
	}
}

func silenceByPolling(t *testing.T, revision int) {
	s := newSuiteWith(t, revision, quick)
	polls, _ := s.open()
	<-time.After(suiteInterval + suiteTimeout)
	if revision == 3 {
		s.wantDo("POST", polls, "1:2", 400, noSession)
		return
	}
	s.wantDo("GET", polls, "", 400, noSession)
}

func beatByWebSocket(t *testing.T, revision int) {
	s := newSuiteWith(t, revision, func(o *Options) { o.PingInterval = suiteInterval })
	c := s.socket()
	for range 3 {
		if revision == 3 {
			send(t, c, "2")
			wantFrame(t, c, "3")
			continue
		}
		wantFrame(t, c, "2")
		send(t, c, "3")
	}
}

func silenceByWebSocket(t *testing.T, revision int) {
	s := newSuiteWith(t, revision, quick)
	c := s.socket()
	s.wantClosed(c)
	s.wantEnd(ErrPingTimeout)
}

// The two requests of this case are sent at once, and may come in any order.
func closeByPolling(t *testing.T, revision int) {
	s := newSuite(t, revision)
	polls, _ := s.open()
	var both sync.WaitGroup
	both.Go(func() { s.wantDo("GET", polls, "", 200, s.payload("6")) })    // ends with the poll
	both.Go(func() { s.wantDo("POST", polls, s.payload("1"), 200, "ok") }) // ends with the POST
	both.Wait()
	s.wantDo("GET", polls, "", 400, noSession)
}

func closeByWebSocket(t *testing.T, revision int) {
	s := newSuite(t, revision)
	c := s.socket()
	send(t, c, "1")
	wantClose(t, c, websocket.StatusNoStatus)
}

// probe opens a WebSocket for a session, and probes it.
func (s *suite) probe(id string) *websocket.Conn {
	s.t.Helper()
	c := s.webSocket(s.path("websocket") + "&sid=" + id)
	send(s.t, c, "2probe")
	wantFrame(s.t, c, "3probe")
	return c
}

func upgradeFromPolling(t *testing.T, revision int) {
	s := newSuite(t, revision)
	polls, id := s.open()
	c := s.probe(id)
	s.wantDo("GET", polls, "", 200, s.payload("6"))
	send(t, c, "5")
	send(t, c, "4hello")
	wantFrame(t, c, "4hello")
}

func pollAfterUpgrade(t *testing.T, revision int) {
	s := newSuite(t, revision)
	polls, id := s.open()
	c := s.probe(id)
	send(t, c, "5")
	s.upgraded(id)
	s.wantDo("GET", polls, "", 400, noMatch)
	send(t, c, "4hello")
	wantFrame(t, c, "4hello")
}

// upgraded returns when the session is on its WebSocket. The suite's poll may come
// earlier, as it goes by another connection: see TestAPollCrossesTheUpgrade.
func (s *suite) upgraded(id string) {
	socket := s.engine.find(id)
	for socket.Transport() != "websocket" {
		runtime.Gosched()
	}
}

func socketAfterUpgrade(t *testing.T, revision int) {
	s := newSuite(t, revision)
	_, id := s.open()
	c := s.probe(id)
	send(t, c, "5")
	s.wantClosed(s.webSocket(s.path("websocket") + "&sid=" + id))
	send(t, c, "4hello")
	wantFrame(t, c, "4hello")
}
