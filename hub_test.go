package parley_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
	"github.com/parley-go/parley/wire"
)

type draft struct {
	parley.Positional
	Room, Text string
}

type line struct {
	parley.Positional
	From, Text string
}

const (
	join    parley.Command[string]          = "join"
	say     parley.Command[draft]           = "say"
	who     parley.Method[string, []string] = "who"
	count   parley.Stream[int, int]         = "count"
	said    parley.Event[line]              = "said"
	confirm parley.Ask[string, bool]        = "confirm"
	sure    parley.Method[string, bool]     = "sure"
)

// quiet is a logger for tests that provoke errors.
var quiet = slog.New(slog.DiscardHandler)

// newRoom makes a small chat hub and closes it when the test ends.
func newRoom(t *testing.T, o *parley.HubOptions) *parley.Hub {
	t.Helper()
	hub := parley.NewHub(o)
	join.Handle(hub, func(_ context.Context, c *parley.Conn, room string) error { return c.Join(room) })
	say.Handle(hub, func(ctx context.Context, c *parley.Conn, d draft) error {
		return said.Send(ctx, hub.Group(d.Room), line{From: c.User(), Text: d.Text})
	})
	who.Handle(hub, func(_ context.Context, _ *parley.Conn, room string) ([]string, error) {
		names := []string{}
		for _, c := range hub.Group(room).Conns() {
			names = append(names, c.User())
		}
		slices.Sort(names)
		return names, nil
	})
	count.Handle(hub, func(_ context.Context, _ *parley.Conn, n int, send func(int) error) error {
		for i := range n {
			if err := send(i + 1); err != nil {
				return err
			}
		}
		return nil
	})
	sure.Handle(hub, func(ctx context.Context, c *parley.Conn, q string) (bool, error) {
		return confirm.Call(ctx, c, q)
	})
	t.Cleanup(func() { shutdown(t, hub) })
	return hub
}

func shutdown(t *testing.T, hub *parley.Hub) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := hub.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

// listener collects what is said to a client.
type listener struct {
	lines chan line
}

func dialListening(t *testing.T, hub *parley.Hub, user string) (*parley.Client, *listener) {
	t.Helper()
	l := &listener{lines: make(chan line, 10000)}
	cl := parleytest.Dial(t, hub, &parleytest.Options{User: user, Setup: func(cl *parley.Client) {
		said.On(cl, func(_ context.Context, m line) { l.lines <- m })
	}})
	return cl, l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// code is the wire code of a peer's error.
func code(err error) string {
	var e *parley.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprintf("not a parley.Error: %v", err)
}

func TestARoomHearsWhatIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		hub := newRoom(t, nil)
		ann, annHears := dialListening(t, hub, "ann")
		bob, bobHears := dialListening(t, hub, "bob")
		_, outside := dialListening(t, hub, "eve")
		must(t, join.Call(ctx, ann, "lobby"))
		must(t, join.Call(ctx, bob, "lobby"))
		must(t, say.Call(ctx, ann, draft{Room: "lobby", Text: "Hi"}))
		must(t, say.Call(ctx, bob, draft{Room: "lobby", Text: "I'm here, too"}))
		synctest.Wait()
		for who, l := range map[string]*listener{"ann": annHears, "bob": bobHears} {
			got := []line{<-l.lines, <-l.lines}
			want := []line{{From: "ann", Text: "Hi"}, {From: "bob", Text: "I'm here, too"}}
			if !slices.Equal(got, want) {
				t.Errorf("%s hears %v, want %v", who, got, want)
			}
		}
		if n := len(outside.lines); n != 0 {
			t.Errorf("someone outside the room hears %d lines", n)
		}
		got, err := who.Call(ctx, bob, "lobby")
		if want := []string{"ann", "bob"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("who: %v, %v; want %v", got, err, want)
		}
	})
}

func TestEveryMemberSeesTheSameOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		const clients, each = 4, 200
		var all []*parley.Client
		var hears []*listener
		for i := range clients {
			cl, l := dialListening(t, hub, fmt.Sprint("user", i))
			must(t, join.Call(t.Context(), cl, "lobby"))
			all, hears = append(all, cl), append(hears, l)
		}
		var wg sync.WaitGroup
		for _, cl := range all {
			wg.Go(func() {
				for n := range each {
					if err := say.Send(t.Context(), cl, draft{Room: "lobby", Text: fmt.Sprint(n)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		first := drain(hears[0].lines)
		if len(first) != clients*each {
			t.Fatalf("heard %d lines, want %d", len(first), clients*each)
		}
		next := map[string]int{}
		for _, l := range first {
			if want := fmt.Sprint(next[l.From]); l.Text != want {
				t.Fatalf("%s said %s, want %s next", l.From, l.Text, want)
			}
			next[l.From]++
		}
		for i, l := range hears[1:] {
			if !slices.Equal(drain(l.lines), first) {
				t.Errorf("client %d heard another order than client 0", i+1)
			}
		}
	})
}

func drain(c chan line) []line {
	var all []line
	for len(c) > 0 {
		all = append(all, <-c)
	}
	return all
}

func TestAudiences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		hub := newRoom(t, nil)
		ann, annHears := dialListening(t, hub, "ann")
		_, ann2Hears := dialListening(t, hub, "ann")
		bob, bobHears := dialListening(t, hub, "bob")
		must(t, join.Call(ctx, ann, "lobby"))
		must(t, join.Call(ctx, bob, "lobby"))
		connOf := func(user string) *parley.Conn { return hub.User(user).Conns()[0] }
		bobConn := connOf("bob")
		tests := []struct {
			name           string
			to             parley.Addressable
			ann, ann2, bob int
		}{
			{"everyone", hub, 1, 1, 1},
			{"group", hub.Group("lobby"), 1, 0, 1},
			{"empty group", hub.Group("nowhere"), 0, 0, 0},
			{"user", hub.User("ann"), 1, 1, 0},
			{"one connection", bobConn, 0, 0, 1},
			{"group except one", hub.Group("lobby").Except(bobConn), 1, 0, 0},
			{"everyone except one", hub.Audience().Except(bobConn), 1, 1, 0},
		}
		for _, tt := range tests {
			must(t, said.Send(ctx, tt.to, line{Text: tt.name}))
			synctest.Wait()
			got := [3]int{len(drain(annHears.lines)), len(drain(ann2Hears.lines)), len(drain(bobHears.lines))}
			if want := [3]int{tt.ann, tt.ann2, tt.bob}; got != want {
				t.Errorf("%s: ann, ann's other, bob heard %v, want %v", tt.name, got, want)
			}
		}
		bobConn.Leave("lobby")
		must(t, said.Send(ctx, hub.Group("lobby"), line{Text: "after leaving"}))
		synctest.Wait()
		if n := len(drain(bobHears.lines)); n != 0 {
			t.Errorf("bob hears %d lines after leaving", n)
		}
	})
}

func TestAskGoesToTheClientAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		hub := newRoom(t, &parley.HubOptions{Log: quiet})
		yes := parleytest.Dial(t, hub, &parleytest.Options{Setup: func(cl *parley.Client) {
			confirm.Handle(cl, func(_ context.Context, q string) (bool, error) { return q == "go on?", nil })
		}})
		got, err := sure.Call(ctx, yes, "go on?") // the handler asks its own caller
		if err != nil || !got {
			t.Errorf("ask: %v, %v; want true", got, err)
		}
		never := parleytest.Dial(t, hub, &parleytest.Options{User: "never", Setup: func(cl *parley.Client) {
			confirm.Handle(cl, func(ctx context.Context, _ string) (bool, error) { <-ctx.Done(); return false, ctx.Err() })
		}})
		conn := hub.User("never").Conns()[0]
		start := time.Now()
		_, err = confirm.Call(ctx, conn, "?")
		if !errors.Is(err, parley.ErrTimeout) || time.Since(start) != 30*time.Second {
			t.Errorf("unanswered: %v after %v, want ErrTimeout after 30s", err, time.Since(start))
		}
		go func() { time.Sleep(time.Second); never.Close(context.Background()) }()
		_, err = confirm.Call(ctx, conn, "?")
		if !errors.Is(err, parley.ErrClosed) {
			t.Errorf("client gone: %v, want ErrClosed", err)
		}
		none := parleytest.Dial(t, hub, &parleytest.Options{User: "none"})
		_, err = confirm.Call(ctx, hub.User("none").Conns()[0], "?")
		_ = none
		if got := code(err); got != wire.CodeNotFound {
			t.Errorf("no handler: %v, want %s", err, wire.CodeNotFound)
		}
	})
}

func TestStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		hub := newRoom(t, &parley.HubOptions{Log: quiet})
		started, ended := make(chan bool, 1), make(chan error, 1)
		hub.Handle("forever", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
			started <- call.Streaming()
			for i := 0; ; i++ {
				if err := call.Send(i); err != nil {
					ended <- err
					return err
				}
			}
		}))
		hub.Handle("letters", parley.Func(func(word string) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				for _, r := range word {
					if !yield(string(r), nil) {
						return
					}
				}
				yield("", parley.Errorf("spent", "no more letters"))
			}
		}))
		cl := parleytest.Dial(t, hub, nil)

		var got []int
		for v, err := range count.Call(ctx, cl, 1000) {
			must(t, err)
			got = append(got, v)
		}
		if len(got) != 1000 || got[0] != 1 || got[999] != 1000 {
			t.Errorf("count yields %d values", len(got))
		}

		for v, err := range cl.Stream(ctx, "forever") {
			must(t, err)
			var n int
			must(t, v.Scan(&n))
			if n == 5000 {
				break // cancels; until then the stream was held back by its reader
			}
		}
		if !<-started {
			t.Error("the handler was not told that it streams")
		}
		<-ended

		var letters string
		var last error
		for v, err := range cl.Stream(ctx, "letters", "abc") {
			if last = err; err == nil {
				var s string
				must(t, v.Scan(&s))
				letters += s
			}
		}
		if letters != "abc" || code(last) != "spent" {
			t.Errorf("letters: %q, then %v", letters, last)
		}

		if got := code(cl.Call(ctx, "count", nil, 3)); got != wire.CodeStreaming {
			t.Errorf("calling a stream plainly: code %q", got)
		}
		for _, err := range cl.Stream(ctx, "who", "x") {
			if got := code(err); got != wire.CodeNotStream {
				t.Errorf("streaming a plain method: code %q", got)
			}
		}
	})
}

func TestPlainTier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		hub := newRoom(t, &parley.HubOptions{Log: quiet})
		hub.Handle("add", parley.Func(func(_ context.Context, _ *parley.Conn, a, b int) (int, error) { return a + b, nil }))
		hub.Handle("raw", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
			var name string
			if err := call.Scan(&name); err != nil {
				return err
			}
			return call.Reply("hello " + name)
		}))
		hub.Handle("nothing", parley.Func(func() {}))
		hub.Handle("twice", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
			return errors.Join(call.Reply(1), call.Reply(2))
		}))
		hub.Handle("broken", parley.Func(func() error { return errors.New("the database password is hunter2") }))
		hub.Handle("refuse", parley.Func(func() error {
			return fmt.Errorf("wrapped: %w", &parley.Error{Code: "full", Message: "the room is full", Data: map[string]int{"seats": 0}})
		}))
		hub.Handle("panic", parley.Func(func() { panic("at the disco") }))
		cl := parleytest.Dial(t, hub, nil)

		var sum int
		if err := cl.Call(ctx, "add", &sum, 2, 3); err != nil || sum != 5 {
			t.Errorf("add: %d, %v", sum, err)
		}
		var hello string
		if err := cl.Call(ctx, "raw", &hello, "ann"); err != nil || hello != "hello ann" {
			t.Errorf("raw: %q, %v", hello, err)
		}
		must(t, cl.Call(ctx, "nothing", nil))
		var first int
		if err := cl.Call(ctx, "twice", &first); err != nil || first != 1 {
			t.Errorf("twice: %d, %v", first, err)
		}

		failures := []struct {
			call string
			args []any
			code string
		}{
			{"add", []any{1}, wire.CodeArguments},
			{"add", []any{1, 2, 3}, wire.CodeArguments},
			{"add", []any{1, "two"}, wire.CodeArguments},
			{"raw", []any{}, wire.CodeArguments},
			{"nothing", []any{1}, wire.CodeArguments},
			{"nobody", nil, wire.CodeNotFound},
			{"broken", nil, wire.CodeInternal},
			{"panic", nil, wire.CodeInternal},
			{"refuse", nil, "full"},
		}
		for _, f := range failures {
			err := cl.Call(ctx, f.call, nil, f.args...)
			if got := code(err); got != f.code {
				t.Errorf("%s%v: code %q, want %q (%v)", f.call, f.args, got, f.code, err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: the client sees the server's secret: %v", f.call, err)
			}
		}
		var refused *parley.Error
		errors.As(cl.Call(ctx, "refuse", nil), &refused)
		if refused == nil || fmt.Sprint(refused.Data) != "map[seats:0]" {
			t.Errorf("refuse carries %+v, want its data", refused)
		}
		if got := hub.Stats().Panics; got != 1 {
			t.Errorf("panics counted: %d, want 1", got)
		}
		must(t, cl.Call(ctx, "nothing", nil)) // the connection has survived all of it
	})
}

