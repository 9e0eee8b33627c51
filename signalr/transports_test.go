package signalr

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// reply is what a request was answered with.
type reply struct {
	status int
	body   string
	header http.Header
	err    error
}

func (r reply) String() string {
	if r.err != nil {
		return r.err.Error()
	}
	return fmt.Sprintf("%d %q %s", r.status, readable(r.body), r.header.Get("Content-Type"))
}

// request sends a request with a body and reads the whole answer.
func (n *network) request(ctx context.Context, method, path, body string, header ...string) reply {
	req, err := http.NewRequestWithContext(ctx, method, "http://hub"+path, strings.NewReader(raw(body)))
	if err != nil {
		return reply{err: err}
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := n.http.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, string(data), resp.Header, err}
}

// connected is a negotiated connection as its client sees it.
type connected struct {
	s     *server
	token string
}

func (s *server) negotiated() *connected {
	s.t.Helper()
	_, token := s.negotiate("?negotiateVersion=1")
	return &connected{s, token}
}

func (c *connected) path() string { return "/chat?name=Ann&id=" + c.token }

func (c *connected) poll() reply { return c.pollWithin(c.s.t.Context()) }

func (c *connected) pollWithin(ctx context.Context) reply {
	return c.s.request(ctx, "GET", c.path()+"&_=1700000000000", "", "X-User", "ann")
}

// polling is a poll under way, which waits when polling returns.
func (c *connected) polling() <-chan reply {
	answer := make(chan reply, 1)
	go func() { answer <- c.poll() }() // ends with the poll, in the test's bubble
	synctest.Wait()
	return answer
}

func (c *connected) post(body string) reply {
	return c.s.request(c.s.t.Context(), "POST", c.path(), body, "X-User", "ann", "Content-Type", "text/plain;charset=UTF-8")
}

func (c *connected) delete() reply { return c.s.request(c.s.t.Context(), "DELETE", c.path(), "") }

