package websocket

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"
)

// drops returns the counters of what was given up.
func drops(s *Stats) map[string]int64 { return s.Snapshot().Drops }

// told is what a handler is told of the end of a connection.
type told struct {
	err    error // by OnError
	code   StatusCode
	reason string
}

// tells has h tell of the end of each connection.
func tells(h *Handler) <-chan told {
	ends := make(chan told, 16)
	errs := make(chan error, 16)
	h.OnError = func(_ *Conn, err error) { errs <- err }
	h.OnClose = func(_ *Conn, code StatusCode, reason string) {
		end := told{nil, code, reason}
		if len(errs) > 0 {
			end.err = <-errs
		}
		ends <- end
	}
	return ends
}

func TestAPeerThatTakesNothingIsTooSlow(t *testing.T) {
	overEachSmall(t, func(t *testing.T, n network) {
		opened, stats := make(chan *Conn, 1), &Stats{}
		h := &Handler{
			Options: &AcceptOptions{Stats: stats, Limits: &Limits{QueueBytes: 64 << 10}},
			OnOpen:  func(c *Conn, _ *http.Request) { opened <- c },
		}
		ends := tells(h)
		n.raw(t, n.serve(t, h))
		c := <-opened
		var set Set
		set.Add(c)
		for c.Send(Message{Binary, make([]byte, 10<<10)}) == nil {
		}
		if end := <-ends; end.err != ErrSlow || end.code != StatusAbnormal {
			t.Errorf("the handler was told %+v, want %v", end, ErrSlow)
		}
		for range 3 {
			if err := c.Send(Message{Text, nil}); err != ErrSlow {
				t.Errorf("Send: got %v, want %v", err, ErrSlow)
			}
		}
		if got := drops(stats); got["queue_bytes"] != 1 || len(got) != 1 {
			t.Errorf("counted %v, want one for queue_bytes", got)
		}
		if set.Len() != 0 {
			t.Error("it is still in a set")
		}
	})
}

func TestReadTellsThatThePeerIsTooSlow(t *testing.T) {
	overEachSmall(t, func(t *testing.T, n network) {
		got := make(chan error, 1)
		n.raw(t, n.serveReader(t, &AcceptOptions{Limits: &Limits{QueueBytes: 64 << 10}}, func(c *Conn) {
			go func() {
				for c.SendPrepared(Prepare(Message{Binary, make([]byte, 10<<10)})) == nil {
				}
			}()
			_, err := c.Read(context.Background())
			got <- err
		}))
		if err := <-got; err != ErrSlow {
			t.Errorf("Read: got %v, want %v", err, ErrSlow)
		}
	})
}

// One slow reader among eleven: the ten others get everything.
func TestASlowMemberHoldsUpNobody(t *testing.T) {
	const messages = 40
	overEachSmall(t, func(t *testing.T, n network) {
		stats := &Stats{}
		set, servers, clients := n.members(t, 10, &AcceptOptions{Stats: stats, Limits: &Limits{QueueBytes: 64 << 10}})
		url := n.serve(t, &Handler{
			Options: &AcceptOptions{Stats: stats, Limits: &Limits{QueueBytes: 64 << 10}},
			OnOpen: func(c *Conn, _ *http.Request) {
				set.Add(c)
				servers = append(servers, c)
				c.Send(Message{Text, []byte("you are in")})
			},
		})
		slow := n.raw(t, url)
		slow.receive()
		for i := range messages {
			set.Broadcast(Message{Binary, bytes.Repeat([]byte{byte(i)}, 16<<10)})
			for _, c := range clients {
				m, err := c.Read(t.Context())
				if err != nil || len(m.Data) != 16<<10 || m.Data[0] != byte(i) {
					t.Fatalf("message %d: got %d bytes, %v", i, len(m.Data), err)
				}
			}
		}
		if servers[10].ended() != ErrSlow || set.Len() != 10 || drops(stats)["queue_bytes"] != 1 {
			t.Errorf("the slow one ended with %v, %d members are left, and %v was counted", servers[10].ended(), set.Len(), drops(stats))
		}
	})
}

