package socketio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// withAdmin adds the namespace "/admin", whose hub is further[0].
func withAdmin(w *world) {
	w.options.Namespaces = map[string]*parley.Hub{"admin": w.another("admin")}
}

func TestNamespacesShareAConnection(t *testing.T) {
	inWorld(t, nil, withAdmin, func(w *world) {
		s := w.webSocket()
		s.send("40/admin,")
		s.wantMatch(`^40/admin,\{"sid":"[-_0-9A-Za-z]{20}"\}$`)
		s.send("40")
		s.wantMatch(`^40\{"sid"`)
		s.send(`42/admin,7["who"]`, `427["message-with-ack",1]`)
		s.want(`43/admin,7["admin"]`, `437[1]`)
		if a, b := w.hub.Audience().Conns(), w.further[0].Audience().Conns(); len(a) != 1 || len(b) != 1 || a[0].ID() == b[0].ID() {
			t.Errorf("at the hubs: %v and %v", a, b)
		}
		w.further[0].Send(w.Context(), "news", 1)
		s.want(`42/admin,["news",1]`)

		s.send("41/admin,")
		s.wantSilence(time.Second)
		s.send(`42/admin,7["who"]`, "41/admin", `421["message-with-ack"]`) // late, and a comma is missing
		s.want(`431[]`)
		s.send(`40/admin,{"again":true}`, `42/admin,8["who"]`)
		s.wantMatch(`^40/admin,\{`)
		s.want(`43/admin,8["admin"]`)
		s.send("41", `42["message"]`, `42/admin,9["leave"]`)
		s.want("41/admin,")
		s.send("40")
		s.wantMatch(`^40\{`)
		s.send(`42/other,["who"]`) // never joined
		s.wantClosed()
	})
}

func TestNamespacesByPolling(t *testing.T) {
	inWorld(t, nil, withAdmin, func(w *world) {
		url := w.open()
		w.post(url, "40/admin,\x1e40\x1e40/random,\x1e42/admin,7[\"who\"]")
		var got []string
		for len(got) < 4 {
			got = append(got, strings.Split(w.get(url), "\x1e")...)
		}
		slices.SortFunc(got, func(a, b string) int { return strings.Compare(a[:3], b[:3]) })
		if !strings.HasPrefix(got[0], "40/admin,{") || !strings.HasPrefix(got[1], "40{") || got[2] != `43/admin,7["admin"]` || got[3] != `44/random,{"message":"Invalid namespace"}` {
			t.Errorf("polled %q", got)
		}
	})
}

func TestTheEndOfANamespaceIsItsOwn(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		withAdmin(w)
		w.further[0].OnDisconnect(func(_ context.Context, c *parley.Conn, reason error) {
			if reason != nil || DisconnectReason(c) != "server namespace disconnect" {
				t.Errorf("OnDisconnect was told %v, %q", reason, DisconnectReason(c))
			}
		})
	}, func(w *world) {
		s := w.join()
		s.send("40/admin")
		s.wantMatch("^40/admin,")
		w.further[0].Audience().Conns()[0].Close("")
		s.want("41/admin,")
		s.send(`421["message-with-ack"]`)
		s.want(`431[]`)
	})
}

// The pipe may take a goodbye before the session closes it.
func TestAGoodbyeThatIsTakenEarly(t *testing.T) {
	inWorld(t, nil, withAdmin, func(w *world) {
		s := w.join()
		s.send("40/admin")
		s.wantMatch("^40/admin,")
		admin := w.further[0].Audience().Conns()[0].Pipe().(*space)
		admin.session.Load().Send(&wire.Encoded{Data: []byte("41/admin,"), Kind: wire.Close})
		s.want("41/admin,")
		admin.Close(1000, "")
		s.send(`421["message-with-ack"]`)
		s.want("431[]")
		w.sleep(time.Second)
		if n := w.further[0].Stats().Conns; n != 0 {
			t.Errorf("%d clients are left", n)
		}
	})
}

func TestShutdownOfOneNamespaceLetsItsClientsComeBack(t *testing.T) {
	inWorld(t, nil, withAdmin, func(w *world) {
		both, one := w.join(), w.join()
		both.send("40/admin")
		both.wantMatch("^40/admin,")
		if err := w.further[0].Shutdown(w.Context()); err != nil {
			t.Error(err)
		}
		both.wantClosed() // there is no other word after which it comes back
		w.wantEnds(nil)
		one.send("40/admin,", `421["message-with-ack"]`)
		one.want(`44/admin,{"message":"server shutting down"}`, `431[]`)
	})
}

func TestTheMainHubsShutdown(t *testing.T) {
	inWorld(t, nil, withAdmin, func(w *world) {
		elsewhere := w.webSocket()
		elsewhere.send("40/admin")
		elsewhere.wantMatch("^40/admin,")
		if err := w.hub.Shutdown(w.Context()); err != nil {
			t.Error(err)
		}
		elsewhere.send(`42/admin,1["who"]`) // is not the main hub's
		elsewhere.want(`43/admin,1["admin"]`)
		elsewhere.send("40") // as if the connection had been made now
		elsewhere.wantClosed()
	})
}

