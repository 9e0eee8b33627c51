package signalr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
)

const (
	stateful   = "?negotiateVersion=1&useStatefulReconnect=true"
	handshake2 = `{"protocol":"json","version":2}␞`
)

// resumed is a connection with stateful reconnect, seen from its client's raw
// WebSockets.
type resumed struct {
	*peer
	s     *server
	id    string
	token string
}

// resumes opens one that has shaken hands and said its first ping.
func (s *server) resumes() *resumed {
	s.t.Helper()
	r := &resumed{s: s}
	r.id, r.token = s.negotiate(stateful)
	r.peer = s.open("/chat?id="+r.token, handshake2)
	r.want("{}␞")
	r.send(`{"type":6}␞`)
	return r
}

// cut ends the WebSocket as a network does.
func (r *resumed) cut() {
	r.s.t.Helper()
	r.conn.CloseNow()
	synctest.Wait()
}

// back comes with another WebSocket.
func (r *resumed) back() { r.peer = r.s.open("/chat?id=" + r.token) }

// refused comes with another WebSocket in vain.
func (r *resumed) refused(status int) {
	r.s.t.Helper()
	got, _, _ := r.s.do("GET", "/chat?id="+r.token, "Connection", "Upgrade", "Upgrade", "websocket",
		"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
	if got != status {
		r.s.t.Errorf("coming back: got status %d, want %d", got, status)
	}
}

// farewells tells how connections have ended.
type farewells struct {
	mu   sync.Mutex
	ends []error
}

func (s *server) farewells() *farewells {
	f := &farewells{}
	s.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.ends = append(f.ends, err)
	})
	return f
}

// want wants as many ends as reasons; those may be wrapped.
func (f *farewells) want(t *testing.T, reasons ...error) {
	t.Helper()
	ends := f.list()
	if len(ends) != len(reasons) {
		t.Fatalf("got ends %v, want %v", ends, reasons)
	}
	for i, want := range reasons {
		if !errors.Is(ends[i], want) {
			t.Errorf("got end %v, want %v", ends[i], want)
		}
	}
}

func (f *farewells) list() []error {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.ends)
}

func stay() *Options { return &Options{AllowStatefulReconnect: true} }

func TestStatefulReconnectIsGrantedToWhoAsks(t *testing.T) {
	for _, c := range []struct {
		o     *Options
		query string
		want  bool
	}{
		{stay(), stateful, true},
		{stay(), "?useStatefulReconnect=True", true},
		{stay(), "?negotiateVersion=1", false},
		{stay(), "?negotiateVersion=1&useStatefulReconnect=1", false},
		{nil, stateful, false},
		{&Options{AllowStatefulReconnect: true, Transports: LongPolling}, stateful, false},
	} {
		serve(t, c.o, func(s *server) {
			_, body, _ := s.do("POST", "/chat/negotiate"+c.query)
			if got := strings.HasPrefix(body, `{"useStatefulReconnect":true,"negotiateVersion":`); got != c.want {
				t.Errorf("%s: got %s, want %v", c.query, body, c.want)
			}
		})
	}
}