// Who makes us send a lot and does not read it is not read either, and loses nothing.
func TestAPeerThatSendsAndDoesNotRead(t *testing.T) {
	const messages, size = 300, 16 << 10
	overEachSmall(t, func(t *testing.T, n network) {
		peer := n.raw(t, n.serve(t, &Handler{OnMessage: func(c *Conn, m Message) { c.Send(m) }}))
		go func() {
			for i := range messages {
				peer.nc.Write(masked(0x82, bytes.Repeat([]byte{byte(i)}, size)))
			}
		}()
		for i := range messages {
			if f := peer.receive(); len(f.payload) != size || f.payload[0] != byte(i) {
				t.Fatalf("message %d: got %d bytes", i, len(f.payload))
			}
		}
	})
}

// Both ends may send much at the same time: none waits for the other to read first.
func TestBothEndsSendMuchAtOnce(t *testing.T) {
	const messages, size = 24, 16 << 10
	overEachSmall(t, func(t *testing.T, n network) {
		all := make(chan struct{}, 2)
		handler := func() *Handler {
			count := 0
			return &Handler{
				OnOpen: func(c *Conn, _ *http.Request) {
					for range messages {
						c.Send(Message{Binary, make([]byte, size)})
					}
				},
				OnMessage: func(*Conn, Message) {
					if count++; count == messages {
						all <- struct{}{}
					}
				},
				OnError: func(_ *Conn, err error) {
					if count < messages {
						t.Errorf("after %d messages: %v", count, err)
						all <- struct{}{}
					}
				},
			}
		}
		o := n.options()
		o.Limits = nil
		c, err := handler().Dial(t.Context(), n.serve(t, handler()), o)
		if err != nil {
			t.Fatal(err)
		}
		<-all
		<-all
		c.CloseNow()
	})
}

func TestAStalledWriteMeetsItsTimeout(t *testing.T) {
	large := Message{Binary, make([]byte, 512<<10)}
	o := func(s *Stats) *AcceptOptions {
		return &AcceptOptions{Stats: s, Limits: &Limits{WriteTimeout: 50 * time.Millisecond, QueueBytes: 1 << 20}}
	}
	overEachSmall(t, func(t *testing.T, n network) {
		t.Run("Send", func(t *testing.T) {
			stats := &Stats{}
			h := &Handler{Options: o(stats), OnOpen: func(c *Conn, _ *http.Request) { c.Send(large) }}
			ends := tells(h)
			n.raw(t, n.serve(t, h))
			if end := <-ends; !errors.Is(end.err, os.ErrDeadlineExceeded) {
				t.Errorf("the handler was told %+v, want the timeout", end)
			}
			if got := drops(stats); got["write_timeout"] != 1 || len(got) != 1 {
				t.Errorf("counted %v, want one for write_timeout", got)
			}
		})
		t.Run("Write", func(t *testing.T) {
			stats, got := &Stats{}, make(chan error, 2)
			n.raw(t, n.serveReader(t, o(stats), func(c *Conn) {
				go func() { got <- c.Write(context.Background(), large) }()
				_, err := c.Read(context.Background())
				got <- err
			}))
			for range 2 {
				if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %v, want the timeout", err)
				}
			}
			if got := drops(stats); got["write_timeout"] != 1 || len(got) != 1 {
				t.Errorf("counted %v, want one for write_timeout", got)
			}
		})
	})
}

// served returns both ends of a connection; the server's is read in the background.
func (n network) served(t *testing.T, o *AcceptOptions) (*Conn, *rawPeer) {
	t.Helper()
	opened := make(chan *Conn, 1)
	peer := n.raw(t, n.serveReader(t, o, func(c *Conn) {
		opened <- c
		for range c.Messages(context.Background()) {
		}
	}))
	return <-opened, peer
}

// stall sends more than the sockets take.
func stall(t *testing.T, c *Conn) (size int) {
	size = 512 << 10
	c.Send(Message{Binary, make([]byte, size)})
	until(t, "the sockets to be full", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.out.blocked || c.link != nil && c.out.turn && c.out.queue == nil
	})
	return size
}

