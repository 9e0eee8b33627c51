package wiretest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/parley-go/parley/wire"
)

// Peer is the other end of a pipe under test: what its client would be. Its
// methods are called one at a time each, Send beside Receive.
type Peer interface {
	// Send sends one message. It may wait while the pipe is paused, and must
	// fail once the pipe has ended.
	Send(data []byte) error
	// Receive waits for the next message. The error tells that the pipe has
	// ended.
	Receive() ([]byte, error)
	// Leave goes away without a goodbye, and lets go of everything.
	Leave()
}

// TestPipe checks a transport against the contract of [wire.Pipe]. open makes
// a pipe that runs under r, and the peer at its other end. Where the contract
// is broken by waiting for ever, so does the test.
func TestPipe(t *testing.T, open func(t *testing.T, r wire.Receiver) (wire.Pipe, Peer)) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, x *pipeTest)
	}{
		{"messages arrive in order", testOrder},
		{"no wake-up is lost", testWakeUps},
		{"many senders", testSenders},
		{"messages come up in order", testReceive},
		{"a pause holds messages back", testPause},
		{"close delivers what was queued", testClose},
		{"close ends a paused pipe", testClosePaused},
		{"close now", testCloseNow},
		{"close now ends a paused pipe", testCloseNowPaused},
		{"everybody closes at once", testCloseRace},
		{"the peer leaves", testLeave},
	} {
		t.Run(c.name, func(t *testing.T) { runPipe(t, open, c.test) })
	}
	t.Run("a goodbye never overtakes the last words", func(t *testing.T) {
		for range 50 {
			runPipe(t, open, testLastWords)
		}
	})
}

func runPipe(t *testing.T, open func(t *testing.T, r wire.Receiver) (wire.Pipe, Peer), test func(t *testing.T, x *pipeTest)) {
	t.Helper()
	x := &pipeTest{receiver: receiver{t: t, closed: make(chan struct{}), arrived: make(chan struct{}, 1)}}
	x.pipe, x.peer = open(t, &x.receiver)
	if x.pipe.Transport() == "" {
		t.Error("the transport has no name")
	}
	test(t, x)
	x.pipe.CloseNow()
	x.peer.Leave()
	<-x.closed
	x.touch()
}

// receiver is a [wire.Receiver] that remembers everything.
type receiver struct {
	t       *testing.T
	closed  chan struct{}
	arrived chan struct{} // has an element when messages have come

	mu     sync.Mutex
	queue  []*wire.Encoded
	busy   [2]bool // inside Receive, inside Take
	got    []string
	isOver bool
	why    error
}

// begin checks what every call owes the receiver.
func (r *receiver) begin(what int) {
	if r.isOver {
		r.t.Error("the pipe called its receiver after Closed")
	}
	if r.busy[what] {
		r.t.Errorf("the pipe made two calls of %s at a time", []string{"Receive", "Take"}[what])
	}
	r.busy[what] = true
}

// Receive implements [wire.Receiver].
func (r *receiver) Receive(data []byte, _ bool) {
	r.mu.Lock()
	r.begin(0)
	r.got = append(r.got, string(data))
	r.mu.Unlock()
	runtime.Gosched() // somebody else may now make the mistake
	r.mu.Lock()
	r.busy[0] = false
	r.mu.Unlock()
	select {
	case r.arrived <- struct{}{}:
	default:
	}
}

// Take implements [wire.Receiver].
func (r *receiver) Take(batch []*wire.Encoded) []*wire.Encoded {
	r.mu.Lock()
	r.begin(1)
	batch = append(batch, r.queue...)
	r.queue = nil
	r.mu.Unlock()
	runtime.Gosched()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy[1] = false
	return batch
}

// Heard implements [wire.Receiver].
func (r *receiver) Heard() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isOver {
		r.t.Error("the pipe called Heard after Closed")
	}
}

// Closed implements [wire.Receiver].
func (r *receiver) Closed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isOver {
		r.t.Error("the pipe called Closed twice")
		return
	}
	r.isOver, r.why = true, err
	close(r.closed)
}

// put queues a message without telling the pipe.
func (r *receiver) put(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue, &wire.Encoded{Data: []byte(s)})
}

