package engineio

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/memnet"
	"github.com/parley-go/parley/internal/transport"
	"github.com/parley-go/parley/websocket"
	"github.com/parley-go/parley/wire"
	"github.com/parley-go/parley/wire/wiretest"
)

// far is the server's end of a connection under test.
type far struct {
	socket *Socket
	in     chan string
	gone   chan struct{}
	ended  error // valid once gone is closed

	mu    sync.Mutex
	queue []*wire.Encoded
}

func newFar(s *Socket) *far {
	return &far{socket: s, in: make(chan string, 10_000), gone: make(chan struct{})}
}

func (f *far) Open(*http.Request) error { return nil }

func (f *far) Receive(data []byte, binary bool) {
	if binary {
		f.in <- "binary " + string(data)
		return
	}
	f.in <- string(data[1:])
}

func (f *far) Take(batch []*wire.Encoded) []*wire.Encoded {
	f.mu.Lock()
	defer f.mu.Unlock()
	batch = append(batch, f.queue...)
	f.queue = nil
	return batch
}

func (f *far) Heard() {}

func (f *far) Closed(err error) {
	f.ended = err
	close(f.gone)
}

func (f *far) put(e ...*wire.Encoded) {
	f.mu.Lock()
	f.queue = append(f.queue, e...)
	f.mu.Unlock()
	f.socket.Wake()
}

// peer is far as the conformance kit sees it.
type peer struct{ *far }

func (p peer) Send(data []byte) error {
	select {
	case <-p.gone:
		return io.EOF
	default:
	}
	p.put(&wire.Encoded{Data: append([]byte("4"), data...)})
	return nil
}

func (p peer) Receive() ([]byte, error) {
	select {
	case text := <-p.in:
		return []byte(text), nil
	case <-p.gone:
	}
	select {
	case text := <-p.in:
		return []byte(text), nil
	default:
		return nil, io.EOF
	}
}

func (p peer) Leave() { p.socket.CloseNow() }

// options are those of a client of the server at address.
func options(address string, up func(*Dialed) wire.Receiver, transports ...string) *DialOptions {
	to, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return &DialOptions{
		URL: to, Transports: transports, Do: http.DefaultClient.Do, Dialing: &transport.Dialing{},
		MaxMessageBytes: 1 << 20, WriteTimeout: 10 * time.Second, ConnectTimeout: 10 * time.Second, New: up,
	}
}

func TestDialedIsAPipe(t *testing.T) {
	for _, c := range []struct {
		name       string
		transports []string
		await      bool // the upgrade
	}{
		{"polling", []string{"polling"}, false},
		{"websocket", []string{"websocket"}, false},
		{"upgraded", []string{"polling", "websocket"}, true},
		{"upgrading", []string{"polling", "websocket"}, false}, // meanwhile
	} {
		t.Run(c.name, func(t *testing.T) {
			wiretest.TestPipe(t, func(t *testing.T, r wire.Receiver) (wire.Pipe, wiretest.Peer) {
				made := make(chan *far, 1)
				s := serveEcho(t, func(o *Options) {
					o.New = func(socket *Socket) Upper {
						f := newFar(socket)
						made <- f
						return f
					}
				})
				o := options(s.URL, func(*Dialed) wire.Receiver { return bare{r} }, c.transports...)
				upgraded := make(chan struct{})
				o.Upgraded = func() { close(upgraded) }
				d, err := Dial(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				if c.await {
					<-upgraded
				}
				if got := d.Transport(); c.await && got != "websocket" || len(c.transports) == 1 && got != c.transports[0] {
					t.Errorf("the transport is %s", got)
				}
				return d, peer{<-made}
			})
		})
	}
}

// near is a receiver of a Dialed that remembers everything.
type near struct {
	socket *Dialed
	in     chan string
	closed chan error

	mu    sync.Mutex
	queue []*wire.Encoded
}

func (n *near) Receive(data []byte, binary bool) {
	if binary {
		n.in <- "binary " + string(data)
		return
	}
	n.in <- string(data[1:])
}

func (n *near) Take(batch []*wire.Encoded) []*wire.Encoded {
	n.mu.Lock()
	defer n.mu.Unlock()
	batch = append(batch, n.queue...)
	n.queue = nil
	return batch
}

func (n *near) Heard() {}

func (n *near) Closed(err error) { n.closed <- err }

func (n *near) put(e ...*wire.Encoded) {
	n.mu.Lock()
	n.queue = append(n.queue, e...)
	n.mu.Unlock()
	n.socket.Wake()
}

// memory is a server on a network in memory, inside a bubble of fake time.
type memory struct {
	*testing.T
	*memnet.Listener
	client *http.Client

	mu  sync.Mutex
	log []string // the requests
}

// inMemory runs test with a server that answers by h. Every goroutine of both
// must have ended when it returns.
func inMemory(t *testing.T, h http.Handler, test func(m *memory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{T: t, Listener: memnet.Listen()}
		m.client = m.Client()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			m.mu.Lock()
			m.log = append(m.log, r.Method+" "+r.URL.Query().Get("transport"))
			m.mu.Unlock()
			h.ServeHTTP(w, r)
		})}
		go server.Serve(m) // ends with Close
		test(m)
		m.client.CloseIdleConnections()
		server.Close()
		time.Sleep(2 * lingerTime) // for the wheel, whose goroutine ends with the tick after its last timer
	})
}

