package socketio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/internal/memnet"
	"github.com/parley-go/parley/websocket"
)

// mode is one way of a Go client to a server.
type mode struct {
	name       string
	transports []string
	packed     bool
}

var modes = []mode{
	{"polling", []string{"polling"}, false},
	{"websocket", []string{"websocket"}, false},
	{"upgrade", nil, false},
	{"polling msgpack", []string{"polling"}, true},
	{"websocket msgpack", []string{"websocket"}, true},
	{"upgrade msgpack", nil, true},
}

// visitor is a client that has come to a server.
type visitor struct {
	*world
	*parley.Client
	mode mode
	came chan bool // whether each connection was recovered
	lost chan departure
}

type departure struct {
	err   error
	again bool
}

// inEveryMode runs body with a server that recovers and a client that has
// connected, and upgraded if it does. When it returns, every goroutine of both
// must end.
func inEveryMode(t *testing.T, body func(v *visitor)) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			inWorld(t, &Options{Recovery: &Recovery{}}, nil, func(w *world) {
				v := &visitor{world: w, mode: m, came: make(chan bool, 10), lost: make(chan departure, 10)}
				v.Client = w.goClient(&ClientOptions{
					ClientOptions: parley.ClientOptions{
						OnConnect:    func(ctx context.Context) { v.came <- Recovered(ctx) },
						OnDisconnect: func(err error, again bool) { v.lost <- departure{err, again} },
					},
					Transports: m.transports, MessagePack: m.packed,
				})
				w.connect(v.Client)
				<-v.came
				time.Sleep(time.Second) // for the upgrade
				body(v)
				w.closeClient(v.Client)
			})
		})
	}
}

// conn is the client as the hub sees it.
func (v *visitor) conn() *parley.Conn {
	v.world.Helper()
	all := v.hub.Audience().Conns()
	if len(all) != 1 {
		v.Fatalf("the hub has %d connections, want 1", len(all))
	}
	return all[0]
}

func TestClientInEveryMode(t *testing.T) {
	for name, scenario := range map[string]func(v *visitor){
		"calls":                modeCalls,
		"nothing happens":      modeIdle,
		"slow handlers":        modeSlow,
		"a lost connection":    modeLoss,
		"the server's goodbye": modeGoodbye,
		"a shutdown":           modeShutdown,
	} {
		t.Run(name, func(t *testing.T) { inEveryMode(t, scenario) })
	}
}

func (v *visitor) wantEcho(text string) {
	v.world.Helper()
	var got string
	if err := v.Call(v.Context(), "message-with-ack", &got, text); err != nil || got != text {
		v.Errorf("echo: got %q, %v, want %q", got, err, text)
	}
}

func modeCalls(v *visitor) {
	if got, want := v.conn().Transport(), strings.Fields(v.mode.name)[0]; got != want && (want != "upgrade" || got != "websocket") {
		v.Errorf("the transport is %s, want %s", got, want)
	}
	v.wantEcho("hello")
	var calls sync.WaitGroup
	for i := range 50 {
		calls.Go(func() { v.wantEcho(fmt.Sprint(i)) }) // ends with its answer
	}
	calls.Wait()
	ctx, cancel := context.WithTimeout(v.Context(), time.Second)
	defer cancel()
	v.Handle("never", parley.Func(func(ctx context.Context) { <-ctx.Done() }))
	if err := v.conn().Call(ctx, "never", nil); !errors.Is(err, parley.ErrTimeout) {
		v.Errorf("a question without an answer: %v", err)
	}
}

func modeIdle(v *visitor) {
	before := v.conn()
	time.Sleep(10 * time.Minute)
	v.wantEcho("after ten quiet minutes")
	if v.conn() != before {
		v.Error("the connection is another")
	}
}

// modeSlow: events wait for their handlers, which do not lose any, while pings
// come and go.
func modeSlow(v *visitor) {
	const many = 60
	got := make(chan int, many)
	v.Handle("slow", parley.Func(func(i int) {
		time.Sleep(time.Second)
		got <- i
	}))
	for i := range many {
		if err := v.hub.Send(v.Context(), "slow", i); err != nil {
			v.Fatal(err)
		}
	}
	for i := range many {
		if n := <-got; n != i {
			v.Fatalf("event %d: got %d", i, n)
		}
	}
	v.wantEcho("after a minute")
}