func TestAWriteBehindAStalledQueueIsCancelled(t *testing.T) {
	overEachSmall(t, func(t *testing.T, n network) {
		c, peer := n.served(t, nil)
		size := stall(t, c)
		for _, cancelled := range []func(ctx context.Context) error{
			func(ctx context.Context) error { return c.Write(ctx, Message{Text, []byte("never")}) },
			func(ctx context.Context) error { return c.Write(ctx, Message{Binary, make([]byte, 100<<10)}) },
			func(ctx context.Context) error {
				return c.WriteBatch(ctx, []*Prepared{Prepare(Message{Text, []byte("never")}), Prepare(Message{Text, make([]byte, 50<<10)})})
			},
			c.Ping,
		} {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			if err := cancelled(ctx); !errors.Is(err, context.Canceled) || c.ended() != nil {
				t.Errorf("got %v and a connection that ended with %v, want the context's error and a living one", err, c.ended())
			}
		}
		go c.Write(t.Context(), Message{Text, []byte("at last")})
		if f := peer.receive(); len(f.payload) != size {
			t.Errorf("got %d bytes, want %d", len(f.payload), size)
		}
		if f := peer.receive(); string(f.payload) != "at last" {
			t.Errorf("got %#x %.10q, want what was written last", f.first, f.payload)
		}
	})
}

func TestAWriteIsCancelledInTheMiddleOfItsFrame(t *testing.T) {
	overEachSmall(t, func(t *testing.T, n network) {
		c, _ := n.served(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(200*time.Millisecond, cancel) // some of the frame has left by then
		err := c.Write(ctx, Message{Binary, make([]byte, 512<<10)})
		if !errors.Is(err, context.Canceled) || c.ended() != err {
			t.Errorf("got %v and a connection that ended with %v, want the end of both", err, c.ended())
		}
	})
}

func TestAWriteIsCancelledWhileAnotherHasTheTurn(t *testing.T) {
	overEachSmall(t, func(t *testing.T, n network) {
		c, peer := n.served(t, nil)
		stalled := make(chan error)
		go func() { stalled <- c.Write(context.Background(), Message{Binary, make([]byte, 512<<10)}) }()
		until(t, "the turn to be taken", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.out.turn })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		if err := c.Write(ctx, Message{Text, []byte("never")}); !errors.Is(err, context.Canceled) || c.ended() != nil {
			t.Errorf("got %v and a connection that ended with %v, want the context's error and a living one", err, c.ended())
		}
		if f := peer.receive(); len(f.payload) != 512<<10 {
			t.Errorf("got %d bytes, want what the first has written", len(f.payload))
		}
		if err := <-stalled; err != nil {
			t.Errorf("the first Write: %v", err)
		}
		c.Write(t.Context(), Message{Text, []byte("at last")})
		if f := peer.receive(); string(f.payload) != "at last" {
			t.Errorf("got %#x %.10q, want what was written last", f.first, f.payload)
		}
	})
}

// What a cancelled Write leaves in the queue has a deadline like everything else.
func TestWhatACancelledWriteLeavesMeetsTheTimeout(t *testing.T) {
	overEachSmall(t, func(t *testing.T, n network) {
		c, _ := n.served(t, &AcceptOptions{Limits: &Limits{WriteTimeout: 200 * time.Millisecond}})
		stall(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		if err := c.Write(ctx, Message{Text, []byte("never")}); err == nil {
			t.Error("Write: got no error")
		}
		<-c.Done()
		if err := c.ended(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("it ended with %v, want the timeout", err)
		}
	})
}

// A timeout is that of a stall: when the peer has taken everything, nothing is left of it.
func TestTheTimeoutOfAStallThatIsOver(t *testing.T) {
	overEachSmall(t, func(t *testing.T, n network) {
		c, peer := n.served(t, &AcceptOptions{Limits: &Limits{WriteTimeout: time.Hour}})
		size := stall(t, c)
		written := make(chan error)
		go func() { written <- c.Write(context.Background(), Message{Text, []byte("behind")}) }()
		if f := peer.receive(); len(f.payload) != size {
			t.Errorf("got %d bytes, want %d", len(f.payload), size)
		}
		if f := peer.receive(); string(f.payload) != "behind" {
			t.Errorf("got %q, want what was written last", f.payload)
		}
		if err := <-written; err != nil {
			t.Errorf("Write: %v", err)
		}
		if c.link == nil {
			until(t, "epoll to be left alone", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return !c.out.blocked })
			c.expire(time.Now().Add(2 * time.Hour))
		}
		if err := c.Write(t.Context(), Message{Text, []byte("hours later")}); err != nil {
			t.Errorf("Write: %v", err)
		}
	})
}
