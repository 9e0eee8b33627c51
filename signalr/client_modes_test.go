package signalr

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// mode is one way of a client to a server.
type mode struct {
	transport Transports
	name      string // of the transport, as a Conn has it
	protocol  string
	how       string // "", "skip" (SkipNegotiation), "stateful" (StatefulReconnect)
}

func (m mode) String() string { return strings.TrimSpace(m.name + " " + m.protocol + " " + m.how) }

func (m mode) options() ClientOptions {
	return ClientOptions{
		Transports: m.transport, Protocol: m.protocol,
		SkipNegotiation: m.how == "skip", StatefulReconnect: m.how == "stateful",
	}
}

var modes = []mode{
	{WebSockets, "websocket", "json", ""},
	{WebSockets, "websocket", "json", "skip"},
	{WebSockets, "websocket", "json", "stateful"},
	{ServerSentEvents, "sse", "json", ""},
	{LongPolling, "polling", "json", ""},
	{LongPolling, "polling", "json", "stateful"}, // which it cannot have
	{WebSockets, "websocket", "messagepack", ""},
	{WebSockets, "websocket", "messagepack", "skip"},
	{WebSockets, "websocket", "messagepack", "stateful"},
	{LongPolling, "polling", "messagepack", ""},
}

// visitor is a client that has come to a server.
type visitor struct {
	*server
	*parley.Client
	mode mode
	came chan struct{}  // has an element for each connection
	lost chan departure // each loss
}

type departure struct {
	err   error
	again bool
}

// inEveryMode runs body with a server and a client that has connected. When it
// returns, every goroutine of both must end.
func inEveryMode(t *testing.T, body func(v *visitor)) {
	for _, m := range modes {
		t.Run(m.String(), func(t *testing.T) {
			serve(t, &Options{AllowStatefulReconnect: true}, func(s *server) {
				s.handle()
				v := &visitor{server: s, mode: m, came: make(chan struct{}, 10), lost: make(chan departure, 10)}
				o := m.options()
				o.Header = http.Header{"X-User": {"ann"}}
				o.OnConnect = func(context.Context) { v.came <- struct{}{} }
				o.OnDisconnect = func(err error, again bool) { v.lost <- departure{err, again} }
				v.Client = s.client(o)
				v.On("said", func(string) {})
				connect(s.t, v.Client)
				<-v.came
				synctest.Wait() // until the server has let the client in
				body(v)
				if err := v.Client.Close(s.t.Context()); err != nil {
					s.t.Errorf("Close: %v", err)
				}
				if n := len(s.hub.Audience().Conns()); n > 0 {
					s.t.Errorf("after Close the hub has %d connections", n)
				}
			})
		})
	}
}

func (v *visitor) t() *testing.T { return v.server.t }

func (v *visitor) ctx() context.Context { return v.server.t.Context() }

// conn is the client as the hub sees it.
func (v *visitor) conn() *parley.Conn {
	v.t().Helper()
	all := v.hub.Audience().Conns()
	if len(all) != 1 {
		v.t().Fatalf("the hub has %d connections, want 1", len(all))
	}
	return all[0]
}

// TestClientInEveryMode is one table of what a client can do.
func TestClientInEveryMode(t *testing.T) {
	for name, scenario := range map[string]func(v *visitor){
		"who it is":            modeIdentity,
		"calls":                modeCalls,
		"calls at once":        modeCallsAtOnce,
		"errors":               modeErrors,
		"events":               modeEvents,
		"questions":            modeQuestions,
		"streams":              modeStreams,
		"uploads":              modeUploads,
		"headers":              modeHeaders,
		"long messages":        modeLongMessages,
		"nothing happens":      modeIdle,
		"a lost connection":    modeLoss,
		"the server's goodbye": modeGoodbye,
		"the client's goodbye": modeLeaving,
		"a shutdown":           modeShutdown,
	} {
		t.Run(name, func(t *testing.T) { inEveryMode(t, scenario) })
	}
}

