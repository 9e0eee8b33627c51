package socketio

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
	"github.com/parley-go/parley/wire"
)

func TestConnect(t *testing.T) {
	setup := func(w *world) {
		w.hub.OnConnect(func(ctx context.Context, c *parley.Conn) error {
			auth := Auth(c)
			if auth == nil {
				return c.Send(ctx, "auth", struct{}{})
			}
			return c.Send(ctx, "auth", auth)
		})
	}
	inWorld(t, nil, setup, func(w *world) {
		s := w.join()
		s.want(`42["auth",{}]`)
		s = w.webSocket()
		s.send(`40{"token":"123"}`)
		s.wantMatch(`^40\{"sid":"[-_0-9A-Za-z]{20}"\}$`)
		s.want(`42["auth",{"token":"123"}]`)

		url := w.open() // and by polling
		w.post(url, `40{"token":"123"}`)
		got := w.get(url)
		if !strings.HasPrefix(got, `40{"sid":"`) || !strings.HasSuffix(got, "\"}\x1e42[\"auth\",{\"token\":\"123\"}]") {
			t.Errorf("polled %q", got)
		}
		if n := len(w.hub.Audience().Conns()); n != 3 {
			t.Errorf("the hub has %d connections, want 3", n)
		}
		for _, c := range w.hub.Audience().Conns() {
			if len(c.ID()) != 20 || c.Protocol() != "socketio" {
				t.Errorf("connection %q speaks %q", c.ID(), c.Protocol())
			}
		}
	})
}

func TestAnotherNamespaceIsRefused(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		s := w.webSocket()
		s.send("40/random")
		s.want(`44/random,{"message":"Invalid namespace"}`)
		s.send(`40/random,{"token":1}`)
		s.want(`44/random,{"message":"Invalid namespace"}`)
		s.send("40")
		s.wantMatch(`^40\{`)
	})
}

func TestOnConnectRefuses(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.hub.OnConnect(func(_ context.Context, c *parley.Conn) error {
			if Auth(c) == nil {
				return &parley.Error{Code: "auth", Message: "who are you?", Data: map[string]int{"tries": 2}}
			}
			if string(Auth(c)) == "{}" {
				return fmt.Errorf("a secret of the server's")
			}
			return nil
		})
	}, func(w *world) {
		s := w.webSocket()
		s.send("40")
		s.want(`44{"message":"who are you?","data":{"tries":2}}`)
		s.send("40{}")
		s.want(`44{"message":"The server failed to handle this call."}`)
		s.send(`40{"token":1}`) // on the same connection
		s.wantMatch(`^40\{`)
		if got := w.hub.Stats(); got.Refused != 2 || got.Opened != 1 {
			t.Errorf("stats %+v, want 2 refused and 1 opened", got)
		}
	})
}

func TestEventsAndAcks(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		s := w.join()
		for _, c := range []struct{ send, want string }{
			{`42["message",1,"2",{"3":[true]}]`, `42["message-back",1,"2",{"3":[true]}]`},
			{`42["message"]`, `42["message-back"]`},
			{"42[ \"message\" ,\t[1, 2] , \"a,]\\\"\"\n]", `42["message-back",[1,2],"a,]\""]`},
			{`42456["message-with-ack",1,"2",{"3":[false]}]`, `43456[1,"2",{"3":[false]}]`},
			{`420["message-with-ack"]`, `430[]`},
			{`429007199254740991["message-with-ack","<&>ü\u00fc"]`, `439007199254740991["<&>üü"]`},
		} {
			s.send(c.send)
			s.want(c.want)
		}
	})
}