func (m *memory) options(transports ...string) (*DialOptions, *near) {
	n := &near{in: make(chan string, 10_000), closed: make(chan error, 1)}
	o := options("http://memory/", func(d *Dialed) wire.Receiver { n.socket = d; return n }, transports...)
	o.Do, o.Dialing = m.client.Do, &transport.Dialing{NetDial: m.Dial}
	return o, n
}

func (m *memory) open(transports ...string) *near {
	m.Helper()
	o, n := m.options(transports...)
	if _, err := Dial(m.Context(), o); err != nil {
		m.Fatal(err)
	}
	return n
}

func (m *memory) want(what, got, want string) {
	m.Helper()
	if got != want {
		m.Errorf("%s: got %.200q, want %.200q", what, got, want)
	}
}

// farServer is our own server, whose connections come by the channel.
func farServer(change func(*Options)) (*Server, chan *far) {
	made := make(chan *far, 10)
	o := Options{
		PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second, UpgradeTimeout: 10 * time.Second,
		MaxHTTPBufferSize: 1000, MaxSessions: 10,
		New: func(s *Socket) Upper {
			f := newFar(s)
			made <- f
			return f
		},
	}
	if change != nil {
		change(&o)
	}
	return NewServer(o), made
}

var ways = [][]string{{"polling"}, {"websocket"}, {"polling", "websocket"}}

func TestDialedTalks(t *testing.T) {
	for _, way := range ways {
		t.Run(strings.Join(way, " then "), func(t *testing.T) {
			server, made := farServer(nil)
			inMemory(t, server, func(m *memory) {
				n := m.open(way...)
				f := <-made
				n.put(word("4hello"), &wire.Encoded{Data: []byte{1, 2, 3}, Binary: true}, word("4Grüße"))
				m.want("up", <-f.in, "hello")
				m.want("up", <-f.in, "binary \x01\x02\x03")
				m.want("up", <-f.in, "Grüße")
				f.put(word("4back"), &wire.Encoded{Data: []byte{}, Binary: true}, word("4bye"))
				m.want("down", <-n.in, "back")
				m.want("down", <-n.in, "binary ")
				m.want("down", <-n.in, "bye")
				for i := range 30 { // more than one POST may have
					n.put(word("4" + strings.Repeat("x", 100*i%900)))
				}
				for i := range 30 {
					m.want("up", <-f.in, strings.Repeat("x", 100*i%900))
				}
				time.Sleep(10 * time.Minute)
				n.put(word("4still here"))
				m.want("after ten minutes", <-f.in, "still here")
				m.want("the transport", n.socket.Transport(), way[len(way)-1])
				n.socket.Close(1000, "")
				<-f.gone
				if err := <-n.closed; err != nil {
					m.Errorf("the end was %v", err)
				}
			})
		})
	}
}

