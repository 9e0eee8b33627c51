package classic

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// TestClosedByTheServer: the client is told to stay away, in the words that its
// version knows, and is told again when it comes back all the same.
func TestClosedByTheServer(t *testing.T) {
	for _, c := range []struct{ kind, protocol, want string }{
		{"webSockets", "2.1", `{"E":"enough","M":[]}`},
		{"webSockets", "1.5", `Closed: enough`},
		{"serverSentEvents", "2.0", `{"E":"enough","M":[]}`},
		{"serverSentEvents", "1.5", `Closed: enough`},
	} {
		var j journal
		serve(t, nil, func(w *world) {
			j.watch(w.chat())
			client := w.negotiated(c.kind, `[{"name":"chathub"},{"name":"other"}]`)
			client.protocol = c.protocol
			s := client.connected()
			conn := w.chat().Conn(client.id)
			conn.Send(w.t.Context(), "last", "words")
			conn.Close("enough")
			s.want(`{"M":[{"H":"ChatHub","M":"last","A":["words"]}]}`, c.want)
			s.wantEnd(1000)
			if got := j.take(); got != "connected false []; disconnected <nil>" {
				t.Errorf("got %s", got)
			}
			if w.hubs["Other"].Conn(client.id) != nil {
				t.Error("the other hub still has the client")
			}
			client.send(`{"H":"ChatHub","M":"Add","A":[1,2],"I":0}`)
			s = client.open("reconnect")
			s.want(c.want)
			s.wantEnd(1000)
			if got := j.take(); got != "" {
				t.Errorf("after that: %s", got)
			}
			pass(time.Minute)
			if _, f := w.endpoint.table.find(client.id); f != nil {
				t.Error("what is over is remembered for ever")
			}
		})
	}
}

// TestPollOfAClosedConnection: likewise by polls, of which the one that waits is
// answered.
func TestPollOfAClosedConnection(t *testing.T) {
	for protocol, want := range map[string]string{"2.1": `{"E":"The server has closed the connection.","M":[]}`, "1.5": `Closed: The server has closed the connection.`} {
		serve(t, nil, func(w *world) {
			c := w.negotiated("longPolling", chatData)
			c.protocol = protocol
			c.wantPoll("connect", `{"S":1,"M":[]}`)
			c.start()
			polled := make(chan string)
			go func() { polled <- c.poll("poll") }()
			synctest.Wait()
			w.chat().Conn(c.id).Close("")
			if got := <-polled; got != want {
				t.Errorf("the poll that waited: got %s, want %s", got, want)
			}
			c.wantPoll("reconnect", want)
		})
	}
}

// TestClosedWhileAway: who has no stream when it is closed is told with the next.
func TestClosedWhileAway(t *testing.T) {
	serve(t, nil, func(w *world) {
		c := w.negotiated("webSockets", chatData)
		c.connected().cut()
		w.chat().Conn(c.id).Close("enough")
		s := c.open("reconnect")
		s.want(`{"E":"enough","M":[]}`)
		s.wantEnd(1000)
	})
}

// TestCutByTheServer: without a goodbye, the client comes back by itself, with its
// groups.
func TestCutByTheServer(t *testing.T) {
	var j journal
	serve(t, nil, func(w *world) {
		answering(w.chat())
		j.watch(w.chat())
		c := w.negotiated("serverSentEvents", chatData)
		s := c.connected()
		c.send(`{"H":"ChatHub","M":"Join","A":["red"]}`)
		s.want(`{"G":"*","M":[]}`)
		w.chat().Conn(c.id).CloseNow()
		if got, want := j.take(), "connected false []; disconnected "+parley.ErrClosed.Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		s = c.open("reconnect")
		s.want(`{"G":"*","M":[]}`)
		if got := j.take(); got != "connected true [red]" {
			t.Errorf("got %s", got)
		}
		s.abort()
	})
}

