package classic

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley"
)

// A hub that a client calls without having subscribed to it has no say in the start of
// those that it has subscribed to.
func TestAVisitIsNoStart(t *testing.T) {
	serve(t, nil, func(w *world) {
		agree := make(chan struct{})
		w.chat().OnConnect(func(context.Context, *parley.Conn) error { <-agree; return nil })
		w.hubs["Other"].OnConnect(func(context.Context, *parley.Conn) error { return nil })
		answering(w.hubs["Other"])
		c := w.negotiated("webSockets", chatData)
		s := c.open("connect")
		s.want(`{"S":1,"M":[]}`)
		s.say(`{"H":"Other","M":"Add","A":[1,2],"I":0}`)
		if got := s.next(); got != `{"R":3,"I":"0"}` {
			t.Errorf("got %s", got)
		}
		started := make(chan string, 1)
		go func() { started <- c.do(c.path("start"), nil).body }() // ends with the answer
		synctest.Wait()
		select {
		case got := <-started:
			t.Errorf("the start was answered %q before OnConnect had agreed", got)
			close(agree)
		default:
			close(agree)
			if got := <-started; !strings.Contains(got, "started") {
				t.Errorf("start: %q", got)
			}
		}
		c.abort()
	})
}

// Who calls a hub that refuses it is told so, and stays connected to its own.
func TestAVisitThatIsRefusedIsAnswered(t *testing.T) {
	for _, transport := range []string{"webSockets", "serverSentEvents"} {
		serve(t, nil, func(w *world) {
			answering(w.chat())
			w.hubs["Other"].OnConnect(func(context.Context, *parley.Conn) error { return parley.Errorf("members", "Members only.") })
			answering(w.hubs["Other"])
			c := w.negotiated(transport, chatData)
			s := c.connected()
			for range 2 {
				s.say(`{"H":"Other","M":"Add","A":[1,2],"I":0}`)
				if got := c.note(s.next()); !strings.Contains(got, `"I":"0"`) || !strings.Contains(got, `"E":"`) {
					t.Errorf("%s: got %s", transport, got)
				}
			}
			s.say(`{"H":"ChatHub","M":"Add","A":[1,2],"I":1}`)
			if got := s.next(); !strings.Contains(got, `{"R":3,"I":"1"}`) {
				t.Errorf("%s: got %s", transport, got)
			}
			c.abort()
		})
	}
}

// What one hub sends while another one has not decided about the client waits in its
// session's queue, as always, and is not lost because nobody has come for it.
func TestWhatAHubSendsWhileAnotherDecidesIsNotLost(t *testing.T) {
	serve(t, &Options{BufferMessages: 2}, func(w *world) {
		agree := make(chan struct{})
		w.hubs["Other"].OnConnect(func(context.Context, *parley.Conn) error { <-agree; return nil })
		c := w.negotiated("longPolling", `[{"name":"chathub"},{"name":"other"}]`)
		if got := c.poll("connect"); got != `{"S":1,"M":[]}` {
			t.Errorf("got %s", got)
		}
		started := make(chan string, 1)
		go func() { started <- c.do(c.path("start"), nil).body }() // ends with the answer
		synctest.Wait()
		var want []string
		for i := range 10 {
			if err := w.chat().Send(t.Context(), "said", i); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf(`{"H":"ChatHub","M":"said","A":[%d]}`, i))
		}
		if got := c.poll("poll"); got != `{"M":[`+strings.Join(want, ",")+`]}` {
			t.Errorf("got %s", got)
		}
		close(agree)
		if got := <-started; !strings.Contains(got, "started") {
			t.Errorf("start: %q", got)
		}
		c.abort()
	})
}

// A refusal without words is one all the same, though JavaScript takes an empty text for
// none: to who asks for the start, to who comes again, to who only calls, and as an answer.
func TestARefusalWithoutWords(t *testing.T) {
	refuse := func(context.Context, *parley.Conn) error { return &parley.Error{Code: "no"} }
	serve(t, nil, func(w *world) {
		w.chat().OnConnect(refuse)
		c := w.negotiated("longPolling", chatData)
		c.wantPoll("connect", `{"S":1,"M":[]}`)
		if got := c.do(c.path("start"), nil); got.status != 500 {
			t.Errorf("start: %d %q", got.status, got.body)
		}
		if got := c.poll("reconnect"); !strings.Contains(got, `"E":"`) || strings.Contains(got, `"E":""`) {
			t.Errorf("who comes again got %s", got)
		}
	})
	serve(t, nil, func(w *world) {
		w.hubs["Other"].OnConnect(refuse)
		c := w.negotiated("webSockets", chatData)
		w.chat().Handle("Refuse", parley.Func(func() error { return &parley.Error{Code: "no"} }))
		s := c.connected()
		for _, call := range []string{`{"H":"Other","M":"Add","A":[1,2],"I":0}`, `{"H":"ChatHub","M":"Refuse","I":1}`} {
			s.say(call)
			if got := s.next(); !strings.Contains(got, `"E":"`) || strings.Contains(got, `"E":""`) {
				t.Errorf("%s: got %s", call, got)
			}
		}
		c.abort()
	})
}
