package websocket

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// This file is what a developer coming from Microsoft.WebSockets and System.Net.WebSockets
// relies on: docs/websocket.md has the table.

// A WebSocketHandler has OnOpen, OnMessage twice, OnError and OnClose.
func TestAHandlerHasTheFiveCallbacks(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		var l calls
		c := n.dial(t, n.serve(t, l.handler())+"/chat")
		c.Write(t.Context(), Message{Text, []byte("text")})
		c.Write(t.Context(), Message{Binary, []byte("bytes")})
		wantMessage(t, c, Text, "text")
		wantMessage(t, c, Binary, "bytes")
		c.CloseNow()
		<-l.done
		got := l.String()
		if want := "open /chat; text text; binary bytes; error websocket: "; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "; close 1006 ") {
			t.Errorf("the handler was called with %s", got)
		}
	})
}

// Whoever has closed is no member any more, whichever end has closed and however; so a
// WebSocketCollection's OnClose { clients.Remove(this) } is not needed.
func TestClosedMembersLeaveByThemselves(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		set, servers, clients := n.members(t, 5, nil)
		for _, c := range clients[1:] {
			go func() {
				for range c.Messages(context.Background()) {
				}
			}()
		}
		clients[1].CloseNow()
		clients[2].Close(StatusNormalClosure, "")
		servers[3].CloseNow()
		servers[4].Close(StatusNormalClosure, "")
		until(t, "the closed members have left", func() bool { return set.Len() == 1 })
		if !set.Contains(servers[0]) || set.Contains(servers[1]) {
			t.Error("another one is left than the one that lives")
		}
		if err := set.Broadcast(Message{Text, []byte("who is there?")}); err != nil {
			t.Errorf("Broadcast: %v", err)
		}
		wantMessage(t, clients[0], Text, "who is there?")
		if err := servers[2].Send(Message{Text, []byte("hello?")}); err == nil { // WebSocketHandler.Send would say nothing
			t.Error("Send to who has left: got no error")
		}
		set.Clear()
		if set.Len() != 0 || set.Contains(servers[0]) || servers[0].ended() != nil {
			t.Errorf("after Clear: %d members, and the connection has ended with %v", set.Len(), servers[0].ended())
		}
	})
}

// One member reads nothing. The others get everything at once, and the sender hears of
// the one that failed.
func TestBroadcastBlocksOnNobodyAndTellsOfFailures(t *testing.T) {
	overEachSmall(t, func(t *testing.T, n network) {
		o := &AcceptOptions{Limits: &Limits{QueueBytes: 64 << 10}}
		set, opened := &Set{}, make(chan *Conn, 1)
		h := &Handler{Options: o, OnOpen: func(c *Conn, _ *http.Request) {
			set.Add(c)
			opened <- c
		}}
		ends := tells(h)
		url := n.serve(t, h)
		n.raw(t, url) // reads nothing
		slow := <-opened
		c := n.dial(t, url)
		<-opened
		m := Message{Binary, make([]byte, 10<<10)}
		var failure error
		for sent := 0; failure == nil; sent++ {
			if sent == 10_000 {
				t.Fatal("the slow member has never failed")
			}
			failure = set.Broadcast(m)
			if got, err := c.Read(t.Context()); err != nil || !bytes.Equal(got.Data, m.Data) {
				t.Fatalf("the other member: got %d bytes, %v", len(got.Data), err)
			}
		}
		var told *SendError
		if !errors.As(failure, &told) || told.Conn != slow || !errors.Is(failure, ErrSlow) {
			t.Errorf("Broadcast: got %v, want a SendError for the slow member", failure)
		}
		if end := <-ends; end.err != ErrSlow {
			t.Errorf("OnError: got %v, want %v", end.err, ErrSlow)
		}
		if set.Len() != 1 {
			t.Errorf("%d members, want the other one", set.Len())
		}
		if err := set.Broadcast(m); err != nil {
			t.Errorf("Broadcast to those who are left: %v", err)
		}
	})
}

