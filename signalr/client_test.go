package signalr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// client makes a client that reaches the server.
func (n *network) client(o ClientOptions) *parley.Client {
	o.HTTPClient = n.http
	return NewClient("http://hub/chat?name=Ann", &o)
}

func connect(t *testing.T, cl *parley.Client) {
	t.Helper()
	if err := cl.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, want parley.Error) {
	t.Helper()
	var got *parley.Error
	if !errors.As(err, &got) || got.Code != want.Code || got.Message != want.Message {
		t.Errorf("got %#v, want %#v", err, want)
	}
}

// babbler is a server that says the same to every client, whatever it hears, with
// a pause before each of its words, and then listens until the end.
type babbler struct {
	words []string // each a message of a WebSocket, an event, or the answer to a poll

	mu    sync.Mutex
	said  int // of the words, to polls
	heard string
	first bool // a poll has come
}

// talk runs body with a babbler and each kind of transport.
func talk(t *testing.T, words []string, body func(s *strange, l *babbler, o ClientOptions)) {
	t.Helper()
	for _, kind := range []Transports{WebSockets, ServerSentEvents, LongPolling} {
		l := &babbler{words: words}
		meetStrange(t, l.answer, func(s *strange) { body(s, l, ClientOptions{Transports: kind}) })
	}
}

func (l *babbler) answer(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/negotiate"):
		io.WriteString(w, offersAll)
	case r.Header.Get("Upgrade") != "":
		l.webSocket(w, r)
	case r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		l.hear(body)
	case r.Header.Get("Accept") == "text/event-stream":
		l.events(w, r)
	case r.Method == http.MethodGet:
		l.poll(w, r)
	}
}

func (l *babbler) hear(data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard += readable(string(data))
}

func (l *babbler) wantHeard(t *testing.T, what, want string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.heard != want {
		t.Errorf("%s: the server heard\n\t%s\nwant\n\t%s", what, l.heard, want)
	}
}

func (l *babbler) webSocket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for _, words := range l.words {
		pass(10 * time.Millisecond)
		c.Write(context.Background(), websocket.Message{Type: websocket.Text, Data: []byte(raw(words))})
	}
	for m, err := range c.Messages(context.Background()) {
		if err == nil {
			l.hear(m.Data)
		}
	}
}

func (l *babbler) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, words := range l.words {
		w.(http.Flusher).Flush()
		pass(10 * time.Millisecond)
		fmt.Fprintf(w, "data: %s\r\n\r\n", raw(words))
	}
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

func (l *babbler) poll(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	first := !l.first
	l.first = true
	words := ""
	if !first && l.said < len(l.words) {
		words = l.words[l.said]
		l.said++
	}
	l.mu.Unlock()
	switch {
	case words != "":
		pass(10 * time.Millisecond)
	case !first:
		<-r.Context().Done()
	}
	io.WriteString(w, raw(words))
}

func TestClientTimesOutASilentServer(t *testing.T) {
	talk(t, []string{`{}␞`}, func(s *strange, _ *babbler, o ClientOptions) {
		lost := make(chan error, 1)
		o.Reconnect, o.OnDisconnect = parley.Backoff{Off: true}, func(err error, _ bool) { lost <- err }
		cl := s.client(o)
		connect(s.t, cl)
		pass(35 * time.Second)
		polling := o.Transports == LongPolling // which has its own ways to notice
		if len(lost) == 0 != polling {
			s.t.Errorf("%v: after 35 s: %d losses", o.Transports, len(lost))
		}
		if !polling {
			if err := <-lost; !errors.Is(err, parley.ErrIdle) {
				s.t.Errorf("%v: got %v, want ErrIdle", o.Transports, err)
			}
		}
		cl.Close(s.t.Context())
	})
}

// TestAnythingIsASignOfLife: also a message that takes its time to come.
func TestAnythingIsASignOfLife(t *testing.T) {
	piece := func(w http.ResponseWriter, text string) {
		fmt.Fprintf(w, "data: %s\n\n", raw(text))
		w.(http.Flusher).Flush()
	}
	meetStrange(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			io.WriteString(w, offersAll)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		piece(w, `{}␞{"type":1,"target":"said","arguments":["`)
		for range 10 {
			time.Sleep(20 * time.Second)
			piece(w, "x")
		}
		piece(w, `"]}␞`)
		<-r.Context().Done()
	}, func(s *strange) {
		cl := s.client(ClientOptions{Transports: ServerSentEvents})
		said := make(chan string, 1)
		cl.On("said", func(text string) { said <- text })
		connect(s.t, cl)
		if got := <-said; got != "xxxxxxxxxx" {
			s.t.Errorf("got %q", got)
		}
		cl.Close(s.t.Context())
	})
}