func TestErrorsOfCalls(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.hub.Handle("fail", parley.Func(func(n int) error {
			if n == 1 {
				return &parley.Error{Code: "full", Message: "no room", Data: []int{1}}
			}
			return fmt.Errorf("a secret of the server's")
		}))
		w.hub.Handle("panic", parley.Func(func() { panic("boom") }))
		w.hub.Handle("count", parley.Func(func() iter.Seq[int] { return func(func(int) bool) {} }))
	}, func(w *world) {
		s := w.join()
		for _, c := range []struct{ call, code, message string }{
			{`["nope"]`, "not_found", `no handler named \"nope\"`},
			{`["fail"]`, "arguments", `call provides 0 argument(s), handler expects 1`},
			{`["fail",1,2]`, "arguments", `call provides 2 argument(s), handler expects 1`},
			{`["fail",2]`, "internal", `The server failed to handle this call.`},
			{`["panic"]`, "internal", `The server failed to handle this call.`},
		} {
			s.send("427" + c.call)
			s.want(`437[{"error":{"code":"` + c.code + `","message":"` + c.message + `"}}]`)
			s.send("42" + c.call)
			name, _, _ := strings.Cut(c.call[2:], `"`)
			s.want(`42["error",{"code":"` + c.code + `","message":"` + c.message + `","event":"` + name + `"}]`)
		}
		s.send(`427["fail",1]`)
		s.want(`437[{"error":{"code":"full","message":"no room","data":[1]}}]`)
		s.send(`427["fail","one"]`)
		s.wantMatch(`^437\[\{"error":\{"code":"arguments","message":"[^"]+"\}\}\]$`)
		s.send(`427["count"]`)
		s.wantMatch(`^437\[\{"error":\{"code":"streaming","message":"`)
	})
}

func TestTheServerAsks(t *testing.T) {
	var answers chan string
	inWorld(t, nil, func(w *world) {
		answers = make(chan string, 10)
		w.hub.Handle("go", parley.Func(func(ctx context.Context, c *parley.Conn) {
			var answer string
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			err := c.Call(ctx, "question", &answer, "why?", 2)
			answers <- fmt.Sprintf("%s %v", answer, err)
		}))
	}, func(w *world) {
		s := w.join()
		s.send(`42["go"]`)
		s.want(`421["question","why?",2]`)
		s.send(`431["because","unread"]`)
		w.want(<-answers, "because <nil>")
		s.send(`42["go"]`)
		s.want(`422["question","why?",2]`)
		s.send(`431["late"]`, `432[{"error":{"code":"shy","message":"not telling"}}]`)
		w.want(<-answers, " not telling")
		s.send(`42["go"]`)
		s.want(`423["question","why?",2]`)
		if got := <-answers; !strings.Contains(got, parley.ErrTimeout.Error()) {
			t.Errorf("an unanswered question ended with %q", got)
		}
	})
}

