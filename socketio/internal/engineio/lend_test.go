package engineio

import (
	"net/http"
	"testing"

	"github.com/parley-go/parley/wire"
)

// borrower is an Upper that asks for the goroutine of each message.
type borrower struct {
	socket *Socket
	lent   chan bool
	ran    chan string
}

func (b *borrower) Open(*http.Request) error                   { return nil }
func (b *borrower) Receive([]byte, bool)                       { b.lent <- b.socket.Lend(b) }
func (b *borrower) Take(batch []*wire.Encoded) []*wire.Encoded { return batch }
func (b *borrower) Heard()                                     {}
func (b *borrower) Closed(error)                               {}
func (b *borrower) Received()                                  { b.ran <- "received" }
func (b *borrower) Work()                                      { b.ran <- "work" }

func TestAWebSocketLendsItsGoroutineAndAPostDoesNot(t *testing.T) {
	b := &borrower{lent: make(chan bool, 10), ran: make(chan string, 10)}
	s := serveEcho(t, func(o *Options) {
		o.New = func(socket *Socket) Upper { b.socket = socket; return b }
	})
	sid := s.open()
	s.wantDo("POST", polls+sid, "4x", 200, "ok")
	if <-b.lent {
		t.Error("a POST has lent its goroutine")
	}
	c := s.webSocket(webSocket + sid)
	send(t, c, "5")
	for range 2 {
		send(t, c, "4x")
		if !<-b.lent {
			t.Fatal("the WebSocket has not lent its goroutine")
		}
		if first, second := <-b.ran, <-b.ran; first != "received" || second != "work" {
			t.Errorf("ran %s, %s, want received, work", first, second)
		}
	}
}

func TestASocketIsWritableWhileAPollWaits(t *testing.T) {
	s := serveEcho(t, nil)
	sid := s.open()
	socket := s.engine.find(sid[len("&sid="):])
	if socket.Writable() {
		t.Error("writable although no poll waits")
	}
	waits := s.poll(sid)
	for !socket.Writable() { // the poll has been counted, and is about to wait
		continue
	}
	s.wantDo("POST", polls+sid, "4x", 200, "ok")
	<-waits
	c := s.webSocket(webSocket + sid)
	send(t, c, "5")
	send(t, c, "4x")
	wantFrame(t, c, "4x")
	if !socket.Writable() {
		t.Error("not writable over a WebSocket that has taken all")
	}
}
