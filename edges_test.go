package parley_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
	"github.com/parley-go/parley/wire"
)

func TestCallsOfARefusedClientDoNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Log: quiet})
		var ran atomic.Int64
		hub.OnConnect(func(context.Context, *parley.Conn) error { time.Sleep(time.Second); return errors.New("no") })
		hub.Handle("x", parley.Func(func() { ran.Add(1) }))
		cl := parleytest.Dial(t, hub, nil)
		cl.Send(t.Context(), "x")
		time.Sleep(time.Minute)
		if ran.Load() != 0 {
			t.Error("a refused client's call ran")
		}
		shutdown(t, hub)
	})
}

func TestCallsAfterTheHandshakesTimeDoNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Log: quiet})
		var ran atomic.Int64
		hub.OnConnect(func(context.Context, *parley.Conn) error { return errors.New("no") })
		hub.Handle("x", parley.Func(func() { ran.Add(1) }))
		s := newStill(t, hub, &still{})
		time.Sleep(16 * time.Second) // handshake timeout
		s.Open(&parley.Opening{Protocol: parleytest.Protocol})
		s.Receive(&wire.Message{Kind: wire.Call, Name: "x"})
		synctest.Wait()
		if ran.Load() != 0 {
			t.Error("a call ran on a session that OnConnect never saw")
		}
		s.Closed(nil)
		shutdown(t, hub)
	})
}

func TestNoCallPassesARunningOnConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Log: quiet, Limits: parley.Limits{Parallelism: 2}})
		var ran atomic.Int64
		hub.OnConnect(func(context.Context, *parley.Conn) error { time.Sleep(time.Second); return nil })
		hub.Handle("x", parley.Func(func() { ran.Add(1) }))
		cl := parleytest.Dial(t, hub, nil)
		cl.Send(t.Context(), "x")
		synctest.Wait()
		if ran.Load() != 0 {
			t.Error("a call ran while OnConnect was running")
		}
		time.Sleep(time.Minute)
		shutdown(t, hub)
	})
}

func TestWhoLeavesDuringOnConnectIsSeenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Log: quiet})
		var in, out atomic.Int64
		hub.OnConnect(func(context.Context, *parley.Conn) error { time.Sleep(time.Second); in.Add(1); return nil })
		hub.OnDisconnect(func(context.Context, *parley.Conn, error) { out.Add(1) })
		cl := parleytest.Dial(t, hub, nil)
		must(t, cl.Close(t.Context()))
		time.Sleep(time.Minute)
		shutdown(t, hub)
		if in.Load() != out.Load() {
			t.Errorf("OnConnect agreed to %d, OnDisconnect saw %d; stats %+v", in.Load(), out.Load(), hub.Stats())
		}
	})
}

func TestAClientsOnConnectMayCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		var cl *parley.Client
		got := make(chan error, 10)
		cl = parleytest.New(hub, &parleytest.Options{Client: &parley.ClientOptions{OnConnect: func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
			defer cancel()
			synctest.Wait()
			got <- join.Call(ctx, cl, "lobby")
		}}})
		must(t, cl.Connect(t.Context()))
		if err := <-got; err != nil {
			t.Errorf("joining again in OnConnect: %v", err)
		}
		must(t, cl.Close(t.Context()))
	})
}

func TestEightConnectsMakeOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		cl := parleytest.New(hub, nil)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { cl.Connect(t.Context()) })
		}
		wg.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if n := hub.Stats().Conns; n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		done := make(chan struct{})
		go func() { cl.Close(ctx); close(done) }()
		select {
		case <-done:
		case <-time.After(time.Hour):
			t.Error("Close hangs for an hour")
			sc, c2 := context.WithTimeout(context.Background(), time.Second)
			defer c2()
			hub.Shutdown(sc)
			<-done
		}
	})
}

func TestConnectDuringAReconnectMakesOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		cl := parleytest.New(hub, &parleytest.Options{Client: &parley.ClientOptions{Reconnect: parley.Backoff{Min: time.Second}}})
		must(t, cl.Connect(t.Context()))
		synctest.Wait()
		hub.Audience().Conns()[0].CloseNow()
		synctest.Wait()
		must(t, cl.Connect(t.Context()))
		time.Sleep(time.Minute)
		if n := hub.Stats().Conns; n != 1 {
			t.Errorf("%d connections of one client, want 1", n)
		}
		for _, c := range hub.Audience().Conns() {
			c.Close("")
		}
		time.Sleep(time.Minute)
		cl.Close(t.Context())
	})
}

func TestCloseCutsGraceShortWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		cl := parleytest.New(hub, &parleytest.Options{Client: &parley.ClientOptions{Limits: parley.Limits{Grace: time.Hour}}})
		cl.On("ev", func(ctx context.Context) { <-ctx.Done() })
		must(t, cl.Connect(t.Context()))
		must(t, hub.Send(t.Context(), "ev"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		cl.Close(ctx)
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("Close took %v", d)
		}
	})
}

func TestCloseEndsAConnectThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := &stubborn{}
		cl := parley.NewClient(func(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
			s := cl.NewSession(pipe, nil)
			pipe.s = s
			<-ctx.Done() // as plain.dialer: waits for the server's welcome
			pipe.CloseNow()
			return nil, ctx.Err()
		}, nil)
		dctx, dcancel := context.WithTimeout(t.Context(), time.Hour)
		defer dcancel()
		go cl.Connect(dctx)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		cl.Close(ctx)
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("Close took %v", d)
		}
		dcancel()
	})
}

func TestCloseWaitsForTheConnectionOfAReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		var live atomic.Int64
		cl := parley.NewClient(func(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
			n++
			first := n == 1
			if !first {
				time.Sleep(time.Second) // the handshake; as if it won the race with ctx
			}
			p := &slowBye{live: &live}
			live.Add(1)
			s := cl.NewSession(p, nil)
			p.s = s
			s.Open(&parley.Opening{Protocol: parleytest.Protocol})
			if first {
				time.AfterFunc(time.Second, func() { live.Add(-1); s.Closed(errors.New("lost")) })
			}
			return s, nil
		}, &parley.ClientOptions{Reconnect: parley.Backoff{Min: 1, Max: 1}})
		must(t, cl.Connect(t.Context()))
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		must(t, cl.Close(t.Context()))
		if live.Load() != 0 {
			t.Error("Close returned before the client's connection was gone")
		}
		time.Sleep(time.Minute)
	})
}

type slowBye struct {
	still
	s    *parley.Session
	live *atomic.Int64
}

func (p *slowBye) Close(int, string) {
	time.AfterFunc(time.Second, func() { p.live.Add(-1); p.s.Closed(nil) })
}

type pausing struct {
	still
	paused atomic.Bool
}

func (p *pausing) Pause()  { p.paused.Store(true) }
func (p *pausing) Resume() { p.paused.Store(false) }

func TestAStreamThatIsLeftDoesNotKeepThePipePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pausing{}
		var s *parley.Session
		cl := parley.NewClient(func(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
			s = cl.NewSession(p, nil)
			s.Open(&parley.Opening{Protocol: parleytest.Protocol})
			return s, nil
		}, nil)
		must(t, cl.Connect(t.Context()))
		got := make(chan struct{})
		leave := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range cl.Stream(t.Context(), "x") {
				got <- struct{}{}
				<-leave
				break
			}
		}()
		synctest.Wait()
		item := func() {
			s.Receive(&wire.Message{Kind: wire.Item, ID: "1", Args: wire.Args{Values: [][]byte{[]byte("1")}}})
		}
		item()
		<-got
		for range 300 { // one WebSocket message may bring many records (SignalR)
			item()
		}
		s.Receive(&wire.Message{Kind: wire.End, ID: "1"})
		close(leave)
		<-done
		if p.paused.Load() {
			t.Error("the pipe stays paused for ever")
		}
		s.Closed(nil)
		cl.Close(t.Context())
	})
}

