// Package goclient drives Parley's Go client of Socket.IO against npm's server,
// and against Parley's own, in every mode.
package goclient

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/socketio"
)

// startNode starts npm's servers and returns their addresses by kind; none where
// npm's socket.io is not installed.
func startNode(t *testing.T) map[string]string {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Log("without npm's server: there is no node")
		return nil
	}
	if _, err := os.Stat("../node_modules/socket.io"); err != nil {
		t.Log("without npm's server: run npm ci in interop")
		return nil
	}
	cmd := exec.Command("node", "server.mjs")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("node: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	var addresses map[string]string
	if err := json.Unmarshal(line, &addresses); err != nil {
		t.Fatal(err)
	}
	return addresses
}

// proxy is a way to a server that can be cut.
type proxy struct {
	listener net.Listener
	tasks    sync.WaitGroup

	mu     sync.Mutex
	to     string // the server's address
	closed bool   // to new connections
	conns  map[net.Conn]bool
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, to: strings.TrimPrefix(server, "http://"), conns: make(map[net.Conn]bool)}
	p.tasks.Go(p.serve) // ends with the listener
	t.Cleanup(func() {
		listener.Close()
		p.cut(true)
		p.tasks.Wait()
	})
	return p
}

func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

func (p *proxy) serve() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.tasks.Go(func() { p.pass(c) }) // ends with either connection
	}
}

func (p *proxy) pass(c net.Conn) {
	defer c.Close()
	p.mu.Lock()
	to, closed := p.to, p.closed
	p.mu.Unlock()
	if closed {
		return
	}
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	if !p.keep(c, far) {
		return
	}
	p.tasks.Go(func() { // ends with either connection
		far.(*net.TCPConn).ReadFrom(c)
		c.Close()
		far.Close()
	})
	c.(*net.TCPConn).ReadFrom(far)
	p.mu.Lock()
	delete(p.conns, c)
	delete(p.conns, far)
	p.mu.Unlock()
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
	return !p.closed
}

// cut cuts all connections, and lets none in if it is closed.
func (p *proxy) cut(closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = closed
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

// open lets connections in again, to the server.
func (p *proxy) open(server string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed, p.to = false, strings.TrimPrefix(server, "http://")
}

// mode is one way of a client to a server.
type mode struct {
	server     string // npm or parley
	parser     string // json or msgpack
	transport  string // polling, websocket, or upgrade
	recovering bool
}

// world is a mode, with the address of its server.
type world struct {
	*testing.T
	mode
	url   string
	other string // the address of another of its kind, if it recovers
	ctx   context.Context
}

func (w *world) options() *socketio.ClientOptions {
	o := &socketio.ClientOptions{MessagePack: w.parser == "msgpack"}
	if w.transport != "upgrade" {
		o.Transports = []string{w.transport}
	}
	o.Reconnect = parley.Backoff{Min: 10 * time.Millisecond, Max: 100 * time.Millisecond}
	return o
}

// visitor is a client that remembers what happens to it.
type visitor struct {
	*parley.Client
	w    *world
	came chan bool      // whether each connection was recovered
	lost chan departure // each loss
	said chan []any     // the arguments of each event "said"
}

type departure struct {
	err   error
	again bool
}

// visitor makes a client of a manager's namespace.
func (w *world) visitor(m *socketio.Manager, namespace string, o *socketio.ClientOptions) *visitor {
	v := &visitor{w: w, came: make(chan bool, 10), lost: make(chan departure, 10), said: make(chan []any, 10_000)}
	o.OnConnect = func(ctx context.Context) { v.came <- socketio.Recovered(ctx) }
	o.OnDisconnect = func(err error, again bool) { v.lost <- departure{err, again} }
	v.Client = m.Client(namespace, o)
	v.Handle("said", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
		args, into := make([]any, call.Len()), make([]any, call.Len())
		for i := range args {
			into[i] = &args[i]
		}
		err := call.Scan(into...)
		v.said <- args
		return err
	}))
	v.Handle("question", parley.Func(func(q string) string { return q + "!" }))
	w.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := v.Close(ctx); err != nil {
			w.Errorf("Close: %v", err)
		}
	})
	return v
}

// connect makes a client of the main namespace that is connected.
func (w *world) connect(at string, o *socketio.ClientOptions) *visitor {
	w.Helper()
	v := w.visitor(socketio.NewManager(at, o), "", o)
	v.connect()
	if w.transport == "upgrade" {
		v.upgraded()
	}
	return v
}

