package websocket

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// wire looks at what goes over a connection.
type wire struct {
	net.Conn
	seen *sightings
}

// sightings notes bytes that no connection should have seen.
type sightings struct {
	mu    sync.Mutex
	bytes int64
	found []string
}

func (s *sightings) look(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += int64(len(p))
	if i := bytes.Index(p, []byte{poison, poison, poison, poison}); i >= 0 {
		s.found = append(s.found, fmt.Sprintf("%x", p[max(i-10, 0):min(i+20, len(p))]))
	}
}

func (w wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.seen.look(p[:n])
	return n, err
}

// Nothing that was in a buffer before ever shows up: not in what is handed on, and not on
// the wire (CVE-2016-10518, CVE-2026-45736). All tests run with poisoned buffers; this one does everything
// at once and looks at every byte.
func TestWhatWasInABufferIsNeverSeen(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		for _, compression := range []*Compression{nil, {}, {ContextTakeover: true, WindowBits: 9}} {
			for _, handled := range []bool{false, true} {
				t.Run(fmt.Sprintf("compression %v, handled %v", compression, handled), func(t *testing.T) {
					seen := &sightings{}
					url := n.serveAnswers(t, handled, &AcceptOptions{Compression: compression})
					o := n.options()
					o.Compression = compression
					o.NetDial = func(_ context.Context, _, host string) (net.Conn, error) {
						nc, err := n.connect(host)
						return wire{nc, seen}, err
					}
					var all sync.WaitGroup
					for seed := range uint64(4) {
						all.Go(func() { askAndCompare(t, url, o, seed) })
					}
					all.Wait()
					if len(seen.found) > 0 || seen.bytes < 100_000 {
						t.Errorf("%d bytes came over the wire, among them %q", seen.bytes, seen.found)
					}
				})
			}
		}
	})
}

// serveAnswers serves an echo that answers in every way there is.
func (n network) serveAnswers(t *testing.T, handled bool, o *AcceptOptions) string {
	ctx := context.Background()
	answer := func(c *Conn, m Message) {
		switch m.Data[0] % 5 {
		case 0:
			c.Send(m)
		case 1:
			c.Write(ctx, m)
		case 2:
			c.SendPrepared(Prepare(m))
		case 3:
			c.WriteBatch(ctx, []*Prepared{Prepare(m)})
		case 4:
			w, err := c.Writer(ctx, m.Type)
			if err == nil {
				w.Write(m.Data)
				w.Close()
			}
		}
	}
	if handled {
		return n.serve(t, &Handler{Options: o, OnMessage: answer})
	}
	return n.serveReader(t, o, func(c *Conn) {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return
			}
			answer(c, m)
		}
	})
}

// sources returns what messages are made of: noise and text, both without the poison.
var sources = sync.OnceValue(func() (s [2][]byte) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 1 << 17 {
		s[0] = append(s[0], byte(random.IntN(poison)))
		s[1] = append(s[1], byte(random.IntN(poison))>>5)
	}
	return s
})

// askAndCompare sends messages of every size, many at a time, and compares the answers.
func askAndCompare(t *testing.T, url string, o *DialOptions, seed uint64) {
	c, err := Dial(context.Background(), url, o)
	if err != nil {
		t.Errorf("Dial: %v", err)
		return
	}
	defer c.CloseNow()
	var sent [][]byte
	random := rand.New(rand.NewPCG(seed, 7))
	for i := range 30 {
		source := sources()[i%2] // of which one compresses well
		size, at := 1+random.IntN(1<<random.IntN(17)), random.IntN(1<<16)
		data := bytes.Clone(source[at : at+size])
		data[0] = byte(i)
		sent = append(sent, data)
	}
	go func() {
		for i, data := range sent {
			if i%7 == 0 {
				c.SendPing([]byte("in between"))
			}
			if err := c.Write(context.Background(), Message{Binary, data}); err != nil {
				t.Errorf("Write: %v", err)
				return
			}
		}
	}()
	for i, want := range sent {
		got, err := receiveOne(c, i%2 == 0)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("message %d: got %d bytes, %v, want %d", i, len(got), err, len(want))
			return
		}
	}
}

func receiveOne(c *Conn, whole bool) ([]byte, error) {
	if whole {
		m, err := c.Read(context.Background())
		return m.Data, err
	}
	_, r, err := c.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