func TestBroadcastTellsWhoCannotBeSentBinary(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		set, opened := &Set{}, make(chan *Conn, 1)
		url := n.serve(t, &Handler{Options: drafts, OnOpen: func(c *Conn, _ *http.Request) {
			set.Add(c)
			opened <- c
		}})
		peer := n.old(t, url)
		old := <-opened
		c := n.dial(t, url)
		<-opened
		failure := set.Broadcast(Message{Binary, []byte("picture")})
		var told *SendError
		if !errors.As(failure, &told) || told.Conn != old || !errors.Is(failure, errors.ErrUnsupported) {
			t.Errorf("got %v, want a SendError for the member of draft 76", failure)
		}
		wantMessage(t, c, Binary, "picture")
		if err := set.Broadcast(Message{Text, []byte("words")}); err != nil {
			t.Errorf("text: %v", err)
		}
		wantMessage(t, c, Text, "words")
		peer.expect("\x00words\xFF")
		if err := set.Broadcast(Message{Type: 7}); err == nil || set.Len() != 2 {
			t.Errorf("a type that is none: got %v, and %d members", err, set.Len())
		}
	})
}

// .NET keeps a connection alive with pongs that nobody asked for, Mono with pings.
func TestUnsolicitedPongsAreTolerated(t *testing.T) {
	pongs := join(masked(0x8A, nil), masked(0x8A, []byte("12345678")), masked(0x8A, make([]byte, 8)), masked(0x8A, make([]byte, 125)))
	overEach(t, func(t *testing.T, n network) {
		for name, h := range map[string]http.Handler{
			"Accept": echoHandler(nil), "Handler": &Handler{OnMessage: func(c *Conn, m Message) { c.Send(m) }},
			"a Handler that is told": &Handler{OnMessage: func(c *Conn, m Message) { c.Send(m) }, OnPong: func(*Conn, []byte) {}},
		} {
			peer := n.raw(t, n.serve(t, h), pongs)
			for range 100 {
				peer.send(pongs)
			}
			peer.send(masked(0x01, []byte("in two ")), pongs, masked(0x80, []byte("pieces")))
			if f := peer.receive(); f.first != 0x81 || string(f.payload) != "in two pieces" {
				t.Errorf("%s: got %#x %q, want the echo", name, f.first, f.payload)
			}
		}
	})
}

// A pong that nobody asked for answers no Ping that waits.
func TestAPongWithoutAPingWakesNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer := serveRaw(t, nil)
		go func() {
			for range c.Messages(context.Background()) {
			}
		}()
		done := make(chan error, 1)
		go func() { done <- c.Ping(context.Background()) }()
		ping := peer.receive()
		peer.send(masked(0x8A, nil), masked(0x8A, []byte("heartbeat")), masked(0x8A, bytes.Repeat([]byte{0xFF}, 8)), masked(0x8A, []byte{0, 0, 0, 0, 0, 0, 0, 0}))
		peer.send(masked(0x89, []byte("read so far?")))
		if f := peer.receive(); f.first != 0x8A {
			t.Fatalf("got %#x", f.first)
		}
		if len(done) > 0 {
			t.Errorf("Ping returned %v without its pong", <-done)
		}
		peer.send(masked(0x8A, ping.payload))
		if err := <-done; err != nil {
			t.Errorf("Ping: %v", err)
		}
	})
}

// HttpContext.WebSocketRequestedProtocols.
func TestRequestedSubprotocols(t *testing.T) {
	for _, tt := range []struct{ given, want []string }{
		{nil, nil},
		{[]string{"chat"}, []string{"chat"}},
		{[]string{"v2.chat, v1.chat", "other"}, []string{"v2.chat", "v1.chat", "other"}},
		{[]string{"no list of names"}, nil},
	} {
		if got := RequestedSubprotocols(&http.Request{Header: http.Header{"Sec-Websocket-Protocol": tt.given}}); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.given, got, tt.want)
		}
	}
}

// ClientWebSocket.HttpStatusCode and HttpResponseHeaders.
func TestAClientSeesTheAnswer(t *testing.T) {
	url := networks[0].serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		w.Header().Set("X-Node", "seven")
		echoHandler(nil).ServeHTTP(w, r)
	}))
	var answers []string
	o := &DialOptions{MaxRedirects: 1, Answered: func(resp *http.Response) { answers = append(answers, resp.Status+" "+resp.Header.Get("X-Node")) }}
	c, err := Dial(t.Context(), url+"/moved", o)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	if want := "101 Switching Protocols seven"; len(answers) != 1 || answers[0] != want {
		t.Errorf("got %q, want %q", answers, want)
	}
	if _, err := Dial(t.Context(), url+"/moved", &DialOptions{Answered: o.Answered}); err == nil || len(answers) != 1 {
		t.Errorf("a refusal: got %v, and answers %q", err, answers)
	}
}
