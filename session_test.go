package parley_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
	"github.com/parley-go/parley/wire"
)

func request(t *testing.T) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "/", nil)
	must(t, err)
	return r
}

// newStill makes a session on a pipe of the test's, not yet open.
func newStill(t *testing.T, hub *parley.Hub, pipe wire.Pipe) *parley.Session {
	t.Helper()
	s, err := hub.NewSession(request(t), pipe, nil)
	must(t, err)
	return s
}

func TestSessionDeadlines(t *testing.T) {
	tests := []struct {
		name    string
		opening parley.Opening
		feed    func(s *parley.Session) // every 10 s
		closed  int                     // the code after two minutes; 0 for alive
		pings   int                     // at least, after two minutes
	}{
		{name: "silence ends the connection", closed: 1001, pings: 2},
		{name: "messages keep it", feed: func(s *parley.Session) { s.Receive(&wire.Message{Kind: wire.Pong}) }, pings: 7},
		{name: "signs of life keep it", feed: (*parley.Session).Heard, pings: 7},
		{name: "idle time may be off", opening: parley.Opening{IdleTimeout: -1}, pings: 7},
		{name: "or start with the first ping", opening: parley.Opening{IdleAfterPing: true}, pings: 7},
		{name: "keep-alive may be off", opening: parley.Opening{KeepAlive: -1, IdleTimeout: -1}},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			hub := newRoom(t, nil)
			pipe := &still{}
			s := newStill(t, hub, pipe)
			tt.opening.Protocol = parleytest.Protocol
			s.Open(&tt.opening)
			for range 12 {
				time.Sleep(10 * time.Second)
				if tt.feed != nil {
					tt.feed(s)
				}
			}
			got, pings := 0, 0
			if pipe.closed.Load() != nil {
				got = pipe.closed.Load().Code
			}
			for _, e := range s.Take(nil) {
				var m wire.Message
				must(t, parleytest.Protocol.Parse(e.Data, &m))
				if m.Kind == wire.Ping {
					pings++
				}
			}
			if got != tt.closed || pings < tt.pings || (tt.pings == 0 && pings > 0) {
				t.Errorf("%s: closed %d with %d pings, want %d with at least %d", tt.name, got, pings, tt.closed, tt.pings)
			}
			s.Closed(nil)
		})
	}
}

func TestAnUnfinishedHandshakeIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		pipe := &still{}
		r := request(t)
		s, err := hub.NewSession(r, pipe, &parley.SessionOptions{Late: &wire.Encoded{Data: []byte("too late")}})
		must(t, err)
		time.Sleep(16 * time.Second)
		batch := s.Take(nil)
		if pipe.closed.Load() == nil || len(batch) != 1 || string(batch[0].Data) != "too late" {
			t.Errorf("closed %v, last words %v", pipe.closed.Load(), batch)
		}
		s.Closed(nil)
	})
}

func TestMessagesThatBreakTheProtocolEndOnlyTheirConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		reasons := make(chan error, 1)
		hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, reason error) { reasons <- reason })
		s, pipe := openStill(t, hub, parleytest.Protocol)
		healthy, hears := dialListening(t, hub, "ann")
		must(t, join.Call(t.Context(), healthy, "lobby"))
		s.ReceiveData([]byte("{nonsense"))
		if pipe.closed.Load() == nil || pipe.closed.Load().Code != 1002 {
			t.Errorf("closed with %+v, want 1002", pipe.closed.Load())
		}
		s.Closed(nil)
		if err := <-reasons; !errors.Is(err, parley.ErrProtocol) {
			t.Errorf("reason %v, want ErrProtocol", err)
		}
		must(t, say.Call(t.Context(), healthy, draft{Room: "lobby", Text: "still here"}))
		if got := (<-hears.lines).Text; got != "still here" {
			t.Errorf("heard %q", got)
		}
		if got := hub.Stats().Closed["protocol"]; got != 1 {
			t.Errorf("counted %d protocol errors, want 1", got)
		}
	})
}

