package protocol1

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
	"github.com/parley-go/parley/wire"
)

func TestHandshake(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Transport.Origins = []string{"https://friend.example"} })
	status, text := w.do("GET", w.url+"?t=1", "")
	if !regexp.MustCompile(`^[A-Z2-7]{26}:60:60:websocket,xhr-polling$`).MatchString(text) || status != 200 {
		t.Errorf("%d %q", status, text)
	}
	for origin, want := range map[string]int{"https://friend.example": 200, "https://foe.example": 403} {
		r, err := http.NewRequest("GET", w.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", origin)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		h := resp.Header
		if allowed := h.Get("Access-Control-Allow-Origin") == origin && h.Get("Access-Control-Allow-Credentials") == "true"; resp.StatusCode != want || allowed != (want == 200) {
			t.Errorf("%s: %d %v", origin, resp.StatusCode, h)
		}
	}
	if status, _ := w.do("POST", w.url, ""); status != 405 {
		t.Errorf("POST: %d", status)
	}
	for _, path := range []string{"flashsocket/x", "htmlfile/x", "jsonp-polling/x", "x/y"} {
		if status, _ := w.do("GET", w.url+path, ""); status != 400 {
			t.Errorf("%s: %d, want 400", path, status)
		}
	}
	if status, _ := w.do("GET", w.url+"a/b/c/d", ""); status != 404 {
		t.Errorf("a path of nobody's: %d", status)
	}
}

// CVE-2017-16031: session IDs of Socket.IO 0.9 were made of Math.random, and
// could be guessed. Ours are random in every place, are no connection's public
// name, and do not tell the next.
func TestCVE_2017_16031_SessionIDs(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxSessions = 3000 })
	const count, length = 1600, 26
	seen := make(map[string]bool)
	var places [length]map[byte]int
	last := ""
	for range count {
		rec := httptest.NewRecorder()
		w.server.ServeHTTP(rec, httptest.NewRequest("GET", "/socket.io/1/?t=1", nil))
		id, _, _ := strings.Cut(rec.Body.String(), ":")
		if len(id) != length || seen[id] {
			t.Fatalf("session ID %q", id)
		}
		seen[id] = true
		same := 0
		for i := range length {
			if places[i] == nil {
				places[i] = make(map[byte]int)
			}
			places[i][id[i]]++
			if last != "" && id[i] == last[i] {
				same++
			}
		}
		if same > 12 { // of 26, where one in 32 is to be expected
			t.Errorf("%s follows %s", id, last)
		}
		last = id
	}
	for i, letters := range places { // 50 of each of 32 are to be expected
		for c, n := range letters {
			if n > 120 || len(letters) < 32 {
				t.Errorf("place %d: %d letters, %c %d times", i, len(letters), c, n)
			}
		}
	}
	c := w.websocket(last, "")
	expect(t, c, "1::")
	if name := <-w.ids; strings.Contains(last, name) || strings.Contains(name, last) {
		t.Errorf("connection %s tells session %s", name, last)
	}
}

func TestMessagesEventsAndAcks(t *testing.T) {
	callers(t, nil, func(t *testing.T, w *world, c caller) {
		c.send("3:::Grüße, 世界 😀")
		expect(t, c, "3:::Grüße, 世界 😀")
		c.send(`4:::{"j":[1,null]}`)
		expect(t, c, `4:::{"j":[1,null]}`)
		c.send("3:1::seen")
		expect(t, c, "6:::1", "3:::seen")
		c.send("4:2+::7")
		expect(t, c, "4:::7", "6:::2+[7]")
		c.send(`5:3+::{"name":"add","args":[20,22]}`)
		expect(t, c, "6:::3+[42]")
		c.send(`5:4+::{"name":"nope"}`)
		expect(t, c, `6:::4+[{"error":{"code":"not_found","message":"no handler named \"nope\""}}]`)
		c.send(`5:::{"name":"nope"}`)
		expect(t, c, `5:::{"name":"error","args":[{"code":"not_found","message":"no handler named \"nope\"","event":"nope"}]}`)
		c.send(`5:5+::{"name":"ask","args":["Sure?"]}`)
		question := c.receive()
		id, _, _ := strings.Cut(strings.TrimPrefix(question, "5:"), "+")
		if question != "5:"+id+`+::{"name":"question","args":["Sure?"]}` {
			t.Fatalf("asked %s", question)
		}
		c.send(`6:::`+id+`+["yes"]`, "7:::", "8::", "2::", "6:::99999")
		expect(t, c, `6:::5+["answer: yes"]`)
		if err := w.main.Group("all").Send(t.Context(), "bytes", []byte{0, 255}); err != nil {
			t.Fatal(err)
		}
		expect(t, c, `5:::{"name":"bytes","args":["AP8="]}`)
		for _, name := range []string{"connect", "disconnect"} {
			if err := w.main.Group("all").Send(t.Context(), name); err == nil {
				t.Errorf("%s: sent", name)
			}
		}
	})
}