// A line "cut" cuts the WebSocket, "back" opens the next, "wait 1s" lets time
// pass, and "at once" wants a frame without that.
func TestReconnectConversations(t *testing.T) {
	const closed = `{"type":7,"error":"Connection closed with an error.`
	for _, c := range []struct {
		name  string
		lines []string
	}{
		{"an Ack comes a second after the first message of many", []string{
			`> {"type":1,"target":"nothing","arguments":[]}␞{"type":1,"target":"nothing","arguments":[]}␞`,
			`wait 500ms`,
			`> {"type":1,"target":"nothing","arguments":[]}␞`,
			`< {"type":8,"sequenceId":3}␞`,
			`> {"type":6}␞{"type":8,"sequenceId":0}␞`,
			`wait 10s`,
			`> {"type":1,"target":"nothing","arguments":[],"invocationId":"0"}␞`,
			`< {"type":3,"invocationId":"0","result":null}␞`,
			`< {"type":8,"sequenceId":4}␞`,
		}},
		{"what was not acknowledged comes again, then what was sent meanwhile", []string{
			`> {"type":1,"target":"echo","arguments":["a"],"invocationId":"0"}␞{"type":1,"target":"echo","arguments":["b"],"invocationId":"1"}␞`,
			`< {"type":3,"invocationId":"0","result":"a"}␞`,
			`< {"type":3,"invocationId":"1","result":"b"}␞`,
			`> {"type":8,"sequenceId":1}␞`,
			`wait 100ms`,
			`cut`,
			`wait 2s`,
			`back`,
			`< {"type":9,"sequenceId":2}␞`,
			`< {"type":8,"sequenceId":2}␞`,
			`< {"type":3,"invocationId":"1","result":"b"}␞`,
			`> {"type":9,"sequenceId":3}␞{"type":1,"target":"echo","arguments":["c"],"invocationId":"2"}␞`,
			`< {"type":3,"invocationId":"2","result":"c"}␞`,
			`< {"type":8,"sequenceId":3}␞`,
		}},
		{"what comes twice is done once, and acknowledged twice", []string{
			`> {"type":1,"target":"join","arguments":["a"],"invocationId":"0"}␞`,
			`< {"type":3,"invocationId":"0","result":null}␞`,
			`cut`,
			`back`,
			`< {"type":9,"sequenceId":1}␞`,
			`< {"type":3,"invocationId":"0","result":null}␞`,
			`> {"type":9,"sequenceId":1}␞`,
			`at once < {"type":8,"sequenceId":1}␞`,
			`> {"type":1,"target":"join","arguments":["a"],"invocationId":"0"}␞`,
			`< {"type":8,"sequenceId":1}␞`,
			`> {"type":1,"target":"echo","arguments":[1],"invocationId":"1"}␞`,
			`< {"type":3,"invocationId":"1","result":1}␞`,
		}},
		{"half a message is void", []string{
			`> {"type":1,"target":"echo","argum`,
			`wait 10ms`,
			`cut`,
			`back`,
			`< {"type":9,"sequenceId":1}␞`,
			`> {"type":9,"sequenceId":1}␞{"type":1,"target":"echo","arguments":[1],"invocationId":"0"}␞`,
			`< {"type":3,"invocationId":"0","result":1}␞`,
		}},
		{"nothing counts before the Sequence", []string{
			`cut`,
			`back`,
			`< {"type":9,"sequenceId":1}␞`,
			`> {"type":6}␞{"type":1,"target":"echo","arguments":[1],"invocationId":"0"}␞{"type":8,"sequenceId":77}␞{"type":9,"sequenceId":1}␞`,
			`> {"type":1,"target":"echo","arguments":[2],"invocationId":"1"}␞`,
			`< {"type":3,"invocationId":"1","result":2}␞`,
		}},
		{"a second socket replaces a first one that seems alive", []string{
			`> {"type":1,"target":"echo","arguments":[1],"invocationId":"0"}␞`,
			`< {"type":3,"invocationId":"0","result":1}␞`,
			`back`,
			`< {"type":9,"sequenceId":1}␞`,
			`< {"type":3,"invocationId":"0","result":1}␞`,
			`> {"type":9,"sequenceId":2}␞`,
			`< {"type":8,"sequenceId":1}␞`,
		}},
		{"a Sequence beyond what came", []string{`cut`, `back`, `< {"type":9,"sequenceId":1}␞`, `> {"type":9,"sequenceId":2}␞`,
			`< ` + closed + ` InvalidDataException: Sequence ID greater than amount of messages we've received.","allowReconnect":true}␞`, `closed`}},
		{"a huge Sequence", []string{`cut`, `back`, `< {"type":9,"sequenceId":1}␞`, `> {"type":9,"sequenceId":9223372036854775807}␞`,
			`< ` + closed + ` InvalidDataException: Sequence ID greater than amount of messages we've received.","allowReconnect":true}␞`, `closed`}},
		{"a Sequence of zero", []string{`cut`, `back`, `< {"type":9,"sequenceId":1}␞`, `> {"type":9,"sequenceId":0}␞`,
			`< ` + closed + ` InvalidDataException: Sequence ID less than 1.","allowReconnect":true}␞`, `closed`}},
		{"a negative Sequence", []string{`cut`, `back`, `< {"type":9,"sequenceId":1}␞`, `> {"type":9,"sequenceId":-9223372036854775808}␞`,
			`< ` + closed + ` InvalidDataException: Sequence ID less than 1.","allowReconnect":true}␞`, `closed`}},
		{"a Sequence without need", []string{`> {"type":9,"sequenceId":1}␞`,
			`< ` + closed + ` InvalidDataException: Sequence message without a reconnect.","allowReconnect":true}␞`, `closed`}},
		{"two Sequences", []string{`cut`, `back`, `< {"type":9,"sequenceId":1}␞`, `> {"type":9,"sequenceId":1}␞{"type":9,"sequenceId":1}␞`,
			`< ` + closed + ` InvalidDataException: Sequence message without a reconnect.","allowReconnect":true}␞`, `closed`}},
		{"an Ack of what was never sent", []string{`> {"type":8,"sequenceId":1}␞`,
			`< ` + closed + ` InvalidDataException: Ack of a message that was never sent.","allowReconnect":true}␞`, `closed`}},
		{"a negative Ack", []string{`> {"type":8,"sequenceId":-1}␞`,
			`< ` + closed + ` InvalidDataException: Ack of a message that was never sent.","allowReconnect":true}␞`, `closed`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := stay()
			o.DetailedErrors, o.KeepAlive = true, -1
			serve(t, o, func(s *server) {
				s.handle()
				r := s.resumes()
				for _, line := range c.lines {
					r.follow(line)
				}
			})
		})
	}
}