func modeIdentity(v *visitor) {
	var who []string
	err := v.Call(v.ctx(), "who", &who)
	if want := []string{"ann", "Ann", "ann", v.mode.name, v.mode.protocol}; err != nil || !slices.Equal(who, want) {
		v.t().Errorf("who: got %v %v, want %v", who, err, want)
	}
}

func modeCalls(v *visitor) {
	var sum int
	if err := v.Call(v.ctx(), "ADD", &sum, 20, 22); err != nil || sum != 42 {
		v.t().Errorf("add: got %d %v, want 42", sum, err)
	}
	if err := v.Call(v.ctx(), "nothing", nil); err != nil {
		v.t().Errorf("nothing: %v", err)
	}
	if err := v.Send(v.ctx(), "nope"); err != nil { // nobody hears of it
		v.t().Errorf("send: %v", err)
	}
	ctx, cancel := context.WithTimeout(v.ctx(), time.Second)
	defer cancel()
	if err := v.Call(ctx, "wait", nil); !errors.Is(err, parley.ErrTimeout) {
		v.t().Errorf("wait: got %v, want ErrTimeout", err)
	}
	if err := v.Call(v.ctx(), "nothing", nil); err != nil { // wait was cancelled, or this would wait for it
		v.t().Errorf("nothing: %v", err)
	}
}

func modeCallsAtOnce(v *visitor) {
	var calling sync.WaitGroup
	for i := range 50 {
		calling.Go(func() { // ends with its answer, waited for below
			var sum int
			if err := v.Call(v.ctx(), "add", &sum, i, 1000); err != nil || sum != i+1000 {
				v.t().Errorf("add %d: got %d %v", i, sum, err)
			}
		})
	}
	calling.Wait()
}

func modeErrors(v *visitor) {
	for name, want := range map[string]parley.Error{
		"fail": {Code: "error", Message: "no such room"},
		"boom": {Code: wire.CodeInternal, Message: "An unexpected error occurred invoking 'boom' on the server."},
		"nope": {Code: wire.CodeNotFound, Message: "Failed to invoke 'nope' due to an error on the server. HubException: Method does not exist."},
		"add":  {Code: wire.CodeArguments, Message: "Failed to invoke 'add' due to an error on the server."},
	} {
		wantError(v.t(), v.Call(v.ctx(), name, nil), want)
	}
}

func modeEvents(v *visitor) {
	got := make(chan string, 1000)
	v.Handle("counted", parley.Func(func(text string) { got <- text }))
	if err := v.Call(v.ctx(), "join", nil, "g"); err != nil {
		v.t().Fatal(err)
	}
	const many = 300
	for i := range many {
		if err := v.hub.Group("g").Send(v.ctx(), "Counted", fmt.Sprint(i)); err != nil {
			v.t().Fatal(err)
		}
	}
	for i := range many {
		if text := <-got; text != fmt.Sprint(i) {
			v.t().Fatalf("event %d: got %q", i, text)
		}
	}
}

func modeQuestions(v *visitor) {
	v.Handle("confirm", parley.Func(func(q string) (string, error) {
		if q == "" {
			return "", parley.Errorf("", "no question")
		}
		return q + "!", nil
	}))
	var answer string
	if err := v.Call(v.ctx(), "ask", &answer, "sure"); err != nil || answer != "sure!" {
		v.t().Errorf("ask: got %q %v, want sure!", answer, err)
	}
	wantError(v.t(), v.Call(v.ctx(), "ask", nil, ""), parley.Error{Code: "error", Message: "no question"})
	wantError(v.t(), v.conn().Call(v.ctx(), "unheard", nil), parley.Error{Code: "error", Message: "Client didn't provide a result."})
}

func modeStreams(v *visitor) {
	var got []int
	for n, err := range parley.Stream[int, int]("count").Call(v.ctx(), v.Client, 500) {
		if err != nil {
			v.t().Fatal(err)
		}
		if got = append(got, n); n != len(got) {
			v.t().Fatalf("value %d: got %d", len(got), n)
		}
	}
	if len(got) != 500 {
		v.t().Errorf("got %d values, want 500", len(got))
	}
	for _, err := range v.Stream(v.ctx(), "count", 0) {
		wantError(v.t(), err, parley.Error{Code: wire.CodeInternal, Message: "An error occurred on the server while streaming results."})
	}
	for range v.Stream(v.ctx(), "endless") {
		break // cancels it, so that Shutdown does not wait
	}
	for _, err := range v.Stream(v.ctx(), "add", 1, 2) {
		wantError(v.t(), err, parley.Error{Code: "not_stream",
			Message: "The client attempted to invoke the non-streaming 'add' method with a streaming invocation."})
	}
}