func TestNamespaces(t *testing.T) {
	callers(t, nil, func(t *testing.T, w *world, c caller) {
		c.send("1::/chat", `5:1+:/chat:{"name":"add","args":[1,2]}`, "1::/chat") // without waiting, and once more
		expect(t, c, "1::/chat", "6::/chat:1+[3]")
		c.send("1::/chat?room=1", `5:1+:/chat?room=1:{"name":"transport"}`)
		expect(t, c, "1::/chat?room=1")
		if got := c.receive(); !strings.HasSuffix(got, ` socketio-0.9 room=1"]`) {
			t.Errorf("transport: %s", got)
		}
		c.send("1::/nowhere", "3::/nowhere:x")
		expect(t, c, "7::/nowhere:2")
		c.send("1::/chat?refuse=closed")
		expect(t, c, "7::/chat?refuse=closed:2")
		if got := w.chat.Stats().Conns; got != 2 {
			t.Errorf("%d are in /chat, want 2", got)
		}
		c.send("0::/chat?room=1", "3::/chat?room=1:too late", `5:2+:/chat:{"name":"add","args":[3,4]}`)
		expect(t, c, "6::/chat:2+[7]")
		c.send(`5::/chat:{"name":"kick"}`)
		expect(t, c, "0::/chat")
		c.send(`5:6+::{"name":"add","args":[5,6]}`) // the rest stays
		expect(t, c, "6:::6+[11]")
		c.send("1::/chat") // and one may come back
		expect(t, c, "1::/chat")
	})
}

// A namespace that takes its time to be found gets what the client has sent
// meanwhile, in order, and is told when it has gone.
func TestNamespacesThatAreLookedFor(t *testing.T) {
	found, left := make(chan bool), make(chan string, 10)
	seek := func(w *world) func(*http.Request, string) (*parley.Hub, func()) {
		return func(r *http.Request, name string) (*parley.Hub, func()) {
			if !<-found {
				return nil, nil
			}
			return w.chat, func() { left <- name }
		}
	}
	for _, kind := range []string{WebSocket, XHRPolling} {
		w := newWorld(t, nil)
		w.server.o.Seek = seek(w)
		c := w.dial(kind, "")
		expect(t, c, "1::")
		c.send("1::/late", `5:1+:/late:{"name":"add","args":[1,2]}`, "1::/late", `5:2+:/late:{"name":"add","args":[3,4]}`)
		c.send(`5:3+::{"name":"add","args":[5,6]}`)
		expect(t, c, "6:::3+[11]") // nobody waits for it
		found <- true
		expect(t, c, "1::/late", "6::/late:1+[3]", "6::/late:2+[7]")
		c.send(`5:4+:/late:{"name":"add","args":[7,8]}`)
		expect(t, c, "6::/late:4+[15]")
		c.send("0::/late")
		if name := <-left; name != "/late" {
			t.Errorf("%s has been left", name)
		}

		c.send("1::/never", "3::/never:x", "0::/never")
		found <- false
		expect(t, c, "7::/never:2")
		c.send("1::/gone", "0::/gone")
		found <- true
		<-left // though nobody may have told it that it was there
		much := "3::/full:" + strings.Repeat("x", 60_000)
		c.send("1::/full")
		c.send(much)
		if p, polls := c.(*poller); polls {
			w.do("POST", p.url, much)
		} else {
			c.send(much)
		}
		if err := w.why(); !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("too much: %v", err)
		}
		found <- true
		<-left
	}
}