func TestCallsRunInOrderAndParallelOnRequest(t *testing.T) {
	for _, parallel := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			hub := newRoom(t, &parley.HubOptions{Limits: parley.Limits{Parallelism: parallel, WaitingCalls: 4}})
			var mu sync.Mutex
			running, most := 0, 0
			var order []int
			hub.Handle("work", parley.Func(func(n int) {
				mu.Lock()
				running++
				most = max(most, running)
				order = append(order, n)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				running--
				mu.Unlock()
			}))
			cl := parleytest.Dial(t, hub, nil)
			for n := range 20 { // more than may wait: the pipe is paused, nothing is lost
				must(t, cl.Send(t.Context(), "work", n))
			}
			time.Sleep(time.Minute)
			mu.Lock()
			defer mu.Unlock()
			if most != parallel || len(order) != 20 {
				t.Errorf("%d at once, %d in all; want %d and 20", most, len(order), parallel)
			}
			if parallel == 1 && !slices.IsSorted(order) {
				t.Errorf("order %v", order)
			}
		})
	}
}

func TestCancelEndsTheHandlersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		ended := make(chan error, 2)
		hub.Handle("wait", parley.Func(func(ctx context.Context) error {
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return ctx.Err()
		}))
		cl := parleytest.Dial(t, hub, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := cl.Call(ctx, "wait", nil); !errors.Is(err, parley.ErrTimeout) {
			t.Errorf("call: %v, want ErrTimeout", err)
		}
		if got := code(<-ended); got != wire.CodeCancelled {
			t.Errorf("cancelled handler sees %q", got)
		}
		must(t, cl.Send(t.Context(), "wait"))
		synctest.Wait()
		cl.Close(t.Context())
		if err := <-ended; !errors.Is(err, parley.ErrClosed) {
			t.Errorf("handler of a closed connection sees %v, want ErrClosed", err)
		}
	})
}

func TestOnConnectLetsInOrRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Log: quiet})
		asked := make(chan error, 1)
		hub.OnConnect(func(ctx context.Context, c *parley.Conn) error {
			switch c.User() {
			case "mallory":
				return parley.Errorf("banned", "you are not welcome")
			case "chaos":
				panic("in OnConnect")
			}
			asked <- c.Call(ctx, "confirm", nil, "too early")
			must(t, c.Join("lobby"))
			return c.Send(ctx, "said", "hub", "welcome "+c.User())
		})
		gone := make(chan string, 3)
		hub.OnDisconnect(func(_ context.Context, c *parley.Conn, _ error) { gone <- c.User() })

		ann, hears := dialListening(t, hub, "ann")
		must(t, say.Call(t.Context(), ann, draft{Room: "lobby", Text: "first call"})) // waited for OnConnect
		if got := (<-hears.lines).Text; got != "welcome ann" {
			t.Errorf("first heard %q", got)
		}
		if err := <-asked; !errors.Is(err, parley.ErrConnecting) {
			t.Errorf("ask in OnConnect: %v, want ErrConnecting", err)
		}
		for _, user := range []string{"mallory", "chaos"} {
			lost := make(chan error, 1)
			cl := parleytest.New(hub, &parleytest.Options{User: user, Client: &parley.ClientOptions{
				Reconnect:    parley.Backoff{Off: true},
				OnDisconnect: func(err error, _ bool) { lost <- err },
			}})
			defer cl.Close(t.Context())
			err := cl.Connect(t.Context()) // the refusal may be there before it has returned, or after
			if err == nil {
				err = <-lost
			}
			var bye *wire.CloseError
			if !errors.As(err, &bye) || bye.Code != 1008 {
				t.Errorf("%s sees %v, want close code 1008", user, err)
			}
		}
		synctest.Wait()
		if len(gone) != 0 {
			t.Errorf("OnDisconnect ran for %s, who never was connected", <-gone)
		}
		if s := hub.Stats(); s.Refused != 2 || s.Opened != 1 || s.Conns != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestOnDisconnectTellsTheReasonAndTheGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Limits: parley.Limits{QueueMessages: 10}})
		type end struct {
			user, groups string
			reason       error
		}
		ends := make(chan end, 1)
		hub.OnDisconnect(func(_ context.Context, c *parley.Conn, reason error) {
			ends <- end{c.User(), strings.Join(c.Groups(), ","), reason}
		})
		dial := func(user string) *parley.Client {
			cl := parleytest.Dial(t, hub, &parleytest.Options{
				User:   user,
				Client: &parley.ClientOptions{Limits: parley.Limits{WaitingCalls: 1}, Reconnect: parley.Backoff{Off: true}},
				Setup:  func(cl *parley.Client) { cl.On("stall", func(ctx context.Context) { <-ctx.Done() }) },
			})
			must(t, join.Call(t.Context(), cl, "lobby"))
			return cl
		}
		expect := func(user string, want error) {
			t.Helper()
			e := <-ends
			if e.user != user || e.groups != "lobby" || !errors.Is(e.reason, want) || (want == nil && e.reason != nil) {
				t.Errorf("ended: %+v, want %s for %v", e, user, want)
			}
			if n := len(hub.Group("lobby").Conns()); n != 0 {
				t.Errorf("%d members left in the group", n)
			}
		}
		dial("leaves").Close(t.Context())
		expect("leaves", nil)

		dial("kicked")
		hub.User("kicked").Conns()[0].Close("enough")
		expect("kicked", nil)

		dial("slow")
		conn := hub.User("slow").Conns()[0]
		var err error
		for i := 0; err == nil && i < 1000; i++ {
			err = conn.Send(t.Context(), "stall") // the client's pipe is paused by the second
		}
		if !errors.Is(err, parley.ErrSlow) {
			t.Errorf("sending to a slow client: %v, want ErrSlow", err)
		}
		expect("slow", parley.ErrSlow)
		if hub.Stats().Dropped["slow"] == 0 {
			t.Error("no dropped messages counted")
		}
	})
}

func TestShutdownSaysGoodbyeAndWaitsForHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(nil)
		var finished bool
		hub.Handle("work", parley.Func(func() { time.Sleep(10 * time.Second); finished = true }))
		lost := make(chan bool, 1)
		cl := parleytest.Dial(t, hub, &parleytest.Options{Client: &parley.ClientOptions{
			Reconnect:    parley.Backoff{Min: time.Second, Max: time.Minute, Attempts: 3},
			OnDisconnect: func(_ error, again bool) { lost <- again },
		}})
		must(t, cl.Send(t.Context(), "work"))
		synctest.Wait()
		must(t, hub.Shutdown(t.Context()))
		if !finished {
			t.Error("Shutdown did not wait for a handler")
		}
		if !<-lost {
			t.Error("the goodbye did not ask the client to come back")
		}
		<-cl.Done() // three attempts against a hub that takes nobody
		if !errors.Is(cl.Err(), parley.ErrShutdown) {
			t.Errorf("client ended with %v, want ErrShutdown", cl.Err())
		}
		r, _ := http.NewRequest("GET", "/", nil)
		if _, err := hub.NewSession(r, nil, nil); !errors.Is(err, parley.ErrShutdown) {
			t.Errorf("new session: %v, want ErrShutdown", err)
		}
	})
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(nil)
		release := make(chan bool)
		hub.Handle("stuck", parley.Func(func() { <-release })) // ignores its context
		cl := parleytest.Dial(t, hub, nil)
		must(t, cl.Send(t.Context(), "stuck"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := hub.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v, want DeadlineExceeded", err)
		}
		close(release)
	})
}

func TestMiddlewareWrapsAllHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		var seen []string
		trace := func(name string) func(parley.Handler) parley.Handler {
			return func(next parley.Handler) parley.Handler {
				return parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
					seen = append(seen, name+":"+call.Name)
					if call.Name == "secret" && call.Conn().User() != "admin" {
						return parley.Errorf("forbidden", "not for you")
					}
					return next.Handle(ctx, call)
				})
			}
		}
		hub.Handle("before", parley.Func(func() {}))
		hub.Use(trace("outer"), trace("inner"))
		hub.Handle("secret", parley.Func(func() {}))
		cl := parleytest.Dial(t, hub, nil)
		must(t, cl.Call(t.Context(), "before", nil))
		if got := code(cl.Call(t.Context(), "secret", nil)); got != "forbidden" {
			t.Errorf("secret: code %q", got)
		}
		want := []string{"outer:before", "inner:before", "outer:secret"}
		if !slices.Equal(seen, want) {
			t.Errorf("middleware saw %v, want %v", seen, want)
		}
		for _, err := range cl.Stream(t.Context(), "before") { // wrapped, and still known to be no stream
			if got := code(err); got != wire.CodeNotStream {
				t.Errorf("streaming a wrapped method: %v", err)
			}
		}
	})
}

func TestHandleOtherGetsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		hub.HandleOther(parley.HandlerFunc(func(_ context.Context, call *parley.Call) error { return call.Reply(call.Name, call.Len()) }))
		cl := parleytest.Dial(t, hub, nil)
		var name string
		if err := cl.Call(t.Context(), "anything", &name, 1, 2); err != nil || name != "anything" {
			t.Errorf("other: %q, %v", name, err)
		}
	})
}

func TestRegistrationNamesTheCulprit(t *testing.T) {
	hub := parley.NewHub(nil)
	hub.Handle("taken", parley.Func(func() {}))
	tests := []struct {
		name, want string
		do         func()
	}{
		{"no function", "int", func() { parley.Func(3) }},
		{"variadic", "variadic", func() { parley.Func(func(...int) {}) }},
		{"two results", "at most one result", func() { parley.Func(func() (int, int) { return 0, 0 }) }},
		{"late context", "context", func() { parley.Func(func(int, context.Context) {}) }},
		{"function result", "iter.Seq", func() { parley.Func(func() func() { return nil }) }},
		{"name twice", "taken", func() { hub.Handle("taken", parley.Func(func() {})) }},
		{"no name", "name", func() { hub.Handle("", parley.Func(func() {})) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panics with %q, want it to name %q", got, tt.want)
				}
			}()
			tt.do()
		})
	}
}

func TestGroupLimitAndValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Limits: parley.Limits{Groups: 2}})
		cl := parleytest.Dial(t, hub, &parleytest.Options{User: "ann", URL: "/?lang=de"})
		c := hub.User("ann").Conns()[0]
		must(t, c.Join("a"))
		must(t, c.Join("b"))
		must(t, c.Join("b"))
		if err := c.Join("c"); !errors.Is(err, parley.ErrLimit) {
			t.Errorf("third group: %v, want ErrLimit", err)
		}
		c.Set("k", 1)
		if c.Value("k") != 1 || c.Request().URL.Query().Get("lang") != "de" {
			t.Error("values or request lost")
		}
		if hub.Conn(c.ID()) != c || hub.Conn("nobody") != nil {
			t.Error("Conn does not find by ID")
		}
		cl.Close(t.Context())
		synctest.Wait()
		if err := c.Join("d"); !errors.Is(err, parley.ErrClosed) {
			t.Errorf("joining after the end: %v, want ErrClosed", err)
		}
		if err := c.Send(t.Context(), "x"); !errors.Is(err, parley.ErrClosed) {
			t.Errorf("sending after the end: %v, want ErrClosed", err)
		}
	})
}
