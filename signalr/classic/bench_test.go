//go:build linux || darwin

package classic

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/websocket"
)

// What a call and a delivery cost over WebSockets of this machine, both ends
// together. The client's end does no more than read and count frames.

var benchText = strings.Repeat("abcde", 25)

// benchServer is a hub "Chat" under the URL it returns.
func benchServer(b *testing.B) (hub *parley.Hub, url string) {
	hub = parley.NewHub(&parley.HubOptions{Log: slog.New(slog.DiscardHandler)})
	hub.OnConnect(func(_ context.Context, c *parley.Conn) error { return c.Join("room") })
	parley.Method[string, string]("echo").Handle(hub, func(_ context.Context, _ *parley.Conn, text string) (string, error) { return text, nil })
	mux := http.NewServeMux()
	Mount(mux, "/signalr", map[string]*parley.Hub{"Chat": hub}, nil)
	server := httptest.NewServer(mux)
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := hub.Shutdown(ctx); err != nil {
			b.Error(err)
		}
		server.Close()
	})
	return hub, server.URL + "/signalr"
}

// benchClient counts the frames that hold what it waits for.
type benchClient struct {
	conn   *websocket.Conn
	marker string
	left   *atomic.Int64
	done   chan struct{} // gets one when none is left
}

func (c *benchClient) open(b *testing.B, url string) {
	raw := &rawClient{base: url, data: `[{"name":"chat"}]`, http: http.DefaultClient}
	if err := raw.negotiate(b.Context()); err != nil {
		b.Fatal(err)
	}
	begun := make(chan struct{}, 1)
	h := &websocket.Handler{OnMessage: func(_ *websocket.Conn, m websocket.Message) {
		text := string(m.Data)
		if strings.Contains(text, `"S":1`) {
			begun <- struct{}{}
			return
		}
		if n := int64(strings.Count(text, c.marker)); n > 0 && c.left.Add(-n) == 0 {
			c.done <- struct{}{}
		}
	}}
	var err error
	c.conn, err = h.Dial(b.Context(), "ws"+strings.TrimPrefix(raw.url("connect", "webSockets"), "http"), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.conn.CloseNow() })
	<-begun
	if _, err := raw.ask(b.Context(), "GET", "start", "webSockets", nil); err != nil {
		b.Fatal(err)
	}
}

// measure reports what run takes of the processors, for each of b.N: other programs do not count.
func measure(b *testing.B, run func()) {
	var before, after syscall.Rusage
	b.ReportAllocs()
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	b.ResetTimer()
	run()
	b.StopTimer()
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	used := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/op")
}

// BenchmarkCall is a call with one string and its answer: one at a time, and sixteen.
func BenchmarkCall(b *testing.B) {
	for _, depth := range []int{1, 16} {
		b.Run(fmt.Sprint("depth", depth), func(b *testing.B) {
			_, url := benchServer(b)
			c := &benchClient{marker: `"I":"`, left: new(atomic.Int64), done: make(chan struct{}, 1)}
			c.open(b, url)
			var calls []websocket.Message
			for i := range depth {
				text := fmt.Sprintf(`{"H":"chat","M":"echo","A":["%s"],"I":%d}`, benchText, i)
				calls = append(calls, websocket.Message{Type: websocket.Text, Data: []byte(text)})
			}
			measure(b, func() {
				for n := 0; n < b.N; n += depth {
					batch := calls[:min(depth, b.N-n)]
					c.left.Add(int64(len(batch)))
					for _, m := range batch {
						if err := c.conn.Send(m); err != nil {
							b.Fatal(err)
						}
					}
					<-c.done
				}
			})
		})
	}
}

// BenchmarkBroadcast is an event for a group of 500, per delivery: one at a time, and sixteen.
func BenchmarkBroadcast(b *testing.B) {
	const members = 500
	for _, burst := range []int{1, 16} {
		b.Run(fmt.Sprint("burst", burst), func(b *testing.B) {
			hub, url := benchServer(b)
			left, done := new(atomic.Int64), make(chan struct{}, 1)
			for range members {
				c := &benchClient{marker: `"M":"said"`, left: left, done: done}
				c.open(b, url)
			}
			measure(b, func() {
				for n := 0; n < b.N; n += members * burst {
					left.Add(members * int64(burst))
					for range burst {
						if err := hub.Group("room").Send(b.Context(), "said", benchText); err != nil {
							b.Fatal(err)
						}
					}
					<-done
				}
			})
		})
	}
}
