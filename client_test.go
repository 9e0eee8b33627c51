package parley_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/parleytest"
	"github.com/parley-go/parley/wire"
)

func TestAClientComesBackAfterALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		var connects atomic.Int64
		lost := make(chan bool, 10)
		cl := parleytest.Dial(t, hub, &parleytest.Options{User: "ann", Client: &parley.ClientOptions{
			OnConnect:    func(context.Context) { connects.Add(1) },
			OnDisconnect: func(_ error, again bool) { lost <- again },
		}})
		for i := range 3 {
			synctest.Wait()
			hub.User("ann").Conns()[0].CloseNow()
			if !<-lost {
				t.Fatal("the client does not mean to come back")
			}
			if err := cl.Call(t.Context(), "who", nil, "x"); !errors.Is(err, parley.ErrClosed) {
				t.Errorf("call without a connection: %v, want ErrClosed", err)
			}
			time.Sleep(time.Minute)
			if _, err := who.Call(t.Context(), cl, "x"); err != nil {
				t.Errorf("call after coming back: %v", err)
			}
			if got := connects.Load(); got != int64(i+2) {
				t.Errorf("OnConnect ran %d times, want %d", got, i+2)
			}
		}
		must(t, cl.Close(t.Context()))
		if <-lost {
			t.Error("a closed client means to come back")
		}
		<-cl.Done()
		if err := cl.Err(); err != nil {
			t.Errorf("closed client's error: %v", err)
		}
	})
}

func TestAGoodbyeMayAskTheClientToStayAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		cl := parleytest.Dial(t, hub, &parleytest.Options{User: "ann", Client: &parley.ClientOptions{}})
		hub.User("ann").Conns()[0].Close("enough")
		<-cl.Done()
		if err := cl.Connect(t.Context()); !errors.Is(err, parley.ErrClosed) {
			t.Errorf("connecting an ended client: %v, want ErrClosed", err)
		}
	})
}

func TestBackoffIsFullJitterWithACeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		last := time.Now()
		refused := errors.New("refused")
		connected := false
		cl := parley.NewClient(func(ctx context.Context, cl *parley.Client) (*parley.Session, error) {
			if !connected {
				connected = true
				s := cl.NewSession(&still{}, nil)
				s.Open(&parley.Opening{Protocol: parleytest.Protocol})
				time.AfterFunc(time.Second, func() { s.Closed(errors.New("lost")) })
				last = last.Add(time.Second)
				return s, nil
			}
			waits = append(waits, time.Since(last))
			last = time.Now()
			return nil, refused
		}, &parley.ClientOptions{Reconnect: parley.Backoff{Min: time.Second, Max: 20 * time.Second, Attempts: 50}})
		must(t, cl.Connect(t.Context()))
		<-cl.Done()
		if !errors.Is(cl.Err(), refused) {
			t.Errorf("ended with %v", cl.Err())
		}
		if len(waits) != 50 {
			t.Fatalf("%d attempts, want 50", len(waits))
		}
		for n, w := range waits {
			if ceiling := min(20*time.Second, time.Second<<min(n, 10)); w > ceiling {
				t.Errorf("attempt %d waited %v, want at most %v", n, w, ceiling)
			}
		}
		if late := waits[10:]; slices.Max(late) < 10*time.Second || slices.Min(late) > 10*time.Second {
			t.Errorf("no jitter: waits between %v and %v", slices.Min(late), slices.Max(late))
		}
		must(t, cl.Close(t.Context()))
	})
}

// losing is a client whose every connection lasts so long; dial tells how an
// attempt ends.
func losing(lasts time.Duration, b parley.Backoff, dial func(cl *parley.Client) error) *parley.Client {
	return parley.NewClient(func(_ context.Context, cl *parley.Client) (*parley.Session, error) {
		if err := dial(cl); err != nil {
			return nil, err
		}
		s := cl.NewSession(&still{}, nil)
		s.Open(&parley.Opening{Protocol: parleytest.Protocol})
		time.AfterFunc(lasts, func() { s.Closed(errors.New("lost")) })
		return s, nil
	}, &parley.ClientOptions{Reconnect: b})
}

