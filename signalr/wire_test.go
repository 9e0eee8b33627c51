package signalr

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// handle gives the hub what the tests call.
func (s *server) handle() {
	hub := s.hub
	hub.Handle("echo", parley.Func(func(v json.RawMessage) json.RawMessage { return v }))
	hub.Handle("add", parley.Func(func(a, b int) int { return a + b }))
	hub.Handle("total", parley.Func(func(sum int, first, second iter.Seq2[int, error]) (int, error) {
		for _, items := range []iter.Seq2[int, error]{first, second} {
			for item, err := range items {
				if err != nil {
					return 0, err
				}
				sum += item
			}
		}
		return sum, nil
	}))
	hub.Handle("nothing", parley.Func(func() {}))
	hub.Handle("fail", parley.Func(func() error { return parley.Errorf("not_found", "no such room") }))
	hub.Handle("boom", parley.Func(func() error { return errors.New("a secret") }))
	hub.Handle("panic", parley.Func(func() { panic("a secret") }))
	hub.Handle("join", parley.Func(func(c *parley.Conn, group string) error { return c.Join(group) }))
	hub.Handle("ask", parley.Func(func(ctx context.Context, c *parley.Conn, q string) (answer string, err error) {
		err = c.Call(ctx, "confirm", &answer, q)
		return answer, err
	}))
	hub.Handle("wait", parley.Func(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
	hub.Handle("who", parley.Func(func(c *parley.Conn) []string {
		r := c.Request()
		return []string{c.User(), r.URL.Query().Get("name"), r.Header.Get("X-User"), c.Transport(), c.Protocol()}
	}))
	parley.Stream[int, int]("count").Handle(hub, func(_ context.Context, _ *parley.Conn, n int, send func(int) error) error {
		for i := range n {
			if err := send(i + 1); err != nil {
				return err
			}
		}
		if n == 0 {
			return errors.New("a secret")
		}
		return nil
	})
	parley.Stream[struct{}, int]("endless").Handle(hub, func(ctx context.Context, _ *parley.Conn, _ struct{}, send func(int) error) error {
		send(1)
		<-ctx.Done()
		return ctx.Err()
	})
}

// A line that begins with > is a frame of the client; one that begins with <
// is the server's next frame.
func TestConversations(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
	}{
		{"results", []string{
			`> {"target":"add","arguments":[1,2],"invocationId":"0","type":1}␞`,
			`< {"type":3,"invocationId":"0","result":3}␞`,
			`> {"type":1,"invocationId":"a b\"","target":"echo","arguments":[{"é":[1,null,"<&>"]}]}␞`,
			`< {"type":3,"invocationId":"a b\"","result":{"é":[1,null,"<&>"]}}␞`,
		}},
		{"a method without a result answers null", []string{
			`> {"target":"nothing","arguments":[],"invocationId":"0","type":1}␞`,
			`< {"type":3,"invocationId":"0","result":null}␞`,
		}},
		{"names without regard to case", []string{
			`> {"target":"ADD","arguments":[1,2],"invocationId":"0","type":1}␞`,
			`< {"type":3,"invocationId":"0","result":3}␞`,
		}},
		{"sends are never answered", []string{
			`> {"target":"add","arguments":[1,2],"type":1}␞{"target":"nope","arguments":[],"type":1}␞{"target":"boom","arguments":[],"type":1}␞`,
			`> {"target":"nothing","arguments":[],"invocationId":"0","type":1}␞`,
			`< {"type":3,"invocationId":"0","result":null}␞`,
		}},
		{"several messages in one frame, one in several", []string{
			`> {"target":"add","arguments":[1,2],"invocationId":"0","type":1}␞{"type":6}␞{"target":"add","argu`,
			`> ments":[3,4],"invocationId":"1","ty`,
			`> pe":1}␞`,
			`< {"type":3,"invocationId":"0","result":3}␞`,
			`< {"type":3,"invocationId":"1","result":7}␞`,
		}},
		{"unknown types and properties are skipped", []string{
			`> {"type":99,"x":[]}␞{"type":8,"sequenceId":1}␞{"type":1,"y":{},"target":"add","arguments":[1,2],"invocationId":"0","headers":{"a":"b"}}␞`,
			`< {"type":3,"invocationId":"0","result":3}␞`,
		}},
		{"errors", []string{
			`> {"target":"fail","arguments":[],"invocationId":"0","type":1}␞`,
			`< {"type":3,"invocationId":"0","error":"An unexpected error occurred invoking 'fail' on the server. HubException: no such room"}␞`,
			`> {"target":"boom","arguments":[],"invocationId":"1","type":1}␞`,
			`< {"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'boom' on the server."}␞`,
			`> {"target":"panic","arguments":[],"invocationId":"2","type":1}␞`,
			`< {"type":3,"invocationId":"2","error":"An unexpected error occurred invoking 'panic' on the server."}␞`,
			`> {"target":"nope","arguments":[],"invocationId":"3","type":1}␞`,
			`< {"type":3,"invocationId":"3","error":"Failed to invoke 'nope' due to an error on the server. HubException: Method does not exist."}␞`,
			`> {"target":"add","arguments":[1],"invocationId":"4","type":1}␞`,
			`< {"type":3,"invocationId":"4","error":"Failed to invoke 'add' due to an error on the server."}␞`,
			`> {"target":"add","arguments":[1,"2"],"invocationId":"5","type":1}␞`,
			`< {"type":3,"invocationId":"5","error":"Failed to invoke 'add' due to an error on the server."}␞`,
		}},
		{"streams", []string{
			`> {"target":"count","arguments":[2],"invocationId":"0","type":4}␞`,
			`< {"type":2,"invocationId":"0","item":1}␞`,
			`< {"type":2,"invocationId":"0","item":2}␞`,
			`< {"type":3,"invocationId":"0"}␞`,
			`> {"target":"count","arguments":[0],"invocationId":"1","type":4}␞`,
			`< {"type":3,"invocationId":"1","error":"An error occurred on the server while streaming results."}␞`,
		}},
		{"a cancelled stream just ends", []string{
			`> {"target":"endless","arguments":[],"invocationId":"0","type":4}␞`,
			`< {"type":2,"invocationId":"0","item":1}␞`,
			`> {"invocationId":"0","type":5}␞`,
			`< {"type":3,"invocationId":"0"}␞`,
			`> {"invocationId":"0","type":5}␞{"invocationId":"never","type":5}␞{"target":"nothing","arguments":[],"invocationId":"1","type":1}␞`,
			`< {"type":3,"invocationId":"1","result":null}␞`,
		}},
		{"an identifier of a running stream", []string{
			`> {"target":"endless","arguments":[],"invocationId":"0","type":4}␞`,
			`< {"type":2,"invocationId":"0","item":1}␞`,
			`> {"target":"endless","arguments":[],"invocationId":"0","type":4}␞`,
			`< {"type":3,"invocationId":"0","error":"Invocation ID '0' is already in use."}␞`,
		}},
		{"a cancelled call has failed", []string{
			`> {"target":"wait","arguments":[],"invocationId":"0","type":1}␞{"invocationId":"0","type":5}␞`,
			`< {"type":3,"invocationId":"0","error":"An unexpected error occurred invoking 'wait' on the server."}␞`,
		}},
		{"streams and calls mistaken for each other", []string{
			`> {"target":"count","arguments":[2],"invocationId":"0","type":1}␞`,
			`< {"type":3,"invocationId":"0","error":"The client attempted to invoke the streaming 'count' method with a non-streaming invocation."}␞`,
			`> {"target":"add","arguments":[1,2],"invocationId":"1","type":4}␞`,
			`< {"type":3,"invocationId":"1","error":"The client attempted to invoke the non-streaming 'add' method with a streaming invocation."}␞`,
		}},
		{"client results", []string{
			`> {"target":"ask","arguments":["sure?"],"invocationId":"0","type":1}␞`,
			`< {"type":1,"invocationId":"s1","target":"confirm","arguments":["sure?"]}␞`,
			`> {"invocationId":"s9","result":"not asked","type":3}␞{"invocationId":"s1","result":"yes","type":3}␞`,
			`< {"type":3,"invocationId":"0","result":"yes"}␞`,
			`> {"target":"ask","arguments":[""],"invocationId":"1","type":1}␞`,
			`< {"type":1,"invocationId":"s2","target":"confirm","arguments":[""]}␞`,
			`> {"invocationId":"s2","result":null,"type":3}␞`,
			`< {"type":3,"invocationId":"1","result":""}␞`,
			`> {"target":"ask","arguments":[""],"invocationId":"2","type":1}␞`,
			`< {"type":1,"invocationId":"s3","target":"confirm","arguments":[""]}␞`,
			`> {"error":"Error: no!","invocationId":"s3","type":3}␞`,
			`< {"type":3,"invocationId":"2","error":"An unexpected error occurred invoking 'ask' on the server. HubException: Error: no!"}␞`,
		}},
		{"uploads are refused", []string{
			`> {"target":"echo","arguments":[],"invocationId":"1","streamIds":["2"],"type":1}␞{"invocationId":"2","item":1,"type":2}␞{"invocationId":"2","type":3}␞`,
			`< {"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'echo' on the server. HubException: Client sent 1 stream(s), Hub method expects 0."}␞`,
			`> {"target":"nope","arguments":[],"streamIds":["3","4"],"type":1}␞{"target":"add","arguments":[1,2],"invocationId":"2","streamIds":[],"type":1}␞`,
			`< {"type":3,"invocationId":"2","result":3}␞`,
		}},
		{"uploads", []string{
			`> {"target":"total","arguments":[100],"invocationId":"1","streamIds":["2","3"],"type":1}␞{"invocationId":"2","item":1,"type":2}␞{"invocationId":"3","item":10,"type":2}␞`,
			`> {"invocationId":"2","item":2,"type":2}␞{"invocationId":"3","type":3}␞{"invocationId":"2","type":3}␞`,
			`< {"type":3,"invocationId":"1","result":113}␞`,
		}},
		{"who is connected", []string{
			`> {"target":"who","arguments":[],"invocationId":"0","type":1}␞`,
			`< {"type":3,"invocationId":"0","result":["ann","Ann","ann","TRANSPORT","json"]}␞`,
		}},
	} {
		for transport, open := range everyTransport {
			t.Run(c.name+" over "+transport, func(t *testing.T) {
				serve(t, nil, func(s *server) {
					s.handle()
					p := open(s)
					p.send(handshake)
					p.want("{}␞")
					for _, line := range c.lines {
						say(t, p, strings.Replace(line, "TRANSPORT", transport, 1))
					}
					p.stop()
				})
			})
		}
	}
}

// talker is a client over any transport.
type talker interface {
	send(data string)
	want(messages ...string)
	stop()
}

var everyTransport = map[string]func(s *server) talker{
	"websocket": func(s *server) talker { return s.open("/chat?name=Ann") },
	"sse":       func(s *server) talker { return s.openEvents() },
	"polling":   func(s *server) talker { return s.openPolls() },
}

// say plays one line of a conversation.
func say(t *testing.T, p talker, line string) {
	t.Helper()
	frame, sent := strings.CutPrefix(line, "> ")
	if sent {
		p.send(frame)
		return
	}
	p.want(strings.TrimPrefix(line, "< "))
}

func TestHandshakes(t *testing.T) {
	const malformed = `{"error":"An unexpected error occurred during connection handshake."}␞`
	for _, c := range []struct{ sent, want string }{
		{`{"protocol":"blazorpack","version":1}␞`, `{"error":"The protocol 'blazorpack' is not supported."}␞`},
		{`{"protocol":"q\"<é>","version":1}␞`, `{"error":"The protocol 'q\"<é>' is not supported."}␞`},
		{`{"protocol":"json","version":9001}␞`, `{"error":"The server does not support version 9001 of the 'json' protocol."}␞`},
		{`{"protocol":"json"}␞`, malformed},
		{`{"version":1}␞`, malformed},
		{`{"protocol":1,"version":1}␞`, malformed},
		{`{"protocol":"json","version":"1"}␞`, malformed},
		{`{"protocol":"json","version":1`, ""},
		{`[]␞`, malformed},
		{`␞`, malformed},
		{`GET / HTTP/1.1␞`, malformed},
		{strings.Repeat("x", 33<<10), `{"error":"Handshake was canceled."}␞`},
	} {
		serve(t, nil, func(s *server) {
			p := s.open("/chat", c.sent)
			if c.want == "" { // nothing more comes: the handshake times out
				c.want = `{"error":"Handshake was canceled."}␞`
			}
			p.want(c.want)
			p.wantClose(1000)
			if got := s.hub.Stats(); got.Opened != 0 {
				t.Errorf("%q: got %d connections, want none", c.sent, got.Opened)
			}
		})
	}
}

func TestHandshakesThatAreFine(t *testing.T) {
	for _, c := range []struct{ name, sent string }{
		{"order, case, unknown properties, version 2", `{"x":[],"version":2,"protocol":"JSON"}␞`},
		{"with the first messages behind it", `{"protocol":"json","version":1}␞{"type":6}␞{"target":"nothing","arguments":[],"type":1}␞`},
	} {
		t.Run(c.name, func(t *testing.T) {
			serve(t, nil, func(s *server) {
				s.handle()
				p := s.open("/chat", c.sent)
				p.want("{}␞")
				p.stop()
			})
		})
	}
	t.Run("byte by byte, in both kinds of frame", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			s.handle()
			p := s.open("/chat")
			all := raw(handshake + `{"target":"add","arguments":[1,2],"invocationId":"0","type":1}␞`)
			for i := range len(all) {
				p.write(websocket.MessageType(1+i%2), all[i:i+1])
			}
			p.want("{}␞", `{"type":3,"invocationId":"0","result":3}␞`)
			p.stop()
		})
	})
}