func TestDynamicNamespaces(t *testing.T) {
	var gate chan struct{}
	inWorld(t, nil, func(w *world) {
		gate = make(chan struct{})
		hub := w.another("dynamic")
		w.options.Dynamic = func(r *http.Request, name string) (*parley.Hub, error) {
			switch name {
			case "/error":
				return nil, errors.New("a secret")
			case "/denied":
				return nil, &parley.Error{Message: "not you", Data: map[string]int{"n": 1}}
			case "/panic":
				panic("a secret")
			case "/slow":
				<-gate
			case "/none":
				return nil, nil
			}
			if r.URL.Query().Get("EIO") != "4" {
				t.Errorf("asked with the request %v", r.URL)
			}
			return hub, nil
		}
	}, func(w *world) {
		s := w.webSocket()
		for _, c := range [][2]string{
			{"40/none,", `44/none,{"message":"Invalid namespace"}`},
			{"40/error", `44/error,{"message":"The server failed to handle this call."}`},
			{"40/panic", `44/panic,{"message":"The server failed to handle this call."}`},
			{"40/denied,{}", `44/denied,{"message":"not you","data":{"n":1}}`},
		} {
			s.send(c[0])
			s.want(c[1])
		}
		s.send("40/slow", "40/a", "40")
		synctest.Wait()
		for range 2 {
			s.wantMatch(`^40(/a,)?\{`) // those do not wait for the slow one
		}
		s.send("41/slow", `42/a,1["who"]`) // it gives up
		s.want(`43/a,1["dynamic"]`)
		synctest.Wait()
		close(gate)
		synctest.Wait()
		s.wantSilence(time.Second)
		if n := len(w.further[0].Audience().Conns()); n != 1 {
			t.Errorf("%d clients, want 1", n)
		}
		s.send(`42/none,["who"]`) // was never joined
		s.wantClosed()
	})
}

func TestWhatEndsTheConnectionWhileDynamicRuns(t *testing.T) {
	for _, packet := range []string{`42/slow,["who"]`, "43/slow,1[]"} {
		inWorld(t, nil, func(w *world) {
			late := w.another("late")
			w.options.Dynamic = func(*http.Request, string) (*parley.Hub, error) {
				time.Sleep(time.Second)
				return late, nil
			}
		}, func(w *world) {
			s := w.webSocket()
			s.send("40/slow", packet)
			s.wantClosed()
			w.sleep(2 * time.Second)
			if n := w.further[0].Stats().Opened; n != 0 {
				t.Errorf("%s: %d clients came in", packet, n)
			}
		})
	}
}

func TestAConnectionThatEndsWhileDynamicRuns(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		late := w.another("late")
		w.options.Dynamic = func(*http.Request, string) (*parley.Hub, error) {
			time.Sleep(time.Second)
			return late, nil
		}
	}, func(w *world) {
		s := w.join() // whose session has the connection's request
		s.send("40/slow")
		s.cut()
		w.sleep(2 * time.Second)
		if n := w.further[0].Stats().Opened; n != 0 {
			t.Errorf("%d clients came in", n)
		}
	})
}