// want compares an answer with a status, a body and a type.
func (c *connected) want(what string, got reply, status int, body, contentType string) {
	c.s.t.Helper()
	if want := (reply{status: status, body: raw(body), header: http.Header{"Content-Type": {contentType}}}); got.String() != want.String() {
		c.s.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

const (
	octets    = "application/octet-stream"
	plainText = "text/plain"
)

// polled is a connection over long polling that has shaken hands.
func (s *server) polled() *connected {
	s.t.Helper()
	c := s.negotiated()
	c.want("the first poll", c.poll(), 200, "", octets)
	c.want("the handshake", c.post(handshake), 200, "", plainText)
	c.want("its answer", c.poll(), 200, "{}␞", octets)
	return c
}

// stop says goodbye.
func (c *connected) stop() {
	c.s.t.Helper()
	c.want("DELETE", c.delete(), 202, "", plainText)
	synctest.Wait()
}

// A stream is a client whose messages travel as a stream of bytes.
type stream struct {
	*connected
	got   string
	more  func() (string, error)
	leave func() // without a word
}

// openers make a client that has not yet shaken hands, by transport.
var openers = map[string]func(s *server) *stream{
	"polling": (*server).openPolls,
	"sse":     (*server).openEvents,
}

func (s *server) openPolls() *stream {
	c := s.negotiated()
	c.want("the first poll", c.poll(), 200, "", octets)
	return c.stream()
}

// stream reads polls as a stream.
func (c *connected) stream() *stream {
	return &stream{connected: c, more: func() (string, error) {
		r := c.poll()
		if r.err == nil && r.status != 200 {
			r.err = fmt.Errorf("status %d", r.status)
		}
		return r.body, r.err
	}}
}

func (s *server) openEvents() *stream {
	c := s.negotiated()
	return c.eventStream(c.path(), http.Header{"X-User": {"ann"}})
}

// eventStream opens the event stream and reads it.
func (c *connected) eventStream(path string, header http.Header) *stream {
	c.s.t.Helper()
	events := c.events(path, header)
	c.s.t.Cleanup(func() { events.Body.Close() })
	lines := bufio.NewReader(events.Body)
	if first, err := lines.ReadString('\n'); first != ":\r\n" {
		c.s.t.Fatalf("the first line: got %q, %v", first, err)
	}
	return &stream{connected: c, more: func() (string, error) { return nextEvent(lines) }, leave: func() { events.Body.Close() }}
}

// events opens the event stream.
func (c *connected) events(path string, header http.Header) *http.Response {
	c.s.t.Helper()
	req, err := http.NewRequestWithContext(c.s.t.Context(), "GET", "http://hub"+path, nil)
	if err != nil {
		c.s.t.Fatal(err)
	}
	req.Header = header.Clone()
	req.Header.Set("Accept", "text/event-stream")
	resp, err := c.s.http.Do(req)
	if err != nil {
		c.s.t.Fatal(err)
	}
	return resp
}

// nextEvent reads one event of one line, which must be written to the letter.
func nextEvent(lines *bufio.Reader) (string, error) {
	line, err := lines.ReadString('\n')
	if err != nil {
		return "", err
	}
	data, isData := strings.CutPrefix(line, "data: ")
	end, err := lines.ReadString('\n')
	if err != nil || end != "\r\n" || !isData || !strings.HasSuffix(data, "\r\n") {
		return "", fmt.Errorf("got lines %q and %q, %v", line, end, err)
	}
	return strings.TrimSuffix(data, "\r\n"), nil
}

func (p *stream) send(data string) {
	p.s.t.Helper()
	p.connected.want("POST", p.post(data), 200, "", plainText)
}

// want reads as many bytes as it takes.
func (p *stream) want(messages ...string) {
	p.s.t.Helper()
	for _, want := range messages {
		for len(p.got) < len(raw(want)) {
			more, err := p.more()
			if err != nil {
				p.s.t.Fatalf("got %s and %v, want %s", readable(p.got), err, want)
			}
			p.got += more
		}
		if got := readable(p.got[:len(raw(want))]); got != want {
			p.s.t.Fatalf("got  %s\nwant %s", got, want)
		}
		p.got = p.got[len(raw(want)):]
	}
}

// wantEnd reads the end, which comes after all messages.
func (p *stream) wantEnd() {
	p.s.t.Helper()
	for {
		more, err := p.more()
		if err != nil {
			break
		}
		p.got += more
	}
	if p.got != "" {
		p.s.t.Errorf("got %s, want nothing more", readable(p.got))
	}
	synctest.Wait()
}

func (p *stream) stop() {
	p.s.t.Helper()
	p.send(`{"type":7}␞`)
	p.want(`{"type":7}␞`)
	p.wantEnd()
}

// Each row is a situation of the transport protocols and its answer.
func TestAnswersOfTransports(t *testing.T) {
	const del = "Cannot terminate this connection using the DELETE endpoint."
	for _, c := range []struct {
		name string
		o    Options
		do   func(s *server) reply
		want reply
	}{
		{"a POST before any transport is accepted", Options{}, func(s *server) reply { return s.negotiated().post(handshake) },
			reply{status: 200}},
		{"DELETE before any transport", Options{}, func(s *server) reply { return s.negotiated().delete() },
			reply{status: 400, body: del}},
		{"DELETE of an event stream", Options{}, func(s *server) reply { return s.openEvents().delete() },
			reply{status: 400, body: del}},
		{"a poll on an event stream", Options{}, func(s *server) reply { return s.openEvents().poll() },
			reply{status: 400, body: "Cannot change transports mid-connection"}},
		{"an event stream on a polling connection", Options{}, func(s *server) reply {
			return s.request(s.t.Context(), "GET", s.polled().path(), "", "Accept", "text/event-stream")
		}, reply{status: 400, body: "Cannot change transports mid-connection"}},
		{"a second event stream", Options{}, func(s *server) reply {
			return s.request(s.t.Context(), "GET", s.openEvents().path(), "", "Accept", "text/event-stream")
		}, reply{status: 409}},
		{"an event stream where there are none", Options{Transports: LongPolling}, func(s *server) reply {
			return s.request(s.t.Context(), "GET", s.negotiated().path(), "", "Accept", "text/event-stream")
		}, reply{status: 404, body: "ServerSentEvents transport not supported by this end point type"}},
		{"a poll where there are none", Options{Transports: ServerSentEvents}, func(s *server) reply { return s.negotiated().poll() },
			reply{status: 404, body: "LongPolling transport not supported by this end point type"}},
		{"a WebSocket where there are none", Options{Transports: LongPolling | ServerSentEvents}, func(s *server) reply {
			return s.upgrade("/chat")
		}, reply{status: 404, body: "WebSockets transport not supported by this end point type"}},
		{"a WebSocket on a polling connection", Options{}, func(s *server) reply { return s.upgrade(s.polled().path()) },
			reply{status: 400, body: "Cannot change transports mid-connection"}},
		{"a poll on a WebSocket", Options{}, func(s *server) reply {
			c := s.negotiated()
			s.open(c.path(), handshake).want("{}␞")
			return c.poll()
		}, reply{status: 400, body: "Cannot change transports mid-connection"}},
		{"POST to a WebSocket", Options{}, func(s *server) reply {
			c := s.negotiated()
			s.open(c.path(), handshake).want("{}␞")
			return c.post("x")
		}, reply{status: 405, body: post}},
		{"a poll after DELETE", Options{}, func(s *server) reply {
			c := s.polled()
			c.stop()
			return c.poll()
		}, reply{status: 404, body: unknownID}},
		{"POST after DELETE", Options{}, func(s *server) reply {
			c := s.polled()
			c.stop()
			return c.post("x")
		}, reply{status: 404, body: unknownID}},
		{"DELETE twice", Options{}, func(s *server) reply {
			c := s.polled()
			c.stop()
			return c.delete()
		}, reply{status: 404, body: unknownID}},
		{"a body over the limit", Options{MaxPostBytes: 10}, func(s *server) reply { return s.negotiated().post("12345678901") },
			reply{status: 413}},
		{"a body over the limit, of which nobody knows", Options{MaxPostBytes: 10}, func(s *server) reply {
			body := io.MultiReader(strings.NewReader("12345678901")) // hides the length
			req, _ := http.NewRequestWithContext(s.t.Context(), "POST", "http://hub"+s.negotiated().path(), body)
			resp, err := s.http.Do(req)
			if err != nil {
				return reply{err: err}
			}
			resp.Body.Close()
			pass(time.Second) // net/http lingers on a connection whose body it has not read
			return reply{status: resp.StatusCode, header: resp.Header}
		}, reply{status: 413}},
		{"another method", Options{}, func(s *server) reply {
			return s.request(s.t.Context(), "PATCH", s.negotiated().path(), "")
		}, reply{status: 405}},
	} {
		t.Run(c.name, func(t *testing.T) {
			serve(t, &c.o, func(s *server) {
				got := c.do(s)
				c.want.header = http.Header{"Content-Type": {plainText}}
				if got.String() != c.want.String() {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
}

// upgrade asks for a WebSocket and is refused.
func (s *server) upgrade(path string) reply {
	return s.request(s.t.Context(), "GET", path, "", "Connection", "Upgrade", "Upgrade", "websocket",
		"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

func TestPollAnswers(t *testing.T) {
	t.Run("no poll may be stored", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			c := s.negotiated()
			first := c.poll()
			c.post(`{"protocol":"?","version":1}␞`)
			refusal, end := c.poll(), c.poll()
			synctest.Wait() // until the connection is forgotten: before, the answer has no text
			for _, answer := range []struct {
				reply
				code, length string
			}{{first, "200", "0"}, {refusal, "200", "47"}, {end, "204", ""}, {c.poll(), "404", "26"}} {
				h := answer.header
				got := []string{fmt.Sprint(answer.status), h.Get("Cache-Control"), h.Get("Pragma"), h.Get("Expires"), h.Get("Content-Length")}
				want := []string{answer.code, "no-cache, no-store", "no-cache", "Thu, 01 Jan 1970 00:00:00 GMT", answer.length}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	})
	t.Run("nothing came in time", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			c := s.polled()
			start := time.Now()
			c.want("a poll", c.poll(), 200, "", plainText)
			if took := time.Since(start); took != 90*time.Second {
				t.Errorf("it waited %v, want 90 s and no ping", took)
			}
			c.stop()
		})
	})
	t.Run("another poll takes its place", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			s.handle()
			c := s.polled()
			first := c.polling()
			second := c.polling()
			c.want("the first", <-first, 204, "", plainText)
			c.post(`{"target":"add","arguments":[1,2],"invocationId":"0","type":1}␞`)
			c.want("the second", <-second, 200, `{"type":3,"invocationId":"0","result":3}␞`, octets)
			c.stop()
		})
	})
	t.Run("the application closes", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			s.hub.Handle("leave", parley.Func(func(c *parley.Conn) { c.Close("enough") }))
			c := s.polled()
			c.post(`{"target":"leave","arguments":[],"type":1}␞`)
			c.want("what was said before", c.poll(), 200, `{"type":7}␞`, octets)
			c.want("the end", c.poll(), 204, "", plainText)
			synctest.Wait()
			c.want("after it", c.poll(), 404, unknownID, plainText)
		})
	})
	t.Run("the hub shuts down while a poll waits", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			c := s.polled()
			waiting := c.polling()
			ended := make(chan struct{})
			go func() { // ends with the hub
				defer close(ended)
				s.shutdown()
			}()
			c.want("the goodbye", <-waiting, 200, `{"type":7,"allowReconnect":true}␞`, octets)
			c.want("the end", c.poll(), 204, "", plainText)
			<-ended
			c = s.negotiated()
			if got := c.poll(); got.status != 503 {
				t.Errorf("a first poll after the end: got %v, want 503", got)
			}
		})
	})
	for _, waits := range []bool{true, false} {
		t.Run(fmt.Sprintf("a message over the limit while a poll waits: %v", waits), func(t *testing.T) {
			serve(t, nil, func(s *server) {
				s.handle()
				c := s.polled()
				answer := func() reply { return c.poll() }
				if waits {
					waiting := c.polling()
					answer = func() reply { return <-waiting }
				}
				c.post(`{"target":"echo","arguments":["` + strings.Repeat("x", 65_536) + `"],"type":1}␞`)
				c.want("why it ends", answer(), 200, `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}␞`, octets)
				c.want("the end", c.poll(), 204, "", plainText)
			})
		})
	}
	t.Run("DELETE while a poll waits", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			reason := make(chan error, 1)
			s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
			c := s.polled()
			waiting := c.polling()
			c.stop()
			c.want("the poll", <-waiting, 204, "", plainText)
			if err := <-reason; err != nil {
				t.Errorf("OnDisconnect: got %v, want nil", err)
			}
		})
	})
}