// MessagePack: the handshake is JSON all the same, its answer and all that
// follows are binary.
func TestMessagePackConversation(t *testing.T) {
	serve(t, nil, func(s *server) {
		s.handle()
		p := s.open("/chat")
		p.write(websocket.Binary, raw(`{"protocol":"messagepack","version":1}␞`)+"\x02\x91\x06")
		p.wantBytes([]byte("{}\x1e"))
		for _, line := range []string{
			"> 95 01 80 a1 '0' a3 'add' 92 01 02",
			"< 95 03 80 a1 '0' 03 03",
			"> 91 06 | 91 63 | 95 01 80 a1 '1' a7 'nothing' 90", // a ping, and a type nobody knows
			"< 95 03 80 a1 '1' 03 c0",
			"> 95 04 80 a1 '2' a5 'count' 91 01",
			"< 94 02 80 a1 '2' 01",
			"< 94 03 80 a1 '2' 02",
			"> 95 01 80 a1 '3' a4 'boom' 90",
			"< 95 03 80 a1 '3' 01 d9 3b 'An unexpected error occurred invoking ' 27 'boom' 27 ' on the server.'",
			"> 92 07 c0",
			"< 93 07 c0 c2",
		} {
			var frame []byte
			for body := range strings.SplitSeq(line[2:], "|") {
				b := unhex(t, body)
				frame = append(append(frame, byte(len(b))), b...)
			}
			if line[0] == '>' {
				p.write(websocket.Binary, string(frame))
				continue
			}
			p.wantBytes(frame)
		}
		p.wantClose(1000)
	})
}

