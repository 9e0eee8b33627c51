package transport

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-go/parley/wire"
)

// box is a wire.Receiver with a queue.
type box struct {
	mu     sync.Mutex
	queue  []*wire.Encoded
	got    []string
	closed chan error
}

func newBox() *box { return &box{closed: make(chan error, 2)} }

func (b *box) put(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = append(b.queue, &wire.Encoded{Data: []byte(s)})
}

func (b *box) Receive(data []byte, _ bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, string(data))
}

func (b *box) Take(batch []*wire.Encoded) []*wire.Encoded {
	b.mu.Lock()
	defer b.mu.Unlock()
	batch = append(batch, b.queue...)
	b.queue = nil
	return batch
}

func (b *box) Heard() {}

func (b *box) Closed(err error) { b.closed <- err }

func (b *box) isClosed() bool { return len(b.closed) > 0 }

// polling is one poll under way.
type polling struct {
	w    *httptest.ResponseRecorder
	err  error
	done chan struct{}
}

func poll(p *Poll) *polling { return pollWithin(context.Background(), p) }

func pollWithin(ctx context.Context, p *Poll) *polling {
	one := &polling{w: httptest.NewRecorder(), done: make(chan struct{})}
	r := httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)
	go func() { // ends with the poll; a bubble waits for it
		defer close(one.done)
		one.err = p.Serve(one.w, r)
	}()
	synctest.Wait()
	return one
}

func (one *polling) want(t *testing.T, body string, err error) {
	t.Helper()
	<-one.done
	if got := one.w.Body.String(); got != body || one.err != err {
		t.Errorf("the poll got %q, %v, want %q, %v", got, one.err, body, err)
	}
}

func wantClosed(t *testing.T, b *box, want error) {
	t.Helper()
	if got := <-b.closed; got != want {
		t.Errorf("Closed: got %v, want %v", got, want)
	}
}

// inBubble runs a test on fake time. A goroutine left behind fails it.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func TestPollWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewPoll(b, &PollOptions{Write: writeLines})
		began := time.Now()
		poll(p).want(t, "", nil)
		if got, want := time.Since(began), 25*time.Second; got != want {
			t.Errorf("the poll waited %v, want %v", got, want)
		}
		one := poll(p)
		b.put("hi")
		p.Wake()
		one.want(t, "hi\n", nil)
		p.CloseNow()
		wantClosed(t, b, nil)
	})
}

func TestPollEndsWhenNobodyPolls(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewPoll(b, &PollOptions{Write: writeLines, Idle: 10 * time.Second})
		time.Sleep(9 * time.Second)
		poll(p).want(t, "", nil) // 25 s later
		time.Sleep(9 * time.Second)
		if b.isClosed() {
			t.Fatal("the pipe ended within its idle time")
		}
		time.Sleep(2 * time.Second)
		wantClosed(t, b, ErrIdle)
		poll(p).want(t, "", ErrGone)
	})
}

func TestPollNeverIdle(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewPoll(b, &PollOptions{Write: writeLines, Idle: -1})
		time.Sleep(1000 * time.Hour)
		if b.isClosed() {
			t.Fatal("a pipe without an idle time ended")
		}
		p.Close(1000, "")
		time.Sleep(4 * time.Second)
		if b.isClosed() {
			t.Fatal("the goodbye was not given its time")
		}
		time.Sleep(2 * time.Second)
		wantClosed(t, b, nil)
	})
}

func TestCloseWaitsForThePollThatFetchesIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewPoll(b, &PollOptions{Write: writeLines})
		b.put("goodbye")
		p.Close(1000, "")
		time.Sleep(4 * time.Second)
		poll(p).want(t, "goodbye\n", nil)
		wantClosed(t, b, nil)
	})
}

func TestSecondPoll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewPoll(b, &PollOptions{Write: writeLines})
		first := poll(p)
		poll(p).want(t, "", ErrPolling)
		b.put("for the first")
		p.Wake()
		first.want(t, "for the first\n", nil)
		p.CloseNow()
		wantClosed(t, b, nil)
	})
}

