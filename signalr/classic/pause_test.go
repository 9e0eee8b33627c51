package classic

import (
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
)

// A WebSocket whose calls are held back is not read, so its signs of life are not seen:
// that is no reason to think that the network has gone. After the pause it is one again.
func TestAPauseIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newHub()
		e := Handler(map[string]*parley.Hub{"Chat": hub}, nil).(*endpoint)
		c := e.newConnection("a client", never)
		q := newRequest(httptest.NewRequest("GET", "/signalr/connect", nil))
		q.hubs = e.sorted
		if no := c.enter(q, false); no != nil {
			t.Fatal(no)
		}
		<-c.start()
		socket := &lending{}
		socket.leg = &leg{connection: c, pipe: socket, kind: WebSockets, began: e.now(), wrote: e.now(), pinged: e.now()}
		if _, ok, err := socket.leg.attach(socket.leg, ""); !ok || err != nil {
			t.Fatal(ok, err)
		}
		pass(time.Second)
		socket.leg.Heard()
		c.Pause()
		pass(5 * time.Minute)
		c.Resume()
		pass(e.o.DisconnectTimeout - time.Second)
		if n := socket.cuts.Load(); n > 0 {
			t.Error("it was cut off for what it could not be heard to say")
		}
		pass(e.o.DisconnectTimeout)
		if n := socket.cuts.Load(); n == 0 {
			t.Error("it was not cut off, and is silent")
		}
		c.finish(nil)
		hub.Shutdown(t.Context())
	})
}