func TestHandshakeTimesOut(t *testing.T) {
	serve(t, &Options{HandshakeTimeout: 3 * time.Second}, func(s *server) {
		start := time.Now()
		p := s.open("/chat")
		p.want(`{"error":"Handshake was canceled."}␞`)
		p.wantClose(1000)
		if took := time.Since(start); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("it took %v, want 3 s", took)
		}
	})
}

func TestDetailedErrors(t *testing.T) {
	serve(t, &Options{DetailedErrors: true}, func(s *server) {
		s.handle()
		p := s.shaken()
		for _, line := range []string{
			`> {"target":"boom","arguments":[],"invocationId":"0","type":1}␞`,
			`< {"type":3,"invocationId":"0","error":"An unexpected error occurred invoking 'boom' on the server. Exception: a secret"}␞`,
			`> {"target":"add","arguments":[1],"invocationId":"1","type":1}␞`,
			`< {"type":3,"invocationId":"1","error":"Failed to invoke 'add' due to an error on the server. InvalidDataException: Invocation provides 1 argument(s) but target expects 2."}␞`,
			`> {"type":"six"}␞`,
			`< {"type":7,"error":"Connection closed with an error. InvalidDataException: expected 'type' to be an integer","allowReconnect":true}␞`,
		} {
			say(t, p, line)
		}
		p.wantClose(1000)
		p = s.open("/chat", `{"version":1}␞`)
		p.want(`{"error":"An unexpected error occurred during connection handshake. InvalidDataException: missing required property 'protocol'"}␞`)
	})
}