func TestClientRefusesHandshakes(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{`{"error":"The protocol 'json' is not supported."}␞`}, "The protocol 'json' is not supported."},
		{[]string{`{"err`, `or":"no", "minor":1`, `}␞`}, "handshake: no"},
		{[]string{`{"type":6}␞`}, "expected a handshake response"},
		{[]string{`hello␞`}, "not JSON"},
		{[]string{`[]␞`}, "not a JSON object"},
		{[]string{`␞`}, "not JSON"},
		{[]string{`{"error":5}␞`}, "expected 'error' to be a string"},
		{[]string{long}, "maximum message size"},
		{[]string{`{"error":"` + long + `"}␞`}, "maximum message size"},
		{[]string{`{}␞{"type":7,"error":"full house"}␞`}, "handshake: full house"},
		{[]string{`{}␞{"type":7}␞`}, "handshake: parley: connection closed"},
		{[]string{`{}␞hello␞`}, "not JSON"},
	} {
		talk(t, c.words, func(s *strange, _ *babbler, o ClientOptions) {
			o.MaxMessageBytes = 1000
			cl := s.client(o)
			wantText(s.t, fmt.Sprintf("%v %.60s", o.Transports, c.words), cl.Connect(s.t.Context()), c.want)
			cl.Close(s.t.Context())
		})
	}
}

func TestClientGivesUpWithItsContext(t *testing.T) {
	talk(t, nil, func(s *strange, _ *babbler, o ClientOptions) {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		cl := s.client(o)
		if err := cl.Connect(ctx); !errors.Is(err, context.DeadlineExceeded) {
			s.t.Errorf("%v: got %v, want the context's error", o.Transports, err)
		}
		cl.Close(s.t.Context())
	})
}

func TestClientWaitsForTheHandshakeSoLong(t *testing.T) {
	talk(t, nil, func(s *strange, _ *babbler, o ClientOptions) {
		o.HandshakeTimeout = 2 * time.Second
		cl := s.client(o)
		if err := cl.Connect(s.t.Context()); !errors.Is(err, parley.ErrHandshake) {
			s.t.Errorf("%v: got %v, want ErrHandshake", o.Transports, err)
		}
		cl.Close(s.t.Context())
	})
}

// TestAServersWords: however they are cut and joined, and what the client makes
// of those that are wrong.
func TestAServersWords(t *testing.T) {
	const said = `{"type":1,"target":"SAID","arguments":["hi"]}␞`
	bytewise := strings.Split("{}␞"+said+said, "")
	for _, c := range []struct {
		name  string
		words []string
		said  int64
		why   string // the connection is lost; empty: it is not
		again bool
	}{
		{"in one piece", []string{"{}␞" + said + said}, 2, "", false},
		{"byte by byte", bytewise, 2, "", false},
		{"types that nobody knows", []string{`{}␞{"type":8,"sequenceId":1}␞{"type":99}␞{"type":6,"x":1}␞`, said}, 1, "", false},
		{"answers to nothing", []string{`{}␞{"type":3,"invocationId":"7","result":1}␞{"type":2,"invocationId":"7","item":1}␞`, said}, 1, "", false},
		{"not JSON", []string{"{}␞", "{␞"}, 0, "not JSON", true},
		{"without a type", []string{"{}␞", `{"target":"said"}␞`}, 0, "missing required property 'type'", true},
		{"a long message", []string{"{}␞", `{"type":1,"target":"said","arguments":["` + strings.Repeat("x", 1000) + `"]}␞`}, 0, "maximum message size", true},
		{"a message without end", []string{"{}␞", strings.Repeat(" ", 600), strings.Repeat(" ", 600)}, 0, "maximum message size", true},
		{"too much at once", []string{"{}␞", strings.Repeat(`{"type":6}␞`, 800)}, 0, "8000", true},
		{"goodbye", []string{"{}␞", said + `{"type":7,"allowReconnect":false}␞` + said}, 1, "<nil>", false},
		{"goodbye, come back", []string{"{}␞", `{"type":7,"error":"restart","allowReconnect":true}␞`}, 0, "restart", true},
	} {
		talk(t, c.words, func(s *strange, _ *babbler, o ClientOptions) {
			var got atomic.Int64
			lost := make(chan departure, 100)
			o.MaxMessageBytes = 1000
			o.OnDisconnect = func(err error, again bool) { lost <- departure{err, again} }
			cl := s.client(o)
			cl.On("said", func(text string) { got.Add(1) })
			connect(s.t, cl)
			pass(time.Duration(len(c.words)) * 20 * time.Millisecond)
			what := fmt.Sprintf("%v: %s", o.Transports, c.name)
			if len(lost) == 0 != (c.why == "") || got.Load() < c.said {
				s.t.Errorf("%s: %d losses, and %d said, want %d", what, len(lost), got.Load(), c.said)
			}
			if c.why != "" && len(lost) > 0 {
				if gone := <-lost; !strings.Contains(fmt.Sprint(gone.err), c.why) || gone.again != c.again {
					s.t.Errorf("%s: got %+v, want %s and again %v", what, gone, c.why, c.again)
				}
			}
			cl.Close(s.t.Context())
		})
	}
}