// A client that goes away during a poll may come back, and has missed nothing.
func TestPollThatIsAbandoned(t *testing.T) {
	serve(t, nil, func(s *server) {
		s.handle()
		c := s.polled()
		c.post(`{"target":"join","arguments":["g"],"invocationId":"0","type":1}␞`)
		c.want("join", c.poll(), 200, `{"type":3,"invocationId":"0","result":null}␞`, octets)
		ctx, cancel := context.WithCancel(s.t.Context())
		waiting := make(chan reply)
		go func() { waiting <- c.pollWithin(ctx) }() // ends with ctx
		synctest.Wait()
		cancel()
		if got := <-waiting; got.err == nil {
			t.Errorf("an abandoned poll got %v", got)
		}
		synctest.Wait()
		if err := s.hub.Group("g").Send(s.t.Context(), "said", 1); err != nil {
			t.Fatal(err)
		}
		pass(14 * time.Second)
		c.want("the next poll", c.poll(), 200, `{"type":1,"target":"said","arguments":[1]}␞`, octets)
		c.stop()
	})
}

func TestClientThatNeverPollsAgain(t *testing.T) {
	serve(t, nil, func(s *server) {
		reason := make(chan error, 1)
		s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
		c := s.polled()
		start := time.Now()
		if err := <-reason; !errors.Is(err, parley.ErrIdle) || time.Since(start) != 15*time.Second {
			t.Errorf("OnDisconnect: got %v after %v, want ErrIdle after 15 s", err, time.Since(start))
		}
		c.want("POST", c.post("x"), 404, unknownID, plainText)
	})
}

