package websocket

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"
)

// loopConn delivers the same bytes for ever and counts what it is told.
type loopConn struct {
	scriptConn
	frame []byte
	at    int
}

func (c *loopConn) Read(p []byte) (int, error) {
	n := copy(p, c.frame[c.at:])
	c.at = (c.at + n) % len(c.frame)
	return n, nil
}

// BenchmarkEcho measures the codec alone: no network, Read and Write of a server.
func BenchmarkEcho(b *testing.B) {
	for _, size := range []int{125, 1 << 10, 16 << 10, 256 << 10} {
		for _, ctx := range []struct {
			name string
			make func() (context.Context, context.CancelFunc)
		}{
			{"endless", func() (context.Context, context.CancelFunc) { return context.Background(), func() {} }},
			{"cancellable", func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }},
		} {
			b.Run(fmt.Sprintf("%d/%s", size, ctx.name), func(b *testing.B) {
				c := newConn(&loopConn{frame: maskedText(string(bytes.Repeat([]byte("x"), size)))}, false, nil, nil)
				defer c.CloseNow()
				ctx, cancel := ctx.make()
				defer cancel()
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					echoOnce(b, c, ctx)
				}
			})
		}
	}
}

func echoOnce(b *testing.B, c *Conn, ctx context.Context) {
	m, err := c.Read(ctx)
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Write(ctx, m); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLoopback measures a round trip between a client and an echo over TCP.
func BenchmarkLoopback(b *testing.B) {
	for _, size := range []int{125, 16 << 10, 256 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			go func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				c := newConn(nc, false, nil, nil)
				defer c.CloseNow()
				for m, err := range c.Messages(context.Background()) {
					if err != nil || c.Write(context.Background(), m) != nil {
						return
					}
				}
			}()
			nc, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			c := newConn(nc, true, nil, nil)
			defer c.CloseNow()
			m := Message{Binary, make([]byte, size)}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Write(context.Background(), m); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Read(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkWriteBatch(b *testing.B) {
	for _, n := range []int{1, 16} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			batch := make([]*Prepared, n)
			for i := range batch {
				batch[i] = Prepare(Message{Text, bytes.Repeat([]byte("x"), 125)})
			}
			c := newConn(&loopConn{}, false, nil, nil)
			b.ReportAllocs()
			for b.Loop() {
				if err := c.WriteBatch(context.Background(), batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMask(b *testing.B) {
	for _, size := range []int{16, 125, 4096} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				mask(p, maskKey{1, 2, 3, 4}, 0)
			}
		})
	}
}