// await returns the messages that have come, when they are n.
func (r *receiver) await(n int) []string {
	for {
		r.mu.Lock()
		got := r.got
		r.mu.Unlock()
		if len(got) >= n {
			return got
		}
		<-r.arrived
	}
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

// wantEnd waits for Closed.
func (r *receiver) wantEnd(want error) {
	r.t.Helper()
	<-r.closed
	if r.why != want {
		r.t.Errorf("Closed: got %v, want %v", r.why, want)
	}
}

type pipeTest struct {
	receiver
	pipe wire.Pipe
	peer Peer
}

// send queues a message and wakes the pipe.
func (x *pipeTest) send(s string) {
	x.put(s)
	x.pipe.Wake()
}

// want reads the peer's next message.
func (x *pipeTest) want(want string) {
	x.t.Helper()
	got, err := x.peer.Receive()
	if err != nil || string(got) != want {
		x.t.Fatalf("the peer received %q, %v, want %q", got, err, want)
	}
}

// wantOver reads what tells the peer that the pipe has ended.
func (x *pipeTest) wantOver() {
	x.t.Helper()
	if got, err := x.peer.Receive(); err == nil {
		x.t.Errorf("the peer received %q behind the end", got)
	}
}

// touch calls every method of a pipe that has ended.
func (x *pipeTest) touch() {
	x.put("late")
	x.pipe.Wake()
	x.pipe.Ping()
	x.pipe.Pause()
	x.pipe.Resume()
	x.pipe.Close(1000, "")
	x.pipe.CloseNow()
}

func line(i int) string { return fmt.Sprintf(`{"message":%d}`, i) }

func testOrder(t *testing.T, x *pipeTest) {
	const many = 1000
	var sending sync.WaitGroup
	sending.Go(func() { // ends when all is queued, waited for below
		for i := range many {
			x.send(line(i))
		}
	})
	for i := range many {
		x.want(line(i))
	}
	sending.Wait()
}

func testWakeUps(t *testing.T, x *pipeTest) {
	x.pipe.Wake() // with nothing to take
	for i := range 300 {
		x.send(line(i))
		if i%3 == 0 {
			x.pipe.Wake()
			x.pipe.Ping()
		}
		x.want(line(i))
	}
}

func testSenders(t *testing.T, x *pipeTest) {
	const senders, each = 8, 100
	var sending sync.WaitGroup
	for s := range senders {
		sending.Go(func() { // ends when all is queued, waited for below
			for i := range each {
				x.send(fmt.Sprintf(`[%d,%d]`, s, i))
			}
		})
	}
	var next [senders]int
	for range senders * each {
		data, err := x.peer.Receive()
		if err != nil {
			t.Fatalf("Receive: %v", err)
		}
		var s, i int
		if _, err := fmt.Sscanf(string(data), "[%d,%d]", &s, &i); err != nil {
			t.Fatalf("the peer received %q: %v", data, err)
		}
		if i != next[s] {
			t.Fatalf("message %d of sender %d came, want %d", i, s, next[s])
		}
		next[s]++
	}
	sending.Wait()
}

// sendAll sends n messages of the peer in the background. The first error goes
// to the channel, or nil after the last message.
func (x *pipeTest) sendAll(n int) <-chan error {
	done := make(chan error, 1)
	go func() { // ends with the last message or the pipe
		for i := range n {
			if err := x.peer.Send([]byte(line(i))); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	return done
}

func (x *pipeTest) wantAll(n int) {
	x.t.Helper()
	for i, got := range x.await(n) {
		if want := line(i); got != want {
			x.t.Fatalf("message %d: got %q, want %q", i, got, want)
		}
	}
}

func testReceive(t *testing.T, x *pipeTest) {
	done := x.sendAll(200)
	x.wantAll(200)
	if err := <-done; err != nil {
		t.Errorf("Send: %v", err)
	}
}

func testPause(t *testing.T, x *pipeTest) {
	const many, onTheirWay = 100, 2
	x.pipe.Pause()
	x.pipe.Pause()
	done := x.sendAll(many)
	for i := range 20 { // writing goes on meanwhile
		x.send(line(i))
		x.want(line(i))
	}
	if got := x.count(); got > onTheirWay {
		t.Errorf("%d messages came up during a pause", got)
	}
	x.pipe.Resume()
	x.pipe.Resume()
	x.wantAll(many)
	if err := <-done; err != nil {
		t.Errorf("Send: %v", err)
	}
}

func testClose(t *testing.T, x *pipeTest) {
	const many = 300
	for i := range many {
		x.put(line(i))
	}
	x.pipe.Close(1000, "enough")
	x.pipe.Close(1011, "only the first counts")
	for i := range many {
		x.want(line(i))
	}
	x.wantOver()
	x.wantEnd(nil)
}

// testLastWords closes while the pipe is busy with what came before.
func testLastWords(t *testing.T, x *pipeTest) {
	x.send("first")
	x.put("last")
	x.pipe.Close(1000, "")
	x.want("first")
	x.want("last")
	x.wantOver()
	x.wantEnd(nil)
}

func testClosePaused(t *testing.T, x *pipeTest) {
	x.pipe.Pause()
	x.put("last words")
	x.pipe.Close(1000, "")
	x.pipe.Pause()
	x.want("last words")
	x.wantOver()
	x.wantEnd(nil)
}

func testCloseNow(t *testing.T, x *pipeTest) {
	x.send("first")
	x.want("first")
	x.pipe.CloseNow()
	x.wantOver()
	x.wantEnd(nil)
}

func testCloseNowPaused(t *testing.T, x *pipeTest) {
	x.pipe.Pause()
	done := x.sendAll(2)
	x.pipe.CloseNow()
	x.wantEnd(nil)
	x.peer.Leave()
	<-done
}

func testCloseRace(t *testing.T, x *pipeTest) {
	var all sync.WaitGroup
	for i := range 4 { // each goroutine ends by itself, waited for below
		all.Go(func() { x.send(line(i)) })
		all.Go(func() { x.pipe.Close(1000, "") })
		all.Go(func() { x.pipe.Ping() })
		all.Go(x.pipe.Pause)
		all.Go(x.pipe.CloseNow)
	}
	all.Wait()
	x.wantEnd(nil)
}

func testLeave(t *testing.T, x *pipeTest) {
	x.send("first")
	x.want("first")
	x.peer.Leave()
	for range 100 { // somebody is always talking to those who have left
		x.send("into the void")
	}
	<-x.closed // for whatever reason the transport has
}
