package socketio

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
)

// identity is what a CONNECT is answered with.
type identity struct{ SID, PID string }

// joins sends a CONNECT and reads its answer, and then the missed events.
func (s *socket) joins(payload string, missed ...string) (id identity) {
	s.Helper()
	s.send("40" + payload)
	id = s.identity(s.next())
	for _, want := range missed {
		s.wantMatch(want)
	}
	return id
}

func (w *world) identity(answer string) (id identity) {
	w.Helper()
	at := strings.Index(answer, "{")
	if !strings.HasPrefix(answer, "40") || at < 0 || json.Unmarshal([]byte(answer[at:]), &id) != nil {
		w.Fatalf("got %q, want the answer to a CONNECT", answer)
	}
	if len(id.SID) != 20 || id.PID == "" {
		w.Errorf("answer %q", answer)
	}
	return id
}

// event reads an event, and returns its offset.
func (s *socket) event(name string) (offset string) {
	s.Helper()
	got := s.next()
	m := regexp.MustCompile(`^42(?:/admin,)?\["` + name + `",.*"(\w+)"\]$`).FindStringSubmatch(got)
	if m == nil {
		s.Fatalf("got %q, want the event %s with an offset", got, name)
	}
	return m[1]
}

// cut ends the connection as a network does.
func (s *socket) cut() {
	s.conn.CloseNow()
	synctest.Wait()
}

func again(id identity, offset string) string {
	payload := map[string]string{"pid": id.PID, "offset": offset, "token": "x"}
	if offset == "" {
		delete(payload, "offset")
	}
	data, _ := json.Marshal(payload)
	return string(data)
}

func inRecoveringWorld(t *testing.T, setup func(w *world), test func(w *world)) {
	inWorld(t, &Options{Recovery: &Recovery{}}, func(w *world) {
		w.hub.OnConnect(func(_ context.Context, c *parley.Conn) error {
			if c.Recovered() {
				return nil
			}
			c.Set("name", "ann")
			return c.Join("room")
		})
		withAdmin(w)
		if setup != nil {
			setup(w)
		}
	}, test)
}

func TestRecovered(t *testing.T) {
	inRecoveringWorld(t, nil, func(w *world) {
		s := w.webSocket()
		id := s.joins(`{"token":"x"}`)
		w.hub.Send(w.Context(), "said", 1)
		offset := s.event("said")
		w.hub.Send(w.Context(), "said", 2) // not known to have come
		s.cut()
		w.sleep(time.Minute)
		w.hub.Send(w.Context(), "said", 3)
		w.hub.Group("room").Send(w.Context(), "said", 4)
		w.hub.Group("other").Send(w.Context(), "said", 5)
		w.hub.Client(id.SID).Send(w.Context(), "said", 6)
		w.hub.Audience().Volatile().Send(w.Context(), "said", 7)

		s = w.webSocket()
		if got := s.joins(again(id, offset), `^42\["said",2,"\w+"\]$`, `^42\["said",3,"`, `^42\["said",4,"`, `^42\["said",6,"`); got != id {
			t.Errorf("came back as %v, want %v", got, id)
		}
		c := w.hub.Conn(id.SID)
		if c == nil || !c.Recovered() || c.Value("name") != "ann" || len(c.Groups()) != 1 || string(Auth(c)) != `{"token":"x"}` {
			t.Errorf("recovered %v", c)
		}
		w.hub.Group("room").Send(w.Context(), "said", 8)
		if s.event("said") == offset {
			t.Error("one offset twice")
		}

		s.cut() // and the same offset again
		s = w.webSocket()
		s.joins(again(id, offset), `"said",2`, `"said",3`, `"said",4`, `"said",6`, `"said",8`)
	})
}

func TestRecoveredWithoutAnOffset(t *testing.T) {
	inRecoveringWorld(t, nil, func(w *world) {
		s := w.webSocket()
		id := s.joins("")
		s.cut()
		w.hub.Send(w.Context(), "said", 1)
		s = w.webSocket()
		if got := s.joins(again(id, ""), `^42\["said",1,"`); got != id {
			t.Errorf("came back as %v, want %v", got, id)
		}
	})
}

func TestRecoveredByPolling(t *testing.T) {
	inRecoveringWorld(t, nil, func(w *world) {
		s := w.webSocket()
		id := s.joins("")
		s.cut()
		w.hub.Send(w.Context(), "said", 1)
		url := w.open()
		w.post(url, "40"+again(id, ""))
		synctest.Wait()
		missed, answer, _ := strings.Cut(w.get(url), "\x1e") // before the answer, in one payload with it
		if !strings.HasPrefix(missed, `42["said",1,"`) || w.identity(answer) != id {
			t.Errorf("got %q, %q", missed, answer)
		}
	})
}

func TestRecoveredFromAConnectionThatSeemsAlive(t *testing.T) {
	inRecoveringWorld(t, nil, func(w *world) {
		url := w.open() // polls no more
		w.post(url, "40")
		id := w.identity(w.get(url))
		w.hub.Send(w.Context(), "said", 1)
		s := w.webSocket()
		if got := s.joins(again(id, ""), `^42\["said",1,"`); got != id {
			t.Errorf("came back as %v, want %v", got, id)
		}
		if n := len(w.hub.Audience().Conns()); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		w.want(w.get(url), `400 Bad Request {"code":1,"message":"Session ID unknown"}`)

		other := w.webSocket() // who knows the secret is the client
		if got := other.joins(again(id, ""), `^42\["said",1,"`); got != id {
			t.Errorf("came back as %v, want %v", got, id)
		}
		s.want("closed")
	})
}

