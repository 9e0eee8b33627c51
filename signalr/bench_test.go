//go:build linux || darwin

package signalr

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// What one call and one delivery cost from the receiver of a connection to its pipe, without a socket. The
// rig in bench/ measures the same with one.

// memory is a pipe that takes what is sent and forgets it, and lends its goroutine as that of a WebSocket does.
type memory struct {
	rcv  wire.Receiver
	lent wire.Worker   // works when Receive has returned
	left atomic.Int64  // messages that are still expected
	done chan struct{} // gets one when none is; nil: nothing is taken before take is called

	mu    sync.Mutex
	batch []*wire.Encoded
}

func (*memory) Transport() string { return "memory" }
func (*memory) Ping() bool        { return false }
func (*memory) Pause()            {}
func (*memory) Resume()           {}
func (*memory) CloseNow()         {}

func (p *memory) Close(int, string) { go p.rcv.Closed(nil) } // ends at once

func (p *memory) Lend(w wire.Worker) bool {
	p.lent = w
	return true
}

// receive hands up what a client has sent.
func (p *memory) receive(data []byte) {
	p.rcv.Receive(data, false)
	if w := p.lent; w != nil {
		p.lent = nil
		w.Received()
		w.Work()
	}
}

func (p *memory) Wake() {
	if p.done != nil {
		p.take()
	}
}

func (p *memory) take() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.batch = p.rcv.Take(p.batch[:0])
	n := int64(len(p.batch))
	clear(p.batch)
	if n > 0 && p.left.Add(-n) == 0 && p.done != nil {
		p.done <- struct{}{}
	}
}

// expect waits until n messages have come, after send.
func (p *memory) expect(n int, send func()) {
	p.left.Add(int64(n))
	send()
	<-p.done
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

// benchProtocols are the hub protocols with a handshake and a call of "echo" as the npm client writes them.
var benchProtocols = []struct{ name, hello, call string }{
	{"json", `{"protocol":"json","version":1}` + "\x1e" + `{"type":6}` + "\x1e",
		`{"arguments":["` + benchText + `"],"invocationId":"10","target":"echo","type":1}` + "\x1e"},
	{"messagepack", `{"protocol":"messagepack","version":1}` + "\x1e" + "\x02\x91\x06",
		"\x8b\x01\x95\x01\x80\xa210\xa4echo\x91\xd9\x7d" + benchText},
}

var benchText = strings.Repeat("abcde", 25)

func benchHub(b *testing.B) *parley.Hub {
	hub := parley.NewHub(nil)
	hub.OnConnect(func(_ context.Context, c *parley.Conn) error { return c.Join("room") })
	parley.Method[string, string]("echo").Handle(hub, func(_ context.Context, _ *parley.Conn, text string) (string, error) { return text, nil })
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := hub.Shutdown(ctx); err != nil {
			b.Error(err)
		}
	})
	return hub
}

// open makes a connection of hub that has shaken hands.
func (p *memory) open(b *testing.B, hub *parley.Hub, hello string) {
	c := &connection{endpoint: newHubEndpoint(hub, &Options{KeepAlive: -1}).endpoint, state: attaching}
	p.rcv, p.done = c, make(chan struct{}, 1)
	if err := c.attach(httptest.NewRequest("GET", "/", nil), p); err != nil {
		b.Fatal(err)
	}
	p.expect(1, func() { p.receive([]byte(hello)) })
}

// BenchmarkInvocation is a call with one string and its answer: one at a time, and sixteen.
func BenchmarkInvocation(b *testing.B) {
	for _, protocol := range benchProtocols {
		for _, depth := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/d%d", protocol.name, depth), func(b *testing.B) {
				var p memory
				p.open(b, benchHub(b), protocol.hello)
				var calls [][]byte
				for i := range depth {
					calls = append(calls, []byte(strings.Replace(protocol.call, "10", fmt.Sprint(10+i), 1)))
				}
				measure(b, func() {
					for n := 0; n < b.N; n += depth {
						batch := calls[:min(depth, b.N-n)]
						p.expect(len(batch), func() {
							for _, call := range batch {
								p.receive(call)
							}
						})
					}
				})
			})
		}
	}
}

// BenchmarkGroup is an event for a group of 1,000, per delivery: taken one at a time, and sixteen.
func BenchmarkGroup(b *testing.B) {
	const members = 1000
	for _, protocol := range benchProtocols {
		for _, burst := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/burst%d", protocol.name, burst), func(b *testing.B) {
				hub := benchHub(b)
				pipes := make([]memory, members)
				for i := range pipes {
					pipes[i].open(b, hub, protocol.hello)
					pipes[i].done = nil
				}
				measure(b, func() {
					for n := 0; n < b.N; n += members * burst {
						for range burst {
							if err := hub.Group("room").Send(b.Context(), "said", benchText); err != nil {
								b.Fatal(err)
							}
						}
						for i := range pipes {
							pipes[i].take()
						}
					}
				})
			})
		}
	}
}
