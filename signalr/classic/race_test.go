package classic

import (
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-go/parley"
	"github.com/parley-go/parley/wire"
)

// lending is a WebSocket as its connection sees it: its goroutine can be borrowed.
type lending struct {
	leg    *leg
	worker wire.Worker
	cuts   atomic.Int64 // how often it was told to end
}

func (*lending) Transport() string { return "websocket" }
func (*lending) Wake()             {}
func (*lending) Ping() bool        { return true }
func (*lending) Pause()            {}
func (*lending) Resume()           {}
func (*lending) Close(int, string) {}
func (p *lending) CloseNow()       { p.cuts.Add(1) }

func (p *lending) Lend(w wire.Worker) bool {
	p.worker = w
	return true
}

// received ends a Receive as a WebSocket does.
func (p *lending) received() {
	if p.worker != nil {
		p.worker.Received()
	}
}

// A client may send by a WebSocket and by another one, or a POST, at the same time.
// What a WebSocket brings lies in a buffer that is used again as soon as its Receive
// has returned; only what lies in the buffer of a goroutine that was lent may stay there.
func TestWhatComesByTwoWaysAtOnceIsNotTakenForOneAnother(t *testing.T) {
	hub := newHub()
	defer hub.Shutdown(t.Context())
	heard := make(chan string, 2)
	hub.Handle("say", parley.Func(func(text string) { heard <- text }))
	e := Handler(map[string]*parley.Hub{"Chat": hub}, nil).(*endpoint)
	c := e.newConnection("a client", never)
	q := newRequest(httptest.NewRequest("GET", "/signalr/connect", nil))
	q.hubs = e.sorted
	if err := c.enter(q, false); err != nil {
		t.Fatal(err)
	}
	<-c.start()
	first := &lending{}
	first.leg = &leg{connection: c, pipe: first, kind: WebSockets}
	if _, ok, err := first.leg.attach(first.leg, ""); !ok || err != nil {
		t.Fatal(ok, err)
	}
	first.leg.Receive([]byte(`{"H":"chat","M":"say","A":["first"]}`), false)
	if first.worker == nil {
		t.Fatal("no goroutine was borrowed")
	}

	done := make(chan struct{})
	buffer := []byte(`{"H":"chat","M":"say","A":["other"]}`)
	go func() { // ends once the first Receive has
		defer close(done)
		if err := c.hear(buffer, nil); err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-done:
	case <-time.After(100 * time.Millisecond): // it waits for the first, as it may
	}
	first.received()
	<-done
	copy(buffer, `{"H":"chat","M":"say","A":["stray"]}`) // the next message, perhaps of another client
	first.worker.Work()
	for _, want := range []string{"first", "other"} {
		if got := <-heard; got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	c.finish(nil)
}

// ending is a pipe that counts how often it was told to end.
type ending struct {
	lending
	closes atomic.Int64
}

func (p *ending) Close(int, string) { p.closes.Add(1) }

// A client that comes back in the very moment in which it is given up has a connection,
// or is sent away; it is not left with a stream of nobody.
func TestAReturnInTheMomentOfTheEnd(t *testing.T) {
	hub := newHub()
	defer hub.Shutdown(t.Context())
	e := Handler(map[string]*parley.Hub{"Chat": hub}, nil).(*endpoint)
	for range 5000 {
		c := e.newConnection("a client", never)
		q := newRequest(httptest.NewRequest("GET", "/signalr/connect", nil))
		q.hubs = e.sorted
		if no := c.enter(q, false); no != nil {
			t.Fatal(no)
		}
		<-c.start()
		c.since = -time.Hour
		pipe := &ending{}
		l := &leg{connection: c, pipe: pipe, kind: WebSockets}
		var both sync.WaitGroup
		attached := false
		both.Go(c.tick)
		both.Go(func() { _, attached, _ = c.attach(l, "") })
		both.Wait()
		c.mu.Lock()
		ended := c.phase == over
		c.mu.Unlock()
		if ended && attached && pipe.closes.Load()+pipe.cuts.Load() == 0 {
			t.Fatal("the connection is over, and its stream goes on")
		}
		c.finish(nil)
	}
}

// A hub that is shut down in the moment in which a client first calls it finds the
// client's presence as it is to be.
func TestAVisitDuringTheShutdown(t *testing.T) {
	for range 500 {
		chat, other := newHub(), newHub()
		e := Handler(map[string]*parley.Hub{"Chat": chat, "Other": other}, nil).(*endpoint)
		q := newRequest(httptest.NewRequest("GET", "/signalr/connect", nil))
		q.id, q.until, q.hubs = "a client", never, []*served{e.hubs["chat"]}
		c, _, _ := e.claim(q)
		if no := c.enter(q, false); no != nil {
			t.Fatal(no)
		}
		<-c.start()
		var both sync.WaitGroup
		both.Go(func() { c.hear([]byte(`{"H":"other","M":"m","A":[],"I":1}`), nil) })
		both.Go(func() { other.Shutdown(t.Context()) })
		both.Wait()
		if err := chat.Shutdown(t.Context()); err != nil || e.table.len() != 0 {
			t.Fatalf("%v, %d connections are left", err, e.table.len())
		}
	}
}
