package parley_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
)

const sum parley.Upload[string, int, string] = "sum"

// addUploads adds handlers that read streams.
func addUploads(hub *parley.Hub) {
	sum.Handle(hub, func(_ context.Context, _ *parley.Conn, unit string, items iter.Seq2[int, error]) (string, error) {
		total := 0
		for n, err := range items {
			if err != nil {
				return "", err
			}
			total += n
		}
		return fmt.Sprint(total, unit), nil
	})
	hub.Handle("zip", parley.Func(func(a iter.Seq2[string, error], between string, b iter.Seq2[string, error]) (string, error) {
		var parts []string
		for _, side := range []iter.Seq2[string, error]{a, b} {
			for s, err := range side {
				if err != nil {
					return "", err
				}
				parts = append(parts, s)
			}
		}
		return strings.Join(parts, between), nil
	}))
	hub.Handle("first", parley.Func(func(items iter.Seq2[int, error]) (int, error) {
		for n, err := range items {
			return n, err
		}
		return 0, nil
	}))
	hub.Handle("double", parley.Func(func(items iter.Seq2[int, error]) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			for n, err := range items {
				if !yield(2*n, err) {
					return
				}
			}
		}
	}))
	hub.Handle("headers", parley.HandlerFunc(func(_ context.Context, call *parley.Call) error {
		return call.Reply(call.Headers()["traceparent"])
	}))
}

// endlessly counts from 0, and tells on left when it is left.
func endlessly(left chan<- int) iter.Seq[int] {
	return func(yield func(int) bool) {
		n := 0
		for yield(n) {
			n++
		}
		left <- n
	}
}

func TestCallsBringStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		addUploads(hub)
		cl := parleytest.Dial(t, hub, nil)
		ctx := t.Context()

		total, err := sum.Call(ctx, cl, "kg", slices.Values([]int{1, 2, 3}))
		if err != nil || total != "6kg" {
			t.Errorf("sum: got %q, %v, want 6kg", total, err)
		}
		if total, err = sum.Call(ctx, cl, "m", func(func(int) bool) {}); err != nil || total != "0m" {
			t.Errorf("sum of nothing: got %q, %v, want 0m", total, err)
		}
		var zipped string
		if err := cl.Call(ctx, "zip", &zipped, slices.Values([]string{"a", "b"}), "-", slices.Values([]string{"c"})); err != nil || zipped != "a-b-c" {
			t.Errorf("zip: got %q, %v, want a-b-c", zipped, err)
		}
		var doubled []int
		for v, err := range cl.Stream(ctx, "double", slices.Values([]int{1, 2, 3})) {
			var n int
			if err != nil || v.Scan(&n) != nil {
				t.Fatalf("double: %v", err)
			}
			doubled = append(doubled, n)
		}
		if !slices.Equal(doubled, []int{2, 4, 6}) {
			t.Errorf("double: got %v", doubled)
		}
		var said string
		ctx = parley.WithHeaders(ctx, map[string]string{"traceparent": "00-1"})
		if err := cl.Call(ctx, "headers", &said); err != nil || said != "00-1" {
			t.Errorf("headers: got %q, %v", said, err)
		}
	})
}

func TestStreamsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Log: quiet})
		addUploads(hub)
		cl := parleytest.Dial(t, hub, nil)
		ctx := t.Context()
		var out string

		failing := func(yield func(int, error) bool) {
			if yield(1, nil) {
				yield(0, parley.Errorf("full", "the scales are full"))
			}
		}
		var failure *parley.Error
		if err := cl.Call(ctx, "sum", &out, "kg", iter.Seq2[int, error](failing)); !errors.As(err, &failure) || failure.Message != "the scales are full" {
			t.Errorf("a failing stream: got %v", err)
		}
		wrong := slices.Values([]string{"one"})
		if err := cl.Call(ctx, "sum", &out, "kg", wrong); !errors.As(err, &failure) || failure.Message != "Failed to bind Stream message." {
			t.Errorf("a value of another type: got %v", err)
		}
		if err := cl.Call(ctx, "sum", &out, "kg"); !errors.As(err, &failure) || failure.Message != "Client sent 0 stream(s), Hub method expects 1." {
			t.Errorf("a missing stream: got %v", err)
		}
		if err := cl.Call(ctx, "who", nil, "lobby", wrong); !errors.As(err, &failure) || failure.Message != "Client sent 1 stream(s), Hub method expects 0." {
			t.Errorf("a stream too many: got %v", err)
		}
		if total, err := sum.Call(ctx, cl, "kg", slices.Values([]int{40, 2})); err != nil || total != "42kg" {
			t.Errorf("afterwards: got %q, %v", total, err)
		}
	})
}