func TestPattern(t *testing.T) {
	opened := 0
	setup := func(w *world) {
		opened = 0
		w.options.Dynamic = Pattern(regexp.MustCompile(`^/room-\d+$`), func(name string) *parley.Hub {
			opened++
			if name == "/room-0" {
				return nil
			}
			return w.another(fmt.Sprint(name, " ", opened))
		})
	}
	joins := func(w *world, nsp, want string) *socket {
		s := w.webSocket()
		s.send("40" + nsp)
		s.wantMatch("^40" + nsp + `,\{`)
		s.send(`42` + nsp + `,1["who"]`)
		s.want(`43` + nsp + `,1["` + want + `"]`)
		return s
	}
	inWorld(t, nil, setup, func(w *world) {
		s := joins(w, "/room-1", "/room-1 1")
		joins(w, "/room-2", "/room-2 2")
		joins(w, "/room-1", "/room-1 1")
		for _, nsp := range []string{"/room-x", "/room-0", "/room-0"} {
			s.send("40" + nsp)
			s.want("44" + nsp + `,{"message":"Invalid namespace"}`)
		}
		s.send("41/room-1")
		joins(w, "/room-1", "/room-1 1")
	})
	inWorld(t, &Options{CleanupEmptyChildNamespaces: true}, setup, func(w *world) {
		a, b := joins(w, "/room-1", "/room-1 1"), joins(w, "/room-1", "/room-1 1")
		a.send("41/room-1")
		joins(w, "/room-1", "/room-1 1").conn.CloseNow()
		b.conn.CloseNow() // the last
		w.sleep(time.Second)
		joins(w, "/room-1", "/room-1 2")
		a.send("40/room-1")
		a.wantMatch("^40/room-1,")
		if err := w.further[0].Shutdown(w.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCleanupAndComingAtTheSameTime(t *testing.T) {
	inWorld(t, &Options{CleanupEmptyChildNamespaces: true}, func(w *world) {
		w.options.Dynamic = Pattern(regexp.MustCompile(`^/room$`), func(name string) *parley.Hub { return parley.NewHub(nil) })
	}, func(w *world) {
		done := make(chan bool)
		for range 4 {
			s := w.webSocket()
			go func() { // ends when all is sent and answered
				for range 20 {
					s.send("40/room")
					s.wantMatch(`^40/room,\{`)
					s.send("41/room")
				}
				done <- true
			}()
		}
		for range 4 {
			<-done
		}
	})
}

func TestPatternKeepsSoManyNamespaces(t *testing.T) {
	hub := parley.NewHub(nil)
	find := Pattern(regexp.MustCompile(`^/`), func(name string) *parley.Hub { return hub })
	for i := range maxChildren {
		if got, err := find(nil, fmt.Sprint("/", i)); got != hub || err != nil {
			t.Fatal(got, err)
		}
	}
	if _, err := find(nil, "/one-more"); err == nil {
		t.Error("one more was kept")
	}
	if got, err := find(nil, "/7"); got != hub || err != nil {
		t.Error(got, err)
	}
	hub.Shutdown(t.Context())
	if _, err := find(nil, "/one-more"); err != nil {
		t.Error(err)
	}
}

func TestOptionsNamespaces(t *testing.T) {
	for _, names := range []map[string]*parley.Hub{
		{"/": parley.NewHub(nil)}, {"": parley.NewHub(nil)}, {"/a": nil}, {"/a": parley.NewHub(nil), "a": parley.NewHub(nil)},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v was taken", names)
				}
			}()
			NewServer(parley.NewHub(nil), &Options{Namespaces: names})
		}()
	}
}

func TestNamespacesOfOneConnectionAreLimited(t *testing.T) {
	inWorld(t, &Options{MaxNamespaces: 2}, func(w *world) {
		withAdmin(w)
		w.options.Dynamic = Pattern(regexp.MustCompile("^/d"), w.another)
	}, func(w *world) {
		s := w.join()
		s.send("40/admin")
		s.wantMatch("^40/admin,")
		s.send("40/dynamic")
		s.want(`44/dynamic,{"message":"Too many namespaces"}`)
		s.send("41/admin", "40/dynamic")
		s.wantMatch("^40/dynamic,")
	})
}

func TestConnectsAreLimited(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		s := w.webSocket()
		join := func() {
			s.send("40")
			s.wantMatch(`^40\{`)
			s.send("41")
		}
		for range maxJoins {
			join()
		}
		w.sleep(10 * joinPause)
		for range 10 {
			join()
		}
		s.send("40")
		s.wantClosed()
	})
}

func TestAClientThatHasLeftEverythingIsClosed(t *testing.T) {
	inWorld(t, &Options{ConnectTimeout: 3 * time.Second}, nil, func(w *world) {
		s := w.join()
		w.sleep(5 * time.Second)
		s.send("41")
		before := time.Now()
		s.want("closed")
		if waited := time.Since(before).Round(time.Second); waited != 3*time.Second {
			t.Errorf("closed after %v, want 3s", waited)
		}
	})
}

func TestPausesOfSeveralNamespacesAreCounted(t *testing.T) {
	inWorld(t, nil, withAdmin, func(w *world) {
		s := w.join()
		s.send("40/admin")
		s.wantMatch("^40/admin,")
		session := func(hub *parley.Hub) *parley.Session { return hub.Audience().Conns()[0].Pipe().(*space).session.Load() }
		a, b := session(w.hub), session(w.further[0])
		synctest.Wait() // the server reads
		a.Away(true)    // pauses
		b.Away(true)
		a.Away(false)
		go s.send(`42/admin,1["who"]`, `42/admin,2["who"]`) // ends when both are read
		s.wantSilence(time.Second)
		b.Away(false)
		s.want(`43/admin,1["admin"]`, `43/admin,2["admin"]`)

		synctest.Wait()
		b.Away(true)
		go s.send(`421["message-with-ack"]`, `422["message-with-ack"]`) // likewise
		s.wantSilence(time.Second)
		b.Conn().Close("") // and its pause with it
		s.want("41/admin,", "431[]", "432[]")
		b.Away(false)
		b.Away(true) // nobody's any more
		s.send(`423["message-with-ack"]`, `424["message-with-ack"]`)
		s.want("433[]", "434[]")
	})
}

func TestOneSlowNamespaceEndsTheConnection(t *testing.T) {
	var ends []error
	inWorld(t, nil, func(w *world) {
		withAdmin(w)
		ends = nil
		w.further[0].OnDisconnect(func(_ context.Context, c *parley.Conn, reason error) {
			ends = append(ends, reason)
			w.want(DisconnectReason(c), "forced server close")
		})
	}, func(w *world) {
		url := w.open() // polls no more
		w.post(url, "40\x1e40/admin")
		synctest.Wait()
		for range 101 { // the main hub's queue takes 100
			w.hub.Send(w.Context(), "news")
		}
		w.sleep(31 * time.Second)
		w.wantEnds(parley.ErrSlow)
		if len(ends) != 1 || !errors.Is(ends[0], parley.ErrSlow) {
			t.Errorf("the other namespace was told %v", ends)
		}
	})
}