func TestDialedEndsAsItsServerWants(t *testing.T) {
	for _, way := range ways {
		server, made := farServer(nil)
		inMemory(t, server, func(m *memory) {
			n := m.open(way...)
			f := <-made
			time.Sleep(time.Second) // for the upgrade
			f.put(word("4last words"))
			f.socket.Close(1000, "")
			m.want("down", <-n.in, "last words")
			if err := <-n.closed; err != nil {
				m.Errorf("%v: the end was %v", way, err)
			}
		})
		server, made = farServer(nil)
		inMemory(t, server, func(m *memory) {
			n := m.open(way...)
			f := <-made
			time.Sleep(time.Second)
			f.socket.CloseNow()
			if err := <-n.closed; err == nil && way[len(way)-1] == "websocket" { // a poll is answered all the same
				m.Errorf("%v: cut off: the end was %v", way, err)
			}
		})
	}
}

// TestDialedMissesPings: a server that does not ping in time is gone, but not
// while this side does not read.
func TestDialedMissesPings(t *testing.T) {
	for _, way := range ways[:2] {
		server, made := farServer(func(o *Options) { o.PingInterval = 2 * time.Hour })
		inMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("sid") == "" && way[0] == "polling" {
				io.WriteString(w, `0{"sid":"x","upgrades":[],"pingInterval":3000,"pingTimeout":2000}`)
				return
			}
			if way[0] == "polling" {
				<-r.Context().Done()
				return
			}
			server.ServeHTTP(w, r)
		}), func(m *memory) {
			began, want := time.Now(), 5*time.Second
			n := m.open(way...)
			if way[0] == "websocket" {
				f := <-made
				want = time.Hour + 20*time.Second // no longer interval is believed
				defer f.socket.CloseNow()
			}
			if err := <-n.closed; !errors.Is(err, parley.ErrIdle) || time.Since(began) != want {
				m.Errorf("%v: ended with %v after %v, want ErrIdle after %v", way, err, time.Since(began), want)
			}
		})
	}
}

func TestDialedPausesWithoutBelievingItsServerGone(t *testing.T) {
	inMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		say(c, `0{"sid":"x","upgrades":[],"pingInterval":1000,"pingTimeout":1000}`)
		time.Sleep(time.Minute)
		say(c, "4on")
		c.Read(context.Background())
		c.CloseNow()
	}), func(m *memory) {
		n := m.open("websocket")
		n.socket.Pause()
		time.Sleep(time.Minute - time.Second)
		n.socket.Resume()
		m.want("down", <-n.in, "on")
		if err := <-n.closed; !errors.Is(err, parley.ErrIdle) {
			m.Errorf("the end was %v, want ErrIdle", err)
		}
	})
}

func say(c *websocket.Conn, packets ...string) {
	for _, p := range packets {
		c.Write(context.Background(), websocket.Message{Type: websocket.Text, Data: []byte(p)})
	}
}

// TestUpgradesThatFail: the polls go on.
func TestUpgradesThatFail(t *testing.T) {
	accept := func(talk func(c *websocket.Conn)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if c, err := websocket.Accept(w, r, nil); err == nil {
				talk(c)
				c.CloseNow()
			}
		}
	}
	answer := func(text string) http.HandlerFunc {
		return accept(func(c *websocket.Conn) {
			c.Read(context.Background())
			say(c, text)
			c.Read(context.Background())
		})
	}
	for name, h := range map[string]http.HandlerFunc{
		"no WebSocket":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"no 101":         func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"closed at once": accept(func(*websocket.Conn) {}),
		"no answer":      accept(func(c *websocket.Conn) { c.Read(context.Background()); c.Read(context.Background()) }),
		"another answer": answer("3other"),
		"a message":      answer("4early"),
		"lost meanwhile": accept(func(c *websocket.Conn) {
			c.Read(context.Background())
			say(c, "3probe")
		}),
	} {
		t.Run(name, func(t *testing.T) {
			server, made := farServer(nil)
			inMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Upgrade") != "" {
					h(w, r)
					return
				}
				server.ServeHTTP(w, r)
			}), func(m *memory) {
				n := m.open("polling", "websocket")
				f := <-made
				time.Sleep(time.Second) // what is lost is lost while a poll waits
				for i := range 10 {
					n.put(word("4up"))
					f.put(word("4down"))
					m.want("up", <-f.in, "up")
					m.want("down", <-n.in, "down")
					time.Sleep(time.Duration(i) * 5 * time.Second)
				}
				m.want("the transport", n.socket.Transport(), "polling")
				n.socket.Close(1000, "")
				if err := <-n.closed; err != nil {
					m.Errorf("the end was %v", err)
				}
				<-f.gone
			})
		})
	}
}