func TestEventStreamHeaders(t *testing.T) {
	serve(t, nil, func(s *server) {
		c := s.negotiated()
		events := c.events(c.path(), http.Header{})
		defer events.Body.Close()
		for name, want := range map[string]string{
			"Content-Type":     "text/event-stream",
			"Cache-Control":    "no-cache,no-store",
			"Pragma":           "no-cache",
			"Content-Encoding": "identity",
		} {
			if got := events.Header.Get(name); events.StatusCode != 200 || got != want {
				t.Errorf("%d %s: got %q, want %q", events.StatusCode, name, got, want)
			}
		}
	})
}

func TestEventStreamThatIsLeft(t *testing.T) {
	serve(t, nil, func(s *server) {
		reason := make(chan error, 1)
		s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
		p := s.openEvents()
		p.send(handshake)
		p.want("{}␞")
		p.leave()
		if err := <-reason; err != nil {
			t.Errorf("OnDisconnect: got %v, want nil", err)
		}
		synctest.Wait()
		p.connected.want("POST", p.post("x"), 404, unknownID, plainText)
	})
}

// Pings keep an event stream open. Polls need none, and clients that poll send
// none.
func TestPingsOfTransports(t *testing.T) {
	serve(t, nil, func(s *server) {
		events := s.openEvents()
		events.send(handshake)
		events.want("{}␞")
		start := time.Now()
		events.want(`{"type":6}␞`, `{"type":6}␞`)
		if took := time.Since(start); took < 28*time.Second || took > 32*time.Second {
			t.Errorf("two pings came after %v, want 30 s", took)
		}
		events.stop()

		polls := s.polled()
		for range 10 {
			polls.want("a poll", polls.poll(), 200, "", plainText)
		}
		polls.stop()
	})
}