func TestANilErrorOfATypeFailsItsCallOnly(t *testing.T) {
	hub := parley.NewHub(&parley.HubOptions{Log: quiet})
	hub.Handle("x", parley.HandlerFunc(func(context.Context, *parley.Call) error {
		var e *parley.Error
		return e
	}))
	cl := parleytest.Dial(t, hub, nil)
	if got := code(cl.Call(t.Context(), "x", nil)); got != wire.CodeInternal {
		t.Errorf("code %q, want %q", got, wire.CodeInternal)
	}
	shutdown(t, hub)
}

type bomb struct{}

func (bomb) MarshalJSON() ([]byte, error) { panic("bomb") }

func TestErrorDataThatPanicsFailsItsCallOnly(t *testing.T) {
	hub := parley.NewHub(&parley.HubOptions{Log: quiet})
	hub.Handle("x", parley.HandlerFunc(func(context.Context, *parley.Call) error {
		return &parley.Error{Message: "m", Data: bomb{}}
	}))
	cl := parleytest.Dial(t, hub, nil)
	if got := code(cl.Call(t.Context(), "x", nil)); got != wire.CodeInternal {
		t.Errorf("code %q, want %q", got, wire.CodeInternal)
	}
	shutdown(t, hub)
}

func TestABusyConnectionIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Log: quiet})
		hub.Handle("x", parley.Func(func() { time.Sleep(time.Second) }))
		reason := make(chan error, 1)
		hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, err error) { reason <- err })
		cl := parleytest.Dial(t, hub, nil)
		for range 600 {
			cl.Send(t.Context(), "x")
		}
		time.Sleep(10 * time.Minute)
		select {
		case err := <-reason:
			t.Errorf("disconnected: %v", err)
		default:
		}
		shutdown(t, hub)
	})
}

func TestAnAnswerGetsThroughABacklogOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		cl := parleytest.Dial(t, hub, &parleytest.Options{Setup: func(cl *parley.Client) {
			confirm.Handle(cl, func(context.Context, string) (bool, error) { return true, nil })
		}})
		var wg sync.WaitGroup
		var failed atomic.Int64
		var first atomic.Value
		for range 400 {
			wg.Go(func() {
				if _, err := sure.Call(t.Context(), cl, "?"); err != nil {
					failed.Add(1)
					first.CompareAndSwap(nil, fmt.Sprint(err))
				}
			})
		}
		start := time.Now()
		wg.Wait()
		if failed.Load() > 0 {
			t.Errorf("%d of 400 failed after %v: %v", failed.Load(), time.Since(start), first.Load())
		}
	})
}

func TestStreamsDoNotFillTheirQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Log: quiet})
		big := strings.Repeat("x", 40<<10)
		hub.Handle("s", parley.HandlerFunc(func(ctx context.Context, c *parley.Call) error {
			for range 20 {
				if err := c.Send(big); err != nil {
					return err
				}
			}
			return nil
		}))
		p := &still{}
		s := newStill(t, hub, p)
		s.Open(&parley.Opening{Protocol: parleytest.Protocol, IdleTimeout: -1})
		for i := range 60 {
			s.Receive(&wire.Message{Kind: wire.StreamCall, Name: "s", ID: fmt.Sprint(i)})
		}
		for range 200 { // an ordinary reader
			time.Sleep(time.Millisecond)
			s.Take(nil)
		}
		if c := p.closed.Load(); c != nil {
			t.Errorf("closed: %+v", c)
		}
		s.Closed(nil)
		shutdown(t, hub)
	})
}

func TestDroppableMessagesGiveWayToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Log: quiet, Limits: parley.Limits{QueueMessages: 100}})
		p := &still{}
		s := newStill(t, hub, p)
		s.Open(&parley.Opening{Protocol: parleytest.Protocol, IdleTimeout: -1})
		for range 1000 {
			hub.Audience().DropOldest().Send(t.Context(), "pos", 1)
		}
		time.Sleep(16 * time.Second) // the next ping
		if c := p.closed.Load(); c != nil {
			t.Errorf("closed: %+v", c)
		}
		s.Closed(nil)
		shutdown(t, hub)
	})
}

func TestSendAfterShutdownIsAnError(t *testing.T) {
	hub := parley.NewHub(nil)
	shutdown(t, hub)
	if err := hub.Send(t.Context(), "x"); err == nil {
		t.Error("no error from a hub that has shut down")
	}
}

type down struct{ parley.MemoryBackplane }

func (*down) Publish(context.Context, string, []byte) error { return errors.New("down") }

func TestABackplaneThatIsDownSilencesNobodyHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Backplane: &down{}, Log: quiet})
		_, l := dialListening(t, hub, "ann")
		if err := hub.Send(t.Context(), "said", "a", "b"); err == nil {
			t.Error("the sender was not told that other nodes hear nothing")
		}
		synctest.Wait()
		if len(l.lines) != 1 {
			t.Error("local members hear nothing while the backplane is down")
		}
	})
}

func TestOpenMayRaceWithAGoodbye(t *testing.T) {
	for range 200 {
		hub := parley.NewHub(&parley.HubOptions{Log: quiet})
		s, err := hub.NewSession(request(t), &still{}, &parley.SessionOptions{Late: &wire.Encoded{Data: []byte("late")}})
		must(t, err)
		var wg sync.WaitGroup
		wg.Go(func() { s.Open(&parley.Opening{Protocol: parleytest.Protocol}) })
		wg.Go(func() { s.Fail(wire.Goodbye{Code: 1001}, parley.ErrShutdown) })
		wg.Wait()
		s.Closed(nil)
		shutdown(t, hub)
	}
}

func TestShutdownMayRaceWithADial(t *testing.T) {
	for range 300 {
		hub := parley.NewHub(&parley.HubOptions{Log: quiet})
		cl := parleytest.New(hub, nil)
		var wg sync.WaitGroup
		wg.Go(func() { cl.Connect(context.Background()) })
		wg.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			runtime.Gosched()
			hub.Shutdown(ctx)
		})
		wg.Wait()
		cl.Close(context.Background())
		shutdown(t, hub)
	}
}

func TestAHandlerThatEndsItsGoroutineStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Log: quiet})
		hub.Handle("x", parley.Func(func() { runtime.Goexit() }))
		cl := parleytest.Dial(t, hub, nil)
		cl.Send(t.Context(), "x")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := hub.Shutdown(ctx); err != nil {
			t.Error("Shutdown hangs:", err)
		}
	})
}

func TestNoCallRunsAfterAProtocolError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Log: quiet})
		var ran atomic.Int64
		hub.Handle("x", parley.Func(func() { ran.Add(1) }))
		s := newStill(t, hub, &still{})
		s.Open(&parley.Opening{Protocol: parleytest.Protocol})
		s.ReceiveData([]byte("}{"))
		for range 10 {
			s.Receive(&wire.Message{Kind: wire.Call, Name: "x"})
		}
		synctest.Wait()
		if ran.Load() != 0 {
			t.Errorf("%d calls ran after the peer broke the protocol", ran.Load())
		}
		s.Closed(nil)
		shutdown(t, hub)
	})
}