func (r *resumed) follow(line string) {
	r.s.t.Helper()
	wait, waits := strings.CutPrefix(line, "wait ")
	frame, hurries := strings.CutPrefix(line, "at once < ")
	switch {
	case hurries:
		begun := time.Now()
		r.want(frame)
		if took := time.Since(begun); took > 0 {
			r.s.t.Errorf("%s: it took %v", frame, took)
		}
	case waits:
		d, err := time.ParseDuration(wait)
		if err != nil {
			r.s.t.Fatal(err)
		}
		pass(d)
	case line == "cut":
		r.cut()
	case line == "back":
		r.back()
	case line == "closed":
		r.wantClose(1000)
		synctest.Wait()
		r.refused(404)
	default:
		say(r.s.t, r.peer, line)
	}
}

// Whoever shakes hands in version 1 has no stateful reconnect, whatever was
// granted.
func TestVersionOneIsNotResumed(t *testing.T) {
	serve(t, stay(), func(s *server) {
		s.handle()
		f := s.farewells()
		r := &resumed{s: s}
		_, r.token = s.negotiate(stateful)
		r.peer = s.open("/chat?id="+r.token, handshake)
		r.want("{}␞")
		r.send(`{"type":9,"sequenceId":7}␞{"type":8,"sequenceId":7}␞{"type":1,"target":"nothing","arguments":[],"invocationId":"0"}␞`)
		r.want(`{"type":3,"invocationId":"0","result":null}␞`)
		pass(5 * time.Second) // no Ack
		r.refused(409)
		r.cut()
		f.want(t, io.ErrUnexpectedEOF)
		r.refused(404)
	})
}

