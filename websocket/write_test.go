package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// countingConn counts the writes that reach the network.
type countingConn struct {
	net.Conn
	writes int
	bytes  []byte
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes++
	c.bytes = append(c.bytes, p...)
	return len(p), nil
}

func (c *countingConn) SetWriteDeadline(time.Time) error { return nil }
func (c *countingConn) Close() error                     { return nil }

func TestABatchLeavesInOneWrite(t *testing.T) {
	batch := []*Prepared{
		Prepare(Message{Text, []byte("one")}),
		Prepare(Message{Binary, make([]byte, 300)}),
		Prepare(Message{Text, nil}),
	}
	for _, client := range []bool{false, true} {
		t.Run(fmt.Sprintf("client %v", client), func(t *testing.T) {
			nc := &countingConn{}
			c := newConn(nc, client, nil, nil)
			if err := c.WriteBatch(context.Background(), batch); err != nil {
				t.Fatal(err)
			}
			if nc.writes != 1 {
				t.Errorf("got %d writes, want 1", nc.writes)
			}
			peer := newConn(&countingConn{}, !client, nil, nc.bytes)
			for _, p := range batch {
				wantMessage(t, peer, p.Message().Type, string(p.Message().Data))
			}
			if err := c.WriteBatch(context.Background(), nil); err != nil || nc.writes != 1 {
				t.Errorf("an empty batch: got %v and %d writes, want nothing", err, nc.writes-1)
			}
		})
	}
}

func TestAServerSendsPreparedBytesAsTheyAre(t *testing.T) {
	p := Prepare(Message{Text, []byte("hello")})
	nc := &countingConn{}
	c := newConn(nc, false, nil, nil)
	c.WriteBatch(context.Background(), []*Prepared{p, p})
	want := "\x81\x05hello\x81\x05hello"
	if got := string(nc.bytes); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if p.Len() != 7 {
		t.Errorf("Len: got %d, want 7", p.Len())
	}
}

func TestAClientMasksEachFrameWithItsOwnKey(t *testing.T) {
	nc := &countingConn{}
	c := newConn(nc, true, nil, nil)
	p := Prepare(Message{Text, []byte("hello")})
	c.WriteBatch(context.Background(), []*Prepared{p, p})
	frame := len(nc.bytes) / 2
	if bytes.Equal(nc.bytes[2:6], nc.bytes[frame+2:frame+6]) {
		t.Error("two frames share a masking key")
	}
	if string(p.Message().Data) != "hello" {
		t.Errorf("the prepared message changed to %q", p.Message().Data)
	}
}

func TestPrepareCopies(t *testing.T) {
	data := []byte("hello")
	p := Prepare(Message{Text, data})
	data[0] = 'J'
	if got := string(p.Message().Data); got != "hello" {
		t.Errorf("got %q, want hello", got)
	}
}

func TestLargeBatchesOverEveryKindOfNetwork(t *testing.T) {
	var batch []*Prepared
	for _, n := range []int{10, 100_000, 3, 65_536, 0, 200_000, 64 << 10, 50_000} {
		batch = append(batch, Prepare(Message{Binary, bytes.Repeat([]byte{byte(n)}, n)}))
	}
	networks := map[string]func(t *testing.T) (a, b net.Conn){
		"memory":       func(t *testing.T) (a, b net.Conn) { return memoryNetwork(5000) },
		"TCP, vectors": tcpPair,
	}
	for name, network := range networks {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, client %v", name, client), func(t *testing.T) {
				a, b := network(t)
				from, to := newConn(a, client, nil, nil), newConn(b, !client, nil, nil)
				defer from.CloseNow()
				defer to.CloseNow()
				sent := make(chan error, 1)
				go func() { sent <- from.WriteBatch(context.Background(), batch) }()
				for _, p := range batch {
					wantMessage(t, to, Binary, string(p.Message().Data))
				}
				if err := <-sent; err != nil {
					t.Errorf("WriteBatch: %v", err)
				}
			})
		}
	}
}

