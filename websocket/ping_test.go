package websocket

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestPingWaitsForItsPong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		server, client := pair(t, 1000, nil)
		for _, c := range []*Conn{server, client} {
			go func() {
				for range c.Messages(context.Background()) {
				}
			}()
		}
		pings := make(chan error)
		for range 5 {
			go func() { pings <- server.Ping(t.Context()) }()
			go func() { pings <- client.Ping(t.Context()) }()
		}
		for range 10 {
			if err := <-pings; err != nil {
				t.Errorf("Ping: %v", err)
			}
		}
		server.CloseNow()
	})
}

func TestAPongForALaterPingAnswersTheEarlierOnes(t *testing.T) {
	inBubble(t, func(t *testing.T) { // RFC 6455 §5.5.3
		c, peer := serveRaw(t, nil)
		go c.Read(context.Background())
		pings := make(chan error)
		var last rawFrame
		for range 3 {
			go func() { pings <- c.Ping(context.Background()) }()
			last = peer.receive()
		}
		peer.send(masked(0x8A, []byte("not ours")), masked(0x8A, []byte("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")))
		synctest.Wait()
		select {
		case err := <-pings:
			t.Errorf("a foreign pong ended a Ping: %v", err)
		default:
		}
		peer.send(masked(0x8A, last.payload))
		for range 3 {
			if err := <-pings; err != nil {
				t.Errorf("Ping: %v", err)
			}
		}
		c.CloseNow()
	})
}

func TestAPingWithoutAnAnswerEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, _ := serveRaw(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Ping: got %v, want the deadline", err)
		}
		if c.ended() != nil || len(c.extra.pings) != 0 {
			t.Errorf("after Ping: ended %v, %d waiters, want a living connection and none", c.ended(), len(c.extra.pings))
		}
	})
}

func TestAFloodOfPingsQueuesSomePongsAndTheLatest(t *testing.T) {
	inBubble(t, func(t *testing.T) { // the peer does not read what it provokes
		a, b := memoryNetwork(1000)
		c, peer := newConn(a, false, &Limits{ControlFrames: 1 << 20, PendingPongs: 3}, nil), &rawPeer{t, b}
		defer c.CloseNow()
		stalled := make(chan error)
		go func() { stalled <- c.Write(context.Background(), Message{Binary, make([]byte, 1500)}) }()
		synctest.Wait()
		const flood = 10_000
		go func() {
			for i := range flood {
				peer.send(masked(0x89, fmt.Appendf(nil, "ping %d", i)))
			}
			peer.send(maskedText("reading goes on"))
		}()
		wantMessage(t, c, Text, "reading goes on")
		if got := c.out.queue.frames; got != 3 {
			t.Errorf("%d pongs wait, want 3", got)
		}
		peer.receive()
		if err := <-stalled; err != nil {
			t.Fatalf("Write: %v", err)
		}
		for _, i := range []int{0, 1, 2, flood - 1} {
			if got, want := peer.receive(), fmt.Sprintf("ping %d", i); got.first != 0x8A || string(got.payload) != want {
				t.Errorf("got %#x %q, want the pong of %q", got.first, got.payload, want)
			}
		}
	})
}

func TestAFloodOfPingsToAFullSocketMeetsTheWriteTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := memoryNetwork(1000)
		c := newConn(a, false, nil, nil)
		defer c.CloseNow()
		flooded := make(chan struct{})
		go func() {
			defer close(flooded)
			for {
				time.Sleep(10 * time.Millisecond)
				if _, err := b.Write(masked(0x89, make([]byte, 125))); err != nil {
					return
				}
			}
		}()
		start := time.Now()
		if _, err := c.Read(context.Background()); err == nil {
			t.Error("Read: got no error")
		}
		if got := time.Since(start); got > 13*time.Second {
			t.Errorf("the flood ended after %v", got)
		}
		<-flooded
	})
}