func TestAClientThatStaysAwayIsForgotten(t *testing.T) {
	o := stay()
	o.DisconnectTimeout, o.ClientTimeout, o.KeepAlive = 40*time.Second, 2*time.Second, time.Second
	serve(t, o, func(s *server) {
		s.handle()
		f := s.farewells()
		r := s.resumes()
		r.send(`{"type":1,"target":"join","arguments":["a"]}␞{"type":6}␞`)
		synctest.Wait()
		r.cut()
		pass(39 * time.Second) // neither the client timeout nor a ping matters
		f.want(t)
		if c := s.hub.Conn(r.id); c == nil || len(c.Groups()) != 1 {
			t.Fatal("a client that is away is not in its group")
		}
		if err := s.hub.Group("a").Send(s.t.Context(), "said", 1); err != nil {
			t.Fatal(err)
		}
		r.back()
		r.want(`{"type":9,"sequenceId":1}␞`, `{"type":8,"sequenceId":1}␞`, `{"type":1,"target":"said","arguments":[1]}␞`)
		r.send(`{"type":9,"sequenceId":2}␞`)
		r.want(`{"type":6}␞`) // one, of its time
		r.cut()
		pass(41 * time.Second)
		f.want(t, io.ErrUnexpectedEOF)
		r.refused(404)
		if n := s.hub.Stats().Closed["lost"]; n != 1 {
			t.Errorf("%d connections were lost, want 1", n)
		}
	})
}

// Goodbyes of either side end a connection at once, also while its client is
// away.
func TestGoodbyesAreFinal(t *testing.T) {
	for name, end := range map[string]func(s *server, r *resumed){
		"the client's Close": func(_ *server, r *resumed) {
			r.send(`{"type":7}␞`)
			r.want(`{"type":7}␞`)
			r.wantClose(1000)
		},
		"the client's close frame": func(_ *server, r *resumed) { r.conn.Close(1000, "") },
		"Conn.Close": func(s *server, r *resumed) {
			s.hub.Conn(r.id).Close("")
			r.want(`{"type":7}␞`)
			r.wantClose(1000)
		},
		"Conn.CloseNow":            func(s *server, r *resumed) { s.hub.Conn(r.id).CloseNow() },
		"Conn.Close while away":    func(s *server, r *resumed) { r.cut(); s.hub.Conn(r.id).Close("") },
		"Conn.CloseNow while away": func(s *server, r *resumed) { r.cut(); s.hub.Conn(r.id).CloseNow() },
		"Shutdown while away":      func(s *server, r *resumed) { r.cut(); s.shutdown() },
		"Shutdown": func(s *server, r *resumed) {
			done := make(chan struct{})
			go func() { // ends with Shutdown
				s.shutdown()
				close(done)
			}()
			r.want(`{"type":7,"allowReconnect":true}␞`)
			r.wantClose(1000)
			<-done
		},
	} {
		t.Run(name, func(t *testing.T) {
			serve(t, stay(), func(s *server) {
				f := s.farewells()
				r := s.resumes()
				synctest.Wait()
				end(s, r)
				if ends := f.list(); len(ends) != 1 {
					t.Errorf("got ends %v, want one", ends)
				}
				r.refused(404)
			})
		})
	}
}

// npm's client counts from the moment it has dealt with the handshake's
// answer, and not what has come along with it. Its Ping tells that it is ready.
func TestNothingIsSentToAClientThatDoesNotCountYet(t *testing.T) {
	for name, says := range map[string]string{"a Ping": `{"type":6}␞`, "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			serve(t, stay(), func(s *server) {
				s.hub.OnConnect(func(ctx context.Context, c *parley.Conn) error { return c.Send(ctx, "welcome", 1) })
				_, token := s.negotiate(stateful)
				p := s.open("/chat?id="+token, handshake2)
				p.want("{}␞")
				begun := time.Now()
				if says != "" {
					pass(100 * time.Millisecond)
					p.send(says)
				}
				p.want(`{"type":1,"target":"welcome","arguments":[1]}␞`)
				if took, want := time.Since(begun), settling; says == "" && took != want || says != "" && took > 110*time.Millisecond {
					t.Errorf("it took %v", took)
				}
				p.stop()
			})
		})
	}
}

