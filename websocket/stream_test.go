package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// wantNext reads from r once and compares what that brings.
func wantNext(t *testing.T, r io.Reader, want string) {
	t.Helper()
	p := make([]byte, 1000)
	n, err := r.Read(p)
	if err != nil || string(p[:n]) != want {
		t.Errorf("Read: got %q, %v, want %q", p[:n], err, want)
	}
}

func wantStream(t *testing.T, c *Conn, typ MessageType) io.Reader {
	t.Helper()
	got, r, err := c.Reader(context.Background())
	if err != nil || got != typ {
		t.Fatalf("Reader: got %v, %v, want %v", got, err, typ)
	}
	return r
}

func wantEOF(t *testing.T, r io.Reader) {
	t.Helper()
	for range 2 { // it stays at the end
		if n, err := r.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("Read: got %d, %v, want io.EOF", n, err)
		}
	}
}

func TestAStreamHandsOutWhatHasArrived(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer := serveRaw(t, nil)
		frame := masked(0x82, []byte("one frame"))
		peer.send(frame[:9])
		r := wantStream(t, c, Binary)
		wantNext(t, r, "one")
		peer.send(frame[9:11])
		wantNext(t, r, " f")
		go func() { synctest.Wait(); peer.send(frame[11:]) }()
		wantNext(t, r, "rame")
		wantEOF(t, r)

		peer.send(masked(0x01, []byte("fragments")), masked(0x89, []byte("ping")), masked(0x00, nil))
		r = wantStream(t, c, Text)
		wantNext(t, r, "fragments")
		go func() { synctest.Wait(); peer.send(masked(0x00, []byte(", three")), masked(0x80, nil)) }()
		wantNext(t, r, ", three")
		wantEOF(t, r)
		if f := peer.receive(); f.first != 0x8A || string(f.payload) != "ping" {
			t.Errorf("got %#x %q, want the pong", f.first, f.payload)
		}

		peer.send(maskedText(""), maskedText("short"))
		wantEOF(t, wantStream(t, c, Text))
		r = wantStream(t, c, Text)
		if n, err := r.Read(nil); n != 0 || err != nil {
			t.Errorf("Read into nothing: got %d, %v", n, err)
		}
		if n, err := r.Read(make([]byte, 2)); n != 2 || err != nil {
			t.Errorf("Read into two bytes: got %d, %v", n, err)
		}
		wantNext(t, r, "ort")
		wantEOF(t, r)
	})
}

// Of text only what is known to be text is handed out.
func TestAStreamOfTextIsJudgedAsItComes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer := serveRaw(t, nil)
		peer.send(masked(0x01, []byte("5 \xE2\x82")))
		r := wantStream(t, c, Text)
		wantNext(t, r, "5 ")
		peer.send(masked(0x00, []byte("\xAC")), masked(0x00, []byte("\xF0")))
		wantNext(t, r, "€")
		peer.send(masked(0x80, []byte("\x9F\x98")))
		if n, err := r.Read(make([]byte, 10)); n != 0 || closedWith(err) != StatusInvalidPayload {
			t.Errorf("Read: got %d, %v, want the end for text that is none", n, err)
		}
		if code, _ := peer.receiveClose(); code != StatusInvalidPayload {
			t.Errorf("the peer was told %d, want %d", code, StatusInvalidPayload)
		}
	})
}

func TestAStreamHasTheLimitsOfItsMessage(t *testing.T) {
	tests := []struct {
		name string
		rest []byte
		want StatusCode
	}{
		{"too long", masked(0x80, make([]byte, 998)), StatusMessageTooBig},
		{"too many fragments", join(masked(0x00, []byte("a")), masked(0x00, []byte("b")), masked(0x00, []byte("c"))), StatusPolicyViolation},
		{"a new message", maskedText("inside"), StatusProtocolError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, peer := serveRaw(t, &Limits{MessageBytes: 1000, Fragments: 3})
				peer.send(masked(0x02, []byte("123")))
				r := wantStream(t, c, Binary)
				wantNext(t, r, "123")
				peer.send(tt.rest)
				got, err := io.ReadAll(r)
				if closedWith(err) != tt.want || len(got) > 2 {
					t.Errorf("got %q, %v, want status %d", got, err, tt.want)
				}
			})
		})
	}
}