func (v *visitor) connect() {
	v.w.Helper()
	if err := v.Connect(v.w.ctx); err != nil {
		v.w.Fatalf("Connect: %v", err)
	}
	wait(v.w, "OnConnect", v.came)
}

// wait takes from a channel, within the test's time.
func wait[T any](w *world, what string, from <-chan T) (got T) {
	w.Helper()
	select {
	case got = <-from:
	case <-w.ctx.Done():
		w.Fatalf("%s did not come", what)
	}
	return got
}

// who is what the server knows of a client.
type who struct {
	ID         string         `json:"id"`
	Auth       map[string]any `json:"auth"`
	Query      string         `json:"query"`
	Header     string         `json:"header"`
	Transport  string         `json:"transport"`
	Connection string         `json:"connection"` // only npm tells
	Recovered  bool           `json:"recovered"`
	Namespace  string         `json:"namespace"`
}

func (v *visitor) who() (is who) {
	v.w.Helper()
	v.call("who", &is)
	return is
}

func (v *visitor) call(name string, out any, args ...any) {
	v.w.Helper()
	if err := v.Call(v.w.ctx, name, out, args...); err != nil {
		v.w.Fatalf("%s: %v", name, err)
	}
}

func (v *visitor) send(name string, args ...any) {
	v.w.Helper()
	if err := v.Send(v.w.ctx, name, args...); err != nil {
		v.w.Fatalf("%s: %v", name, err)
	}
}

// upgraded waits until the client has changed to a WebSocket.
func (v *visitor) upgraded() {
	v.w.Helper()
	for v.who().Transport != "websocket" {
		if v.w.ctx.Err() != nil {
			v.w.Fatal("the client stays with polling")
		}
	}
}

func (w *world) same(what string, got, want any) {
	w.Helper()
	if !reflect.DeepEqual(got, want) {
		w.Errorf("%s: got %.300v, want %.300v", what, got, want)
	}
}

// scenarios are what a client does, at a server of each kind.
var scenarios = []struct {
	name       string
	run        func(w *world)
	recovering bool // needs a server that recovers
}{
	{"who it is", identity, false},
	{"events and acks, both ways", talk, false},
	{"text of every kind", texts, false},
	{"binary, both ways", binary, false},
	{"many calls at once", many, false},
	{"long messages", long, false},
	{"heartbeats", beats, false},
	{"a refusal with data", refusal, false},
	{"an unknown namespace", unknown, false},
	{"namespaces on one connection", namespaces, false},
	{"auth of each attempt", auths, false},
	{"the client's goodbye", goodbye, false},
	{"the server's goodbye", serverGoodbye, false},
	{"the server closes the connection", closed, false},
	{"a cut connection", cut, false},
	{"a refusal after a loss", refusalLater, false},
	{"no recovery without being asked", notRecovering, false},
	{"recovered", recovered, true},
	{"recovered twice, in a namespace", recoveredTwice, true},
	{"not recovered", notRecovered, true},
}

func TestGoClient(t *testing.T) {
	servers := map[string]map[string]string{"npm": startNode(t), "parley": startParley(t)}
	for _, server := range []string{"npm", "parley"} {
		for _, parser := range []string{"json", "msgpack"} {
			for _, transport := range []string{"polling", "websocket", "upgrade"} {
				for _, s := range scenarios {
					m := mode{server, parser, transport, s.recovering}
					kind := parser
					if s.recovering {
						kind += " recovering"
					}
					address, ok := servers[server][kind]
					if !ok {
						continue
					}
					t.Run(strings.Join([]string{server, parser, transport, s.name}, "/"), func(t *testing.T) {
						ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
						defer cancel()
						s.run(&world{T: t, mode: m, url: address, other: servers[server][kind+" too"], ctx: ctx})
					})
				}
			}
		}
	}
}

func identity(w *world) {
	o := w.options()
	o.Auth = map[string]any{"token": "abc", "n": 7}
	o.Query = url.Values{"color": {"red green"}}
	o.Header = http.Header{"X-Color": {"blue"}}
	v := w.connect(w.url, o)
	is := v.who()
	w.same("auth", fmt.Sprint(is.Auth), "map[n:7 token:abc]")
	w.same("query", is.Query, "red green")
	w.same("header", is.Header, "blue")
	w.same("namespace", is.Namespace, "/")
	if want := map[string]string{"upgrade": "websocket"}[w.transport]; want != "" {
		w.same("transport", is.Transport, want)
	} else {
		w.same("transport", is.Transport, w.transport)
	}
}