func modeLoss(v *visitor) {
	said := make(chan string, 10)
	v.Handle("said", parley.Func(func(text string) { said <- text }))
	c := v.conn()
	c.Join("room")
	c.CloseNow()
	if d := <-v.lost; !d.again {
		v.Errorf("lost with %v, for ever", d.err)
	}
	v.hub.Group("room").Send(v.Context(), "said", "missed")
	if !<-v.came {
		v.Error("the client is a new one")
	}
	v.want(<-said, "missed")
	v.wantEcho("back")
	if v.conn().ID() != c.ID() || !v.conn().Recovered() {
		v.Error("the hub does not know the client again")
	}
}

func modeGoodbye(v *visitor) {
	v.conn().Close("")
	if d := <-v.lost; d.err != nil || d.again {
		v.Errorf("lost with %v, again %t", d.err, d.again)
	}
	<-v.Done()
	if v.Err() != nil {
		v.Errorf("the client ended with %v", v.Err())
	}
}

func modeShutdown(v *visitor) {
	go v.hub.Shutdown(v.Context()) // ends before that of the world
	if d := <-v.lost; !d.again {
		v.Errorf("lost with %v, for ever", d.err)
	}
}

// TestClientLetsGoOfItsConnections: after the upgrade only the WebSocket is
// left, and in the end nothing.
func TestClientLetsGoOfItsConnections(t *testing.T) {
	for _, transports := range [][]string{{"polling"}, {"websocket"}, nil} {
		inWorld(t, nil, nil, func(w *world) {
			open := &counting{w: w}
			m := NewManager("http://server", &ClientOptions{Transports: transports})
			m.own.DialContext, m.engine.Dialing.NetDial = open.dial, open.dial
			m.own.Proxy, m.engine.Dialing.Proxy = nil, nil
			cl := m.Client("", nil)
			w.connect(cl)
			time.Sleep(time.Second)
			if n := open.count(); n > 2 || n != 1 && (transports == nil || transports[0] == "websocket") {
				w.Errorf("%v: %d connections", transports, n)
			}
			w.closeClient(cl)
			synctest.Wait()
			if n := open.count(); n > 0 {
				w.Errorf("%v: %d connections are left", transports, n)
			}
		})
	}
}

// counting counts the connections that are open.
type counting struct {
	w  *world
	mu sync.Mutex
	n  int
}

func (c *counting) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *counting) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := c.w.net.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	return &counted{Conn: nc, by: c}, nil
}

type counted struct {
	net.Conn
	by   *counting
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() {
		c.by.mu.Lock()
		c.by.n--
		c.by.mu.Unlock()
	})
	return c.Conn.Close()
}

func TestCVE_2016_10536_CertificatesAreVerified(t *testing.T) {
	hub := parley.NewHub(nil)
	defer hub.Shutdown(context.WithoutCancel(t.Context()))
	server := httptest.NewUnstartedServer(Handler(hub, nil))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail
	server.StartTLS()
	defer server.Close()
	for _, transports := range [][]string{{"polling"}, {"websocket"}, nil} {
		cl := NewClient(server.URL, &ClientOptions{Transports: transports})
		if err := cl.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%v: a certificate of nobody: got %v", transports, err)
		}
		cl.Close(t.Context())
		cl = NewClient(server.URL, &ClientOptions{Transports: transports, HTTPClient: server.Client()})
		if err := cl.Connect(t.Context()); err != nil {
			t.Errorf("%v: a certificate that is trusted: %v", transports, err)
		}
		if err := cl.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// requests logs the requests to a world's server, and lets change answer first.
type requests struct {
	mu  sync.Mutex
	log []string
}

func (l *requests) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = append(l.log, line)
}

func (l *requests) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.log, "\n")
}