func TestPollTakesThePlaceOfAnother(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewPoll(b, &PollOptions{Write: writeLines, Replace: true})
		first := poll(p)
		second := poll(p)
		first.want(t, "", nil)
		b.put("hi")
		p.Wake()
		second.want(t, "hi\n", nil)
		p.CloseNow()
		wantClosed(t, b, nil)
	})
}

// TestReplacedPollPassesItsWakeUpOn: a poll that notices a wake-up after another
// has taken its place leaves message and wake-up to that one.
func TestReplacedPollPassesItsWakeUpOn(t *testing.T) {
	b := newBox()
	p := NewPoll(b, &PollOptions{Write: writeLines, Replace: true})
	first, _ := p.begin()
	second, _ := p.begin()
	b.put("hi")
	p.Wake()
	<-p.wake // as the first poll may
	if batch, _, replaced := p.take(first, nil); len(batch) > 0 || !replaced {
		t.Errorf("a replaced poll took %d messages", len(batch))
	}
	<-p.wake // or the second poll would sleep on
	if batch, _, _ := p.take(second, nil); len(batch) != 1 {
		t.Errorf("the poll that waits took %d messages, want 1", len(batch))
	}
	p.CloseNow()
	wantClosed(t, b, nil)
}

func TestClientGoesAwayDuringAPoll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewPoll(b, &PollOptions{Write: writeLines})
		ctx, cancel := context.WithCancel(context.Background())
		one := pollWithin(ctx, p)
		cancel()
		one.want(t, "", context.Canceled)
		b.put("kept")
		p.Wake()
		poll(p).want(t, "kept\n", nil)
		p.CloseNow()
		wantClosed(t, b, nil)
	})
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewPoll(b, &PollOptions{Write: writeLines, Cut: true})
		ctx, cancel := context.WithCancel(context.Background())
		one := pollWithin(ctx, p)
		cancel()
		one.want(t, "", context.Canceled)
		wantClosed(t, b, context.Canceled)
	})
}

func TestPostWaitsDuringAPause(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBox()
		p := NewPoll(b, &PollOptions{Write: writeLines, Idle: -1})
		p.Pause()
		answers := make(chan error, 2)
		post := func(s string) { answers <- p.Receive([]byte(s), false) }
		go post("first") // both end with their answer
		synctest.Wait()
		if len(b.got) > 0 {
			t.Fatal("a message came up during a pause")
		}
		p.Resume()
		if err := <-answers; err != nil || len(b.got) != 1 {
			t.Errorf("after Resume: got %v, %q", err, b.got)
		}
		p.Pause()
		go post("second")
		synctest.Wait()
		p.CloseNow()
		if err := <-answers; err != ErrGone {
			t.Errorf("Receive on a pipe that has ended: got %v, want %v", err, ErrGone)
		}
		wantClosed(t, b, nil)
	})
}

// TestPostsComeUpOneAtATime: whoever posts at a time, the receiver hears one
// after the other.
func TestPostsComeUpOneAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := &slowBox{box: newBox()}
		p := NewPoll(b, &PollOptions{Write: writeLines, Idle: -1})
		var posting sync.WaitGroup
		for range 10 {
			posting.Go(func() { p.Receive([]byte("x"), false) }) // ends with its message, waited for below
		}
		posting.Wait()
		if len(b.got) != 10 || b.overlaps > 0 {
			t.Errorf("%d messages came up, %d of them while another did, want 10 and none", len(b.got), b.overlaps)
		}
		p.CloseNow()
		wantClosed(t, b.box, nil)
	})
}

// slowBox takes its time over each message.
type slowBox struct {
	*box
	inside, overlaps int // guarded by box.mu
}

func (b *slowBox) Receive(data []byte, binary bool) {
	b.mu.Lock()
	if b.inside++; b.inside > 1 {
		b.overlaps++
	}
	b.mu.Unlock()
	time.Sleep(time.Second)
	b.box.Receive(data, binary)
	b.mu.Lock()
	b.inside--
	b.mu.Unlock()
}
