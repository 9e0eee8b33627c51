package classic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
)

// kinds are the transports that a raw client reads in the same way here.
var kinds = []string{"webSockets", "serverSentEvents"}

// journal notes what a hub's hooks are told.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

// take waits until all is quiet and returns what was noted since the last take.
func (j *journal) take() string {
	synctest.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	text := strings.Join(j.lines, "; ")
	j.lines = nil
	return text
}

// watch notes the comings and goings at the hub.
func (j *journal) watch(hub *parley.Hub) {
	hub.OnConnect(func(ctx context.Context, c *parley.Conn) error {
		j.note("connected %v %v", c.Recovered(), c.Groups())
		return nil
	})
	hub.OnDisconnect(func(ctx context.Context, c *parley.Conn, reason error) { j.note("disconnected %v", reason) })
}

func (j *journal) options() *Options {
	return &Options{OnReconnected: func(ctx context.Context, c *parley.Conn, missed int) { j.note("reconnected, %d missed", missed) }}
}

// TestReplayAfterACut: what was sent on a stream that broke comes again, in order;
// what was sent meanwhile comes behind it; the hub sees one connection all the time.
func TestReplayAfterACut(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			var j journal
			serve(t, j.options(), func(w *world) {
				answering(w.chat())
				j.watch(w.chat())
				c := w.negotiated(kind, chatData)
				s := c.connected()
				w.say("1")
				s.want(`{"M":[{"H":"ChatHub","M":"said","A":["1"]}]}`)
				seen := c.cursor
				w.say("2")
				w.say("3")
				s.want(`{"M":[{"H":"ChatHub","M":"said","A":["2"]}]}`, `{"M":[{"H":"ChatHub","M":"said","A":["3"]}]}`)
				s.cut()
				w.say("4")
				pass(20 * time.Second)
				w.say("5")
				c.cursor = seen
				s = c.open("reconnect")
				s.want(`{"M":[{"H":"ChatHub","M":"said","A":["2"]},{"H":"ChatHub","M":"said","A":["3"]},{"H":"ChatHub","M":"said","A":["4"]},{"H":"ChatHub","M":"said","A":["5"]}]}`)
				if got, want := j.take(), "connected false []; reconnected, 0 missed"; got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				s.abort()
				if got := j.take(); got != "disconnected <nil>" {
					t.Errorf("after the end: %s", got)
				}
			})
		})
	}
}