// A message that breaks off never looks complete.
func TestAStreamThatBreaksOff(t *testing.T) {
	tests := []struct {
		name string
		end  func(c *Conn, peer *rawPeer)
		want func(err error) bool
	}{
		{"the peer is gone", func(_ *Conn, peer *rawPeer) { peer.nc.Close() }, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"the peer closes", func(_ *Conn, peer *rawPeer) { peer.send(masked(0x88, closePayload(1000, ""))) }, isPeerClose},
		{"CloseNow", func(c *Conn, _ *rawPeer) { c.CloseNow() }, func(err error) bool { return errors.Is(err, net.ErrClosed) }},
		{"Close", func(c *Conn, peer *rawPeer) {
			go peer.send(masked(0x80, []byte("the rest")), masked(0x88, closePayload(1000, "")))
			c.Close(StatusNormalClosure, "")
		}, isPeerClose},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, peer := serveRaw(t, nil)
				peer.send(masked(0x01, []byte("begun")))
				r := wantStream(t, c, Text)
				tt.end(c, peer)
				got, err := io.ReadAll(r)
				if !tt.want(err) {
					t.Errorf("got %q, %v", got, err)
				}
			})
		})
	}
}

func TestAStreamWhoseContextEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer := serveRaw(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := c.Reader(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Reader: got %v, want the deadline", err)
		}
		peer.send(masked(0x01, []byte("slow")))
		if _, _, err := c.Reader(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Reader: got %v, want the deadline", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, r, err := c.Reader(ctx)
		if err != nil {
			t.Fatal(err)
		}
		wantNext(t, r, "slow")
		if _, err := r.Read(make([]byte, 10)); !errors.Is(err, context.DeadlineExceeded) || c.ended() != nil {
			t.Errorf("Read: got %v and a connection that ended with %v, want the deadline and a living one", err, c.ended())
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Read(short); !errors.Is(err, context.DeadlineExceeded) { // it skips
			t.Errorf("Read: got %v, want the deadline", err)
		}
		peer.send(masked(0x00, []byte(" the rest")), masked(0x80, nil), maskedText("next"))
		wantMessage(t, c, Text, "next")
	})
}

// What was not read of a message is skipped when the next is asked for, in any way.
func TestTheRestOfAStreamIsSkipped(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		opened := make(chan *Conn)
		done := make(chan struct{})
		defer close(done)
		peer := n.raw(t, n.serveReader(t, nil, func(c *Conn) { opened <- c; <-done }))
		c := <-opened
		for _, rest := range [][]byte{
			join(masked(0x00, []byte("rest")), masked(0x89, nil), masked(0x80, bytes.Repeat([]byte("x"), 100_000))),
			masked(0x80, nil),
		} {
			peer.send(masked(0x01, []byte("first")))
			r := wantStream(t, c, Text)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				peer.send(rest, maskedText("second"), maskedText("third"), maskedText("fourth"))
			}()
			wantMessage(t, c, Text, "second")
			if _, err := r.Read(make([]byte, 10)); err != errSkipped {
				t.Errorf("Read of what was skipped: got %v, want %v", err, errSkipped)
			}
			r = wantStream(t, c, Text)
			wantNext(t, r, "third")
			r2 := wantStream(t, c, Text)
			wantEOF(t, r)
			wantMessageIn(t, r2, "fourth")
			<-sent
		}
	})
}

func wantMessageIn(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got, err := io.ReadAll(r)
	if err != nil || string(got) != want {
		t.Errorf("got %.40q (%d bytes), %v, want %.40q", got, len(got), err, want)
	}
}

func TestAHandlersConnectionHasNoStreams(t *testing.T) {
	n := networks[0]
	url := n.serve(t, &Handler{OnMessage: func(c *Conn, _ Message) {
		if _, _, err := c.Reader(context.Background()); err != errHandled {
			t.Errorf("Reader: got %v, want %v", err, errHandled)
		}
		w, err := c.Writer(context.Background(), Text)
		if err != nil {
			t.Errorf("Writer: %v", err)
			return
		}
		io.WriteString(w, strings.Repeat("written ", 2000))
		w.Close()
	}})
	c := n.dial(t, url)
	c.Write(t.Context(), Message{Text, nil})
	wantMessage(t, c, Text, strings.Repeat("written ", 2000))
}