func TestRequestsAreLookedAt(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Middleware = func(_ http.ResponseWriter, r *http.Request) error {
			if r.URL.Query().Get("bad") != "" {
				return errors.New("bad")
			}
			return nil
		}
		o.AllowRequest = func(r *http.Request) error {
			if r.URL.Query().Get("token") == "" {
				return errors.New("a token is wanted")
			}
			return nil
		}
	})
	if status, text := w.do("GET", w.url, ""); status != 403 || strings.TrimSpace(text) != "a token is wanted" {
		t.Errorf("handshake: %d %q", status, text)
	}
	if status, _ := w.do("GET", w.url+"?token=1&bad=1", ""); status != 400 {
		t.Errorf("bad handshake: %d", status)
	}
	status, text := w.do("GET", w.url+"?token=1", "")
	token, _, _ := strings.Cut(text, ":")
	if status != 200 {
		t.Fatalf("handshake: %d %q", status, text)
	}
	if status, _ := w.do("GET", w.url+"xhr-polling/"+token+"?bad=1", ""); status != 400 {
		t.Errorf("bad poll: %d", status)
	}
	if _, err := websocket.Dial(t.Context(), w.url+"websocket/"+token+"?bad=1", nil); err == nil {
		t.Error("bad WebSocket: no error")
	}
	expect(t, w.websocket(token, ""), "1::") // a transport needs no token but the session's
}

func TestTransportsMayBeFew(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Transports = []string{XHRPolling} })
	if _, text := w.do("GET", w.url, ""); !strings.HasSuffix(text, ":60:60:xhr-polling") {
		t.Errorf("handshake %q", text)
	}
	if _, err := websocket.Dial(t.Context(), w.url+"websocket/"+w.shake(), nil); err == nil {
		t.Error("WebSocket: no error")
	}
}

func TestBothTransportsMeetInGroups(t *testing.T) {
	w := newWorld(t, nil)
	all := []caller{w.dial(WebSocket, ""), w.dial(XHRPolling, ""), w.dial(XHRPolling, "")}
	for _, c := range all {
		expect(t, c, "1::")
	}
	all[1].send(`5:::{"name":"tell","args":["one"]}`, `5:::{"name":"tell","args":["two 😀"]}`)
	for _, c := range all {
		expect(t, c, `5:::{"name":"told","args":["one"]}`, `5:::{"name":"told","args":["two 😀"]}`)
	}
}