// inHandler runs test against a server that answers by h.
func inHandler(t *testing.T, h http.Handler, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, net: memnet.Listen()}
		w.client = w.net.Client()
		server := &http.Server{Handler: h}
		go server.Serve(w.net) // ends with Close
		test(w)
		w.client.CloseIdleConnections()
		server.Close()
		time.Sleep(2 * time.Second) // for the wheels, as in inWorld
	})
}

func TestClientSendsHeadersQueryAndCookies(t *testing.T) {
	var served http.Handler // made inside the bubble, as its clocks are
	got := &requests{}
	inHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookie := ""
		if c, err := r.Cookie("node"); err == nil {
			cookie = c.Value
		}
		q := r.URL.Query()
		got.add(fmt.Sprint(r.Method, " ", q.Get("transport"), " ", r.Host, " ", r.Header.Get("X-Color"), q.Get("a"), q.Get("b"), " ", r.Header.Get("Authorization"), " ", cookie))
		if cookie == "" {
			http.SetCookie(w, &http.Cookie{Name: "node", Value: "7"})
		}
		served.ServeHTTP(w, r)
	}), func(w *world) {
		hub := parley.NewHub(nil)
		served = Handler(hub, nil)
		w.client.Jar, _ = cookiejar.New(nil)
		cl := w.goClient(&ClientOptions{
			Query:  url.Values{"b": {"2"}},
			Header: http.Header{"Authorization": {"Bearer x"}, "X-Color": {"red"}},
		})
		w.connect(cl)
		time.Sleep(time.Second)
		w.closeClient(cl)
		first, rest, _ := strings.Cut(got.all(), "\n")
		w.want(first, "GET polling server red2 Bearer x ")
		for _, want := range []string{"GET polling", "POST polling", "GET websocket"} {
			if !strings.Contains(rest, want+" server red2 Bearer x 7") {
				w.Errorf("there is no %q with all in %q", want, rest)
			}
		}
		hub.Shutdown(w.Context())
	})
}

func TestClientTakesTheProxy(t *testing.T) {
	for transport, want := range map[string]string{
		"polling":   "GET http://server/socket.io/?EIO=4&transport=polling",
		"websocket": "CONNECT server:80",
	} {
		got := &requests{}
		inHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got.add(r.Method + " " + r.RequestURI)
			w.WriteHeader(http.StatusBadGateway)
		}), func(w *world) {
			w.client.Transport.(*http.Transport).Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy:3128"})
			cl := w.goClient(&ClientOptions{Transports: []string{transport}})
			if err := cl.Connect(w.Context()); err == nil || !strings.Contains(err.Error(), "502") {
				w.Errorf("got %v, want 502", err)
			}
			w.closeClient(cl)
			w.want(got.all(), want)
		})
	}
}

// TestClientBoundsItsServer: what is too much ends the connection, or the
// attempt.
func TestClientBoundsItsServer(t *testing.T) {
	const open = `0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`
	for name, c := range map[string]struct {
		o      ClientOptions
		script []string
		want   string
	}{
		"attachments":       {ClientOptions{}, []string{open, `40{"sid":"y"}`, `4511-["said"]`}, "too many attachments"},
		"fewer attachments": {ClientOptions{MaxAttachments: 1}, []string{open, `40{"sid":"y"}`, `452-["said"]`}, "too many attachments"},
		"a long message":    {ClientOptions{MaxMessageBytes: 1000}, []string{open, `40{"sid":"y"}`, `42["said","` + strings.Repeat("x", 1000) + `"]`}, "longer than 1000 bytes"},
		"much that was missed": {ClientOptions{MaxMissedBytes: 1000}, []string{open, `42["a"]`, `42["a"]`, `42["a"]`, `42["a"]`, `42["a"]`, `42["a"]`},
			"more than MaxMissedBytes"},
		"text for bytes":  {ClientOptions{}, []string{open, `40{"sid":"y"}`, `451-["said",{"_placeholder":true,"num":0}]`, `42["a"]`}, "text while attachments are due"},
		"a reserved name": {ClientOptions{}, []string{open, `40{"sid":"y"}`, `42["connect"]`}, "invalid event name"},
		"version 2":       {ClientOptions{}, []string{open, `40`}, "Socket.IO 2"},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeServer(t, func(c2 *websocket.Conn) {
				say(c2, c.script[0])
				c2.Read(context.Background()) // the CONNECT
				say(c2, c.script[1:]...)
				for _, err := range c2.Messages(context.Background()) {
					if err != nil {
						return
					}
				}
			}, func(w *world) {
				lost := make(chan error, 1)
				c.o.Transports = []string{"websocket"}
				c.o.Reconnect.Off = true
				c.o.OnDisconnect = func(err error, _ bool) { lost <- err }
				cl := w.goClient(&c.o)
				err := cl.Connect(w.Context())
				if err == nil {
					err = <-lost
				}
				if err == nil || !strings.Contains(err.Error(), c.want) {
					w.Errorf("got %v, want %q", err, c.want)
				}
				w.closeClient(cl)
			})
		})
	}
}

