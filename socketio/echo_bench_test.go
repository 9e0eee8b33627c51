package socketio

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// lending is a pipe that hands up what it is given on the goroutine that gives it,
// and lends that, as a WebSocket does.
type lending struct {
	rcv    wire.Receiver
	worker wire.Worker
	woken  chan struct{}
	batch  []*wire.Encoded
}

// say hands up a message and returns when there is an answer.
func (p *lending) say(text []byte) {
	p.rcv.Receive(text, false)
	if w := p.worker; w != nil {
		p.worker = nil
		w.Received()
		w.Work()
	}
	for p.batch = p.batch[:0]; len(p.batch) == 0; p.batch = p.rcv.Take(p.batch) {
		<-p.woken
	}
}

func (p *lending) Lend(w wire.Worker) bool { p.worker = w; return true }
func (*lending) Transport() string         { return "websocket" }
func (p *lending) Wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}
func (*lending) Ping() bool        { return false }
func (*lending) Pause()            {}
func (*lending) Resume()           {}
func (*lending) Close(int, string) {}
func (*lending) CloseNow()         {}

// BenchmarkEventEcho is an event with an acknowledgement, from the message of the
// transport to the message of the transport.
func BenchmarkEventEcho(b *testing.B) {
	hub := parley.NewHub(nil)
	const echo parley.Method[string, string] = "echo"
	echo.Handle(hub, func(_ context.Context, _ *parley.Conn, text string) (string, error) { return text, nil })
	p := &lending{woken: make(chan struct{}, 1)}
	rcv, err := NewServer(hub, nil).Streams("lending").Open(httptest.NewRequest("GET", "/socket.io/", nil), p)
	if err != nil {
		b.Fatal(err)
	}
	p.rcv = rcv
	p.say([]byte("40"))
	event := []byte(`4212["echo","` + strings.Repeat("x", 125) + `"]`)
	b.ReportAllocs()
	for b.Loop() {
		p.say(event)
	}
}