// A handler that does not read its stream holds it up; one that returns ends it.
func TestStreamsAreBoundedAndEndWithTheirCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Limits: parley.Limits{QueueBytes: 4096}})
		addUploads(hub)
		read := make(chan struct{})
		hub.Handle("late", parley.Func(func(items iter.Seq2[int, error]) (int, error) {
			<-read
			for n, err := range items {
				if n == 1000 {
					return n, err
				}
			}
			return 0, errors.New("too few")
		}))
		cl := parleytest.Dial(t, hub, &parleytest.Options{Client: &parley.ClientOptions{Limits: parley.Limits{QueueBytes: 4096}}})
		left := make(chan int, 2)

		var n int
		if err := cl.Call(t.Context(), "first", &n, endlessly(left)); err != nil || n != 0 {
			t.Fatalf("first: got %d, %v", n, err)
		}
		<-left // the caller is told

		answer := make(chan error)
		go func() { answer <- cl.Call(t.Context(), "late", &n, endlessly(left)) }()
		synctest.Wait() // nobody reads: all stand still
		close(read)
		if err := <-answer; err != nil || n != 1000 {
			t.Errorf("late: got %d, %v", n, err)
		}
		if sent := <-left; sent < 1000 {
			t.Errorf("the stream was left after %d values", sent)
		}
	})
}

func TestAStreamEndsWithItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		ended, cut := make(chan error, 1), make(chan struct{})
		hub.Handle("listen", parley.Func(func(items iter.Seq2[int, error]) {
			for _, err := range items {
				<-cut
				if err != nil {
					ended <- err
				}
			}
		}))
		cl := parleytest.Dial(t, hub, nil)
		left := make(chan int, 1)
		if err := cl.Send(t.Context(), "listen", endlessly(left)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, c := range hub.Audience().Conns() {
			c.CloseNow()
		}
		synctest.Wait()
		close(cut)
		if err := <-ended; !errors.Is(err, parley.ErrClosed) {
			t.Errorf("the handler was told %v, want ErrClosed", err)
		}
		<-left
	})
}

// A handler that asks its client lets the next call run.
func TestAskingGivesUpThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		cl := parleytest.Dial(t, hub, nil)
		asked, answer := make(chan struct{}), make(chan bool)
		confirm.Handle(cl, func(context.Context, string) (bool, error) {
			close(asked)
			return <-answer, nil
		})
		done := make(chan bool)
		go func() {
			yes, _ := sure.Call(t.Context(), cl, "Sure?")
			done <- yes
		}()
		<-asked
		if names, err := who.Call(t.Context(), cl, "lobby"); err != nil || len(names) != 0 {
			t.Errorf("meanwhile: got %v, %v", names, err)
		}
		answer <- true
		if !<-done {
			t.Error("the answer did not arrive")
		}
	})
}

// A client that never answers does not make the hub run ever more of its calls.
func TestAskingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, &parley.HubOptions{Limits: parley.Limits{Streams: 4, WaitingCalls: 8}})
		running, most := 0, 0
		var mu sync.Mutex
		hub.Handle("wait", parley.Func(func(ctx context.Context, c *parley.Conn) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			err := c.Call(ctx, "never", nil)
			mu.Lock()
			running--
			mu.Unlock()
			return err
		}))
		cl := parleytest.Dial(t, hub, &parleytest.Options{Client: &parley.ClientOptions{Limits: parley.Limits{Streams: 1000}}})
		over := make(chan struct{})
		cl.Handle("never", parley.Func(func() { <-over }))
		for range 100 {
			if err := cl.Send(t.Context(), "wait"); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if mu.Lock(); most != 5 { // four without a place, one with
			t.Errorf("%d calls ran at a time, want 5", most)
		}
		mu.Unlock()
		close(over)
		synctest.Wait()
	})
}

func TestExpiryClosesAndMayBePutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		reasons := make(chan error, 1)
		hub.OnDisconnect(func(_ context.Context, _ *parley.Conn, reason error) { reasons <- reason })
		parleytest.Dial(t, hub, &parleytest.Options{Client: &parley.ClientOptions{Reconnect: parley.Backoff{Off: true}}})
		began := time.Now()
		c := hub.Audience().Conns()[0]
		c.Expire(began.Add(time.Minute))
		synctest.Wait()
		c.Expire(began.Add(time.Hour))
		if err := <-reasons; !errors.Is(err, parley.ErrExpired) {
			t.Errorf("the reason is %v, want ErrExpired", err)
		}
		if d := time.Since(began); d < time.Hour || d > time.Hour+time.Second {
			t.Errorf("it ended after %v, want an hour", d)
		}
		if n := hub.Stats().Closed["expired"]; n != 1 {
			t.Errorf("%d connections are counted as expired, want 1", n)
		}
	})
}