// Whatever way a message comes and in whatever pieces, it is the same as with Read.
func TestStreamsCarryEverything(t *testing.T) {
	overEach(t, func(t *testing.T, n network) {
		for _, compressed := range []*Compression{nil, {ContextTakeover: true}} {
			t.Run(fmt.Sprintf("compressed %v", compressed != nil), func(t *testing.T) {
				url := n.serveReader(t, &AcceptOptions{Compression: compressed}, func(c *Conn) {
					for {
						typ, r, err := c.Reader(context.Background())
						if err != nil {
							return
						}
						w, err := c.Writer(context.Background(), typ)
						if err != nil {
							t.Errorf("Writer: %v", err)
							return
						}
						if _, err := io.CopyBuffer(struct{ io.Writer }{w}, r, make([]byte, 10_000)); err != nil {
							t.Errorf("Copy: %v", err)
							return
						}
						w.Close()
					}
				})
				o := n.options()
				o.Compression = compressed
				c, err := Dial(t.Context(), url, o)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				random := rand.New(rand.NewPCG(3, 4))
				for i := range 60 {
					size := random.IntN(1 << random.IntN(19))
					text := strings.Repeat("größer 👍 ", size/12+1)[:size]
					if i%3 > 0 {
						text = strings.ToValidUTF8(text, "")
					}
					sent := make(chan error, 1)
					go func() { sent <- writeInPieces(c, MessageType(2-min(i%3, 1)), text, random.Uint64()) }()
					got, r, err := c.Reader(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if want := MessageType(2 - min(i%3, 1)); got != want {
						t.Errorf("got %v, want %v", got, want)
					}
					wantMessageIn(t, r, text)
					if err := <-sent; err != nil {
						t.Errorf("the sender: %v", err)
					}
				}
			})
		}
	})
}

// writeInPieces writes text with a Writer, in pieces cut anywhere.
func writeInPieces(c *Conn, typ MessageType, text string, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 0))
	w, err := c.Writer(context.Background(), typ)
	if err != nil {
		return err
	}
	for len(text) > 0 {
		n := min(1+random.IntN(1<<random.IntN(18)), len(text))
		if k, err := io.WriteString(w, text[:n]); err != nil || k != n {
			return fmt.Errorf("Write: %d of %d bytes, %w", k, n, err)
		}
		text = text[n:]
	}
	return w.Close()
}

// A long message takes no more memory than its pieces.
func TestAStreamTakesLittleMemory(t *testing.T) {
	const fragments, size = 512, 64 << 10
	opened, done := make(chan *Conn), make(chan struct{})
	defer close(done)
	n := networks[0]
	peer := n.raw(t, n.serveReader(t, &AcceptOptions{Limits: &Limits{MessageBytes: 1 << 30}}, func(c *Conn) { opened <- c; <-done }))
	c := <-opened
	first, next := masked(0x02, make([]byte, size)), masked(0x00, make([]byte, size))
	go func() {
		peer.nc.Write(first)
		for range fragments - 1 {
			peer.nc.Write(next)
		}
		peer.nc.Write(masked(0x80, nil))
	}()
	r, before := wantStream(t, c, Binary), liveBytes()
	for range 2 {
		if _, err := io.CopyN(io.Discard, r, fragments*size/2); err != nil {
			t.Fatal(err)
		}
		if more := liveBytes() - before; more > fragments*size/8 {
			t.Errorf("%d bytes more are in use after half a message of %d", more, fragments*size)
		}
	}
	wantEOF(t, r)
}

// liveBytes is what the heap holds.
func liveBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestAShortMessageLeavesAsOneFrame(t *testing.T) {
	for _, size := range []int{0, 1, 4000, 4096} {
		nc := &countingConn{}
		c := newConn(nc, false, nil, nil)
		w, err := c.Writer(t.Context(), Text)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, strings.Repeat("x", size/2))
		io.WriteString(w, strings.Repeat("x", size-size/2))
		if nc.writes != 0 {
			t.Errorf("%d bytes: something left before Close", size)
		}
		if err := w.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if nc.writes != 1 || nc.bytes[0] != 0x81 {
			t.Errorf("%d bytes: got %d writes and a frame %#x, want 1 and a whole message", size, nc.writes, nc.bytes[0])
		}
		if err := w.Close(); err != errComposed {
			t.Errorf("Close, again: got %v, want %v", err, errComposed)
		}
		if _, err := w.Write([]byte("more")); err != errComposed {
			t.Errorf("Write after Close: got %v, want %v", err, errComposed)
		}
	}
}