func TestClientsAreRefused(t *testing.T) {
	for _, kind := range []string{WebSocket, XHRPolling} {
		w := newWorld(t, nil)
		c := w.dial(kind, "?refuse=closed")
		got := c.receive()
		if kind == XHRPolling {
			got = string(appendPayload(appendPayload(nil, []byte(got)), []byte(c.receive())))
		}
		if want := string(protocol{}.refusal()); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}

func TestGoodbyes(t *testing.T) {
	callers(t, nil, func(t *testing.T, w *world, c caller) {
		c.send("0::")
		if err := w.why(); err != nil {
			t.Errorf("the client's own: %v", err)
		}
	})
	callers(t, nil, func(t *testing.T, w *world, c caller) {
		c.send("1::/chat")
		expect(t, c, "1::/chat")
		c.send(`5:::{"name":"kick"}`)
		expect(t, c, "0::")
		if err := w.why(); err != nil {
			t.Errorf("the server's: %v", err)
		}
		for w.chat.Stats().Conns > 0 {
			synchronise(t)
		}
	})
	callers(t, nil, func(t *testing.T, w *world, c caller) {
		polled := make(chan string)
		go func() { polled <- c.receive() }() // ends with the shutdown
		if err := w.main.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if got := <-polled; got != "" {
			t.Errorf("a shutdown says %q, which keeps the client from coming back", got)
		}
	})
}

// synchronise lets others run.
func synchronise(t *testing.T) {
	t.Helper()
	select {
	case <-t.Context().Done():
		t.Fatal("too late")
	case <-time.After(time.Millisecond):
	}
}

// A page that is being left says goodbye by a request of its own.
func TestDisconnectByRequest(t *testing.T) {
	for _, kind := range []string{WebSocket, XHRPolling} {
		for _, path := range []string{"/ID/?disconnect=1", "ID/?disconnect=1", kind + "/ID?disconnect=1"} {
			w := newWorld(t, nil)
			token := w.shake()
			var c caller = w.poller(token, "")
			if kind == WebSocket {
				c = w.websocket(token, "")
			}
			expect(t, c, "1::")
			if status, _ := w.do("GET", w.url+strings.ReplaceAll(path, "ID", token), ""); status != 200 {
				t.Errorf("%s: %d", path, status)
			}
			if err := w.why(); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if n := w.server.clients.Len(); n != 0 {
				t.Errorf("%s: %d sessions are left", path, n)
			}
		}
	}
	w := newWorld(t, nil)
	if status, _ := w.do("GET", w.url+"/"+w.shake()+"/?disconnect=1", ""); status != 200 || w.server.clients.Len() != 0 {
		t.Errorf("before any transport: %d, %d sessions", status, w.server.clients.Len())
	}
	if status, _ := w.do("GET", w.url+"/nobody/?disconnect=1", ""); status != 200 {
		t.Errorf("nobody: %d", status)
	}
}

func TestWhoHasNoSessionShakesHandsAgain(t *testing.T) {
	w := newWorld(t, nil)
	if status, body := w.do("GET", w.url+"xhr-polling/nobody", ""); status != 200 || body != notHandshaken {
		t.Errorf("GET: %d %q", status, body)
	}
	if status, body := w.do("POST", w.url+"xhr-polling/nobody", "3:::x"); status != 200 || body != notHandshaken {
		t.Errorf("POST: %d %q", status, body)
	}
	if status, body := w.do("POST", w.url+"xhr-polling/"+w.shake(), "3:::x"); status != 200 || body != notHandshaken {
		t.Errorf("POST before a GET: %d %q", status, body)
	}
	if c := w.websocket("nobody", ""); c.receive() != notHandshaken || c.receive() != "" {
		t.Error("a WebSocket is not told")
	}
}

// A client whose transport does not work tries the next with the same session.
func TestAnotherTransportBeginsAnew(t *testing.T) {
	w := newWorld(t, nil)
	token := w.shake()
	first := w.websocket(token, "")
	expect(t, first, "1::")
	if status, body := w.do("GET", w.url+"xhr-polling/"+token, ""); status != 200 || body != notHandshaken {
		t.Errorf("%d %q", status, body)
	}
	if got := first.receive(); got != "" {
		t.Errorf("the first still gets %q", got)
	}
	w.why()
	token = w.shake()
	second := w.poller(token, "")
	expect(t, second, "1::")
	expect(t, w.websocket(token, ""), notHandshaken, "")
	w.why()
	expect(t, second, notHandshaken)
}

func TestHandshakesThatNobodyFollowsUpExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := NewServer(Options{MaxSessions: 2})
		shake := func() int {
			rec := httptest.NewRecorder()
			srv.ServeHTTP(rec, httptest.NewRequest("GET", "/socket.io/1/", nil))
			return rec.Code
		}
		if got := []int{shake(), shake(), shake()}; got[0] != 200 || got[1] != 200 || got[2] != 503 {
			t.Errorf("three handshakes, where two may be: %v", got)
		}
		time.Sleep(unusedTime + time.Second)
		if n := srv.clients.Len(); n != 0 || shake() != 200 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

func TestHeartbeats(t *testing.T) {
	quick := func(o *Options) {
		o.HeartbeatInterval, o.HeartbeatTimeout = 100*time.Millisecond, 900*time.Millisecond
	}
	w := newWorld(t, quick)
	c := w.dial(WebSocket, "")
	expect(t, c, "1::")
	for range 15 { // half again the time that a silent one has
		expect(t, c, "2::")
		c.send("2::")
	}
	for c.receive() == "2::" { // and silence
	}
	if err := w.why(); !errors.Is(err, parley.ErrIdle) {
		t.Errorf("a silent client: %v", err)
	}
}

func TestPollsAreAnsweredInTimeAndWaitedFor(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.PollingDuration, o.CloseTimeout = 100*time.Millisecond, 500*time.Millisecond })
	c := w.dial(XHRPolling, "")
	expect(t, c, "1::", noop, noop)
	if err := w.why(); !errors.Is(err, parley.ErrIdle) {
		t.Errorf("a client that polls no more: %v", err)
	}
}