// TestWhatWasMissedComesAfterOnConnect, and what is an offset to no handler.
func TestWhatWasMissedComesAfterOnConnect(t *testing.T) {
	const open = `0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`
	requests := make(chan string, 10)
	first := true
	inFakeServer(t, func(c *websocket.Conn) {
		say(c, open)
		m, _ := c.Read(context.Background())
		requests <- string(m.Data)
		if first {
			first = false
			say(c, `40{"sid":"y","pid":"secret"}`, `42["said","a","offset-1"]`, `421["said","a","no offset"]`, `42["said","a b c"]`)
			time.Sleep(time.Second)
			return
		}
		say(c, `42["said","missed","offset-2"]`, `40{"sid":"y","pid":"secret"}`)
		c.Read(context.Background())
	}, func(w *world) {
		told := make(chan string, 10)
		o := &ClientOptions{Transports: []string{"websocket"}, Auth: map[string]int{"a": 1}}
		o.OnConnect = func(ctx context.Context) { told <- fmt.Sprint("connected ", Recovered(ctx)) }
		cl := w.goClient(o)
		cl.Handle("said", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
			var text string
			if call.Len() == 2 { // the one that wants an ack
				var more string
				return errors.Join(call.Scan(&text, &more), call.Reply())
			}
			err := call.Scan(&text)
			told <- text
			return err
		}))
		w.connect(cl)
		for _, want := range []string{"connected false", "a", "a b c", "connected true", "missed"} {
			w.want(<-told, want)
		}
		w.closeClient(cl)
		w.want(<-requests, `40{"a":1}`)
		w.want(<-requests, `40{"pid":"secret","offset":"offset-1","a":1}`)
	})
}

// TestALateAnswerIsAnswered: a server that lets a client in which has given up
// is told so, and the other namespaces of the connection do not notice.
func TestALateAnswerIsAnswered(t *testing.T) {
	const open = `0{"sid":"x","upgrades":[],"pingInterval":250000,"pingTimeout":20000}`
	heard := make(chan string, 10)
	inFakeServer(t, func(c *websocket.Conn) {
		say(c, open)
		for m, err := range c.Messages(context.Background()) {
			if err != nil {
				return
			}
			heard <- string(m.Data)
			switch string(m.Data) {
			case "40":
				say(c, `40{"sid":"y"}`)
			case "40/slow,":
				time.Sleep(time.Minute)
				say(c, `40/slow,{"sid":"z"}`)
			}
		}
	}, func(w *world) {
		m := NewManager("http://server", &ClientOptions{Transports: []string{"websocket"}, HTTPClient: w.client})
		main, slow := m.Client("", nil), m.Client("slow", nil)
		w.connect(main)
		if err := slow.Connect(w.Context()); !errors.Is(err, context.DeadlineExceeded) {
			w.Errorf("the slow namespace: %v", err)
		}
		w.closeClient(slow)
		time.Sleep(time.Minute)
		if err := main.Send(w.Context(), "still here"); err != nil {
			w.Errorf("the main namespace: %v", err)
		}
		w.closeClient(main)
		for _, want := range []string{"40", "40/slow,", "41/slow,", `42["still here"]`, "41"} {
			w.want(<-heard, want)
		}
	})
}