// TestClosesDuringAnUpgrade: at every step, by each side.
func TestClosesDuringAnUpgrade(t *testing.T) {
	for _, delay := range []time.Duration{0, 10 * time.Millisecond, 30 * time.Millisecond, 50 * time.Millisecond, 70 * time.Millisecond, 90 * time.Millisecond} {
		for name, end := range map[string]func(n *near, f *far){
			"Close":              func(n *near, _ *far) { n.socket.Close(1000, "") },
			"CloseNow":           func(n *near, _ *far) { n.socket.CloseNow() },
			"Fail":               func(n *near, _ *far) { n.socket.Fail(errPacket) },
			"the server's Close": func(_ *near, f *far) { f.socket.Close(1000, "") },
			"the server's end":   func(_ *near, f *far) { f.socket.CloseNow() },
		} {
			server, made := farServer(nil)
			inMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(20 * time.Millisecond) // every step of the upgrade takes its time
				server.ServeHTTP(w, r)
			}), func(m *memory) {
				n := m.open("polling", "websocket")
				f := <-made
				f.put(word("4a"))
				n.put(word("4b"))
				time.Sleep(delay)
				end(n, f)
				err := <-n.closed
				if ours := name == "Close" || name == "CloseNow"; ours && err != nil || name == "Fail" && !errors.Is(err, errPacket) {
					m.Errorf("%s after %v: the end was %v", name, delay, err)
				}
				if name == "Close" {
					m.want("up", <-f.in, "b")
				}
				f.socket.CloseNow()
				<-f.gone
			})
		}
	}
}

func TestWhatOpensNoConnection(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"a page", answer(200, "<html>"), "did not begin with an open packet"},
		{"nothing", answer(200, ""), "did not begin with an open packet"},
		{"protocol 3", answer(200, `96:0{"sid":"x"}`), "did not begin with an open packet"},
		{"not JSON", answer(200, "0{"), "unexpected end of JSON"},
		{"no session ID", answer(200, `0{"pingInterval":1,"pingTimeout":1}`), "did not begin with an open packet"},
		{"a long session ID", answer(200, `0{"sid":"`+strings.Repeat("x", 257)+`","pingInterval":1,"pingTimeout":1}`), "did not begin with an open packet"},
		{"no pings", answer(200, `0{"sid":"x","pingInterval":-1,"pingTimeout":1}`), "did not begin with an open packet"},
		{"a refusal", answer(400, `{"code":5,"message":"Unsupported protocol version"}`), `the server answered 400: "Unsupported protocol version"`},
		{"another", answer(503, strings.Repeat("no", 1000)), "503 Service Unavailable"},
		{"without end", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				w.Write(make([]byte, 1<<16))
			}
		}, "the answer has more than 8388608 bytes"},
		{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "deadline exceeded"},
	} {
		inMemory(t, c.answer, func(m *memory) {
			o, n := m.options("polling", "websocket")
			ctx, cancel := context.WithTimeout(m.Context(), time.Minute)
			defer cancel()
			_, err := Dial(ctx, o)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "memory") {
				m.Errorf("%s: got %v, want %q and no address", c.name, err, c.want)
			}
			if len(n.closed) > 0 {
				m.Errorf("%s: Closed was called", c.name)
			}
		})
	}
}

// TestTheNextTransport is taken only if that is asked for.
func TestTheNextTransport(t *testing.T) {
	for _, c := range []struct {
		transports, refused []string
		all                 bool
		want                string // the transport, or the error
	}{
		{[]string{"polling", "websocket"}, []string{"polling"}, true, "websocket"},
		{[]string{"websocket", "polling"}, []string{"websocket"}, true, "polling"},
		{[]string{"websocket", "polling"}, []string{"websocket"}, false, "503"},
		{[]string{"websocket", "polling"}, []string{"websocket", "polling"}, true, "no transport could be opened: websocket: "},
	} {
		server, made := farServer(nil)
		inMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if slices.Contains(c.refused, r.URL.Query().Get("transport")) {
				w.WriteHeader(503)
				return
			}
			server.ServeHTTP(w, r)
		}), func(m *memory) {
			o, n := m.options(c.transports...)
			o.TryAll, o.NoUpgrade = c.all, true
			d, err := Dial(m.Context(), o)
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					m.Errorf("%v: got %v, want %q", c, err, c.want)
				}
				return
			}
			m.want("the transport", d.Transport(), c.want)
			d.Close(1000, "")
			<-n.closed
			<-(<-made).gone
		})
	}
}

