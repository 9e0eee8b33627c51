package parley_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
	"github.com/parley-go/parley/wire"
)

// A handler may leave goroutines behind that ask with its ctx: its place is
// given back once.
func TestAskingAfterTheCallHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Log: quiet})
		returned := make(chan struct{})
		hub.Handle("leave", parley.Func(func(ctx context.Context, c *parley.Conn) {
			go func() { // ends at once, as its call has
				<-returned
				if err := c.Call(ctx, "never", nil); !errors.Is(err, context.Canceled) {
					t.Errorf("asking with the ctx of a call that has ended: %v", err)
				}
			}()
		}))
		cl := parleytest.Dial(t, hub, nil)
		must(t, cl.Call(t.Context(), "leave", nil))
		synctest.Wait() // the call ends after its answer
		close(returned)
		synctest.Wait()
		if names, err := who.Call(t.Context(), cl, "lobby"); err != nil || len(names) != 0 {
			t.Errorf("afterwards: got %v, %v", names, err)
		}
		must(t, cl.Close(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := hub.Shutdown(ctx); err != nil {
			t.Error("Shutdown hangs:", err)
		}
	})
}

// With a ctx that has ended nobody is asked, so that there is one outcome, however soon
// an answer would be there.
func TestNobodyIsAskedWithACtxThatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		cl := parleytest.Dial(t, hub, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		synctest.Wait()
		before := hub.Stats()
		_, together := hub.Audience().Call(ctx, "tally")
		var streamed error
		for _, err := range cl.Stream(ctx, "numbers") {
			streamed = err
		}
		for way, err := range map[string]error{
			"Conn.Call":     hub.Audience().Conns()[0].Call(ctx, "tally", nil),
			"Audience.Call": together,
			"Client.Call":   cl.Call(ctx, "tally", nil),
			"Client.Stream": streamed,
		} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got %v", way, err)
			}
		}
		synctest.Wait()
		if after := hub.Stats(); after.Sent != before.Sent || after.Received != before.Received {
			t.Errorf("got %+v, before that %+v", after, before)
		}
	})
}

// Whoever waits for a handler that ends its goroutine, as t.FailNow does, is
// told that there is no answer.
func TestAHandlerThatEndsItsGoroutineHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Log: quiet})
		hub.Handle("call", parley.Func(func() { runtime.Goexit() }))
		hub.Handle("stream", parley.Func(func() iter.Seq[int] {
			return func(func(int) bool) { runtime.Goexit() }
		}))
		hub.Handle("upload", parley.Func(func(iter.Seq2[int, error]) { runtime.Goexit() }))
		cl := parleytest.Dial(t, hub, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var failure *parley.Error
		if err := cl.Call(ctx, "call", nil); !errors.As(err, &failure) {
			t.Errorf("call: got %v", err)
		}
		for _, err := range cl.Stream(ctx, "stream") {
			if !errors.As(err, &failure) {
				t.Errorf("stream: got %v", err)
			}
		}
		if err := cl.Call(ctx, "upload", nil, slices.Values([]int{1})); !errors.As(err, &failure) {
			t.Errorf("upload: got %v", err)
		}
	})
}

func TestAnOnConnectThatEndsItsGoroutineRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Log: quiet})
		hub.OnConnect(func(context.Context, *parley.Conn) error { runtime.Goexit(); return nil })
		pipe := &still{}
		s := newStill(t, hub, pipe)
		s.Open(&parley.Opening{Protocol: parleytest.Protocol})
		synctest.Wait()
		if bye := pipe.closed.Load(); bye == nil || bye.Code != 1008 {
			t.Errorf("closed with %+v, want 1008", bye)
		}
		s.Closed(nil)
	})
}

func TestEndedContextsHaveTheirCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Log: quiet})
		causes := make(chan error, 4)
		hub.Handle("listen", parley.Func(func(ctx context.Context, c *parley.Conn) {
			derived, cancel := context.WithCancel(c.Context())
			defer cancel()
			time.Sleep(time.Second)
			causes <- context.Cause(ctx)
			<-derived.Done()
			causes <- context.Cause(derived)
			causes <- context.Cause(c.Context())
		}))
		s := newStill(t, hub, &still{})
		s.Open(&parley.Opening{Protocol: parleytest.Protocol})
		s.Receive(&wire.Message{Kind: wire.Call, Name: "listen"})
		synctest.Wait()
		s.Closed(errors.New("lost"))
		for _, what := range []string{"the call's", "one made of the connection's", "the connection's"} {
			if cause := <-causes; !errors.Is(cause, parley.ErrClosed) {
				t.Errorf("%s context: the cause is %v, want ErrClosed", what, cause)
			}
		}
	})
}

// Streams that have ended count for as long as their calls hold what they brought.
func TestStreamsOfWaitingCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Log: quiet, Limits: parley.Limits{Streams: 4}})
		over := make(chan struct{})
		hub.Handle("wait", parley.Func(func() { <-over }))
		var took atomic.Int64
		hub.Handle("take", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
			took.Add(1)
			return nil
		}))
		s := newStill(t, hub, &still{})
		s.Open(&parley.Opening{Protocol: parleytest.Protocol})
		s.Receive(&wire.Message{Kind: wire.Call, Name: "wait"})
		bring := func() {
			for range 10 {
				s.Receive(&wire.Message{Kind: wire.Call, ID: "c", Name: "take", Streams: []string{"s"}})
				s.Receive(&wire.Message{Kind: wire.Item, ID: "s", Args: wire.Args{Values: [][]byte{[]byte("1")}}})
				s.Receive(&wire.Message{Kind: wire.End, ID: "s"})
			}
		}
		bring()
		close(over)
		synctest.Wait()
		if n := took.Load(); n != 4 {
			t.Errorf("%d streams were held while their calls waited, want 4", n)
		}
		for range 10 { // and they are given back
			took.Store(0)
			s.Receive(&wire.Message{Kind: wire.Call, ID: "c", Name: "take", Streams: []string{"s"}})
			s.Receive(&wire.Message{Kind: wire.End, ID: "s"})
			synctest.Wait()
			if took.Load() != 1 {
				t.Fatal("a stream that was given back still counts")
			}
		}
		s.Closed(nil)
	})
}

func TestHeadersOfWaitingCallsCount(t *testing.T) {
	headers := make(map[string]string)
	for i := range 4096 {
		headers[fmt.Sprint(i)] = strings.Repeat("v", 8)
	}
	hub := parley.NewHub(&parley.HubOptions{Log: quiet})
	hub.Handle("x", parley.Func(func(ctx context.Context) { <-ctx.Done() }))
	p := &pausing{}
	s := newStill(t, hub, p)
	s.Open(&parley.Opening{Protocol: parleytest.Protocol})
	for n := 0; !p.paused.Load(); n++ {
		if n > 40 {
			t.Errorf("%d calls wait, more than 1 MiB", n)
			break
		}
		s.Receive(&wire.Message{Kind: wire.Call, Name: "x", Headers: headers})
	}
	s.Closed(errors.New("lost"))
	shutdown(t, hub)
}

// waking is a pipe that is woken once.
type waking struct {
	still
	woken func()
}

func (p *waking) Wake() {
	if woken := p.woken; woken != nil {
		p.woken = nil
		woken()
	}
}

// A call that brings streams while its connection ends starts nothing that
// Shutdown does not wait for.
func TestStreamsBesideTheEndOfTheirConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Log: quiet})
		pipe := &waking{}
		s := newStill(t, hub, pipe)
		s.Open(&parley.Opening{Protocol: parleytest.Protocol})
		synctest.Wait()
		pipe.woken = func() {
			s.Closed(errors.New("lost"))
			shutdown(t, hub)
		}
		after := false
		err := s.Conn().Call(t.Context(), "x", nil, iter.Seq[int](func(func(int) bool) { after = true }))
		synctest.Wait()
		if !errors.Is(err, parley.ErrClosed) || after {
			t.Errorf("the call ended with %v; a stream was read after Shutdown: %v", err, after)
		}
	})
}