// control is a client that is not cut, to ask of others.
func (w *world) control() *visitor {
	w.Helper()
	o := w.options()
	o.Transports = []string{"websocket"}
	v := w.visitor(socketio.NewManager(w.url, o), "", o)
	v.connect()
	return v
}

func talk(w *world) {
	v := w.connect(w.url, w.options())
	var s string
	v.call("ask", &s, "really?")
	w.same("the answer", s, "really?!")
	v.call("echo", nil)
	for i := range 20 {
		v.send("say", "line", i)
	}
	for i := range 20 {
		w.same("said", fmt.Sprint(wait(w, "said", v.said)), fmt.Sprintf("[line %d]", i))
	}
	v.send("say")
	w.same("said", len(wait(w, "said", v.said)), 0)
}

func texts(w *world) {
	v := w.connect(w.url, w.options())
	for _, text := range []string{"", "Grüße, 世界, 🎉", "\"\\\n\t\u2028\x00\x1e", "b64", "2probe", "<script>&amp;", strings.Repeat("é", 5000)} {
		var got string
		v.call("echo", &got, text)
		w.same("echo", got, text)
	}
	type thing struct {
		Name  string            `json:"name"`
		List  []int             `json:"list"`
		Map   map[string]string `json:"map"`
		None  *int              `json:"none"`
		Float float64           `json:"float"`
		Yes   bool              `json:"yes"`
	}
	want := thing{"x", []int{1, -2, 1 << 40}, map[string]string{"a": "b"}, nil, 1.5, true}
	var got thing
	v.call("echo", &got, want)
	w.same("a struct", got, want)
}

func binary(w *world) {
	v := w.connect(w.url, w.options())
	var got []byte
	for _, want := range [][]byte{{}, {1, 2, 3}, []byte(strings.Repeat("\x00\xff", 100_000))} {
		v.call("echo", &got, want)
		w.same("bytes", len(got), len(want))
		w.same("bytes", string(got), string(want))
	}
	type part struct {
		Name string `json:"name"`
		Data []byte `json:"data"`
	}
	type whole struct {
		Parts []part            `json:"parts"`
		More  map[string][]byte `json:"more"`
	}
	want := whole{[]part{{"a", []byte("aaa")}, {"b", []byte("bb")}}, map[string][]byte{"c": []byte("c")}}
	var back whole
	v.call("echo", &back, want)
	w.same("bytes in a struct", back, want)
	v.send("say", "before", []byte("inside"), map[string]any{"deep": []any{[]byte("er")}})
	v.send("say", "after")
	w.same("said", fmt.Sprint(wait(w, "said", v.said)), "[before [105 110 115 105 100 101] map[deep:[[101 114]]]]")
	w.same("said", fmt.Sprint(wait(w, "said", v.said)), "[after]")
}

func many(w *world) {
	v := w.connect(w.url, w.options())
	var calls sync.WaitGroup
	for i := range 100 {
		calls.Go(func() { // ends with its answer
			var got string
			want := strings.Repeat(fmt.Sprint(i), 50)
			if err := v.Call(w.ctx, "echo", &got, want); err != nil || got != want {
				w.Errorf("echo %d: %v", i, err)
			}
		})
	}
	calls.Wait()
}

func long(w *world) {
	o := w.options()
	o.Limits.QueueBytes = 4 << 20
	v := w.connect(w.url, o)
	for i := range 4 { // more than one POST may have
		v.send("say", strings.Repeat(fmt.Sprint(i), 400_000))
	}
	for i := range 4 {
		text, _ := wait(w, "said", v.said)[0].(string)
		w.same("said", text == strings.Repeat(fmt.Sprint(i), 400_000), true)
	}
}

func beats(w *world) {
	if w.server != "npm" || w.parser != "json" {
		return // our own server is asked in fake time
	}
	v := w.connect(w.url, w.options())
	v.call("beats", nil, 3)
}

func refusal(w *world) {
	o := w.options()
	m := socketio.NewManager(w.url, o)
	var no *parley.Error
	v := w.visitor(m, "/secret", o)
	if err := v.Connect(w.ctx); !errors.As(err, &no) {
		w.Fatalf("got %v, want a *parley.Error", err)
	}
	w.same("message", no.Message, "who are you?")
	w.same("data", fmt.Sprint(no.Data), "map[asked:token got:<nil>]")
	o = w.options()
	o.Auth = struct {
		Token string `json:"token"`
	}{"let me in"}
	v = w.visitor(m, "/secret", o)
	v.connect()
	w.same("namespace", v.who().Namespace, "/secret")
}