func modeUploads(v *visitor) {
	sum := parley.Upload[int, int, int]("sum")
	sum.Handle(v.hub, func(_ context.Context, _ *parley.Conn, start int, items iter.Seq2[int, error]) (int, error) {
		for n, err := range items {
			if err != nil {
				return start, err
			}
			start += n
		}
		return start, nil
	})
	for range 3 {
		if got, err := sum.Call(v.ctx(), v.Client, 1000, slices.Values([]int{1, 20, 300})); err != nil || got != 1321 {
			v.t().Errorf("sum: got %d %v, want 1321", got, err)
		}
	}
	broken := func(yield func(int, error) bool) {
		if yield(1, nil) {
			yield(0, parley.Errorf("", "out of paper"))
		}
	}
	err := v.Call(v.ctx(), "sum", nil, 1, iter.Seq2[int, error](broken))
	wantError(v.t(), err, parley.Error{Code: "error", Message: "out of paper"})
	v.hub.Handle("zip", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error { // answers with a stream
		next, stop := iter.Pull2(call.Upload(1))
		defer stop()
		for a := range call.Upload(0) {
			b, err, _ := next()
			var x, y int
			if err := errors.Join(err, a.Scan(&x), b.Scan(&y)); err != nil {
				return err
			}
			if err := call.Send(10*x + y); err != nil {
				return err
			}
		}
		return nil
	}))
	var zipped []int
	for value, err := range v.Stream(v.ctx(), "zip", slices.Values([]int{1, 2, 3}), slices.Values([]int{4, 5, 6})) {
		var n int
		if err := errors.Join(err, value.Scan(&n)); err != nil {
			v.t().Fatal(err)
		}
		zipped = append(zipped, n)
	}
	if want := []int{14, 25, 36}; !slices.Equal(zipped, want) {
		v.t().Errorf("zip: got %v, want %v", zipped, want)
	}
	err = v.Call(v.ctx(), "add", nil, 1, 2, slices.Values([]int{1}))
	wantError(v.t(), err, parley.Error{Code: "streams", Message: "Client sent 1 stream(s), Hub method expects 0."})
}

func modeHeaders(v *visitor) {
	v.hub.Handle("traced", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
		return call.Reply(call.Headers()["traceparent"])
	}))
	var got string
	ctx := parley.WithHeaders(v.ctx(), map[string]string{"traceparent": "00-1-2-01"})
	if err := v.Call(ctx, "traced", &got); err != nil || got != "00-1-2-01" {
		v.t().Errorf("traced: got %q %v", got, err)
	}
}

func modeLongMessages(v *visitor) {
	got := make(chan string, 1)
	v.Handle("long", parley.Func(func(text string) { got <- text }))
	v.hub.Handle("length", parley.Func(func(text string) int { return len(text) }))
	var n int
	if err := v.Call(v.ctx(), "length", &n, strings.Repeat("x", 30_000)); err != nil || n != 30_000 {
		v.t().Errorf("length: got %d %v, want 30000", n, err)
	}
	if err := v.conn().Send(v.ctx(), "long", strings.Repeat("\n", 20_000)); err != nil {
		v.t().Fatal(err)
	}
	if text := <-got; text != strings.Repeat("\n", 20_000) {
		v.t().Errorf("long: got %d bytes", len(text))
	}
}

func modeIdle(v *visitor) {
	pass(10 * time.Minute)
	if len(v.lost) > 0 {
		v.t().Errorf("lost the connection: %v", <-v.lost)
	}
	if err := v.Call(v.ctx(), "nothing", nil); err != nil {
		v.t().Error(err)
	}
}