// What POSTs bring is one stream of bytes, wherever they are cut, and also
// what came before the transport.
func TestPostsAreOneStream(t *testing.T) {
	const calls = handshake + `{"target":"add","arguments":[1,2],"invocationId":"0","type":1}␞{"target":"add","arguments":[3,4],"invocationId":"1","type":1}␞`
	const answers = `{}␞{"type":3,"invocationId":"0","result":3}␞{"type":3,"invocationId":"1","result":7}␞`
	for name, open := range openers {
		t.Run(name, func(t *testing.T) {
			serve(t, nil, func(s *server) {
				s.handle()
				p := open(s)
				for i := 0; i < len(raw(calls)); i += 7 {
					p.send(raw(calls)[i:min(i+7, len(raw(calls)))])
				}
				p.want(answers)
				p.stop()
			})
		})
	}
	t.Run("before the transport", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			s.handle()
			c := s.negotiated()
			c.post(calls[:50])
			c.post(calls[50:])
			c.poll()
			c.stream().want(answers)
			c.stop()
		})
	})
	t.Run("at the same time, each whole", func(t *testing.T) {
		serve(t, nil, func(s *server) {
			s.handle()
			c := s.polled()
			const posts = 20
			call := `{"type":1,"target":"nothing","arguments":[],"headers":{"x":"` + strings.Repeat("y", 20<<10) + `"}}␞` // longer than a piece
			done := make(chan reply)
			for range posts {
				go func() { done <- c.post(call) }() // ends with its answer
			}
			for range posts {
				c.want("POST", <-done, 200, "", plainText)
			}
			if got := s.hub.Stats(); got.Received < posts {
				t.Errorf("%d messages arrived, want %d", got.Received, posts)
			}
			c.stop()
		})
	})
}

// What comes before the transport is kept within limits. More waits for it.
func TestPostsThatWaitForTheirTransport(t *testing.T) {
	serve(t, &Options{InputBuffer: len(handshake) + 10}, func(s *server) {
		s.handle()
		c := s.negotiated()
		c.want("what fits", c.post(handshake), 200, "", plainText)
		waiting := make(chan reply, 1)
		go func() { // ends with its answer
			waiting <- c.post(`{"target":"nothing","arguments":[],"invocationId":"0","type":1}␞`)
		}()
		synctest.Wait()
		if len(waiting) > 0 {
			t.Fatalf("beyond the limit: got %v, want it to wait", <-waiting)
		}
		c.poll()
		c.want("with the transport", <-waiting, 200, "", plainText)
		c.stream().want(`{}␞{"type":3,"invocationId":"0","result":null}␞`)
		c.stop()

		late := s.negotiated()
		start := time.Now()
		late.want("no transport came", late.post(strings.Repeat("x", 100)), 404, "", plainText)
		if took := time.Since(start); took != 15*time.Second {
			t.Errorf("it waited %v, want 15 s", took)
		}
	})
}