func TestALongMessageLeavesInFragments(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := memoryNetwork(1 << 20)
		c, peer := newConn(a, false, nil, nil), &rawPeer{t, b}
		defer c.CloseNow()
		w, _ := c.Writer(t.Context(), Binary)
		for range 10 {
			w.Write(bytes.Repeat([]byte("a"), 1000))
		}
		w.Write(bytes.Repeat([]byte("b"), 300<<10))
		w.Write(bytes.Repeat([]byte("c"), 10))
		w.Close()
		var got []string
		for range 7 {
			f := peer.receive()
			got = append(got, fmt.Sprintf("%#x %d", f.first, len(f.payload)))
		}
		want := fmt.Sprintf("0x2 4096, 0x0 4096, 0x0 4096, 0x0 %d, 0x0 %d, 0x0 %d, 0x80 10", 128<<10, 128<<10, 300<<10+10_000-3*4096-2*(128<<10))
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
}

// composing returns a connection in the middle of writing a message, whose first frame
// the peer has read.
func composing(t *testing.T, ctx context.Context, l *Limits) (*Conn, *rawPeer, io.WriteCloser) {
	t.Helper()
	c, peer := serveRaw(t, l)
	w, err := c.Writer(ctx, Text)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, strings.Repeat("x", 4096))
	io.WriteString(w, "x")
	if f := peer.receive(); f.first != 0x01 || len(f.payload) != 4096 {
		t.Fatalf("got %#x of %d bytes, want the first fragment", f.first, len(f.payload))
	}
	return c, peer, w
}

func wantFrame(t *testing.T, peer *rawPeer, first byte, payload string) {
	t.Helper()
	if f := peer.receive(); f.first != first || string(f.payload) != payload {
		t.Errorf("got %#x %.20q, want %#x %q", f.first, f.payload, first, payload)
	}
}

func TestNoOtherMessagePassesAWriter(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer, w := composing(t, t.Context(), nil)
		go c.Read(context.Background())
		written := make(chan string, 3)
		go func() { c.Write(t.Context(), Message{Text, []byte("written")}); written <- "Write" }()
		synctest.Wait()
		go func() {
			c.WriteBatch(t.Context(), []*Prepared{Prepare(Message{Text, []byte("batch")})})
			written <- "WriteBatch"
		}()
		synctest.Wait()
		go func() {
			w, _ := c.Writer(t.Context(), Text)
			io.WriteString(w, "another")
			w.Close()
			written <- "Writer"
		}()
		synctest.Wait()
		var set Set
		set.Add(c)
		c.Send(Message{Text, []byte("sent")})
		set.Broadcast(Message{Text, []byte("broadcast")})
		c.Send(Message{Binary, make([]byte, 100_000)})
		c.SendPing([]byte("ping"))
		wantFrame(t, peer, 0x89, "ping")
		peer.send(masked(0x89, []byte("pong")))
		wantFrame(t, peer, 0x8A, "pong")
		if len(written) > 0 {
			t.Errorf("%s did not wait", <-written)
		}
		io.WriteString(w, strings.Repeat("y", 4096))
		if f := peer.receive(); f.first != 0x00 || len(f.payload) != 4096 {
			t.Errorf("got %#x of %d bytes, want the second fragment", f.first, len(f.payload))
		}
		if err := w.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		wantFrame(t, peer, 0x80, "y")
		wantFrame(t, peer, 0x81, "sent")
		wantFrame(t, peer, 0x81, "broadcast")
		wantFrame(t, peer, 0x82, string(make([]byte, 100_000)))
		got := make(map[string]bool)
		for range 3 {
			got[string(peer.receive().payload)] = true
			<-written
		}
		if !got["written"] || !got["batch"] || !got["another"] {
			t.Errorf("got %v, want what waited", got)
		}
		c.CloseNow()
	})
}

func TestWhoWaitsForAWriterMayGiveUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, peer, w := composing(t, t.Context(), nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Write(ctx, Message{Text, nil}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write: got %v, want the deadline", err)
		}
		w2, _ := c.Writer(ctx, Text)
		if _, err := w2.Write(make([]byte, 5000)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write of another Writer: got %v, want the deadline", err)
		}
		if err := w2.Close(); !errors.Is(err, context.DeadlineExceeded) || c.ended() != nil {
			t.Errorf("its Close: got %v and a connection that ended with %v, want the deadline and a living one", err, c.ended())
		}
		w.Close()
		wantFrame(t, peer, 0x80, "x")
	})
}

func TestWhatIsSentBesideAWriterIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, _, w := composing(t, t.Context(), &Limits{QueueBytes: 10_000})
		m, sent := Message{Binary, make([]byte, 1000)}, 0
		var err error
		for ; err == nil; sent++ {
			err = c.Send(m)
		}
		if err != ErrSlow || sent < 9 || sent > 11 {
			t.Errorf("Send %d: got %v, want %v after 10", sent, err, ErrSlow)
		}
		if err := w.Close(); err != ErrSlow {
			t.Errorf("Close: got %v, want %v", err, ErrSlow)
		}
	})
}