func TestBadInputEndsItsSenderOnly(t *testing.T) {
	w := newWorld(t, nil)
	other := w.dial(WebSocket, "")
	expect(t, other, "1::")
	for _, bad := range []string{"x", "3", `5:::{"name":`, `5:::{"name":"connect"}`, "4:::{", "6:::x", "\ufffd3\ufffd3::\ufffd"} {
		c := w.dial(WebSocket, "")
		expect(t, c, "1::")
		c.send(bad)
		expect(t, c, "0::", "")
		if err := w.why(); !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("%q over WebSocket: %v", bad, err)
		}
		token := w.shake()
		expect(t, w.poller(token, ""), "1::")
		w.do("POST", w.url+"xhr-polling/"+token, bad)
		if err := w.why(); !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("%q by POST: %v", bad, err)
		}
	}
	c := w.websocket(w.shake(), "")
	expect(t, c, "1::")
	if err := c.c.Write(t.Context(), websocket.Message{Type: websocket.Binary, Data: []byte("3:::x")}); err != nil {
		t.Fatal(err)
	}
	expect(t, c, "0::", "")
	other.send("3:::still here")
	expect(t, other, "3:::still here")
}

func TestLimits(t *testing.T) {
	w := newWorld(t, nil)
	token := w.shake()
	expect(t, w.poller(token, ""), "1::")
	if status, _ := w.do("POST", w.url+"xhr-polling/"+token, strings.Repeat("x", 100_001)); status != 413 {
		t.Errorf("a long POST: %d", status)
	}
	w.why()
	c := w.dial(WebSocket, "")
	expect(t, c, "1::")
	for i := range 20 {
		c.send("1::/chat?" + strings.Repeat("x", i+1))
	}
	told := make(map[string]int)
	for next := c.receive(); next != ""; next = c.receive() {
		told[next]++
	}
	if told["0::"] != 1 || len(told) > 20 { // the main one counts
		t.Errorf("told %v", told)
	}
	if err := w.why(); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("too many namespaces: %v", err)
	}
}

func TestJSONP(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Transports = append(o.Transports, JSONPPolling) })
	status, text := w.do("GET", w.url+"?jsonp=3", "")
	found := regexp.MustCompile(`^io\.j\[3\]\("([A-Z2-7]{26}):60:60:websocket,xhr-polling,jsonp-polling"\);$`).FindStringSubmatch(text)
	if status != 200 || found == nil {
		t.Fatalf("handshake: %d %q", status, text)
	}
	url := w.url + "jsonp-polling/" + found[1] + "?i=4"
	if _, text := w.do("GET", url, ""); text != `io.j[4]("1::");` {
		t.Errorf("poll: %q", text)
	}
	if status, text := w.do("POST", url, "d=%223%3A%3A%3Aa%5C%22%5Cn%E2%80%A8%22"); status != 200 || text != "1" {
		t.Errorf("POST: %d %q", status, text)
	}
	if _, text := w.do("GET", url, ""); text != `io.j[4]("3:::a\"\n\u2028");` {
		t.Errorf("poll: %q", text)
	}
	if _, text := w.do("GET", w.url+"jsonp-polling/nobody?i=alert(1)", ""); text != `io.j[0]("7:::1+0");` {
		t.Errorf("a callback that is no number: %q", text)
	}
	if status, _ := w.do("POST", url, "d=no+string"); status != 400 {
		t.Errorf("a bad form: %d", status)
	}
	// A page elsewhere must not read what a script element brings it.
	r := httptest.NewRequest("GET", "/socket.io/1/?jsonp=0", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	rec := httptest.NewRecorder()
	if w.server.ServeHTTP(rec, r); rec.Code != 403 {
		t.Errorf("from elsewhere: %d %s", rec.Code, rec.Body)
	}
}