// say sends an event to everyone.
func (w *world) say(text string) {
	w.t.Helper()
	if err := w.chat().Send(w.t.Context(), "said", text); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

// TestPollsAreAnsweredAgain: the answer to a poll that was lost comes with the next.
func TestPollsAreAnsweredAgain(t *testing.T) {
	var j journal
	serve(t, j.options(), func(w *world) {
		j.watch(w.chat())
		c := w.negotiated("longPolling", chatData)
		c.wantPoll("connect", `{"S":1,"M":[]}`)
		c.start()
		w.say("1")
		before := c.cursor
		c.wantPoll("poll", `{"M":[{"H":"ChatHub","M":"said","A":["1"]}]}`)
		c.cursor = before // that did not arrive
		w.say("2")
		c.wantPoll("reconnect", `{"M":[{"H":"ChatHub","M":"said","A":["1"]},{"H":"ChatHub","M":"said","A":["2"]}]}`)
		w.say("3")
		c.wantPoll("poll", `{"M":[{"H":"ChatHub","M":"said","A":["3"]}]}`)
		if got, want := j.take(), "connected false []; reconnected, 0 missed"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		c.abort()
	})
}

// TestBurstBetweenPolls: what waits for a poll is not what is kept of the last ones,
// and is not lost when it is more than that.
func TestBurstBetweenPolls(t *testing.T) {
	serve(t, &Options{BufferMessages: 32}, func(w *world) {
		c := w.negotiated("longPolling", chatData)
		c.wantPoll("connect", `{"S":1,"M":[]}`)
		c.start()
		for range 1000 {
			w.chat().Send(w.t.Context(), "said", "x")
		}
		before := c.cursor
		for range 2 {
			c.cursor = before
			if n := strings.Count(c.poll("poll"), `"said"`); n != 1000 {
				t.Errorf("got %d of 1000 messages", n)
			}
		}
		w.say("y")
		c.wantPoll("poll", `{"M":[{"H":"ChatHub","M":"said","A":["y"]}]}`)
		c.abort()
	})
}

// TestTooManyToBeKept: the oldest of those that were sent are lost, and the
// application is told how many.
func TestTooManyToBeKept(t *testing.T) {
	var j journal
	o := j.options()
	o.BufferMessages = 4
	serve(t, o, func(w *world) {
		c := w.negotiated("webSockets", chatData)
		s := c.connected()
		seen := c.cursor
		for i := range 10 {
			w.say(fmt.Sprint(i))
			s.next()
		}
		s.cut()
		c.cursor = seen
		s = c.open("reconnect")
		s.want(`{"M":[{"H":"ChatHub","M":"said","A":["6"]},{"H":"ChatHub","M":"said","A":["7"]},{"H":"ChatHub","M":"said","A":["8"]},{"H":"ChatHub","M":"said","A":["9"]}]}`)
		if got, want := j.take(), "reconnected, 6 missed"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		s.abort()
	})
}

// TestSentMessagesGrowOld: an idle connection keeps nothing.
func TestSentMessagesGrowOld(t *testing.T) {
	for _, keepAlive := range []time.Duration{0, -1} {
		serve(t, &Options{KeepAlive: keepAlive}, func(w *world) {
			s := w.negotiated("webSockets", chatData).connected()
			w.say("1")
			s.want(`{"M":[{"H":"ChatHub","M":"said","A":["1"]}]}`)
			if used := w.endpoint.budget.Used(); used == 0 {
				t.Error("nothing is kept of what was just sent")
			}
			go func() { // reads signs of life; ends with the stream
				for {
					if _, err := s.socket.Read(w.t.Context()); err != nil {
						return
					}
				}
			}()
			pass(w.endpoint.o.memory() + time.Second)
			if used := w.endpoint.budget.Used(); used != 0 {
				t.Errorf("KeepAlive %v: %d bytes are kept of what nobody can ask for", keepAlive, used)
			}
			s.abort()
		})
	}
}

// TestGroupsSurviveTheProcess: another process with the same key takes the client
// over: its ID and its groups are what they were, in each hub its own.
func TestGroupsSurviveTheProcess(t *testing.T) {
	key := []byte("a key that several processes share")
	for _, kind := range append(kinds, "longPolling") {
		t.Run(kind, func(t *testing.T) {
			var old *client
			serve(t, &Options{Key: key}, func(w *world) {
				answering(w.chat())
				answering(w.hubs["Other"])
				old = w.negotiated(kind, `[{"name":"chathub"},{"name":"other"}]`)
				old.join(t)
				old.abort()
			})
			var j journal
			rejoins := func(r *http.Request, hub string, groups []string) []string {
				j.note("%s rejoins %v", hub, groups)
				return slices.DeleteFunc(groups, func(g string) bool { return g == "bad" })
			}
			serve(t, &Options{Key: key, RejoiningGroups: rejoins}, func(w *world) {
				j.watch(w.chat())
				c := *old
				c.world = w
				want := `{"G":"*","M":[]}`
				if kind == "longPolling" {
					c.wantPoll("reconnect", want)
				} else {
					c.open("reconnect").want(want)
				}
				if got, want := j.take(), "ChatHub rejoins [bad red]; Other rejoins [blue]; connected true [red]"; got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if conn := w.chat().Conn(old.id); conn == nil || w.hubs["Other"].Conn(old.id) == nil {
					t.Error("the hubs do not know the client by its ID")
				}
				c.abort()
				if got := j.take(); got != "disconnected <nil>" {
					t.Errorf("after the end: %s", got)
				}
			})
		})
	}
}

// join connects and joins groups until the client has the token of all.
func (c *client) join(t *testing.T) {
	calls := []string{`{"H":"chathub","M":"join","A":["red"]}`, `{"H":"chathub","M":"join","A":["bad"]}`, `{"H":"other","M":"join","A":["blue"]}`}
	if c.transport == "longPolling" {
		c.wantPoll("connect", `{"S":1,"M":[]}`)
		c.start()
		for _, call := range calls {
			c.send(call)
			synctest.Wait()
			c.wantPoll("poll", `{"G":"*","M":[]}`)
		}
		return
	}
	s := c.connected()
	for _, call := range calls {
		s.say(call)
		s.want(`{"G":"*","M":[]}`)
	}
}

// TestGroupsOfAnother: a token of groups is of one connection; a forged one is no
// error and opens nothing.
func TestGroupsOfAnother(t *testing.T) {
	key := []byte("a key that several processes share")
	var stolen string
	serve(t, &Options{Key: key}, func(w *world) {
		answering(w.chat())
		answering(w.hubs["Other"])
		c := w.negotiated("webSockets", `[{"name":"chathub"},{"name":"other"}]`)
		c.join(t)
		stolen = c.groups
		c.abort()
	})
	var j journal
	serve(t, &Options{Key: key}, func(w *world) {
		j.watch(w.chat())
		for _, token := range []string{stolen, "forged", strings.Repeat("x", 100_000)} {
			c := w.negotiated("longPolling", chatData)
			c.groups = token
			if got := c.poll("reconnect"); got != `{"G":"*","M":[]}` {
				t.Errorf("got %s", got)
			}
			if got := j.take(); got != "connected true []" {
				t.Errorf("got %s", got)
			}
			c.abort()
			j.take()
		}
	})
}

// TestSendBeforeTheReturn: what a client sends to a process that does not know it is
// kept until it says where it is.
func TestSendBeforeTheReturn(t *testing.T) {
	key := []byte("a key that several processes share")
	var token string
	serve(t, &Options{Key: key}, func(w *world) { token = w.negotiated("", "").token })
	serve(t, &Options{Key: key, BufferMessages: 2}, func(w *world) {
		answering(w.chat())
		c := &client{world: w, transport: "serverSentEvents", protocol: "2.1", hubs: chatData, token: token}
		for i := range 3 { // the last is one too many
			c.send(fmt.Sprintf(`{"H":"ChatHub","M":"Add","A":[1,2],"I":%d}`, i))
		}
		s := c.open("reconnect")
		s.wantElements(`{"R":3,"I":"0"}`, `{"R":3,"I":"1"}`)
		s.abort()
	})
	serve(t, &Options{Key: key}, func(w *world) { // it never comes
		c := &client{world: w, transport: "serverSentEvents", protocol: "2.1", hubs: chatData, token: token}
		c.send(`{"H":"ChatHub","M":"Add","A":[1,2],"I":0}`)
		pass(36 * time.Second)
		if n := w.endpoint.table.len(); n != 0 {
			t.Errorf("%d connections wait for their clients", n)
		}
	})
}

// TestClientThatDoesNotComeBack: the hub is told when it has been away for too long.
func TestClientThatDoesNotComeBack(t *testing.T) {
	for _, c := range []struct {
		kind string
		away time.Duration
	}{{"webSockets", 35 * time.Second}, {"serverSentEvents", 35 * time.Second}, {"longPolling", 30 * time.Second}} {
		var j journal
		serve(t, nil, func(w *world) {
			j.watch(w.chat())
			client := w.negotiated(c.kind, chatData)
			if c.kind == "longPolling" {
				client.wantPoll("connect", `{"S":1,"M":[]}`)
				client.start()
			} else {
				client.connected().cut()
			}
			pass(c.away - time.Second)
			if got := j.take(); got != "connected false []" {
				t.Errorf("%s, shortly before: %s", c.kind, got)
			}
			pass(2 * time.Second)
			if got := j.take(); got != "disconnected "+errLost.Error() || !errors.Is(errLost, parley.ErrIdle) {
				t.Errorf("%s, shortly after: %s", c.kind, got)
			}
		})
	}
}

// TestFallback: a stream that has not said that it works is replaced by the next
// transport with the same token, and nobody sees more than one connection.
func TestFallback(t *testing.T) {
	var j journal
	serve(t, j.options(), func(w *world) {
		j.watch(w.chat())
		c := w.negotiated("webSockets", chatData)
		stale := c.open("connect")
		stale.want(`{"S":1,"M":[]}`)
		c.transport = "serverSentEvents"
		s := c.connected()
		stale.wantEnd(1000)
		w.say("1")
		s.want(`{"M":[{"H":"ChatHub","M":"said","A":["1"]}]}`)
		if got := j.take(); got != "connected false []" {
			t.Errorf("got %s", got)
		}
		s.abort()
	})
}

// TestFallbackAfterTheStart: a stream may be given up so late that the server has
// started without being asked; what OnConnect has sent by it is not lost.
func TestFallbackAfterTheStart(t *testing.T) {
	serve(t, nil, func(w *world) {
		w.chat().OnConnect(func(ctx context.Context, c *parley.Conn) error { return c.Send(ctx, "hello") })
		c := w.negotiated("webSockets", chatData)
		stale := c.open("connect")
		go func() { // a proxy that keeps what it reads; ends with the stream
			for {
				if _, err := stale.socket.Read(w.t.Context()); err != nil {
					return
				}
			}
		}()
		pass(w.endpoint.o.TransportConnectTimeout + time.Second)
		c.transport = "serverSentEvents"
		s := c.open("connect")
		s.want(`{"S":1,"M":[{"H":"ChatHub","M":"hello","A":[]}]}`)
		c.start()
		s.cut()
		s = c.open("connect") // it has heard that, and goes on from now
		s.want(`{"S":1,"M":[]}`)
		s.abort()
	})
}

// TestConnectOnceMore: some clients come back by /connect, without a cursor. They go on
// from now, and may ask for the start again.
func TestConnectOnceMore(t *testing.T) {
	var j journal
	serve(t, j.options(), func(w *world) {
		j.watch(w.chat())
		c := w.negotiated("webSockets", chatData)
		s := c.connected()
		w.say("1")
		s.want(`{"M":[{"H":"ChatHub","M":"said","A":["1"]}]}`)
		s.cut()
		c.cursor = ""
		s = c.connected()
		w.say("2")
		s.want(`{"M":[{"H":"ChatHub","M":"said","A":["2"]}]}`)
		if got := j.take(); got != "connected false []" {
			t.Errorf("got %s", got)
		}
		s.abort()
	})
}

// TestAnswersOfAnEarlierSocket: clients count their calls anew on each WebSocket, so an
// answer is for the one by which its call came, and so is what tells of its progress.
func TestAnswersOfAnEarlierSocket(t *testing.T) {
	serve(t, nil, func(w *world) {
		release := make(chan struct{})
		w.chat().Handle("Wait", parley.Func(func(ctx context.Context, c *parley.Conn, text string) (string, error) {
			if text == "first" {
				<-release
			}
			return text, parley.Progress(ctx, text)
		}))
		c := w.negotiated("webSockets", chatData)
		s := c.connected()
		s.say(`{"H":"ChatHub","M":"Wait","A":["first"],"I":0}`)
		synctest.Wait()
		s.cut()
		s = c.open("reconnect")
		s.say(`{"H":"ChatHub","M":"Wait","A":["second"],"I":0}`)
		synctest.Wait()
		close(release)
		s.want(`{"M":[{"I":"P|0","P":{"I":"0","D":"second"}}]}`, `{"R":"second","I":"0"}`)
		s.cut()
		w.say("1")
		s = c.open("reconnect") // progress is not for the next one either
		s.want(`{"M":[{"H":"ChatHub","M":"said","A":["1"]}]}`)
		s.abort()
	})
}
