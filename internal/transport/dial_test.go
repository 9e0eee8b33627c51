package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/wire"
	"github.com/parley-go/parley/wire/wiretest"
)

// distant is a server with one connection of polls or of an event stream, as
// SignalR's rules have it.
type distant struct {
	out, in chan []byte
	gone    chan struct{} // closed when either side has left
	once    sync.Once
	idle    *time.Timer // runs while no poll waits; a client that is cut off does not say so
	first   sync.Once
}

func newDistant() *distant {
	d := &distant{out: make(chan []byte), in: make(chan []byte), gone: make(chan struct{})}
	d.idle = time.AfterFunc(time.Second, d.Leave)
	return d
}

func (d *distant) Leave() { d.once.Do(func() { close(d.gone) }) }

func (d *distant) Send(data []byte) error {
	select {
	case d.out <- data:
		return nil
	case <-d.gone:
		return ErrGone
	}
}

func (d *distant) Receive() ([]byte, error) {
	select {
	case data := <-d.in:
		return data, nil
	case <-d.gone:
		return nil, ErrGone
	}
}

func (d *distant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost:
		d.post(w, r)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusAccepted)
		d.Leave()
	case r.Header.Get("Accept") == "text/event-stream":
		d.stream(w, r)
	default:
		d.poll(w, r)
	}
}

// post takes the lines of one POST.
func (d *distant) post(w http.ResponseWriter, r *http.Request) {
	for lines := bufio.NewScanner(r.Body); lines.Scan(); {
		select {
		case d.in <- bytes.Clone(lines.Bytes()):
		case <-d.gone:
			w.WriteHeader(http.StatusNotFound)
			return
		}
	}
}

// lines is a receiver whose messages end with a line feed, as several of them
// may share a POST.
type lines struct{ wire.Receiver }

func (l lines) Take(batch []*wire.Encoded) []*wire.Encoded {
	n := len(batch)
	batch = l.Receiver.Take(batch)
	for i, e := range batch[n:] {
		batch[n+i] = &wire.Encoded{Data: append(bytes.Clone(e.Data), '\n')}
	}
	return batch
}

