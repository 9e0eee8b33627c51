package signalr

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"testing"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// host is the server's end of one WebSocket, which expects exact frames.
type host struct {
	t    *testing.T
	conn *websocket.Conn
}

// receive runs body with a client that has shaken hands with the host.
func receive(t *testing.T, protocol string, body func(ctx context.Context, cl *parley.Client, h *host)) {
	t.Helper()
	accepted := make(chan *websocket.Conn, 1)
	meetStrange(t, func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, nil); err == nil {
			accepted <- c
		}
	}, func(s *strange) {
		cl := s.client(ClientOptions{Protocol: protocol, SkipNegotiation: true})
		connected := make(chan error, 1)
		go func() { connected <- cl.Connect(s.t.Context()) }() // ends with the handshake
		h := &host{s.t, <-accepted}
		h.wants(websocket.Text, `{"protocol":"`+protocol+`","version":1}␞`)
		h.says(websocket.Text, `{}␞`)
		if err := <-connected; err != nil {
			s.t.Fatal(err)
		}
		body(s.t.Context(), cl, h)
		closed := make(chan error, 1)
		go func() { closed <- cl.Close(s.t.Context()) }() // ends with the connection
		if protocol == "json" {
			h.wants(websocket.Text, `{"type":7}␞`)
		} else {
			h.wants(websocket.Binary, "\x04\x93\x07\xc0\xc2")
		}
		(&peer{s.t, h.conn}).wantClose(1000)
		<-closed
	})
}

func (h *host) says(typ websocket.MessageType, words string) {
	h.t.Helper()
	if err := h.conn.Write(context.Background(), websocket.Message{Type: typ, Data: []byte(raw(words))}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) wants(typ websocket.MessageType, frames ...string) {
	h.t.Helper()
	for _, want := range frames {
		m, err := h.conn.Read(context.Background())
		if got := readable(string(m.Data)); err != nil || got != want || m.Type != typ {
			h.t.Fatalf("the server got %q, %v\nwant           %q as %v", got, err, want, typ)
		}
	}
}

// background runs call and returns how it ended.
func background(call func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- call() }() // ends with its answer
	return done
}

// TestWhatTheClientSays is every kind of message that a client has, byte by
// byte. @microsoft/signalr writes the same properties in another order.
func TestWhatTheClientSays(t *testing.T) {
	receive(t, "json", func(ctx context.Context, cl *parley.Client, h *host) {
		const text = websocket.Text
		h.wants(text, `{"type":6}␞`) // starts the server's client timeout

		var sum int
		called := background(func() error { return cl.Call(ctx, "add", &sum, 1, map[string]any{"a<": nil}) })
		h.wants(text, `{"type":1,"invocationId":"1","target":"add","arguments":[1,{"a<":null}]}␞`)
		h.says(text, `{"type":3,"invocationId":"1","result":3}␞`)
		if err := <-called; err != nil || sum != 3 {
			h.t.Errorf("add: %d %v", sum, err)
		}

		cl.Send(parley.WithHeaders(ctx, map[string]string{"k": "v"}), "said")
		h.wants(text, `{"type":1,"headers":{"k":"v"},"target":"said","arguments":[]}␞`)

		streamed := background(func() error {
			for v, err := range cl.Stream(ctx, "count", 3) {
				var n int
				if err != nil || v.Scan(&n) != nil || n != 7 {
					h.t.Errorf("count: %v %v", n, err)
				}
				break
			}
			return nil
		})
		h.wants(text, `{"type":4,"invocationId":"2","target":"count","arguments":[3]}␞`)
		h.says(text, `{"type":2,"invocationId":"2","item":7}␞`)
		h.wants(text, `{"type":5,"invocationId":"2"}␞`)
		<-streamed

		broken := iter.Seq2[int, error](func(yield func(int, error) bool) { yield(0, parley.Errorf("", "no paper")) })
		uploaded := background(func() error { return cl.Call(ctx, "sum", nil, slices.Values([]int{5}), 1) })
		h.wants(text, `{"type":1,"invocationId":"4","target":"sum","arguments":[1],"streamIds":["3"]}␞`,
			`{"type":2,"invocationId":"3","item":5}␞`, `{"type":3,"invocationId":"3"}␞`)
		h.says(text, `{"type":3,"invocationId":"4","result":null}␞`)
		if err := <-uploaded; err != nil {
			h.t.Errorf("sum: %v", err)
		}
		cl.Send(ctx, "sum", broken)
		h.wants(text, `{"type":1,"target":"sum","arguments":[],"streamIds":["5"]}␞`, `{"type":3,"invocationId":"5","error":"no paper"}␞`)

		cl.On("ask", func(q string) (string, error) { return q + "!", nil })
		cl.On("tell", func() {})
		h.says(text, `{"type":1,"invocationId":"s1","target":"Ask","arguments":["sure"]}␞{"type":1,"invocationId":"s2","target":"tell","arguments":[]}␞`)
		h.wants(text, `{"type":3,"invocationId":"s1","result":"sure!"}␞`, `{"type":3,"invocationId":"s2","result":null}␞`)
		h.says(text, `{"type":1,"invocationId":"s3","target":"nope","arguments":[]}␞`)
		h.wants(text, `{"type":3,"invocationId":"s3","error":"Client didn't provide a result."}␞`)
	})
}

func TestWhatTheClientSaysInMessagePack(t *testing.T) {
	receive(t, "messagepack", func(ctx context.Context, cl *parley.Client, h *host) {
		const binary = websocket.Binary
		h.wants(binary, "\x02\x91\x06")
		var sum int
		called := background(func() error { return cl.Call(ctx, "add", &sum, 1, 2) })
		h.wants(binary, "\x0d\x96\x01\x80\xa11\xa3add\x92\x01\x02\x90")
		h.says(binary, "\x07\x95\x03\x80\xa11\x03\x03")
		if err := <-called; err != nil || sum != 3 {
			h.t.Errorf("add: %d %v", sum, err)
		}
	})
}

// TestPingsOfTheClient: one after the handshake, then one per KeepAlive; none
// over long polling, where polls are enough.
func TestPingsOfTheClient(t *testing.T) {
	const hello, ping = `{"protocol":"json","version":1}␞`, `{"type":6}␞`
	talk(t, []string{"{}␞"}, func(s *strange, l *babbler, o ClientOptions) {
		cl := s.client(o)
		connect(s.t, cl)
		pass(29e9)
		want := hello
		if o.Transports != LongPolling {
			want += ping + ping
		}
		l.wantHeard(s.t, o.Transports.String(), want)
		cl.Close(s.t.Context())
		l.wantHeard(s.t, o.Transports.String(), want+`{"type":7}␞`)
	})
}
