package classic

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
)

// TestKeepAlive: a stream on which nothing is said gets a sign of life every ten
// seconds.
func TestKeepAlive(t *testing.T) {
	for _, kind := range kinds {
		serve(t, nil, func(w *world) {
			s := w.negotiated(kind, chatData).connected()
			for range 12 {
				began := time.Now()
				s.want(`{}`)
				if waited := time.Since(began); waited < 9*time.Second || waited > 11*time.Second {
					t.Errorf("%s: a sign of life after %v", kind, waited)
				}
			}
			s.abort()
		})
	}
	serve(t, &Options{KeepAlive: -1}, func(w *world) { // the stream ends instead, for the client to come back
		s := w.negotiated("webSockets", chatData).connected()
		began := time.Now()
		s.wantEnd(1000)
		if waited := time.Since(began); waited < 109*time.Second || waited > 112*time.Second {
			t.Errorf("without signs of life the stream ended after %v", waited)
		}
		s = s.open("reconnect")
		s.abort()
	})
}

// TestPollIsHeld: its header comes at once, spaces keep it alive, and in the end it is
// answered with nothing.
func TestPollIsHeld(t *testing.T) {
	serve(t, &Options{LongPollDelay: 2 * time.Second}, func(w *world) {
		c := w.negotiated("longPolling", chatData)
		c.wantPoll("connect", `{"S":1,"L":2000,"M":[]}`)
		c.start()
		began := time.Now()
		resp, err := w.http.Do(w.request(c.path("poll", c.place()...), url.Values{}))
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited > time.Second || resp.Header.Get("Content-Type") != "application/json; charset=UTF-8" {
			t.Errorf("the header came after %v: %v", waited, resp.Header)
		}
		body, err := io.ReadAll(resp.Body)
		if waited := time.Since(began); err != nil || waited < 110*time.Second || waited > 112*time.Second {
			t.Errorf("held for %v: %v", waited, err)
		}
		if got := c.note(string(body)); got != `          {"L":2000,"M":[]}` {
			t.Errorf("got %q", got)
		}
		c.abort()
	})
}

// TestStartIsNotAskedFor: some clients never do, and are started when the first call
// comes, or after a while.
func TestStartIsNotAskedFor(t *testing.T) {
	for _, calls := range []bool{true, false} {
		var j journal
		serve(t, nil, func(w *world) {
			answering(w.chat())
			j.watch(w.chat())
			c := w.negotiated("webSockets", chatData)
			s := c.open("connect")
			s.want(`{"S":1,"M":[]}`)
			if calls {
				s.say(`{"H":"ChatHub","M":"Add","A":[1,2],"I":0}`)
				s.want(`{"R":3,"I":"0"}`)
			} else {
				pass(4 * time.Second)
				if got := j.take(); got != "" {
					t.Errorf("too early: %s", got)
				}
				pass(2 * time.Second)
			}
			if got := j.take(); got != "connected false []" {
				t.Errorf("calls %v: got %s", calls, got)
			}
			c.start()
			if got := j.take(); got != "" {
				t.Errorf("once more: %s", got)
			}
			s.abort()
		})
	}
}

// TestStreamThatIsGoneBeforeTheStart: a client that has only connected is forgotten,
// and OnConnect never hears of it.
func TestStreamThatIsGoneBeforeTheStart(t *testing.T) {
	var j journal
	serve(t, nil, func(w *world) {
		j.watch(w.chat())
		s := w.negotiated("webSockets", chatData).open("connect")
		s.want(`{"S":1,"M":[]}`)
		s.cut()
		if w.endpoint.table.len() != 1 {
			t.Error("it is not waited for")
		}
		pass(36 * time.Second)
		if n := w.endpoint.table.len(); n != 0 {
			t.Errorf("%d connections are waited for", n)
		}
		if got := j.take(); got != "" {
			t.Errorf("got %s", got)
		}
	})
}

// TestOlderClientsAreStartedByConnect: before 1.4 nobody asks for the start; the first
// message tells that OnConnect has agreed.
func TestOlderClientsAreStartedByConnect(t *testing.T) {
	for _, version := range []string{"", "1.2", "1.3"} {
		var j journal
		serve(t, nil, func(w *world) {
			j.watch(w.chat())
			c := w.negotiated("webSockets", chatData)
			c.protocol = version
			s := c.open("connect")
			s.want(`{"S":1,"M":[]}`)
			if got := j.take(); got != "connected false []" {
				t.Errorf("%q: got %s", version, got)
			}
			s.abort()
			w.chat().OnConnect(func(ctx context.Context, c *parley.Conn) error { return &parley.Error{Message: "not you"} })
			c.negotiate()
			if got := w.do(c.path("connect"), nil, "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="); got.status != 500 || got.body != "not you" {
				t.Errorf("%q: got %d %s", version, got.status, got.body)
			}
		})
	}
}