func unknown(w *world) {
	o := w.options()
	var no *parley.Error
	v := w.visitor(socketio.NewManager(w.url, o), "/nowhere", o)
	if err := v.Connect(w.ctx); !errors.As(err, &no) || no.Message != "Invalid namespace" {
		w.Errorf("got %v, want Invalid namespace", err)
	}
}

func namespaces(w *world) {
	o := w.options()
	m := socketio.NewManager(w.url, o)
	first, second := w.visitor(m, "", o), w.visitor(m, "other", w.options())
	first.connect()
	second.connect()
	w.same("namespace", second.who().Namespace, "/other")
	w.same("connection", second.who().Connection, first.who().Connection)
	first.send("say", 1)
	second.send("say", 2)
	w.same("the first", fmt.Sprint(wait(w, "said", first.said)), "[1]")
	w.same("the second", fmt.Sprint(wait(w, "said", second.said)), "[2]")
	third := w.visitor(m, "/other", w.options())
	if err := third.Connect(w.ctx); err == nil {
		w.Error("a second client has joined the namespace")
	}
	second.send("leave")
	<-second.Done()
	w.same("the loss", wait(w, "the loss", second.lost), departure{nil, false})
	var s string
	first.call("echo", &s, "still here")
	w.same("the first", s, "still here")
	if err := first.Close(w.ctx); err != nil {
		w.Error(err)
	}
	fourth := w.visitor(m, "", w.options())
	fourth.connect()
	fourth.call("echo", &s, "again")
	w.same("the fourth", s, "again")
}

func auths(w *world) {
	o, attempts := w.options(), 0
	o.AuthFunc = func(context.Context) (any, error) {
		attempts++
		return map[string]int{"attempt": attempts}, nil
	}
	v := w.connect(w.url, o)
	w.same("auth", fmt.Sprint(v.who().Auth["attempt"]), "1")
	v.send("cut")
	wait(w, "the way back", v.came)
	w.same("auth", fmt.Sprint(v.who().Auth["attempt"]), "2")
	o = w.options()
	o.AuthFunc = func(context.Context) (any, error) { return nil, errors.New("no token") }
	if err := w.visitor(socketio.NewManager(w.url, o), "", o).Connect(w.ctx); err == nil || !strings.Contains(err.Error(), "no token") {
		w.Errorf("got %v, want no token", err)
	}
}

// reason asks the server why a client has left.
func (w *world) reason(id string) (reason string) {
	w.Helper()
	w.control().call("why", &reason, id)
	return reason
}

func goodbye(w *world) {
	v := w.connect(w.url, w.options())
	id := v.who().ID
	v.send("say", "last words")
	if err := v.Close(w.ctx); err != nil {
		w.Error(err)
	}
	w.same("the reason", w.reason(id), "client namespace disconnect")
	w.same("the loss", wait(w, "the loss", v.lost), departure{nil, false})
}

func serverGoodbye(w *world) {
	v := w.connect(w.url, w.options())
	id := v.who().ID
	v.send("say", "before")
	v.send("leave")
	w.same("said", fmt.Sprint(wait(w, "said", v.said)), "[before]")
	w.same("the loss", wait(w, "the loss", v.lost), departure{nil, false})
	wait(w, "the end", v.Done())
	if v.Err() != nil {
		w.Errorf("the client ended with %v", v.Err())
	}
	w.same("the reason", w.reason(id), "server namespace disconnect")
}

func closed(w *world) {
	v := w.connect(w.url, w.options())
	before := v.who().ID
	v.send("cut")
	w.same("again", wait(w, "the loss", v.lost).again, true)
	w.same("recovered", wait(w, "the way back", v.came), false)
	if is := v.who(); is.ID == before {
		w.Error("the client kept its ID")
	}
}

func cut(w *world) {
	way := newProxy(w.T, w.url)
	v := w.connect(way.url(), w.options())
	before := v.who().ID
	w.control().call("idle", nil, before)
	way.cut(true)
	w.same("again", wait(w, "the loss", v.lost).again, true)
	if err := v.Call(w.ctx, "echo", nil); !errors.Is(err, parley.ErrClosed) {
		w.Errorf("a call while away: %v", err)
	}
	way.open(w.url)
	w.same("recovered", wait(w, "the way back", v.came), false)
	var s string
	v.call("echo", &s, "back")
	w.same("echo", s, "back")
	if v.who().ID == before {
		w.Error("the client kept its ID")
	}
}