func TestWhatEndsTheConnection(t *testing.T) {
	for _, c := range []struct {
		name   string
		joined bool
		packet string
	}{
		{"no packet", true, "4abc"},
		{"no type", true, "4"},
		{"type out of range", true, "47[]"},
		{"event before CONNECT", false, `42["message"]`},
		{"ack before CONNECT", false, `431[]`},
		{"DISCONNECT before CONNECT", false, `41`},
		{"CONNECT_ERROR from a client", true, `44{"message":"x"}`},
		{"CONNECT with an array", false, "40[]"},
		{"CONNECT with a string", false, `40"x"`},
		{"CONNECT with broken JSON", false, `40{"a":`},
		{"CONNECT with a very long auth", false, `40{"a":"` + strings.Repeat("x", maxAuth) + `"}`},
		{"DISCONNECT with a payload", true, "41{}"},
		{"event without an array", true, "42{}"},
		{"event without JSON", true, "42abc[]"},
		{"event with garbage behind", true, `42["message"]]`},
		{"event without payload", true, "42"},
		{"event without a name", true, "42[]"},
		{"event named by an object", true, `42[{"toString":1}]`},
		{"event named by null", true, `42[null]`},
		{"event named by a bool", true, `42[true]`},
		{"event with a reserved name", true, `42["connect"]`},
		{"event with another reserved name", true, `42["disconnecting",1]`},
		{"event with a reserved name in escapes", true, `42["disc\u006fnnect"]`},
		{"ack without an array", true, `431{}`},
		{"ack without an id", true, `43[]`},
		{"ack id too large", true, `429007199254740992["message"]`},
		{"ack id very long", true, "42" + strings.Repeat("9", 1000) + `["message"]`},
		{"negative ack id", true, `42-1["message"]`},
		{"event in a namespace not joined", true, `42/admin,["message"]`},
		{"DISCONNECT from a namespace not joined", true, `41/admin,`},
		{"namespace too long", true, "40/" + strings.Repeat("x", 300)},
		{"binary event without attachments", true, `450-["message"]`},
		{"binary event with many attachments", true, `4599999999-["message"]`},
		{"binary ack with one attachment too many", true, `4611-7[{"_placeholder":true,"num":0}]`},
		{"attachments that are not counted in digits", true, `451e0-["message",{"_placeholder":true,"num":0}]`},
		{"binary message in base64", true, "bAQIDBA=="},
		{"too many arguments", true, `42["message"` + strings.Repeat(",1", 5000) + "]"},
		{"deeply nested", true, `42["message",` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "]"},
		{"Engine.IO ping", true, "2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, nil, nil, func(w *world) {
				other := w.join()
				s := w.webSocket()
				if c.joined {
					s.send("40")
					s.wantMatch("^40")
				}
				s.send(c.packet)
				s.wantClosed()
				if c.joined {
					w.wantEnds(parley.ErrProtocol)
				}
				url := w.open() // and by polling
				w.post(url, "40")
				if c.joined {
					w.get(url)
				}
				if !c.joined {
					url = w.open()
				}
				w.want(w.do("POST", url, c.packet), "400 Bad Request ")
				w.want(w.get(url), `400 Bad Request {"code":1,"message":"Session ID unknown"}`)
				other.send(`42["message","still here"]`)
				other.want(`42["message-back","still here"]`)
			})
		})
	}
}

func TestDisconnectKeepsTheConnection(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.hub.Handle("kick", parley.Func(func(c *parley.Conn) { c.Close("") }))
	}, func(w *world) {
		s := w.join()
		s.send("41")
		w.wantEnds(nil)
		s.want("2") // the next frame is a ping
		s.send("3", "40")
		s.wantMatch(`^40\{`)
		s.send(`42["kick"]`, `42["message","crossing"]`)
		s.want("41")
		w.wantEnds(nil)
		s.send(`42["message","late"]`, `431[]`, "41") // had not seen the 41; the reference would close
		s.wantSilence(time.Second)
		s.send("40")
		s.wantMatch(`^40\{`)
		s.send(`42["message","again"]`)
		s.want(`42["message-back","again"]`)
	})
}

func TestJoinsOfOneConnectionAreLimited(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		s := w.webSocket()
		for range maxJoins {
			s.send("40")
			s.wantMatch(`^40\{`)
			s.send("41")
		}
		s.send("40")
		s.wantClosed()
		s = w.webSocket()
		s.send("40")
		s.wantMatch(`^40\{`)
		url := w.open() // and answers that nobody fetches
		for range maxAnswers {
			w.post(url, "40/x")
		}
		w.want(w.do("POST", url, "40/x"), "400 Bad Request ")
	})
}

func TestHeartbeat(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		s := w.join()
		for range 3 {
			before := time.Now()
			s.want("2")
			if waited := time.Since(before).Round(time.Second); waited != 25*time.Second {
				t.Errorf("ping after %v, want 25s", waited)
			}
			s.send("3")
		}
		s.want("2")
		w.sleep(15 * time.Second)
		s.send(`42["message"]`) // prolongs the wait for the pong
		s.want(`42["message-back"]`)
		s.wantSilence(15 * time.Second)
		s.send("3")
		s.want("2")
		w.sleep(15 * time.Second)
		s.send(`42["message"]`) // once
		s.want(`42["message-back"]`)
		w.sleep(15 * time.Second)
		s.send(`42["message"]`)
		s.want(`42["message-back"]`)
		w.wantEnds()
		s.want("closed")
		w.wantEnds(parley.ErrIdle)
	})
}