func (d *distant) stream(w http.ResponseWriter, r *http.Request) {
	d.idle.Stop()
	defer d.Leave()
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	fmt.Fprint(w, ":\r\n")
	for {
		w.(http.Flusher).Flush()
		select {
		case data := <-d.out:
			fmt.Fprintf(w, "data: %s\r\n\r\n", data)
		case <-d.gone:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (d *distant) poll(w http.ResponseWriter, r *http.Request) {
	d.idle.Stop()
	defer d.idle.Reset(time.Second)
	began := false
	d.first.Do(func() { began = true })
	if began {
		return // at once, with nothing
	}
	select {
	case data := <-d.out:
		w.Write(data)
	case <-d.gone:
		w.WriteHeader(http.StatusNoContent)
	case <-r.Context().Done():
		d.Leave()
	}
}

// dialed is a pipe that has been opened.
type dialed interface {
	wire.Pipe
	Start(wire.Receiver)
}

func dial(ctx context.Context, kind string, how *Requesting, o *Options) (dialed, error) {
	if kind == "sse" {
		return DialEventStream(ctx, how, o)
	}
	return DialPoll(ctx, how, o)
}

func TestDialedRequestsAreAPipe(t *testing.T) {
	for _, kind := range []string{"sse", "polling"} {
		t.Run(kind, func(t *testing.T) {
			wiretest.TestPipe(t, func(t *testing.T, r wire.Receiver) (wire.Pipe, wiretest.Peer) {
				d := newDistant()
				url := serve(t, d.ServeHTTP)
				pipe, err := dial(t.Context(), kind, &Requesting{URL: url, Do: http.DefaultClient.Do}, &Options{})
				if err != nil {
					t.Fatalf("dial: %v", err)
				}
				if pipe.Transport() != kind {
					t.Errorf("the transport's name is %s", pipe.Transport())
				}
				pipe.Start(lines{r})
				return pipe, d
			})
		})
	}
}

func TestEventsAreRead(t *testing.T) {
	long := strings.Repeat("x", 101)
	for _, c := range []struct {
		name, stream string
		want         []string
		end          string // the error's end
	}{
		{"lines that end with LF", "data: a\n\ndata:b\n\n", []string{"a", "b"}, "EOF"},
		{"lines that end with CR LF", ":\r\ndata: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}, "EOF"},
		{"lines that end with CR", "data: a\r\rdata: b\r\r", []string{"a", "b"}, "EOF"},
		{"several lines", "data: a\ndata\ndata:  b\n\n", []string{"a\n\n b"}, "EOF"},
		{"an event without data", "\n\nid: 7\nretry: 1\n\ndata: a\n\n", []string{"a"}, "EOF"},
		{"an empty event", "data\n\n", []string{""}, "EOF"},
		{"events of other types", "event: odd\ndata: a\n\nevent: message\ndata: b\n\nevent\ndata: c\n\n", []string{"b", "c"}, "EOF"},
		{"cut in the middle", "data: a\n\ndata: b\n", []string{"a"}, "EOF"},
		{"a long line", "data: " + long + "\n\n", nil, "the line has more than 100 bytes"},
		{"a line without end", "data: a\n\n:" + long, []string{"a"}, "the line has more than 100 bytes"},
		{"a long event", strings.Repeat("data: 123456789\n", 11), nil, "the event has more than 100 bytes"},
	} {
		for _, size := range []int{1, 16, 4096} { // however it arrives
			events := eventReader{r: bufio.NewReader(&pieces{c.stream, size}), limit: 100}
			var got []string
			data, err := events.next()
			for ; err == nil; data, err = events.next() {
				got = append(got, string(data))
			}
			if !slices.Equal(got, c.want) || !strings.HasSuffix(err.Error(), c.end) {
				t.Errorf("%s, in pieces of %d: got %q and %v, want %q and %s", c.name, size, got, err, c.want, c.end)
			}
		}
	}
}

// pieces reads so many bytes at a time.
type pieces struct {
	rest string
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.rest == "" {
		return 0, io.EOF
	}
	n := copy(b[:min(p.size, len(b))], p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// dialMemory opens a pipe to h inside a bubble; t ends it.
func dialMemory(t *testing.T, kind string, h http.HandlerFunc, o *Options) (dialed, error) {
	m := newMemory(t, h)
	client := m.Client()
	t.Cleanup(client.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return dial(ctx, kind, &Requesting{URL: "http://memory/", Do: client.Do, Timeout: 10 * time.Second}, o)
}

func TestWhatOpensNoPipe(t *testing.T) {
	hang := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) }
	}
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write(make([]byte, 100))
		}
	}
	for _, c := range []struct {
		name, kind string
		handler    http.HandlerFunc
		want       string
	}{
		{"unknown connection", "sse", status(404), "the server answered 404 Not Found"},
		{"a page", "sse", endless, "something else than an event stream"},
		{"silence", "sse", hang, "deadline exceeded"},
		{"unknown connection", "polling", status(404), "the server answered 404 Not Found"},
		{"over", "polling", status(204), "the server answered 204 No Content"},
		{"silence", "polling", hang, "deadline exceeded"},
		{"an answer without end", "polling", endless, "the answer has more than 1000 bytes"},
	} {
		inBubble(t, func(t *testing.T) {
			_, err := dialMemory(t, c.kind, c.handler, &Options{MaxMessageBytes: 1000})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: got %v, want %q", c.kind, c.name, err, c.want)
			}
		})
	}
}

func TestAFirstPollWithoutAnAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := newMemory(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		client := m.Client()
		defer client.CloseIdleConnections()
		_, err := DialPoll(t.Context(), &Requesting{URL: "http://memory/", Do: client.Do, Timeout: time.Second}, &Options{})
		if err != errNoAnswer {
			t.Errorf("got %v, want %v", err, errNoAnswer)
		}
	})
}