// TestDeadWebSocket: a client that answers no pings any more is as good as away.
func TestDeadWebSocket(t *testing.T) {
	var j journal
	serve(t, &Options{WriteTimeout: time.Hour}, func(w *world) { // the network takes what is written, and loses it
		j.watch(w.chat())
		s := w.negotiated("webSockets", chatData).connected()
		for range 3 { // reading answers the pings
			s.want(`{}`)
		}
		pass(40 * time.Second)
		if got := j.take(); got != "connected false []" {
			t.Errorf("too early: %s", got)
		}
		pass(40 * time.Second)
		if got := j.take(); got != "disconnected "+errLost.Error() {
			t.Errorf("got %s", got)
		}
	})
}

// TestSlowStart: the answer to /start waits for OnConnect; what that sends comes on
// the stream, and calls of other streams wait.
func TestSlowStart(t *testing.T) {
	serve(t, nil, func(w *world) {
		release := make(chan struct{})
		w.chat().OnConnect(func(ctx context.Context, c *parley.Conn) error {
			c.Send(ctx, "hello")
			<-release
			return nil
		})
		c := w.negotiated("webSockets", chatData)
		s := c.open("connect")
		s.want(`{"S":1,"M":[]}`)
		answers := make(chan reply, 2)
		for range 2 {
			go func() { answers <- c.do(c.path("start"), nil) }()
		}
		pass(8 * time.Second)
		if len(answers) > 0 {
			t.Errorf("got %v while OnConnect runs", <-answers)
		}
		close(release)
		for range 2 {
			if got := <-answers; got.status != 200 {
				t.Errorf("got %d %s", got.status, got.body)
			}
		}
		s.want(`{"M":[{"H":"ChatHub","M":"hello","A":[]}]}`)
		s.abort()
	})
}

// TestStartThatIsRefused: the client is told why, and its stream ends.
func TestStartThatIsRefused(t *testing.T) {
	for _, kind := range kinds {
		serve(t, nil, func(w *world) {
			w.hubs["Other"].OnConnect(func(ctx context.Context, c *parley.Conn) error { return &parley.Error{Message: "not you"} })
			var j journal
			j.watch(w.chat())
			c := w.negotiated(kind, `[{"name":"chathub"},{"name":"other"}]`)
			s := c.open("connect")
			s.want(`{"S":1,"M":[]}`)
			if got := c.do(c.path("start"), nil); got.status != http.StatusInternalServerError || got.body != "not you" {
				t.Errorf("%s: got %d %s", kind, got.status, got.body)
			}
			answered := time.Now()
			s.want(`{"E":"not you","M":[]}`)
			if waited := time.Since(answered); waited < time.Second {
				t.Errorf("%s: the stream says so after %v, and the client may not have seen the answer", kind, waited)
			}
			s.wantEnd(1000)
			s.abort() // as clients do
			if n := w.endpoint.table.len(); n != 0 {
				t.Errorf("%s: %d connections are left", kind, n)
			}
		})
	}
}

// TestAbortDuringTheStart: both requests end, and OnConnect finds that its context has.
func TestAbortDuringTheStart(t *testing.T) {
	var j journal
	serve(t, nil, func(w *world) {
		w.chat().OnConnect(func(ctx context.Context, c *parley.Conn) error {
			<-ctx.Done()
			j.note("context ended")
			return ctx.Err()
		})
		c := w.negotiated("serverSentEvents", chatData)
		s := c.open("connect")
		s.want(`{"S":1,"M":[]}`)
		done := make(chan reply)
		go func() { done <- c.do(c.path("start"), nil) }()
		synctest.Wait()
		c.abort()
		if got := <-done; got.status != 500 {
			t.Errorf("start: got %d %s", got.status, got.body)
		}
		s.wantEnd(0)
		pass(10 * time.Second)
		if got := j.take(); got != "context ended" {
			t.Errorf("got %q", got)
		}
	})
}

// TestAge: a connection becomes no older than its token, even if its client makes no
// request that would be refused. It is told so, as it could not come back.
func TestAge(t *testing.T) {
	for _, kind := range kinds {
		var j journal
		serve(t, &Options{TokenLifetime: 24 * time.Second}, func(w *world) {
			j.watch(w.chat())
			j.watch(w.hubs["Other"])
			c := w.negotiated(kind, `[{"name":"chathub"},{"name":"other"}]`)
			pass(5 * time.Second)
			s := c.connected()
			s.want(`{}`)
			if got := j.take(); got != "connected false []; connected false []" {
				t.Errorf("%s: got %s", kind, got)
			}
			w.say("1") // what is kept has a time of its own
			s.want(`{"M":[{"H":"ChatHub","M":"said","A":["1"]}]}`)
			began := time.Now()
			s.want(`{"E":"The connection has reached its age limit.","M":[]}`)
			if waited := time.Since(began); waited < 8*time.Second || waited > 10*time.Second {
				t.Errorf("%s: it ended after %v", kind, waited)
			}
			s.wantEnd(1000)
			if got, want := j.take(), "disconnected "+parley.ErrExpired.Error(); got != want+"; "+want {
				t.Errorf("%s: got %s", kind, got)
			}
		})
	}
}