func TestOnConnectRefuses(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{parley.Errorf("", "no bad names"), "Connection closed with an error. HubException: no bad names"},
		{errors.New("a secret"), "Connection closed with an error."},
	} {
		serve(t, nil, func(s *server) {
			s.hub.OnConnect(func(context.Context, *parley.Conn) error { return c.err })
			p := s.open("/chat", handshake)
			p.want(`{}␞{"type":7,"error":"` + c.want + `"}␞`)
			p.wantClose(1000)
		})
	}
}

func TestEvents(t *testing.T) {
	serve(t, nil, func(s *server) {
		s.handle()
		p := s.shaken()
		p.send(`{"target":"join","arguments":["lobby"],"invocationId":"0","type":1}␞`)
		p.want(`{"type":3,"invocationId":"0","result":null}␞`)
		if err := s.hub.Group("lobby").Send(s.t.Context(), "said", "ann", json.RawMessage(`{"n":1.50}`)); err != nil {
			t.Fatal(err)
		}
		p.want(`{"type":1,"target":"said","arguments":["ann",{"n":1.50}]}␞`)
		p.stop()
	})
}

// Whoever ends it and however: the WebSocket is closed with 1000 and no
// reason, after a Close that says the rest.
func TestGoodbyes(t *testing.T) {
	t.Run("the application closes", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			s.hub.Handle("leave", parley.Func(func(c *parley.Conn) { c.Close("enough") }))
			p := s.shaken()
			p.send(`{"target":"leave","arguments":[],"type":1}␞`)
			p.want(`{"type":7}␞`)
			p.wantClose(1000)
		})
	})
	t.Run("the hub shuts down", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			p := s.shaken()
			read := make(chan struct{})
			go func() { // ends with the connection
				defer close(read)
				p.want(`{"type":7,"allowReconnect":true}␞`)
				p.wantClose(1000)
			}()
			s.shutdown()
			<-read
		})
	})
	t.Run("the client leaves with an error", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			reason := make(chan error, 1)
			s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
			p := s.shaken()
			p.send(`{"type":7,"error":"I am lost"}␞{"target":"leave","arguments":[],"invocationId":"0","type":1}␞`)
			p.want(`{"type":7}␞`)
			p.wantClose(1000)
			if err := <-reason; err == nil || !strings.Contains(err.Error(), "I am lost") {
				t.Errorf("OnDisconnect: got %v, want the client's reason", err)
			}
		})
	})
	t.Run("the client's close frame has no status", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			reason := make(chan error, 1)
			s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
			p := s.shaken()
			if err := p.conn.Close(websocket.StatusNoStatus, ""); err != nil {
				t.Fatal(err)
			}
			if err := <-reason; err != nil {
				t.Errorf("OnDisconnect: got %v, want nil", err)
			}
			p.wantClose(1000)
		})
	})
}

