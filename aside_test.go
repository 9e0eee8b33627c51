package parley_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// bare is a protocol that writes a message's kind, its name, its values and its
// aside, and cannot read.
type bare struct{}

func (bare) Name() string                      { return "bare" }
func (bare) Codec() wire.Codec                 { return wire.JSON }
func (bare) Binary() bool                      { return false }
func (bare) Parse([]byte, *wire.Message) error { return wire.ErrProtocol }

func (bare) Append(dst []byte, m *wire.Message) ([]byte, error) {
	words := map[wire.Kind]string{wire.Call: "call ", wire.Result: "result ", wire.Progress: "progress "}
	word, known := words[m.Kind]
	if !known {
		return dst, nil
	}
	dst = append(append(dst, word...), m.Name...)
	for _, v := range m.Args.Values {
		dst = append(append(dst, ' '), v...)
	}
	if aside, ok := m.Aside.(string); ok {
		dst = append(append(dst, " aside "...), aside...)
	}
	return dst, nil
}

// watching is a pipe that is told of groups.
type watching struct {
	still
	changes chan struct{}
}

func (w *watching) Regrouped() { w.changes <- struct{}{} }

func taken(s *parley.Session) (lines []string) {
	for _, e := range s.Take(nil) {
		lines = append(lines, string(e.Data))
	}
	return lines
}

func TestWhatAProtocolKeepsBesideACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		other, _ := openStill(t, hub, bare{})
		hub.Handle("act", parley.HandlerFunc(func(ctx context.Context, call *parley.Call) error {
			if got := parley.Aside(ctx); got != "state" {
				t.Errorf("Aside: got %v", got)
			}
			must(t, parley.Progress(ctx, 50))
			must(t, call.Conn().Send(ctx, "back"))
			must(t, hub.Client(other.ID()).Send(ctx, "there"))
			must(t, hub.Send(ctx, "all"))
			must(t, call.Reply("done"))
			if parley.Progress(ctx, 100) == nil {
				t.Error("progress after the answer: no error")
			}
			return nil
		}))
		hub.Handle("fail", parley.HandlerFunc(func(ctx context.Context, _ *parley.Call) error {
			if parley.Progress(ctx, make(chan int)) == nil {
				t.Error("a channel was written")
			}
			return &parley.Error{Message: "no"}
		}))
		s, _ := openStill(t, hub, bare{})
		s.Receive(&wire.Message{Kind: wire.Call, ID: "1", Name: "act", Aside: "state"})
		synctest.Wait()
		s.Receive(&wire.Message{Kind: wire.Call, ID: "2", Name: "fail", Aside: "state"})
		synctest.Wait()
		want := []string{"progress act 50 aside state", "call back aside state", "call all", `result act "done" aside state`, "result fail aside state"}
		if got := taken(s); !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if got, want := taken(other), []string{"call there", "call all"}; !slices.Equal(got, want) {
			t.Errorf("another connection got %q, want %q", got, want)
		}
		if parley.Progress(t.Context(), 1) == nil || parley.Aside(t.Context()) != nil {
			t.Error("outside a call: progress without an error, or something aside")
		}
		s.Closed(nil)
		other.Closed(nil)
	})
}

func TestAClientThatReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Limits: parley.Limits{Groups: 3}})
		var groups []string
		hub.OnConnect(func(_ context.Context, c *parley.Conn) error {
			if groups = c.Groups(); !c.Recovered() {
				t.Error("it is not recovered")
			}
			return c.Join("a")
		})
		s, err := hub.NewSession(request(t), &still{}, &parley.SessionOptions{ID: "old", Return: &parley.Return{Groups: []string{"c", "b", "b", "a", "d"}}})
		must(t, err)
		must(t, hub.Group("b").Send(t.Context(), "early"))
		s.Open(&parley.Opening{Protocol: bare{}})
		synctest.Wait()
		must(t, hub.Group("b").Send(t.Context(), "hi"))
		must(t, hub.Group("d").Send(t.Context(), "beyond the limit"))
		if got := taken(s); !slices.Equal(got, []string{"call hi"}) || s.ID() != "old" {
			t.Errorf("%s got %q", s.ID(), got)
		}
		if got := strings.Join(groups, " "); got != "a b c" {
			t.Errorf("in groups %q, want a b c", got)
		}
		s.Closed(nil)
		if n := len(hub.Group("b").Conns()); n != 0 {
			t.Errorf("%d members after the end", n)
		}
	})
}

// Who is made to leave a group in the moment in which it returns to it is either not yet
// known, or leaves it.
func TestLeavingInTheMomentOfTheReturn(t *testing.T) {
	hub := parley.NewHub(nil)
	for range 2000 {
		s, err := hub.NewSession(request(t), &still{}, &parley.SessionOptions{ID: "old", Return: &parley.Return{Groups: []string{"a", "b", "c", "d", "e", "f", "g"}}})
		must(t, err)
		left := make(chan struct{})
		go func() { // ends when it is known
			defer close(left)
			for len(hub.Client("old").Conns()) == 0 {
				runtime.Gosched()
			}
			hub.Client("old").Leave(t.Context(), "g")
		}()
		s.Open(&parley.Opening{Protocol: bare{}})
		<-left
		if n := len(hub.Group("g").Conns()); n != 0 {
			t.Fatal("it is in a group that it has left")
		}
		s.Closed(nil)
	}
}

func TestAPipeIsToldOfGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(nil)
		pipe := &watching{changes: make(chan struct{}, 10)}
		s := newStill(t, hub, pipe)
		s.Open(&parley.Opening{Protocol: bare{}})
		synctest.Wait()
		must(t, s.Conn().Join("a"))
		must(t, s.Conn().Join("a"))
		must(t, hub.Client(s.ID()).Join(t.Context(), "b"))
		s.Conn().Leave("a")
		s.Conn().Leave("a")
		if got := len(pipe.changes); got != 3 {
			t.Errorf("told %d times, want 3", got)
		}
		s.Closed(nil)
	})
}

func TestDoRunsInCallOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(nil)
		agree := make(chan struct{})
		hub.OnConnect(func(context.Context, *parley.Conn) error { <-agree; return nil })
		var order []string
		hub.Handle("call", parley.HandlerFunc(func(context.Context, *parley.Call) error {
			order = append(order, "call")
			return nil
		}))
		s, _ := openStill(t, hub, bare{})
		note := func(what string) func(context.Context, *parley.Conn) error {
			return func(_ context.Context, c *parley.Conn) error {
				if c != s.Conn() {
					t.Error("another connection")
				}
				order = append(order, what)
				panic("a bug of the application")
			}
		}
		s.Do("Reconnected", note("first"))
		s.Receive(&wire.Message{Kind: wire.Call, Name: "call"})
		s.Do("Reconnected", note("last"))
		close(agree)
		synctest.Wait()
		if got := strings.Join(order, " "); got != "first call last" {
			t.Errorf("ran %q", got)
		}
		s.Closed(nil)
		s.Do("Reconnected", note("late"))
		synctest.Wait()
		if len(order) != 3 {
			t.Error("it ran after the end")
		}
	})
}

func TestHandlersAreListed(t *testing.T) {
	hub := parley.NewHub(nil)
	for _, name := range []string{"b", "a", "C"} {
		hub.Handle(name, parley.HandlerFunc(func(context.Context, *parley.Call) error { return nil }))
	}
	hub.HandleOther(parley.HandlerFunc(func(context.Context, *parley.Call) error { return nil }))
	if got := hub.Handlers(); !slices.Equal(got, []string{"C", "a", "b"}) {
		t.Errorf("got %q", got)
	}
}