func TestWaitingCallsAreBoundedInMemory(t *testing.T) {
	long := strings.Repeat("n", 60<<10)
	tests := map[string]*wire.Message{
		"many small arguments": {Kind: wire.Call, Name: "x", Args: wire.Args{Values: make([][]byte, 32<<10)}},
		"long names":           {Kind: wire.Call, Name: long},
		"long IDs":             {Kind: wire.Call, Name: "x", ID: long},
	}
	for name, m := range tests {
		hub := parley.NewHub(&parley.HubOptions{Log: quiet})
		hub.Handle("x", parley.Func(func(ctx context.Context) { <-ctx.Done() }))
		p := &pausing{}
		s := newStill(t, hub, p)
		s.Open(&parley.Opening{Protocol: parleytest.Protocol})
		s.Receive(&wire.Message{Kind: wire.Call, Name: "x"}) // runs, and does not end
		for n := 0; !p.paused.Load(); n++ {
			if n > 20 {
				t.Errorf("%s: %d calls wait, more than 1 MiB", name, n)
				break
			}
			s.Receive(m)
		}
		s.Closed(errors.New("lost"))
		shutdown(t, hub)
	}
}

func TestParallelismHoldsForCallsThatWaitedForOnConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := parley.NewHub(&parley.HubOptions{Limits: parley.Limits{Parallelism: 2}})
		agree, b := make(chan struct{}), make(chan struct{})
		hub.OnConnect(func(context.Context, *parley.Conn) error { <-agree; return nil })
		hub.Handle("a", parley.Func(func(ctx context.Context) error {
			select {
			case <-b:
				return nil
			case <-time.After(5 * time.Second):
				return errors.New("b did not run beside a")
			}
		}))
		hub.Handle("b", parley.Func(func(ctx context.Context) { close(b) }))
		s := newStill(t, hub, &still{})
		s.Open(&parley.Opening{Protocol: parleytest.Protocol})
		for _, n := range []string{"a", "b"} {
			s.Receive(&wire.Message{Kind: wire.Call, ID: n, Name: n})
		}
		close(agree)
		synctest.Wait()
		select {
		case <-b:
		default:
			t.Error("b waits for a, although Parallelism is 2")
		}
		time.Sleep(6 * time.Second)
		s.Closed(nil)
		shutdown(t, hub)
	})
}

func TestAttemptsCountThoughEachIsLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		cl := parley.NewClient(func(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
			n++
			s := cl.NewSession(&still{}, nil)
			s.Open(&parley.Opening{Protocol: parleytest.Protocol})
			if n == 1 {
				time.AfterFunc(time.Minute, func() { s.Closed(errors.New("lost")) })
				return s, nil
			}
			s.Closed(errors.New("dropped"))
			time.Sleep(time.Millisecond)
			return s, nil
		}, &parley.ClientOptions{Reconnect: parley.Backoff{Attempts: 3}})
		must(t, cl.Connect(t.Context()))
		select {
		case <-cl.Done():
		case <-time.After(time.Hour):
			t.Errorf("no end after %d dials, want 4", n)
		}
		must(t, cl.Close(t.Context()))
	})
}

func TestAFailureWithoutWordsHasSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Log: quiet})
		hub.Handle("fail", parley.Func(func() error { return &parley.Error{Code: "odd"} }))
		var failure *parley.Error
		err := parleytest.Dial(t, hub, nil).Call(t.Context(), "fail", nil)
		if !errors.As(err, &failure) || failure.Code != "odd" || failure.Message == "" {
			t.Errorf("got %#v", err)
		}
	})
}

// A pointer to what would be several arguments is one, on both ends.
func TestAPointerToPositionalIsOneArgument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pointed parley.Method[*draft, string] = "pointed"
		hub := parley.NewHub(nil)
		pointed.Handle(hub, func(_ context.Context, _ *parley.Conn, d *draft) (string, error) { return d.Room + d.Text, nil })
		cl := parleytest.Dial(t, hub, nil)
		if got, err := pointed.Call(t.Context(), cl, &draft{Room: "a", Text: "b"}); err != nil || got != "ab" {
			t.Errorf("got %q, %v", got, err)
		}
		shutdown(t, hub)
	})
}