// scripted answers the polls after the first one by one, and other requests
// with status.
type scripted struct {
	polls  []http.HandlerFunc
	status int

	mu  sync.Mutex
	log []string // the requests
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.log = append(s.log, r.Method)
	next, stream := http.HandlerFunc(nil), r.Header.Get("Accept") == "text/event-stream"
	if r.Method == http.MethodGet && (stream || len(s.log) > 1) {
		next, s.polls = s.polls[0], s.polls[1:]
	}
	s.mu.Unlock()
	if r.Method != http.MethodGet {
		w.WriteHeader(s.status)
		return
	}
	if stream {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
	}
	if next != nil {
		next(w, r)
	}
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) }
}

func after(d time.Duration, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			h(w, r)
		case <-r.Context().Done():
		}
	}
}

func over(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// openScripted returns a pipe that runs under b.
func openScripted(t *testing.T, kind string, s *scripted, b *box) dialed {
	t.Helper()
	p, err := dialMemory(t, kind, s.ServeHTTP, &Options{MaxMessageBytes: 1000})
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	p.Start(b)
	return p
}

func TestPollsGoOnUntilTheServerEndsThem(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		began := time.Now()
		openScripted(t, "polling", &scripted{polls: []http.HandlerFunc{
			say("a"), say(""), say("b"), after(time.Hour, say("too late")), after(2*time.Second, say("")), say("c"), over,
		}}, b)
		wantClosed(t, b, nil)
		if want := []string{"a", "b", "c"}; !slices.Equal(b.got, want) {
			t.Errorf("got %q, want %q", b.got, want)
		}
		// One second after an empty answer that came at once, ten for the one that
		// did not come, two for the one that took its time.
		if got, want := time.Since(began), 13*time.Second; got != want {
			t.Errorf("it took %v, want %v", got, want)
		}
	})
}

// TestNoPollIsSentAgainUnseen: when its connection breaks, its answer may be
// lost, with what was in it.
func TestNoPollIsSentAgainUnseen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		s := &scripted{polls: []http.HandlerFunc{
			say("a"), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, say("b"), over,
		}}
		openScripted(t, "polling", s, b)
		if err := <-b.closed; err == nil {
			t.Error("the pipe did not notice")
		}
		if want := []string{"a"}; !slices.Equal(b.got, want) {
			t.Errorf("got %q, want %q", b.got, want)
		}
	})
}

func TestAnswersThatEndAPoll(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"a status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "the server answered 500 Internal Server Error"},
		{"too long", say(strings.Repeat("x", 1001)), "the answer has more than 1000 bytes"},
		{"broken off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			io.WriteString(w, "x")
		}, "unexpected EOF"},
		{"begun and never ended", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "context canceled"},
	} {
		inBubble(t, func(t *testing.T) {
			b := newBox()
			openScripted(t, "polling", &scripted{polls: []http.HandlerFunc{c.answer}}, b)
			if err := <-b.closed; err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: Closed got %v, want %q", c.name, err, c.want)
			}
			if len(b.got) > 0 {
				t.Errorf("%s: %q came up", c.name, b.got)
			}
		})
	}
}

func TestEventStreamsEnd(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string // empty: an ordinary end
	}{
		{"in good order", say("data: a\n\n"), ""},
		{"broken off", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "data: a\n\n")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, "unexpected EOF"},
		{"too long", say("data: a\n\ndata: " + strings.Repeat("x", 1000)), "the line has more than 1000 bytes"},
	} {
		inBubble(t, func(t *testing.T) {
			b := newBox()
			openScripted(t, "sse", &scripted{polls: []http.HandlerFunc{c.answer}}, b)
			err := <-b.closed
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: Closed got %v, want %q", c.name, err, c.want)
			}
			if !slices.Equal(b.got, []string{"a"}) {
				t.Errorf("%s: got %q, want a", c.name, b.got)
			}
		})
	}
}

