package classic

import (
	"context"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// TestBackPressure: a client that calls faster than its calls are handled has to wait,
// on a WebSocket that is not read and with POSTs that are not answered; nothing is lost,
// and a client that leaves meanwhile leaves nobody waiting.
func TestBackPressure(t *testing.T) {
	for _, leaves := range []bool{false, true} {
		for _, kind := range kinds {
			serve(t, nil, func(w *world) {
				release, handled := make(chan struct{}), new(atomic.Int64)
				w.chat().Handle("Wait", parley.Func(func(ctx context.Context, c *parley.Conn, n int) error {
					select {
					case <-release:
					case <-ctx.Done():
					}
					handled.Add(1)
					return nil
				}))
				c := w.negotiated(kind, chatData)
				s := c.connected()
				const calls = 400
				said := new(atomic.Int64)
				done := make(chan struct{})
				go func() { // ends when all are said, or the client has left
					defer close(done)
					for i := range calls {
						call := fmt.Sprintf(`{"H":"ChatHub","M":"Wait","A":[%d]}`, i)
						if s.socket != nil {
							err := s.socket.Write(w.t.Context(), websocket.Message{Type: websocket.Text, Data: []byte(call)})
							if err != nil && !leaves {
								w.t.Errorf("call %d: %v", i, err)
							}
						} else if got := c.do(c.path("send"), url.Values{"data": {call}}); got.status != 200 && !leaves {
							w.t.Errorf("got %d %s", got.status, got.body)
						}
						said.Add(1)
					}
				}()
				pass(time.Second) // for the engine to see that the call takes its time
				if n := said.Load(); n < 250 || n >= calls {
					w.t.Errorf("%s: %d calls were taken while one is handled", kind, n)
				}
				switch {
				case !leaves:
					close(release)
				case s.socket != nil:
					s.socket.CloseNow()
				default:
					c.abort()
				}
				<-done
				synctest.Wait()
				if n := handled.Load(); !leaves && n != calls {
					w.t.Errorf("%s: %d of %d calls were handled", kind, n, calls)
				}
				if !leaves {
					s.abort()
				}
			})
		}
	}
}

// TestVolatile: what is only worth saying at once is not said to who would have to come
// for it.
func TestVolatile(t *testing.T) {
	serve(t, nil, func(w *world) {
		c := w.negotiated("longPolling", chatData)
		c.wantPoll("connect", `{"S":1,"M":[]}`)
		c.start()
		conn := w.chat().Conn(c.id)
		if got := conn.Transport(); got != "polling" {
			t.Errorf("the transport is %q", got)
		}
		volatile := conn.Audience().Volatile()
		volatile.Send(w.t.Context(), "said", "nobody polls")
		polled := make(chan string)
		go func() { polled <- c.poll("poll") }()
		synctest.Wait()
		volatile.Send(w.t.Context(), "said", "now")
		if got := <-polled; got != `{"M":[{"H":"ChatHub","M":"said","A":["now"]}]}` {
			t.Errorf("got %s", got)
		}
		c.abort()
	})
	serve(t, nil, func(w *world) {
		c := w.negotiated("webSockets", chatData)
		s := c.connected()
		volatile := w.chat().Conn(c.id).Audience().Volatile()
		synctest.Wait() // until what the client has read counts as written
		volatile.Send(w.t.Context(), "said", "now")
		s.want(`{"M":[{"H":"ChatHub","M":"said","A":["now"]}]}`)
		s.cut()
		volatile.Send(w.t.Context(), "said", "while it is away")
		w.say("later")
		s = c.open("reconnect")
		s.want(`{"M":[{"H":"ChatHub","M":"said","A":["later"]}]}`)
		s.abort()
	})
}

// TestClosedByScript: an older client is sent away in words that it cannot read, which
// are none of the script's either.
func TestClosedByScript(t *testing.T) {
	serve(t, &Options{EnableJSONP: true}, func(w *world) {
		c := w.negotiated("longPolling", chatData)
		c.protocol = "1.5"
		c.wantPoll("connect", `{"S":1,"M":[]}`)
		c.start()
		w.chat().Conn(c.id).Close("</script>alert(1)")
		want := `cb("Closed: \u003c/script\u003ealert(1)");`
		if got := w.do(c.path("poll", append(c.place(), "callback", "cb")...), nil, "Referer", "http://hub/"); got.body != want {
			t.Errorf("got %s, want %s", got.body, want)
		}
	})
}