func TestNotRecovered(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(w *world, s *socket, id identity)
		back func(id identity) string // nil: with pid, and no offset
	}{
		{"after a DISCONNECT", func(w *world, s *socket, _ identity) { s.send("41"); s.cut() }, nil},
		{"after Conn.Close", func(w *world, s *socket, id identity) { w.hub.Conn(id.SID).Close(""); s.cut() }, nil},
		{"after Disconnect", func(w *world, s *socket, id identity) { Disconnect(w.hub.Conn(id.SID)); s.cut() }, nil},
		{"after a broken rule", func(w *world, s *socket, _ identity) { s.send("42{}"); s.want("closed"); synctest.Wait() }, nil},
		{"too late", func(w *world, s *socket, _ identity) { s.cut(); w.sleep(3 * time.Minute) }, nil},
		{"unknown secret", nil, func(identity) string { return again(identity{PID: "unknown"}, "") }},
		{"the public name for a secret", nil, func(id identity) string { return again(identity{PID: id.SID}, "") }},
		{"secret of another type", nil, func(id identity) string { return `{"pid":["` + id.PID + `"]}` }},
		{"unknown offset", nil, func(id identity) string { return again(id, "zzz") }},
		{"negative offset", nil, func(id identity) string { return again(id, "-1") }},
		{"offset of another type", nil, func(id identity) string { return `{"pid":"` + id.PID + `","offset":1}` }},
		{"another namespace", nil, func(id identity) string { return "/admin," + again(id, "") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			inRecoveringWorld(t, nil, func(w *world) {
				s := w.webSocket()
				id := s.joins("")
				if c.end != nil {
					c.end(w, s, id)
				} else {
					s.cut()
				}
				w.hub.Send(w.Context(), "said", 1)
				payload := again(id, "")
				if c.back != nil {
					payload = c.back(id)
				}
				s = w.webSocket()
				if got := s.joins(payload); got.SID == id.SID || got.PID == id.PID {
					t.Errorf("came back as %v, want somebody new", got)
				}
			})
		})
	}
}

func TestEventsAreForgottenInTime(t *testing.T) {
	inWorld(t, &Options{Recovery: &Recovery{MaxBytes: 10 << 10, MaxDisconnectionDuration: time.Hour}}, nil, func(w *world) {
		s := w.webSocket()
		id := s.joins("")
		s.cut()
		for range 20 {
			w.hub.Send(w.Context(), "said", strings.Repeat("x", 1000))
		}
		if got := w.webSocket().joins(again(id, "")); got.SID == id.SID {
			t.Error("recovered, without what it has missed")
		}
	})
}

func TestWhatHasAnOffset(t *testing.T) {
	inRecoveringWorld(t, func(w *world) {
		w.hub.Handle("ask", parley.Func(func(ctx context.Context, c *parley.Conn) error {
			var s string
			return c.Call(ctx, "question", &s, "why?")
		}))
	}, func(w *world) {
		s := w.webSocket()
		s.joins("")
		w.hub.Send(w.Context(), "said", "a string")
		offset := s.event("said")
		synctest.Wait() // it is written
		w.hub.Audience().Volatile().Send(w.Context(), "now", "a string")
		w.want(s.event("now"), offset) // else the client took the string for one
		s.send(`421["message-with-ack","a string"]`)
		s.want(`431["a string"]`)
		s.send(`422["ask"]`)
		s.wantMatch(`^42\d+\["question","why\?"\]$`)
	})
}

func TestWhatIsSaidInOneNamespaceIsNotRecoveredInAnother(t *testing.T) {
	inRecoveringWorld(t, nil, func(w *world) {
		s := w.webSocket()
		main, admin := s.joins(""), s.joins("/admin,")
		s.cut()
		w.hub.Send(w.Context(), "main", 1)
		w.further[0].Send(w.Context(), "admin", 2)
		s = w.webSocket()
		if got := s.joins("/admin,"+again(admin, ""), `^42/admin,\["admin",2,"`); got != admin {
			t.Errorf("came back as %v, want %v", got, admin)
		}
		if got := s.joins(again(main, ""), `^42\["main",1,"`); got != main {
			t.Errorf("came back as %v, want %v", got, main)
		}
	})
}

func TestWithoutRecoveryAuthIsTheApplications(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		s := w.webSocket()
		s.send(`40{"pid":"x","offset":"y"}`)
		s.wantMatch(`^40\{"sid":"[^"]{20}"\}$`)
		w.want(string(Auth(w.hub.Audience().Conns()[0])), `{"pid":"x","offset":"y"}`)
		w.hub.Send(w.Context(), "said", 1)
		s.want(`42["said",1]`)
	})
}

func TestCutRecovery(t *testing.T) {
	for _, c := range [][4]string{
		{`{"pid":"p","offset":"o"}`, ``, `p`, `o`},
		{` { "a" : 1 , "pid":"p" , "b":{"pid":"q"}, "\u0070id2":[] } `, `{"a":1,"b":{"pid":"q"},"pid2":[]}`, `p`, ``},
		{`{"offset":"o","a":1}`, `{"offset":"o","a":1}`, ``, ``},
		{`{"pid":1,"offset":"o"}`, `{"pid":1,"offset":"o"}`, ``, ``},
		{`{"\u0070id":"p","offset":null}`, ``, `p`, ``},
		{`{"pid":"p","offset":7}`, ``, `p`, noOffset},
		{``, ``, ``, ``},
		{`{}`, `{}`, ``, ``},
	} {
		rest, pid, offset := cutRecovery(json.RawMessage(c[0]))
		if string(rest) != c[1] || pid != c[2] || offset != c[3] {
			t.Errorf("cutRecovery(%s) = %s, %q, %q, want %s, %q, %q", c[0], rest, pid, offset, c[1], c[2], c[3])
		}
	}
}