// Nothing goes before the handshake's answer, however long OnConnect takes.
func TestTheHandshakesAnswerIsFirst(t *testing.T) {
	o := stay()
	o.KeepAlive = time.Second
	serve(t, o, func(s *server) {
		s.handle()
		s.hub.OnConnect(func(context.Context, *parley.Conn) error { pass(10 * time.Second); return nil })
		_, token := s.negotiate(stateful)
		p := s.open("/chat?id="+token, handshake2+`{"type":6}␞{"type":1,"target":"nothing","arguments":[]}␞`)
		p.want("{}␞", `{"type":8,"sequenceId":1}␞`)
		p.stop()
	})
}

// What was not sent yet to a client that did not count is sent when it comes
// back.
func TestAClientIsCutOffBeforeItCounts(t *testing.T) {
	serve(t, stay(), func(s *server) {
		s.hub.OnConnect(func(ctx context.Context, c *parley.Conn) error { return c.Send(ctx, "welcome", 1) })
		r := &resumed{s: s}
		_, r.token = s.negotiate(stateful)
		r.peer = s.open("/chat?id="+r.token, handshake2)
		r.want("{}␞")
		r.cut()
		r.back()
		r.want(`{"type":9,"sequenceId":1}␞`, `{"type":1,"target":"welcome","arguments":[1]}␞`)
		r.send(`{"type":9,"sequenceId":1}␞`)
		r.stop()
	})
}

// A client that never acknowledges is told that it is too slow; one that does
// goes on.
func TestWhoNeverAcknowledgesIsTold(t *testing.T) {
	o := stay()
	o.StatefulReconnectBuffer = 10_000
	serve(t, o, func(s *server) { // whose queues have 64 KiB
		f := s.farewells()
		r := s.resumes()
		var got []string
		read := make(chan struct{})
		go func() { // ends with the connection
			defer close(read)
			for m, err := range r.conn.Messages(s.t.Context()) {
				if err != nil {
					return
				}
				got = append(got, readable(string(m.Data)))
			}
		}()
		synctest.Wait()
		for i := 0; s.hub.Conn(r.id) != nil; i++ {
			if err := s.hub.Send(s.t.Context(), "said", i, strings.Repeat("x", 1000)); err != nil || i > 1000 {
				t.Fatalf("message %d: %v", i, err)
			}
			synctest.Wait()
		}
		<-read
		f.want(t, parley.ErrSlow)
		last := len(got) - 1
		for i, frame := range got[:last] {
			if !strings.HasPrefix(frame, fmt.Sprintf(`{"type":1,"target":"said","arguments":[%d,`, i)) {
				t.Fatalf("message %d: got %.60s", i, frame)
			}
		}
		if got[last] != `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}␞` || last != 10 {
			t.Errorf("after %d messages, want 10: got %.100s", last, got[last])
		}
		if n := s.hub.Stats().Dropped["slow"]; n < 60 || n > 65 {
			t.Errorf("%d messages were dropped, want the queue's, about 63", n)
		}
	})
}

func TestAcksLetTheRestThrough(t *testing.T) {
	o := stay()
	o.StatefulReconnectBuffer = 100
	serve(t, o, func(s *server) {
		r := s.resumes()
		synctest.Wait()
		for i := range 100 {
			if err := s.hub.Send(s.t.Context(), "said", i); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		for i := 0; i < 100; {
			_, err := fmt.Sscanf(r.next(), `{"type":1,"target":"said","arguments":[%d]}`, &i)
			if err != nil {
				t.Fatal(err)
			}
			i++
			r.send(fmt.Sprintf(`{"type":8,"sequenceId":%d}␞`, i))
		}
		r.stop()
	})
}

// next is the next frame.
func (p *peer) next() string {
	p.t.Helper()
	m, err := p.conn.Read(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return readable(string(m.Data))
}