// The client under Node.js gives the bare host as its origin. A page cannot.
func TestOriginsOfWebSockets(t *testing.T) {
	w := newWorld(t, nil)
	host := strings.Split(strings.TrimPrefix(w.url, "http://"), "/")[0]
	for origin, want := range map[string]bool{host: true, "http://" + host: true, "http://foe.example": false, "foe.example": false} {
		c, err := websocket.Dial(t.Context(), w.url+"websocket/"+w.shake(), &websocket.DialOptions{Header: http.Header{"Origin": {origin}}})
		if (err == nil) != want {
			t.Errorf("origin %s: %v", origin, err)
		}
		if err == nil {
			c.CloseNow()
		}
	}
}

func TestAPauseOfOneNamespaceHoldsAll(t *testing.T) {
	pipe := &countingPipe{}
	c := &client{pipe: pipe}
	a, b := &space{client: c}, &space{client: c, endpoint: "/b"}
	a.Pause()
	b.Pause()
	b.Pause()
	a.Resume()
	if pipe.pauses == 0 || pipe.resumes != 0 {
		t.Errorf("one still waits: %d pauses, %d resumes", pipe.pauses, pipe.resumes)
	}
	b.retire()
	b.Pause()
	b.Resume()
	if pipe.resumes != 1 {
		t.Errorf("nobody waits: %d resumes", pipe.resumes)
	}
}

type countingPipe struct{ pauses, resumes int }

func (*countingPipe) Transport() string { return "" }
func (*countingPipe) Wake()             {}
func (*countingPipe) Ping() bool        { return false }
func (p *countingPipe) Pause()          { p.pauses++ }
func (p *countingPipe) Resume()         { p.resumes++ }
func (*countingPipe) Close(int, string) {}
func (*countingPipe) CloseNow()         {}

// What an application still does to a connection that has left a namespace is
// nothing to the namespaces that its client is in.
func TestTheLateEndOfANamespaceIsItsOwn(t *testing.T) {
	callers(t, nil, func(t *testing.T, w *world, c caller) {
		c.send("1::/chat")
		expect(t, c, "1::/chat")
		left := w.chat.Audience().Conns()[0]
		c.send("0::/chat")
		<-left.Context().Done()
		left.CloseNow()
		c.send(`5:7+::{"name":"add","args":[1,2]}`)
		expect(t, c, "6:::7+[3]")
	})
}

// A client may ask for a namespace over and over without fetching the answers.
func TestGoodbyesThatNobodyFetchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		main, chat := parley.NewHub(nil), parley.NewHub(nil)
		chat.OnConnect(func(context.Context, *parley.Conn) error { return parley.Errorf("refused", "no") })
		srv := NewServer(Options{
			MaxSessions: 1, MaxNamespaces: 20, MaxPackets: 10, Transports: []string{XHRPolling}, NewID: rand.Text, CloseTimeout: time.Minute,
			PollingDuration: time.Second, Hub: func(name string) *parley.Hub { return map[string]*parley.Hub{"/": main, "/chat": chat}[name] },
		})
		do := func(method, path, body string) string {
			rec := httptest.NewRecorder()
			srv.ServeHTTP(rec, httptest.NewRequest(method, "/socket.io/1/"+path, strings.NewReader(body)))
			synctest.Wait()
			return rec.Body.String()
		}
		token, _, _ := strings.Cut(do("GET", "", ""), ":")
		do("GET", "xhr-polling/"+token, "")
		for range 100 {
			do("POST", "xhr-polling/"+token, "1::/chat")
		}
		if n := chat.Stats().Refused; n == 0 || n > 20 {
			t.Errorf("%d goodbyes wait for a client that does not poll", n)
		}
		time.Sleep(2 * time.Minute)
		for _, hub := range []*parley.Hub{main, chat} {
			if err := hub.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}