// refusalLater: a server that refuses a client that comes back is not asked
// again.
func refusalLater(w *world) {
	o, token := w.options(), "let me in"
	o.AuthFunc = func(context.Context) (any, error) {
		defer func() { token = "expired" }()
		return map[string]string{"token": token}, nil
	}
	v := w.visitor(socketio.NewManager(w.url, o), "/secret", o)
	v.connect()
	v.send("cut")
	w.same("again", wait(w, "the loss", v.lost).again, true)
	wait(w, "the end", v.Done())
	var no *parley.Error
	if !errors.As(v.Err(), &no) || no.Message != "who are you?" {
		w.Errorf("the client ended with %v", v.Err())
	}
}

// notRecovering: what ends with a word is no offset.
func notRecovering(w *world) {
	v := w.connect(w.url, w.options())
	v.send("say", "a", "word")
	w.same("said", fmt.Sprint(wait(w, "said", v.said)), "[a word]")
}

// noticed waits until npm's server knows that a client was cut: else it does
// not recover it.
func (w *world) noticed(control *visitor, id string) {
	w.Helper()
	if w.server == "npm" {
		control.call("why", nil, id)
	}
}

func recovered(w *world) {
	way := newProxy(w.T, w.url)
	v := w.connect(way.url(), w.options())
	control := w.control()
	room := "room of " + v.who().ID
	v.call("join", nil, room)
	control.call("publish", nil, room, "said", "first", []byte("bytes"))
	w.same("said", fmt.Sprint(wait(w, "said", v.said)), "[first [98 121 116 101 115]]")
	before := v.who()
	control.call("idle", nil, before.ID)
	way.cut(true)
	w.same("again", wait(w, "the loss", v.lost).again, true)
	w.noticed(control, before.ID)
	const n = 200
	for i := range n {
		control.call("publish", nil, room, "said", "missed", i)
	}
	control.call("publish", nil, "another room", "said", "not for it")
	way.open(w.url)
	w.same("recovered", wait(w, "the way back", v.came), true)
	for i := range n {
		w.same("missed", fmt.Sprint(wait(w, "what was missed", v.said)), fmt.Sprintf("[missed %d]", i))
	}
	after := v.who()
	w.same("the ID", after.ID, before.ID)
	w.same("recovered", after.Recovered, true)
	control.call("publish", nil, room, "said", "last")
	w.same("said", fmt.Sprint(wait(w, "said", v.said)), "[last]")
}

func recoveredTwice(w *world) {
	way := newProxy(w.T, w.url)
	o := w.options()
	o.Auth = map[string]string{"name": "ann"}
	m := socketio.NewManager(way.url(), o)
	v, other := w.visitor(m, "/other", o), w.visitor(m, "", w.options())
	v.connect()
	other.connect()
	control := w.control()
	v.send("say", "first")
	other.send("say", "first")
	wait(w, "said", v.said)
	wait(w, "said", other.said)
	for range 2 {
		before, otherBefore := v.who().ID, other.who().ID
		control.call("idle", nil, before)
		way.cut(true)
		w.same("again", wait(w, "the loss", v.lost).again, true)
		w.same("again", wait(w, "the loss", other.lost).again, true)
		w.noticed(control, before)
		way.open(w.url)
		for _, c := range []*visitor{v, other} {
			w.same("recovered", wait(w, "the way back", c.came), true)
		}
		w.same("the ID", v.who().ID, before)
		w.same("the other's", other.who().ID, otherBefore)
		w.same("auth", v.who().Auth["name"], "ann")
		v.send("say", "on")
		w.same("said", fmt.Sprint(wait(w, "said", v.said)), "[on]")
	}
}

// notRecovered: the client comes back to a server that does not know it.
func notRecovered(w *world) {
	way := newProxy(w.T, w.url)
	v := w.connect(way.url(), w.options())
	v.send("say", "first")
	w.same("said", fmt.Sprint(wait(w, "said", v.said)), "[first]")
	before := v.who().ID
	w.control().call("idle", nil, before)
	way.cut(true)
	wait(w, "the loss", v.lost)
	w.noticed(w.control(), before)
	way.open(w.other)
	w.same("recovered", wait(w, "the way back", v.came), false)
	if v.who().ID == before {
		w.Error("the client kept its ID")
	}
	v.send("say", "a", "word")
	w.same("said", fmt.Sprint(wait(w, "said", v.said)), "[a word]")
	there := &world{T: w.T, mode: w.mode, url: w.other, ctx: w.ctx}
	control, id := there.control(), v.who().ID
	control.call("idle", nil, id)
	way.cut(true)
	wait(w, "the loss", v.lost)
	w.noticed(control, id)
	way.open(w.other)
	w.same("recovered by the other", wait(w, "the way back", v.came), true)
}