// tcpPair returns the ends of a connection over loopback.
func tcpPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestConcurrentWritersDoNotMixTheirFrames(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		server, client := pair(t, 1000, nil)
		const writers, each = 8, 20
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				m := Message{Text, []byte(strings.Repeat(string(rune('a'+w)), 1+w*500))}
				for range each {
					if err := client.Write(context.Background(), m); err != nil {
						t.Errorf("Write: %v", err)
					}
				}
			})
		}
		for range writers * each {
			m, err := server.Read(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if w := int(m.Data[0] - 'a'); string(m.Data) != strings.Repeat(string(m.Data[0]), 1+w*500) {
				t.Fatalf("a message of %d bytes is mixed", len(m.Data))
			}
		}
		wg.Wait()
	})
}

func TestAPeerThatNeverReadsIsCutOff(t *testing.T) {
	for _, size := range []int{100, 100_000} {
		t.Run(fmt.Sprintf("messages of %d", size), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				server, client := pair(t, 10_000, &Limits{WriteTimeout: 4 * time.Second})
				start := time.Now()
				var err error
				for err == nil {
					err = server.Write(context.Background(), Message{Binary, make([]byte, size)})
				}
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("Write: got %v, want the write timeout", err)
				}
				if got := time.Since(start); got < 4*time.Second || got > 5*time.Second {
					t.Errorf("cut off after %v, want 4 s to 5 s", got)
				}
				if _, read := server.Read(context.Background()); read != err {
					t.Errorf("Read: got %v, want the same error", read)
				}
				client.CloseNow()
			})
		})
	}
}

func TestAnIdleConnectionOutlivesItsWriteTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		server, client := pair(t, 1000, &Limits{WriteTimeout: time.Second})
		for range 3 {
			if err := server.Write(t.Context(), Message{Text, []byte("hi")}); err != nil {
				t.Fatalf("Write: %v", err)
			}
			wantMessage(t, client, Text, "hi")
			time.Sleep(time.Minute)
		}
	})
}

func TestACancelledWrite(t *testing.T) {
	tests := []struct {
		name  string
		fill  int // bytes of 1,000 the network has taken already
		lives bool
	}{
		{"nothing has left", 1000, true},
		{"half a frame has left", 900, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				server, client := pair(t, 1000, nil)
				server.Write(t.Context(), Message{Binary, make([]byte, tt.fill-4)})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := server.Write(ctx, Message{Binary, make([]byte, 500)})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Write: got %v, want the deadline", err)
				}
				if got := server.ended() == nil; got != tt.lives {
					t.Fatalf("the connection lives: got %v, want %v", got, tt.lives)
				}
				if !tt.lives {
					return
				}
				wantMessage(t, client, Binary, string(make([]byte, tt.fill-4)))
				if err := server.Write(t.Context(), Message{Text, []byte("on")}); err != nil {
					t.Errorf("the next Write: %v", err)
				}
				wantMessage(t, client, Text, "on")
			})
		})
	}
}

func TestAWriteWaitingForItsTurnCanBeCancelled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		server, client := pair(t, 1000, nil)
		stalled := make(chan error)
		go func() { stalled <- server.Write(context.Background(), Message{Binary, make([]byte, 5000)}) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := server.Write(ctx, Message{Text, []byte("late")}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write: got %v, want the deadline", err)
		}
		wantMessage(t, client, Binary, string(make([]byte, 5000)))
		if err := <-stalled; err != nil {
			t.Errorf("the stalled Write: %v", err)
		}
	})
}

func TestTypesThatAreNoMessagesAreNotWritten(t *testing.T) {
	nc := &countingConn{}
	c := newConn(nc, false, nil, nil)
	for _, typ := range []MessageType{0, 3, 8, 9, 0x42} {
		m := Message{typ, nil}
		if c.Write(context.Background(), m) == nil || c.WriteBatch(context.Background(), []*Prepared{Prepare(m)}) == nil {
			t.Errorf("%v: got no error", typ)
		}
	}
	if nc.writes != 0 {
		t.Errorf("got %d writes, want none", nc.writes)
	}
}