func TestDelaysOfReconnects(t *testing.T) {
	delays := []time.Duration{0, 2 * time.Second, 10 * time.Second, 30 * time.Second}
	for _, c := range []struct {
		name     string
		lasts    time.Duration
		fail     map[int]bool // attempts, Connect being the first
		earliest []time.Duration
	}{
		{"nobody there", time.Minute, map[int]bool{2: true, 3: true, 4: true, 5: true}, delays},
		{"one connection between", time.Minute, map[int]bool{2: true, 4: true, 5: true, 6: true, 7: true},
			append([]time.Duration{0, 2 * time.Second}, delays...)},
		{"one that does not last", time.Second, map[int]bool{3: true, 4: true, 5: true, 6: true},
			append(delays, 30*time.Second)},
	} {
		synctest.Test(t, func(t *testing.T) {
			var waits []time.Duration
			var last time.Time
			n := 0
			refused := errors.New("refused")
			cl := losing(c.lasts, parley.Backoff{Delays: delays}, func(*parley.Client) error {
				if n++; n > 1 {
					waits = append(waits, time.Since(last))
				}
				if last = time.Now(); c.fail[n] {
					return refused
				}
				last = last.Add(c.lasts)
				return nil
			})
			must(t, cl.Connect(t.Context()))
			<-cl.Done()
			if !errors.Is(cl.Err(), refused) || len(waits) != len(c.earliest) {
				t.Fatalf("%s: ended with %v after %v, want %d attempts", c.name, cl.Err(), waits, len(c.earliest))
			}
			for i, w := range waits {
				if low := c.earliest[i]; w < low || w > low+max(low/2, time.Second) {
					t.Errorf("%s: attempt %d waited %v, want %v and up to half of it", c.name, i, w, low)
				}
			}
			must(t, cl.Close(t.Context()))
		})
	}
}

// TestAServerMayRefuseAReconnectForGood: a goodbye without Reconnect counts
// also when it comes before the connection is one.
func TestAServerMayRefuseAReconnectForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, refused := 0, errors.New("refused")
		cl := losing(time.Second, parley.Backoff{}, func(cl *parley.Client) error {
			if n++; n == 1 {
				return nil
			}
			s := cl.NewSession(&still{}, nil)
			s.Open(&parley.Opening{Protocol: parleytest.Protocol})
			s.Receive(&wire.Message{Kind: wire.Close, Bye: wire.Goodbye{Code: 1008, Failed: true, Reconnect: n == 2}})
			s.Closed(nil)
			return refused
		})
		must(t, cl.Connect(t.Context()))
		<-cl.Done()
		if n != 3 || !errors.Is(cl.Err(), refused) {
			t.Errorf("ended with %v after %d attempts, want 3", cl.Err(), n)
		}
		must(t, cl.Close(t.Context()))
	})
}

func TestPendingCallsFailWhenTheConnectionIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newRoom(t, nil)
		hub.Handle("wait", parley.Func(func(ctx context.Context) { <-ctx.Done() }))
		cl := parleytest.Dial(t, hub, &parleytest.Options{User: "ann"})
		result := make(chan error)
		go func() { result <- cl.Call(t.Context(), "wait", nil) }()
		synctest.Wait()
		hub.User("ann").Conns()[0].CloseNow()
		if err := <-result; !errors.Is(err, parley.ErrClosed) {
			t.Errorf("pending call: %v, want ErrClosed", err)
		}
	})
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := &stubborn{}
		cl := parley.NewClient(func(_ context.Context, cl *parley.Client) (*parley.Session, error) {
			s := cl.NewSession(pipe, nil)
			pipe.s = s
			s.Open(&parley.Opening{Protocol: parleytest.Protocol})
			return s, nil
		}, nil)
		must(t, cl.Connect(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := cl.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v, want DeadlineExceeded", err)
		}
	})
}

// stubborn is a pipe whose peer ignores the goodbye.
type stubborn struct {
	still
	s *parley.Session
}

func (p *stubborn) Close(int, string) {}
func (p *stubborn) CloseNow()         { p.s.Closed(nil) }

func TestAnOnTakesNoConn(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	parleytest.New(parley.NewHub(nil), nil).On("x", func(*parley.Conn) {})
}
