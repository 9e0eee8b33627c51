package socketio

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
)

// What an application still does to a connection that has left a namespace is
// nothing to the namespaces that its client is in.
func TestTheLateEndOfANamespaceIsItsOwn(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(w *world, c *parley.Conn)
	}{
		{"CloseNow", func(_ *world, c *parley.Conn) { c.CloseNow() }},
		{"Close", func(_ *world, c *parley.Conn) { c.Close("") }},
		{"Shutdown cuts off", func(w *world, _ *parley.Conn) {
			ctx, cancel := context.WithTimeout(w.Context(), time.Second)
			defer cancel()
			if w.further[0].Shutdown(ctx) == nil {
				w.Error("Shutdown did not wait for the handler")
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, nil, withAdmin, func(w *world) {
				returns := make(chan bool)
				w.further[0].Handle("wait", parley.Func(func() { <-returns }))
				s := w.join()
				s.send("40/admin")
				s.wantMatch("^40/admin,")
				admin := w.further[0].Audience().Conns()[0]
				s.send(`42/admin,["wait"]`, "41/admin")
				synctest.Wait()
				c.end(w, admin)
				synctest.Wait()
				s.send(`421["message-with-ack",1]`)
				s.want("431[1]")
				close(returns)
			})
		})
	}
}

func TestThePublicNameOfAClientIsNoPartOfItsSecret(t *testing.T) {
	inWorld(t, nil, withAdmin, func(w *world) {
		url := w.open()
		w.post(url, "40\x1e40/admin,")
		synctest.Wait()
		a, b := ClientOf(w.hub.Audience().Conns()[0]), ClientOf(w.further[0].Audience().Conns()[0])
		if a != b || len(a) < 12 {
			t.Errorf("one client is named %q and %q", a, b)
		}
		_, sid, _ := strings.Cut(url, "&sid=")
		for i := range len(a) - 3 {
			if strings.Contains(sid, a[i:i+4]) {
				t.Errorf("the name %s tells of the session ID %s", a, sid)
			}
		}
	})
}

// A client of protocol 3 keeps itself alive without polling.
func TestRefusalsThatNobodyFetchesAreBounded(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.options.Dynamic = func(*http.Request, string) (*parley.Hub, error) {
			return nil, &parley.Error{Message: strings.Repeat("no", 1000)}
		}
	}, func(w *world) {
		url := w.oldPolling()
		for range 10 * maxAnswers {
			if got := w.do("POST", url, "6:40/no,1:2"); got != "ok" {
				return
			}
			w.sleep(time.Second)
		}
		t.Errorf("%d refusals wait for a client that does not poll", 10*maxAnswers)
	})
}

// oldPolling shakes hands as clients of protocol 3 do.
func (w *world) oldPolling() (url string) {
	w.Helper()
	const old = "http://server/socket.io/?EIO=3&transport=polling"
	_, rest, _ := strings.Cut(w.get(old), `"sid":"`)
	sid, _, found := strings.Cut(rest, `"`)
	if !found {
		w.Fatal("no handshake")
	}
	return old + "&sid=" + sid
}

// Two hubs of one name lose their last clients while others look for that name.
func TestAllEmptyHubsOfANameAreRetired(t *testing.T) {
	n := namespaces{cleanup: true, seeking: map[string]int{}, empty: map[string][]*parley.Hub{}, children: map[child]*namespace{}, clients: map[*parley.Hub]int{}}
	hubs := []*parley.Hub{parley.NewHub(nil), parley.NewHub(nil), parley.NewHub(nil)}
	n.begin("/room")
	for _, hub := range hubs {
		n.leave(n.enter("/room", hub))
		n.leave(n.enter("/room", hub))
	}
	kept := n.enter("/room", hubs[2])
	n.end("/room")
	for i, hub := range hubs {
		down := false
		hub.WhenShutdown(func() { down = true })
		if want := i < 2; down != want {
			t.Errorf("hub %d is shut down: %t, want %t", i, down, want)
		}
	}
	n.leave(kept)
	if err := hubs[2].Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// A hub may stand for two namespaces; a client that comes back to the second while
// it is in the first displaces itself.
func TestAClientThatDisplacesItself(t *testing.T) {
	inRecoveringWorld(t, func(w *world) {
		w.options.Namespaces["/again"] = w.hub
	}, func(w *world) {
		s := w.webSocket()
		id := s.joins("")
		s.send("40/again," + again(id, ""))
		s.want("closed")
		synctest.Wait()
		if n := w.hub.Stats().Conns; n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}