// TestLastWordsAfterAFailedPost: a server that has ended the connection refuses
// POSTs, and its last words may still be on their way.
func TestLastWordsAfterAFailedPost(t *testing.T) {
	for kind, words := range map[string]string{"sse": "data: bye\n\n", "polling": "bye"} {
		for _, c := range []struct {
			when time.Duration
			got  int // messages
		}{{2 * time.Second, 1}, {time.Minute, 0}} {
			inBubble(t, func(t *testing.T) {
				b := newBox()
				s := &scripted{polls: []http.HandlerFunc{after(c.when, say(words)), over}, status: 404}
				p := openScripted(t, kind, s, b)
				b.put("hello")
				p.Wake()
				var refused *StatusError
				if err := <-b.closed; !errors.As(err, &refused) || refused.Code != 404 {
					t.Errorf("%s: Closed got %v, want the status 404", kind, err)
				}
				if len(b.got) != c.got {
					t.Errorf("%s: %q came up, want %d", kind, b.got, c.got)
				}
			})
		}
	}
}

// TestGoodbyesOfPolls: DELETE after a Close, unless the server has ended the
// polls itself or does not listen.
func TestGoodbyesOfPolls(t *testing.T) {
	forever := after(time.Hour, over)
	for _, c := range []struct {
		name   string
		status int
		poll   http.HandlerFunc
		end    func(p wire.Pipe)
		want   []string
	}{
		{"Close", 200, forever, func(p wire.Pipe) { p.Close(1000, "") }, []string{"GET", "GET", "POST", "DELETE"}},
		{"Close, a server that has forgotten", 404, forever, func(p wire.Pipe) { p.Close(1000, "") }, []string{"GET", "GET", "POST", "DELETE"}},
		{"CloseNow", 200, forever, func(p wire.Pipe) { p.CloseNow() }, []string{"GET", "GET"}},
		{"the server's end", 200, over, func(p wire.Pipe) { p.Close(1000, "") }, []string{"GET", "GET"}},
	} {
		inBubble(t, func(t *testing.T) {
			b := newBox()
			s := &scripted{polls: []http.HandlerFunc{c.poll}, status: c.status}
			p := openScripted(t, "polling", s, b)
			synctest.Wait()
			b.put("last words")
			c.end(p)
			wantClosed(t, b, nil)
			synctest.Wait()
			if !slices.Equal(s.log, c.want) {
				t.Errorf("%s: the requests were %v, want %v", c.name, s.log, c.want)
			}
		})
	}
}

// TestAServerThatDoesNotTakePosts bounds the end of a pipe.
func TestAServerThatDoesNotTakePosts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p, err := dialMemory(t, "polling", func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				io.Copy(io.Discard, r.Body) // or the server does not notice that its client has gone
				<-r.Context().Done()
			}
		}, &Options{CloseTimeout: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		p.Start(b)
		b.put("hello")
		began := time.Now()
		p.Close(1000, "")
		wantClosed(t, b, nil)
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("it took %v, want twice the close timeout", took)
		}
	})
}

func TestMessagesShareAPost(t *testing.T) {
	small := &wire.Encoded{Data: make([]byte, 1000)}
	big := &wire.Encoded{Data: make([]byte, 100_000)}
	binary := &wire.Encoded{Data: make([]byte, 10), Binary: true}
	for _, c := range []struct {
		batch []*wire.Encoded
		want  int
	}{
		{[]*wire.Encoded{small}, 1},
		{[]*wire.Encoded{big, small}, 1},
		{[]*wire.Encoded{small, small, big}, 2},
		{slices.Repeat([]*wire.Encoded{small}, 100), 65},
		{[]*wire.Encoded{small, binary, binary}, 1},
		{[]*wire.Encoded{binary, binary}, 2},
	} {
		if got := joined(c.batch); got != c.want {
			t.Errorf("of %d messages %d share a POST, want %d", len(c.batch), got, c.want)
		}
	}
}