// TestShutdown: clients are told to come back, each transport in its own way, and
// nobody is let in any more.
func TestShutdown(t *testing.T) {
	for _, kind := range kinds {
		var j journal
		serve(t, nil, func(w *world) {
			j.watch(w.chat())
			c := w.negotiated(kind, `[{"name":"chathub"},{"name":"other"}]`)
			s := c.connected()
			nobody := w.negotiated(kind, `[]`).connected() // has no session that would tell it
			ended := make(chan struct{})
			go func() { w.shutdown(); close(ended) }()
			s.wantEnd(1001)
			nobody.wantEnd(1001)
			<-ended
			if got := j.take(); !strings.HasSuffix(got, parley.ErrShutdown.Error()) {
				t.Errorf("%s: got %s", kind, got)
			}
			if got := c.do(c.path("reconnect"), url.Values{}, upgrade(kind)...); got.status != 503 || got.header.Get("Retry-After") == "" {
				t.Errorf("%s: coming back: got %d %s", kind, got.status, got.body)
			}
		})
	}
	serve(t, nil, func(w *world) {
		c := w.negotiated("longPolling", chatData)
		c.wantPoll("connect", `{"S":1,"M":[]}`)
		c.start()
		polled := make(chan string)
		go func() { polled <- c.poll("poll") }()
		synctest.Wait()
		w.shutdown()
		if got := <-polled; got != `{"T":1,"M":[]}` {
			t.Errorf("the poll that waited: got %s", got)
		}
	})
}

// upgrade is the header of a request that opens a stream of that kind.
func upgrade(kind string) []string {
	if kind != "webSockets" {
		return nil
	}
	return []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}
}

// TestSlowClient: one that does not read is closed, as anywhere, and so is one that is
// away while too much is said.
func TestSlowClient(t *testing.T) {
	for _, away := range []bool{true, false} {
		var j journal
		serve(t, nil, func(w *world) {
			j.watch(w.chat())
			c := w.negotiated("webSockets", chatData)
			s := c.connected()
			if away {
				s.cut()
			}
			text := strings.Repeat("x", 32<<10)
			for range 20 {
				w.chat().Send(w.t.Context(), "said", text)
			}
			pass(30 * time.Second)
			if got, want := j.take(), "connected false []; disconnected "+parley.ErrSlow.Error(); got != want {
				t.Errorf("away %v: got %s, want %s", away, got, want)
			}
		})
	}
}