func TestHeartbeatByPolling(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		url := w.open()
		w.post(url, "40")
		w.get(url)
		for range 3 {
			w.want(w.get(url), "2")
			w.post(url, "3")
		}
		w.want(w.get(url), "2")
		w.want(w.get(url), "1") // no pong
		w.wantEnds(parley.ErrIdle)
		w.want(w.get(url), `400 Bad Request {"code":1,"message":"Session ID unknown"}`)

		url = w.open() // a client that neither polls nor pongs
		w.post(url, "40")
		w.sleep(46 * time.Second)
		w.wantEnds(parley.ErrIdle)
	})
}

func TestAClientThatJoinsNothingIsClosed(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		s := w.webSocket()
		s.want("2")
		s.send("3")
		before := time.Now()
		s.want("closed")
		if waited := time.Since(before).Round(time.Second); waited != 20*time.Second {
			t.Errorf("closed %v after the ping, want 20s: 45s after the handshake", waited)
		}
		w.wantEnds()
	})
}

func TestAnUnfinishedUpgradeIsGivenUp(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		url := w.open()
		s := w.upgrade(strings.Replace(url, "polling", "websocket", 1))
		s.send("2probe")
		s.want("3probe")
		before := time.Now()
		s.want("closed")
		if waited := time.Since(before).Round(time.Second); waited != 10*time.Second {
			t.Errorf("closed after %v, want 10s", waited)
		}
		w.post(url, "40")
		if got := w.get(url); !strings.HasPrefix(got, "40{") {
			t.Errorf("polled %q", got)
		}
	})
}

func TestAPingThatWaitsCrossesTheUpgrade(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		url := w.open()
		w.post(url, "40")
		w.get(url)
		w.sleep(26 * time.Second) // a ping waits for the next poll
		s := w.upgrade(strings.Replace(url, "polling", "websocket", 1))
		s.send("5")
		s.want("2")
	})
}

func TestShutdownLetsClientsComeBack(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		s := w.join()
		idle := w.webSocket()
		url := w.open()
		polled := make(chan string, 1)
		go func() { polled <- w.get(url) }() // ends with the poll
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- w.hub.Shutdown(w.Context()) }() // ends with the hub
		s.wantClosed()                                       // no 41: the client would stay away
		idle.wantClosed()
		w.want(<-polled, "1")
		if err := <-ended; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		w.wantEnds(parley.ErrShutdown)
		w.want(w.get(polling), `503 Service Unavailable {"code":3,"message":"Server shutting down"}`)
	})
}

func TestAClientThatDoesNotReadHarmsNobody(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		reads := w.join()
		silent := w.open() // joins and polls no more
		w.post(silent, "40")
		c, err := websocket.Dial(w.Context(), sockets, &websocket.DialOptions{NetDial: w.net.Dial}) // and one that reads no more
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		c.Read(w.Context())
		c.Write(w.Context(), websocket.Message{Type: websocket.Text, Data: []byte("40")})
		c.Read(w.Context())
		text := strings.Repeat("x", 2000)
		for range 200 { // twice what a queue holds
			if err := w.hub.Send(w.Context(), "news", text); err != nil {
				t.Fatal(err)
			}
			reads.want(`42["news","` + text + `"]`)
		}
		if got := w.hub.Stats(); got.Dropped["slow"] == 0 || got.Conns != 1 {
			t.Errorf("stats %+v, want the silent clients closed as slow", got)
		}
		w.sleep(31 * time.Second) // a poll has 30 seconds to fetch a goodbye
		w.wantEnds(parley.ErrSlow, parley.ErrSlow)
	})
}

