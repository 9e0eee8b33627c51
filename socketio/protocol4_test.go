package socketio

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf16"

	"github.com/parley-go/parley"
)

const oldSockets = "http://server/socket.io/?EIO=3&transport=websocket"

// oldWebSocket opens a connection as v1 and v2 do, and returns its Engine.IO ID.
func (w *world) oldWebSocket() (s *socket, sid string) {
	w.Helper()
	s = w.upgrade(oldSockets)
	if _, err := fmt.Sscanf(strings.ReplaceAll(s.next(), `"`, " "), "0{ sid : %s", &sid); err != nil {
		w.Fatal(err)
	}
	return s, sid
}

func TestClientsOfProtocol4(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		withAdmin(w)
		for _, hub := range []*parley.Hub{w.hub, w.further[0]} {
			hub.OnConnect(func(ctx context.Context, c *parley.Conn) error {
				return c.Send(ctx, "you", c.ID(), string(Auth(c)))
			})
		}
	}, func(w *world) {
		s, sid := w.oldWebSocket()
		s.want("40", `42["you","`+sid+`",""]`) // without being asked
		s.send(`421["message-with-ack",1]`)
		s.want("431[1]")
		s.send("40/admin?token=abc&n=1&n=2,")
		s.want("40/admin,", `42/admin,["you","/admin#`+sid+`","{\"n\":\"2\",\"token\":\"abc\"}"]`)
		s.send(`42/admin,2["who"]`, `42/admin?token=abc,3["who"]`) // the query may come again
		s.want(`43/admin,2["admin"]`, `43/admin,3["admin"]`)
		s.send("40/random?a=b,")
		s.want(`44/random,{"message":"Invalid namespace"}`)
		s.send("41/admin,", "40/admin")
		s.want("40/admin,", `42/admin,["you","/admin#`+sid+`",""]`)
		w.hub.Conn(sid).Close("")
		s.want("41")
		s.send(`421["message-with-ack",1]`) // late
		s.send(`42/never,["who"]`)
		s.wantClosed()
	})
}

func TestRefusalsOfProtocol4(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		withAdmin(w)
		w.hub.OnConnect(func(ctx context.Context, c *parley.Conn) error {
			return &parley.Error{Message: `go "away"`}
		})
		w.further[0].OnConnect(func(ctx context.Context, c *parley.Conn) error {
			return &parley.Error{Message: "go away", Data: map[string]int{"in": 3}}
		})
	}, func(w *world) {
		s, _ := w.oldWebSocket()
		s.want(`44"go \"away\""`)
		s.send("40/admin,")
		s.want(`44/admin,{"in":3}`)
		s.send("40") // asks for once, as v2 does not
		s.want(`44"go \"away\""`)
	})
}

func TestProtocol4ByPolling(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		const url = "http://server/socket.io/?EIO=3&transport=polling"
		first := w.get(url)
		at := strings.Index(first, `"sid":"`) + 7
		if at < 7 || len(first) < at+20 {
			t.Fatalf("handshake: %q", first)
		}
		session := url + "&sid=" + first[at:at+20]
		if !strings.HasSuffix(first, "2:40") {
			w.want(w.get(session), "2:40")
		}
		packet := `421["message-with-ack","é😀"]`
		w.post(session, fmt.Sprint(len(utf16.Encode([]rune(packet))), ":", packet))
		w.want(w.get(session), `10:431["é😀"]`)
	})
}

func TestAClientOfProtocol4IsNeverRecovered(t *testing.T) {
	inRecoveringWorld(t, nil, func(w *world) {
		s, sid := w.oldWebSocket()
		s.want("40")
		w.hub.Send(w.Context(), "said", 1)
		s.want(`42["said",1]`)
		s.send("40/admin?pid=x,")
		s.want("40/admin,")
		if c := w.further[0].Conn("/admin#" + sid); c == nil || string(Auth(c)) != `{"pid":"x"}` {
			t.Errorf("admin's connection is %v", c)
		}
		s.cut()
		synctest.Wait()
		if err := w.hub.Client(sid).Send(w.Context(), "said", 2); err == nil {
			t.Error("somebody is waited for")
		}
	})
}

func TestABroadcastToBothProtocolsIsEncodedOnce(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		s, _ := w.oldWebSocket()
		s.want("40")
		w.join()
		var words []any
		for _, c := range w.hub.Audience().Conns() {
			p := c.Pipe().(*space)
			words = append(words, p.ns.words(kind{packed: p.packed}))
		}
		if len(words) != 2 || words[0] != words[1] {
			t.Errorf("words %v", words)
		}
	})
}