// TestBudget: clients that are away may not have more memory than there is.
func TestBudget(t *testing.T) {
	var j journal
	serve(t, &Options{BufferBudget: 128 << 10}, func(w *world) {
		j.watch(w.chat())
		s := w.negotiated("webSockets", chatData).connected()
		s.cut()
		if used := w.endpoint.budget.Used(); used != absence {
			t.Errorf("a client that is away costs %d bytes", used)
		}
		w.chat().Send(w.t.Context(), "said", strings.Repeat("x", 20<<10))
		if got, want := j.take(), "connected false []; disconnected "+parley.ErrSlow.Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// TestBudgetOfWords: what waits beside the queues of the hubs counts as well: answers to
// calls that reach none, and messages of a client that has not said where it is.
func TestBudgetOfWords(t *testing.T) {
	serve(t, &Options{BufferBudget: 128 << 10}, func(w *world) {
		s := w.negotiated("serverSentEvents", chatData).connected()
		s.cut()
		for i := 0; w.endpoint.table.len() > 0; i++ {
			if i > 200 {
				t.Fatalf("%d bytes count for %d answers", w.endpoint.budget.Used(), i)
			}
			w.do(s.path("send"), url.Values{"data": {`{"H":"` + strings.Repeat("x", 100) + `","M":"m","A":[],"I":1}`}})
		}
	})
	serve(t, nil, func(w *world) {
		c := w.negotiated("webSockets", chatData)
		c.send(strings.Repeat("x", 20<<10))
		s := c.open("connect")
		s.want(`{"S":1,"M":[]}`)
		if used := w.endpoint.budget.Used(); used < 20<<10 {
			t.Errorf("%d bytes count for what is held", used)
		}
		c.start() // it is handed up
		s.cut()
		if used := w.endpoint.budget.Used(); used != absence {
			t.Errorf("%d bytes count for a client that is away", used)
		}
	})
}

// TestMessageThatIsTooLong: the WebSocket is closed, and the connection goes on with
// the next; a POST is refused.
func TestMessageThatIsTooLong(t *testing.T) {
	var j journal
	serve(t, j.options(), func(w *world) {
		answering(w.chat())
		c := w.negotiated("webSockets", chatData)
		s := c.connected()
		long := []byte(`{"H":"ChatHub","M":"Say","A":["` + strings.Repeat("x", 65<<10) + `"]}`)
		go s.socket.Write(w.t.Context(), websocket.Message{Type: websocket.Text, Data: long}) // ends when the server has closed it
		s.wantEnd(1009)
		s = c.open("reconnect")
		s.say(`{"H":"ChatHub","M":"Add","A":[1,2],"I":0}`)
		s.want(`{"R":3,"I":"0"}`)
		if got := j.take(); got != "reconnected, 0 missed" {
			t.Errorf("got %s", got)
		}
		if got := c.do(c.path("send"), url.Values{"data": {strings.Repeat("x", 65<<10)}}); got.status != 413 {
			t.Errorf("a POST: got %d %s", got.status, got.body)
		}
		s.abort()
	})
}

// TestFormWithoutAType: some clients do not say that their body is a form.
func TestFormWithoutAType(t *testing.T) {
	serve(t, nil, func(w *world) {
		answering(w.chat())
		c := w.negotiated("serverSentEvents", chatData)
		s := c.connected()
		for _, kind := range []string{"", "application/x-www-form-urlencoded; charset=UTF-8", "text/plain"} {
			form := url.Values{"data": {`{"H":"ChatHub","M":"Add","A":[1,2],"I":"7"}`}}
			if got := w.do(c.path("send"), form, "Content-Type", kind); got.status != 200 || got.body != "" {
				t.Errorf("%q: got %d %s", kind, got.status, got.body)
			}
			s.want(`{"M":[{"R":3,"I":"7"}]}`)
		}
		s.abort()
	})
}

// TestDoubleSlash: clients whose URL ends in a slash call //send, and are answered as
// if they did not, body and all.
func TestDoubleSlash(t *testing.T) {
	serve(t, nil, func(w *world) {
		answering(w.chat())
		c := w.negotiated("serverSentEvents", chatData)
		s := c.connected()
		mux := w.handler
		for _, behind := range []http.Handler{CleanPath(mux), w.endpoint} { // before the mux, and without one
			w.handler = behind
			w.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
				t.Errorf("redirected to %s", r.URL)
				return nil
			}
			form := url.Values{"data": {`{"H":"ChatHub","M":"Add","A":[1,2],"I":0}`}}
			if got := w.do(strings.Replace(c.path("send"), "/send", "//send", 1), form); got.status != 200 {
				t.Errorf("got %d %s", got.status, got.body)
			}
			s.want(`{"M":[{"R":3,"I":"0"}]}`)
		}
		if got := w.do(strings.Replace(c.path("abort"), "/abort", "//abort", 1), url.Values{}); got.status != 200 || got.body != "" {
			t.Errorf("abort: got %d %s", got.status, got.body)
		}
		s.wantEnd(0)
	})
}

// TestHubThatIsOnlyCalled: JavaScript does not subscribe to a hub of which the page
// wants no events. Its methods can be called, and its events do not come: the client
// would trip over them.
func TestHubThatIsOnlyCalled(t *testing.T) {
	var j journal
	serve(t, nil, func(w *world) {
		answering(w.hubs["Other"])
		j.watch(w.hubs["Other"])
		c := w.negotiated("webSockets", `[]`)
		s := c.connected()
		s.say(`{"H":"other","M":"Say","A":["hi"],"I":0}`)
		s.want(`{"I":"0"}`)
		s.say(`{"H":"other","M":"Join","A":["red"],"I":1}`)
		s.want(`{"I":"1"}`)
		s.say(`{"H":"nosuch","M":"Add","A":[1,2],"I":2}`)
		s.want(`{"I":"2","E":"'nosuch' Hub could not be resolved."}`)
		s.say(`{"H":"nosuch","M":"Add","A":[1,2]}`)
		s.say(`{"H":"other","M":"Add","A":[1,2],"I":3}`)
		s.want(`{"R":3,"I":"3"}`)
		if got := j.take(); got != "connected false []" {
			t.Errorf("got %s", got)
		}
		s.abort()
		if got := j.take(); got != "disconnected <nil>" {
			t.Errorf("got %s", got)
		}
	})
	serve(t, nil, func(w *world) { // one that OnConnect refuses is not the end of the others
		answering(w.chat())
		w.hubs["Other"].OnConnect(func(ctx context.Context, c *parley.Conn) error { return &parley.Error{Message: "not you"} })
		s := w.negotiated("webSockets", chatData).connected()
		s.say(`{"H":"other","M":"Say","A":["hi"],"I":0}`)
		s.want(`{"I":"0","E":"not you"}`)
		s.say(`{"H":"ChatHub","M":"Add","A":[1,2],"I":1}`)
		s.want(`{"R":3,"I":"1"}`)
		s.abort()
	})
}

// TestTooManyConnections: more than the table holds are refused, until there is room.
func TestTooManyConnections(t *testing.T) {
	serve(t, &Options{MaxConnections: 2}, func(w *world) {
		first := w.negotiated("serverSentEvents", chatData).connected()
		second := w.negotiated("serverSentEvents", chatData).connected()
		third := w.negotiated("serverSentEvents", chatData)
		for _, verb := range []string{"connect", "reconnect", "poll", "start", "send"} {
			form := url.Values{}
			if got := third.do(third.path(verb), form); got.status != 503 || got.header.Get("Retry-After") == "" {
				t.Errorf("%s: got %d %s", verb, got.status, got.body)
			}
		}
		first.abort()
		third.connected().abort()
		second.abort()
	})
}

// TestSecondStream: a stream ends the one before, without anybody taking notice.
func TestSecondStream(t *testing.T) {
	for _, kind := range kinds {
		var j journal
		serve(t, nil, func(w *world) {
			j.watch(w.chat())
			c := w.negotiated(kind, chatData)
			first := c.connected()
			second := c.open("reconnect")
			first.wantEnd(1000)
			w.say("1")
			second.want(`{"M":[{"H":"ChatHub","M":"said","A":["1"]}]}`)
			if got := j.take(); got != "connected false []" {
				t.Errorf("got %s", got)
			}
			second.abort()
		})
	}
	serve(t, nil, func(w *world) {
		c := w.negotiated("longPolling", chatData)
		c.wantPoll("connect", `{"S":1,"M":[]}`)
		c.start()
		first, second := *c, *c
		polled := make(chan string)
		go func() { polled <- first.poll("poll") }()
		synctest.Wait()
		before := first.cursor
		go func() { polled <- second.poll("poll") }()
		if got := <-polled; got != `{"M":[]}` || first.cursor != before {
			t.Errorf("the first poll: got %s and %s, want nothing and %s", got, first.cursor, before)
		}
		w.say("1")
		if got := <-polled; got != `{"M":[{"H":"ChatHub","M":"said","A":["1"]}]}` {
			t.Errorf("the second poll: got %s", got)
		}
		c.abort()
	})
}

// TestRaces: whatever requests of one client come at the same time, there is one
// session at each hub, OnConnect runs once, and no stream is left.
func TestRaces(t *testing.T) {
	for round := range 20 {
		var j journal
		serve(t, nil, func(w *world) {
			answering(w.chat())
			j.watch(w.chat())
			c := w.negotiated("longPolling", chatData)
			var all sync.WaitGroup
			request := func(kind, verb string) {
				copied := *c
				copied.transport = kind
				form := url.Values{"data": {`{"H":"ChatHub","M":"Add","A":[1,2],"I":0}`}}
				all.Go(func() {
					if got := w.do(copied.path(verb), form); got.status != 200 {
						w.t.Errorf("%s %s: %d %s", kind, verb, got.status, got.body)
					}
				})
			}
			socket := func(verb string) {
				copied := *c
				copied.transport = "webSockets"
				all.Go(func() {
					conn, err := websocket.Dial(w.t.Context(), "ws://hub"+copied.path(verb), &websocket.DialOptions{NetDial: w.listener.Dial})
					for err == nil {
						_, err = conn.Read(w.t.Context())
					}
				})
			}
			for range 5 {
				request("longPolling", "connect")
				request("serverSentEvents", "connect")
				socket("connect")
				request("longPolling", "send")
				if round%2 == 0 {
					request("longPolling", "start")
					request("longPolling", "poll")
					socket("reconnect")
				}
			}
			synctest.Wait()
			pass(w.endpoint.o.TransportConnectTimeout + time.Second) // for a start that nobody has asked for
			c.start()                                                // which does not come by itself when the sends were first, and a poll is last
			if n := w.endpoint.table.len(); n != 1 {
				w.t.Errorf("%d connections", n)
			}
			c.abort()
			all.Wait()
			if got := j.take(); strings.Count(got, "disconnected") != strings.Count(got, "; ") || strings.Count(got, "connected false")+strings.Count(got, "connected true") != 1 {
				w.t.Errorf("round %d: %s", round, got)
			}
		})
	}
}

// TestReconnectsInALoop: hooks do not pile up behind a call that takes its time.
func TestReconnectsInALoop(t *testing.T) {
	var j journal
	serve(t, j.options(), func(w *world) {
		release := make(chan struct{})
		w.chat().Handle("Wait", parley.Func(func(ctx context.Context, c *parley.Conn) error { <-release; return nil }))
		c := w.negotiated("serverSentEvents", chatData)
		s := c.connected()
		c.send(`{"H":"ChatHub","M":"Wait","A":[]}`)
		for range 100 {
			s.cut()
			s = c.open("reconnect")
		}
		close(release)
		if got := j.take(); got != "reconnected, 0 missed" {
			t.Errorf("got %s", got)
		}
		s.abort()
	})
}

// TestPersistentConnection: texts come as they were sent, and values go as elements
// of M.
func TestPersistentConnection(t *testing.T) {
	for _, kind := range kinds {
		servePersistent(t, nil, func(w *world) {
			hub := w.hubs[""]
			hub.Handle(Message, parley.Func(func(ctx context.Context, c *parley.Conn, text string) error {
				c.Join("g")
				return hub.Group("g").Send(ctx, Message, map[string]string{"text": text})
			}))
			s := w.negotiated(kind, "").connected()
			s.say(`plain <text>`)
			s.wantElements(`{"text":"plain <text>"}`)
			s.say(`{"a":1}`)
			s.want(`{"M":[{"text":"{\"a\":1}"}]}`)
			s.abort()
			s.wantEnd(1000)
			if got := w.do("/signalr/hubs", nil); got.status != 400 {
				t.Errorf("there are no hubs: got %d %s", got.status, got.body)
			}
		})
	}
}

// TestBoundsOfNothing: calls of hubs that do not exist cost a client that does not read
// its connection, and the server no memory.
func TestBoundsOfNothing(t *testing.T) {
	serve(t, nil, func(w *world) {
		c := w.negotiated("longPolling", chatData)
		c.wantPoll("connect", `{"S":1,"M":[]}`)
		c.start()
		for i := range maxSaid + 1 {
			got := c.do(c.path("send"), url.Values{"data": {fmt.Sprintf(`{"H":"%s","M":"m","A":[],"I":%d}`, strings.Repeat("x", 1000), i)}})
			if want := 200; i < maxSaid && got.status != want || i == maxSaid && got.status != 500 {
				w.t.Fatalf("call %d: got %d %s", i, got.status, got.body)
			}
		}
		if n := w.endpoint.table.len(); n != 0 {
			w.t.Errorf("%d connections are left", n)
		}
		if used := w.endpoint.budget.Used(); used > absence+256<<10 {
			t.Errorf("%d bytes are kept", used)
		}
	})
}