// TestWhatAServerShouldNotSay ends the connection, and nothing else.
func TestWhatAServerShouldNotSay(t *testing.T) {
	const open = `0{"sid":"x","upgrades":["websocket"],"pingInterval":10000,"pingTimeout":10000,"maxPayload":100}`
	for name, payload := range map[string]string{
		"an unknown packet":       "9",
		"base64 that is none":     "b!",
		"an empty packet":         "4a\x1e",
		"too long":                "4" + strings.Repeat("x", 1001),
		"not UTF-8":               "4\xff",
		"too many at once":        strings.Repeat("4\x1e", 1<<12) + "4",
		"an open packet is none":  open + "\x1ex",
		"base64 over a WebSocket": "b=",
	} {
		for _, way := range ways[:2] {
			over := make(chan struct{})
			inMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Header.Get("Upgrade") != "":
					c, err := websocket.Accept(w, r, nil)
					if err != nil {
						return
					}
					for _, packet := range append([]string{open}, strings.Split(payload, "\x1e")...) {
						kind := websocket.Text
						if packet == "4\xff" {
							kind = websocket.Binary
							packet = strings.Repeat("x", 1002)
						}
						c.Write(context.Background(), websocket.Message{Type: kind, Data: []byte(packet)})
					}
					c.Read(context.Background())
					c.CloseNow()
				case r.Method == http.MethodPost:
					io.Copy(io.Discard, r.Body)
				case r.URL.Query().Get("sid") == "":
					io.WriteString(w, open)
				default:
					select {
					case <-over:
						<-r.Context().Done()
					default:
						close(over)
						io.WriteString(w, payload)
					}
				}
			}), func(m *memory) {
				o, n := m.options(way...)
				o.MaxMessageBytes, o.NoUpgrade = 1000, true
				if _, err := Dial(m.Context(), o); err != nil {
					m.Fatal(err)
				}
				if name == "too many at once" && way[0] == "websocket" {
					n.socket.CloseNow() // there is no such thing
				}
				if err := <-n.closed; err == nil && (name != "too many at once" || way[0] != "websocket") {
					m.Errorf("%s over %v: no error", name, way)
				}
			})
		}
	}
}

// TestNoPollIsSentAgain: its answer may be lost, with what was in it.
func TestNoPollIsSentAgain(t *testing.T) {
	polls := 0
	inMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch polls++; polls {
		case 1:
			io.WriteString(w, `0{"sid":"x","upgrades":[],"pingInterval":3000,"pingTimeout":2000}`)
		case 2:
			io.WriteString(w, "4a")
		default:
			panic(http.ErrAbortHandler) // the connection breaks before an answer
		}
	}), func(m *memory) {
		n := m.open("polling")
		m.want("down", <-n.in, "a")
		if err := <-n.closed; err == nil || polls != 3 {
			m.Errorf("the end was %v after %d polls, want an error after 3", err, polls)
		}
	})
}

func TestPostsKeepToTheServersMaximum(t *testing.T) {
	d := &Dialed{maxPayload: 20}
	batch := []*wire.Encoded{
		word("4345678901"), word("434567890"), // 20 with the separator
		{Data: make([]byte, 13), Binary: true}, // 21
		word("4"), word("4"),
	}
	for i, want := range []int{2, 1, 2} {
		payload, n := d.join(batch)
		if n != want || n > 1 && len(payload) > 20 {
			t.Errorf("POST %d: %d messages in %d bytes, want %d", i, n, len(payload), want)
		}
		batch = batch[n:]
	}
	if len(batch) > 0 {
		t.Errorf("%d messages are left", len(batch))
	}
}