func TestPingsAndSilence(t *testing.T) {
	t.Run("who never pings is never timed out", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			s.handle()
			p := s.shaken()
			for range 20 {
				start := time.Now()
				p.want(`{"type":6}␞`)
				if took := time.Since(start); took < 14*time.Second || took > 16*time.Second {
					t.Errorf("a ping came after %v, want 15 s", took)
				}
			}
			p.stop()
		})
	})
	t.Run("who has pinged and falls silent is", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			reason := make(chan error, 1)
			s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
			p := s.shaken()
			pass(time.Second)
			p.send(`{"type":6}␞`)
			start := time.Now()
			p.want(`{"type":6}␞`, `{"type":6}␞`, `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}␞`)
			p.wantClose(1000)
			if took := time.Since(start); took < 30*time.Second || took > 46*time.Second {
				t.Errorf("closed after %v, want 30 to 45 s", took)
			}
			if err := <-reason; !errors.Is(err, parley.ErrIdle) {
				t.Errorf("OnDisconnect: got %v, want ErrIdle", err)
			}
		})
	})
	t.Run("a half-open peer, which neither reads nor writes", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			reason := make(chan error, 1)
			s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
			s.shaken()
			start := time.Now()
			err := <-reason
			if took := time.Since(start); err == nil || took > 30*time.Second {
				t.Errorf("got %v after %v, want an error within 30 s", err, took)
			}
		})
	})
}