// A Writer whose context ends before anything has left gives only its message up.
func TestAWriterIsCancelledBeforeItHasBegun(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := memoryNetwork(1000)
		c, peer := newConn(a, false, nil, nil), &rawPeer{t, b}
		defer c.CloseNow()
		go c.Write(context.Background(), Message{Binary, make([]byte, 5000)})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w, _ := c.Writer(ctx, Text)
		if n, err := w.Write(make([]byte, 5000)); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write: got %d, %v, want the deadline", n, err)
		}
		if err := w.Close(); !errors.Is(err, context.DeadlineExceeded) || c.ended() != nil {
			t.Errorf("Close: got %v and a connection that ended with %v, want the deadline and a living one", err, c.ended())
		}
		go c.Send(Message{Text, []byte("on")})
		peer.receive()
		wantFrame(t, peer, 0x81, "on")
		if c.Close(StatusNormalClosure, ""); c.out.composing {
			t.Error("it is still composing")
		}
	})
}

// In the middle of a message the end of the context is that of the connection, whatever
// the writer does, and nobody waits any longer.
func TestAWriterIsCancelledInTheMiddle(t *testing.T) {
	tests := []struct {
		name string
		f    func(ctx context.Context, c *Conn, w io.WriteCloser) error
	}{
		{"idle", func(ctx context.Context, c *Conn, _ io.WriteCloser) error { <-c.Done(); return c.ended() }},
		{"writing", func(_ context.Context, _ *Conn, w io.WriteCloser) error {
			_, err := w.Write(make([]byte, 1<<20))
			return err
		}},
		{"closing", func(ctx context.Context, _ *Conn, w io.WriteCloser) error { <-ctx.Done(); return w.Close() }},
		{"somebody waits", func(_ context.Context, c *Conn, _ io.WriteCloser) error {
			return c.Write(context.Background(), Message{Text, nil})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				c, peer, w := composing(t, ctx, nil)
				c.Send(Message{Text, []byte("never")})
				if err := tt.f(ctx, c, w); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the deadline", err)
				}
				synctest.Wait()
				if !errors.Is(c.ended(), context.DeadlineExceeded) {
					t.Errorf("the connection ended with %v, want the deadline", c.ended())
				}
				if rest, _ := io.ReadAll(peer.nc); bytes.Contains(rest, []byte("never")) {
					t.Error("another message has left in the middle of the one broken off")
				}
			})
		})
	}
}

func TestAWriterWhoseContextEndsLater(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c, peer, w := composing(t, ctx, nil)
		w.Close()
		cancel()
		synctest.Wait()
		wantFrame(t, peer, 0x80, "x")
		if c.ended() != nil {
			t.Errorf("the connection ended with %v: its message was complete", c.ended())
		}
	})
}

func TestTheEndOfTheConnectionIsThatOfAWriter(t *testing.T) {
	tests := []struct {
		name string
		end  func(c *Conn, peer *rawPeer)
	}{
		{"CloseNow", func(c *Conn, _ *rawPeer) { c.CloseNow() }},
		{"Close", func(c *Conn, peer *rawPeer) {
			go c.Close(StatusNormalClosure, "")
			peer.receiveClose()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c, peer, w := composing(t, t.Context(), nil)
				waiting := make(chan error)
				go func() { waiting <- c.Write(context.Background(), Message{Text, nil}) }()
				synctest.Wait()
				tt.end(c, peer)
				if _, err := w.Write(make([]byte, 5000)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write: got %v, want net.ErrClosed", err)
				}
				if err := w.Close(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Close: got %v, want net.ErrClosed", err)
				}
				if err := <-waiting; !errors.Is(err, net.ErrClosed) {
					t.Errorf("the Write that waited: got %v, want net.ErrClosed", err)
				}
				if _, err := c.Writer(t.Context(), Text); tt.name == "CloseNow" && !errors.Is(err, net.ErrClosed) {
					t.Errorf("Writer: got %v, want net.ErrClosed", err)
				}
			})
		})
	}
}

func TestAWriterOfNoMessage(t *testing.T) {
	c := newConn(&countingConn{}, false, nil, nil)
	if w, err := c.Writer(t.Context(), 9); w != nil || err == nil {
		t.Errorf("got %v, %v, want an error", w, err)
	}
}