func TestMessagesBeforeTheHandshakeAreDropped(t *testing.T) {
	hub := parley.NewHub(nil)
	s := newStill(t, hub, &still{})
	s.ReceiveData([]byte("{}"))
	s.Receive(&wire.Message{Kind: wire.Call, ID: "1", Name: "x"})
	if batch := s.Take(nil); len(batch) != 0 {
		t.Errorf("answered %q", batch[0].Data)
	}
	s.Closed(nil)
}

func TestAnswersNobodyAskedForAreIgnored(t *testing.T) {
	hub := parley.NewHub(nil)
	s, pipe := openStill(t, hub, parleytest.Protocol)
	for _, kind := range []wire.Kind{wire.Result, wire.Item, wire.End, wire.Cancel, 0, 99} {
		s.Receive(&wire.Message{Kind: kind, ID: "s1"})
	}
	if pipe.closed.Load() != nil {
		t.Errorf("closed: %+v", pipe.closed.Load())
	}
}

func TestAPeerThatPausesIsNotReadWhileCallsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Limits: parley.Limits{WaitingCalls: 8}})
		release := make(chan bool)
		hub.Handle("wait", parley.Func(func() { <-release }))
		pipe := &gauge{}
		s := newStill(t, hub, pipe)
		s.Open(&parley.Opening{Protocol: parleytest.Protocol})
		for range 20 {
			s.Receive(&wire.Message{Kind: wire.Call, Name: "wait"})
		}
		if got := pipe.paused.Load(); got != 1 {
			t.Errorf("paused %d times, want once", got)
		}
		close(release)
		synctest.Wait()
		if got := pipe.resumed.Load(); got != 1 {
			t.Errorf("resumed %d times, want once", got)
		}
		s.Closed(nil)
	})
}

// gauge counts pauses.
type gauge struct {
	still
	paused, resumed atomic.Int64
}

func (p *gauge) Pause()  { p.paused.Add(1) }
func (p *gauge) Resume() { p.resumed.Add(1) }

func TestWhatAClientSaysLastIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Limits: parley.Limits{WaitingCalls: 1000}})
		hub.Handle("slowly", parley.Func(func() { time.Sleep(10 * time.Millisecond) }))
		ann, hears := dialListening(t, hub, "ann")
		must(t, join.Call(t.Context(), ann, "lobby"))
		bob, _ := dialListening(t, hub, "bob")
		for i := range 100 {
			must(t, bob.Send(t.Context(), "slowly"))
			must(t, say.Send(t.Context(), bob, draft{Room: "lobby", Text: strconv.Itoa(i)}))
		}
		must(t, bob.Close(t.Context()))
		time.Sleep(time.Minute)
		if n := len(drain(hears.lines)); n != 100 {
			t.Errorf("heard %d of 100 lines that were sent before a goodbye", n)
		}
	})
}

func TestGraceIsBoundedAndOnlyForGoodbyes(t *testing.T) {
	tests := []struct {
		name string
		end  func(cl *parley.Client, c *parley.Conn)
		want time.Duration
	}{
		{"the client says goodbye", func(cl *parley.Client, _ *parley.Conn) { cl.Close(context.Background()) }, 5 * time.Second},
		{"the hub says goodbye", func(_ *parley.Client, c *parley.Conn) { c.Close("") }, 5 * time.Second},
		{"the client is lost", func(_ *parley.Client, c *parley.Conn) { c.CloseNow() }, 0},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			hub := newRoom(t, nil)
			ended := make(chan time.Time, 1)
			hub.Handle("wait", parley.Func(func(ctx context.Context) { <-ctx.Done(); ended <- time.Now() }))
			cl := parleytest.Dial(t, hub, &parleytest.Options{User: "ann"})
			must(t, cl.Send(t.Context(), "wait"))
			synctest.Wait()
			start := time.Now()
			tt.end(cl, hub.User("ann").Conns()[0])
			if got := (<-ended).Sub(start); got != tt.want {
				t.Errorf("%s: the handler's context ended after %v, want %v", tt.name, got, tt.want)
			}
		})
	}
}