func modeLoss(v *visitor) {
	waiting := make(chan error, 1)
	go func() { waiting <- v.Call(v.ctx(), "wait", nil) }() // ends with the connection
	synctest.Wait()
	v.conn().CloseNow()
	if err := <-waiting; !errors.Is(err, parley.ErrClosed) {
		v.t().Errorf("a call without a connection: got %v, want ErrClosed", err)
	}
	if gone := <-v.lost; !gone.again {
		v.t().Errorf("the client does not mean to come back: %v", gone.err)
	}
	<-v.came
	if err := v.Call(v.ctx(), "nothing", nil); err != nil {
		v.t().Error(err)
	}
}

func modeGoodbye(v *visitor) {
	v.conn().Close("do not come back")
	if gone := <-v.lost; gone.again || gone.err != nil {
		v.t().Errorf("got %+v, want an ordinary end for good", gone)
	}
	<-v.Done()
	if v.Err() != nil {
		v.t().Errorf("Err: %v", v.Err())
	}
}

func modeLeaving(v *visitor) {
	told := make(chan error, 1)
	v.hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { told <- err })
	if err := v.Send(v.ctx(), "nothing"); err != nil {
		v.t().Fatal(err)
	}
	if err := v.Client.Close(v.ctx()); err != nil {
		v.t().Fatal(err)
	}
	if err := <-told; err != nil {
		v.t().Errorf("the hub was told %v, want nothing", err)
	}
}

// modeShutdown: a server that goes down wants its clients back, but does not
// come back itself.
func modeShutdown(v *visitor) {
	v.shutdown()
	began := time.Now()
	if gone := <-v.lost; !gone.again || gone.err != nil {
		v.t().Errorf("got %+v, want an ordinary end and to come back", gone)
	}
	<-v.Done()
	if took := time.Since(began); v.Err() == nil || took < 42*time.Second || took > 64*time.Second {
		v.t().Errorf("gave up after %v: %v, want 42 s and up to half of it", took, v.Err())
	}
}

func TestARefusedClientIsToldWhy(t *testing.T) {
	for _, m := range modes {
		t.Run(m.String(), func(t *testing.T) {
			serve(t, &Options{AllowStatefulReconnect: true}, func(s *server) {
				s.hub.OnConnect(func(context.Context, *parley.Conn) error { return parley.Errorf("", "full house") })
				cl := s.client(m.options())
				err := cl.Connect(s.t.Context())
				if err == nil || !strings.HasSuffix(err.Error(), "Connection closed with an error. HubException: full house") {
					s.t.Errorf("Connect: got %v, want the server's sentence", err)
				}
				if err := cl.Close(s.t.Context()); err != nil {
					s.t.Error(err)
				}
			})
		})
	}
}

// TestClientOverHTTP2: requests share one connection over TLS; the WebSocket has
// its own.
func TestClientOverHTTP2(t *testing.T) {
	hub := parley.NewHub(nil)
	hub.Handle("add", parley.Func(func(a, b int) int { return a + b }))
	mux := http.NewServeMux()
	Mount(mux, "/chat", hub, nil)
	var mu sync.Mutex
	versions := make(map[string]bool)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		versions[r.Method+" "+r.Proto] = true
		mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	defer hub.Shutdown(t.Context())
	for _, m := range modes {
		o := m.options()
		o.HTTPClient = s.Client()
		cl := NewClient(s.URL+"/chat", &o)
		if err := cl.Connect(t.Context()); err != nil {
			t.Fatalf("%s: %v", m, err)
		}
		var sum int
		if err := cl.Call(t.Context(), "add", &sum, 1, 2); err != nil || sum != 3 {
			t.Errorf("%s: add: got %d %v", m, sum, err)
		}
		if err := cl.Close(t.Context()); err != nil {
			t.Errorf("%s: Close: %v", m, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	want := map[string]bool{"POST HTTP/2.0": true, "GET HTTP/2.0": true, "DELETE HTTP/2.0": true, "GET HTTP/1.1": true}
	if !maps.Equal(versions, want) {
		t.Errorf("the requests were %v", versions)
	}
}