func TestABroadcastIsEncodedOnce(t *testing.T) {
	p := protocol{nsp: "/"}
	if p != (protocol{nsp: "/"}) || wire.Protocol(p) != wire.Protocol(protocol{nsp: "/"}) || wire.Protocol(p) == wire.Protocol(protocol{nsp: "/admin"}) {
		t.Error("protocols are not compared by namespace")
	}
	inWorld(t, nil, nil, func(w *world) {
		a, b := w.join(), w.join()
		url := w.open()
		w.post(url, "40")
		w.get(url)
		synctest.Wait()
		w.hub.Send(w.Context(), "said", "ann", "hi")
		w.hub.Send(w.Context(), "said", "bob", "hi")
		for _, s := range []*socket{a, b} {
			s.want(`42["said","ann","hi"]`, `42["said","bob","hi"]`)
		}
		w.want(w.get(url), "42[\"said\",\"ann\",\"hi\"]\x1e42[\"said\",\"bob\",\"hi\"]")
		if err := w.hub.Send(w.Context(), "disconnect"); err == nil {
			t.Error("an event with a reserved name was sent")
		}
	})
}

func TestABurstCrossesTheUpgradeInOrder(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		next := 0
		w.hub.Handle("n", parley.Func(func(ctx context.Context, c *parley.Conn, n int) error {
			if n != next {
				t.Errorf("event %d came as number %d", n, next)
			}
			next++
			return c.Send(ctx, "n", n)
		}))
	}, func(w *world) {
		url := w.open()
		var got []string
		poll := func() { got = append(got, strings.Split(w.get(url), "\x1e")...) }
		w.post(url, "40")
		for i := range 50 {
			w.post(url, fmt.Sprintf(`42["n",%d]`, i))
		}
		poll()
		s := w.upgrade(strings.Replace(url, "polling", "websocket", 1))
		s.send("2probe")
		s.want("3probe")
		for i := 50; i < 100; i++ {
			w.post(url, fmt.Sprintf(`42["n",%d]`, i))
		}
		for got[len(got)-1] != "6" {
			poll()
		}
		got = got[1 : len(got)-1]
		w.post(url, `42["n",100]`)
		s.send("5")
		for i := 101; i < 150; i++ {
			s.send(fmt.Sprintf(`42["n",%d]`, i))
		}
		for len(got) < 150 {
			got = append(got, s.next())
		}
		for i, packet := range got {
			w.want(packet, fmt.Sprintf(`42["n",%d]`, i))
		}
	})
}

func TestCallsOfAnEndedPresenceDoNotLiftTheNextOnesPause(t *testing.T) {
	var gates []chan struct{}
	inWorld(t, nil, func(w *world) {
		gates = []chan struct{}{make(chan struct{}), make(chan struct{})}
		w.hub.Handle("slow", parley.Func(func(_ context.Context, n int) { <-gates[n] }))
	}, func(w *world) {
		s := w.join()
		for range 257 { // one runs, 256 wait: paused
			s.send(`42["slow",0]`)
		}
		synctest.Wait()
		w.hub.Audience().Conns()[0].Close("out")
		s.want("41")
		s.send("40") // comes back on the same connection
		s.wantMatch(`^40\{`)
		before := w.hub.Stats().Received
		go func() {
			for range 5000 {
				s.send(`42["slow",1]`)
			}
		}()
		synctest.Wait()
		close(gates[0]) // the calls of the old presence come to their end
		synctest.Wait()
		if got := w.hub.Stats().Received - before; got > 2000 {
			t.Errorf("%d calls wait, want 256", got)
		}
		close(gates[1])
		synctest.Wait()
	})
}

func TestASecondConnectIsSkipped(t *testing.T) {
	inWorld(t, nil, nil, func(w *world) {
		enter := make(chan struct{})
		w.hub.OnConnect(func(context.Context, *parley.Conn) error { <-enter; return nil })
		s := w.webSocket()
		s.send("40", "40", `40{"token":1}`) // as long as the first waits, too
		synctest.Wait()
		close(enter)
		s.wantMatch(`^40\{"sid":"[^"]+"\}$`)
		s.send("40", `42["message","here"]`)
		s.want(`42["message-back","here"]`)
		if n := w.hub.Stats().Conns; n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		for range maxJoins { // which is too many
			s.conn.Write(s.Context(), websocket.Message{Type: websocket.Text, Data: []byte("40")}) // fails at the end
		}
		s.wantClosed()
		w.wantEnds(parley.ErrProtocol)
	})
}