// A call that comes before its WebSocket does not wait for what that brings.
func TestCallsBeforeTheirWebSocket(t *testing.T) {
	serve(t, nil, func(s *server) {
		s.handle()
		c := s.negotiated()
		c.want("a call", c.post(handshake+`{"type":1,"invocationId":"0","target":"add","arguments":[1,2]}␞`), 200, "", plainText)
		p := s.open(c.path())
		p.want("{}␞", `{"type":3,"invocationId":"0","result":3}␞`)
		p.stop()
	})
}

// A hub that shuts down says goodbye over every transport.
func TestShutdownOverEveryTransport(t *testing.T) {
	for name, open := range openers {
		t.Run(name, func(t *testing.T) {
			serve(t, nil, func(s *server) {
				p := open(s)
				p.send(handshake)
				p.want("{}␞")
				ended := make(chan struct{})
				go func() { // ends with the hub
					defer close(ended)
					s.shutdown()
				}()
				p.want(comeBack)
				p.wantEnd()
				<-ended
			})
		})
	}
}

func TestHandshakeTimesOutOverEveryTransport(t *testing.T) {
	for name, open := range openers {
		t.Run(name, func(t *testing.T) {
			serve(t, &Options{HandshakeTimeout: 3 * time.Second}, func(s *server) {
				start := time.Now()
				p := open(s)
				p.want(`{"error":"Handshake was canceled."}␞`)
				if took := time.Since(start); took < 3*time.Second || took > 4*time.Second {
					t.Errorf("it took %v, want 3 s", took)
				}
				p.wantEnd()
			})
		})
	}
}

// Connections that begin while the hub ends are served or refused, never lost
// in between.
func TestShutdownWhileConnectionsBegin(t *testing.T) {
	serve(t, nil, func(s *server) {
		begun := make(chan reply)
		const each = 20
		for range each {
			polls, events := s.negotiated(), s.negotiated()
			go func() { begun <- polls.poll() }() // ends with its answer, as the others do
			go func() { begun <- s.request(s.t.Context(), "GET", events.path(), "", "Accept", "text/event-stream") }()
			go func() { begun <- polls.post(handshake) }()
		}
		s.shutdown()
		for range 3 * each {
			if got := <-begun; got.status != 200 && got.status != 503 && got.status != 404 {
				t.Errorf("got %v, want 200, 503 or 404", got)
			}
		}
		if got := s.hub.Stats().Conns; got != 0 {
			t.Errorf("%d connections are left", got)
		}
	})
}

// The handshake is text. What answers it has the form of what was chosen, and
// an event stream carries no binary form.
func TestTransferFormats(t *testing.T) {
	const packed = `{"protocol":"MessagePack","version":1}␞`
	serve(t, nil, func(s *server) {
		events := s.openEvents()
		events.send(packed)
		events.want(`{"error":"Cannot use the 'MessagePack' protocol on the current transport. The transport does not support 'Binary' transfer format."}␞`)
		events.wantEnd()

		p := s.open("/chat", packed)
		m, err := p.conn.Read(s.t.Context())
		if err != nil || m.Type != websocket.Binary || string(m.Data) != "{}\x1e" {
			t.Errorf("over a WebSocket: got %v %q, %v, want {} in binary", m.Type, m.Data, err)
		}
		p.write(websocket.Binary, "\x02\x91\x06") // a Ping
		p.write(websocket.Binary, "\x04\x93\x07\xc0\xc2")
		if m, err = p.conn.Read(s.t.Context()); err != nil || string(m.Data) != "\x04\x93\x07\xc0\xc2" {
			t.Errorf("the goodbye: got %x, %v", m.Data, err)
		}
		p.wantClose(1000)

		polls := s.openPolls()
		polls.send(packed)
		polls.want("{}␞")
		polls.send("\x04\x93\x07\xc0\xc2")
		polls.want("\x04\x93\x07\xc0\xc2")
		polls.wantEnd()
	})
}