func TestBadInput(t *testing.T) {
	const closed = `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}␞`
	for _, c := range []struct {
		name string
		send func(p *peer)
	}{
		{"malformed", func(p *peer) { p.send(`{"type":1,␞`) }},
		{"no object", func(p *peer) { p.send(`6␞`) }},
		{"without a type", func(p *peer) { p.send(`{}␞`) }},
		{"without arguments", func(p *peer) { p.send(`{"type":1,"target":"add"}␞`) }},
		{"result and error", func(p *peer) { p.send(`{"type":3,"invocationId":"s1","result":1,"error":"x"}␞`) }},
		{"nested too deeply", func(p *peer) {
			p.send(`{"type":1,"target":"echo","arguments":` + strings.Repeat("[", 12000) + strings.Repeat("]", 12000) + `}␞`)
		}},
		{"not UTF-8", func(p *peer) { p.write(websocket.Binary, "{\"type\":6,\"\xff\":1}\x1e") }},
		{"too long", func(p *peer) {
			p.send(`{"type":1,"target":"echo","arguments":["` + strings.Repeat("x", 32<<10) + `"]}␞`)
		}},
		{"too long, drop by drop, without an end", func(p *peer) {
			for range 33 {
				p.send(strings.Repeat(" ", 1<<10))
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			serve(t, nil, func(s *server) {
				s.handle()
				reason := make(chan error, 2)
				s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
				bad, good := s.shaken(), s.shaken()
				c.send(bad)
				bad.want(closed)
				bad.wantClose(1000)
				if err := <-reason; !errors.Is(err, parley.ErrProtocol) {
					t.Errorf("OnDisconnect: got %v, want ErrProtocol", err)
				}
				good.send(`{"target":"add","arguments":[1,2],"invocationId":"0","type":1}␞`)
				good.want(`{"type":3,"invocationId":"0","result":3}␞`)
				good.stop()
			})
		})
	}
}

func TestWhatTheWebSocketItselfRefuses(t *testing.T) {
	for _, c := range []struct {
		name, data string
		want       websocket.StatusCode
	}{
		{"text that is not UTF-8", "{\"type\":6,\"\xff\":1}\x1e", 1007},
		{"a WebSocket message beyond the limit of a batch", strings.Repeat(" ", 1<<20+1), 1009},
	} {
		t.Run(c.name, func(t *testing.T) {
			serve(t, nil, func(s *server) {
				p := s.shaken()
				sent := make(chan struct{})
				go func() { // ends with the connection
					defer close(sent)
					p.conn.Write(s.t.Context(), websocket.Message{Type: websocket.Text, Data: []byte(c.data)})
				}()
				_, err := p.conn.Read(s.t.Context())
				var closed *websocket.CloseError
				if !errors.As(err, &closed) || closed.Code != c.want {
					t.Errorf("got %v, want a close frame with %d", err, c.want)
				}
				<-sent
			})
		})
	}
}

func TestNobodyWaitsForAClientThatNeverReads(t *testing.T) {
	serve(t, nil, func(s *server) {
		s.handle()
		reason := make(chan error, 2)
		s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
		slow, good := s.shaken(), s.shaken()
		for _, p := range []*peer{slow, good} {
			p.send(`{"target":"join","arguments":["g"],"invocationId":"0","type":1}␞`)
			p.want(`{"type":3,"invocationId":"0","result":null}␞`)
		}
		text := strings.Repeat("x", 1<<10)
		for range 200 {
			if err := s.hub.Group("g").Send(s.t.Context(), "said", text); err != nil {
				t.Fatal(err)
			}
			good.want(`{"type":1,"target":"said","arguments":["` + text + `"]}␞`)
			synctest.Wait()
		}
		if err := <-reason; !errors.Is(err, parley.ErrSlow) {
			t.Errorf("OnDisconnect: got %v, want ErrSlow", err)
		}
		good.stop()
	})
}
